//! Sorts the nodes so that each comes after those it reads: ONNX demands it, but some tools do not.

use std::collections::{HashMap, HashSet};

use tract_onnx::pb::{GraphProto, NodeProto};

use super::super::check::CheckError;
use super::shown;

/// Sorts the nodes of `graph`, those that are in order where they are.
///
/// # Errors
/// [`CheckError::Node`] when a tensor is written twice, or read and never written, or by a cycle.
pub(super) fn sort(graph: &mut GraphProto, changes: &mut Vec<String>) -> Result<(), CheckError> {
    let mut known: HashSet<String> =
        graph.initializer.iter().map(|tensor| tensor.name.clone()).collect();
    known.extend(graph.input.iter().map(|input| input.name.clone()));
    check_writers(graph, &known)?;
    let mut waiting = std::mem::take(&mut graph.node);
    let mut passes = 0;
    while !waiting.is_empty() {
        let before = waiting.len();
        let mut later = Vec::new();
        for node in waiting {
            if unread(&node, &known).is_none() {
                known.extend(node.output.iter().cloned());
                graph.node.push(node);
            } else {
                later.push(node);
            }
        }
        if later.len() == before {
            return Err(never(&later, &known));
        }
        waiting = later;
        passes += 1;
    }
    if passes > 1 {
        changes.push("its nodes were put in order".into());
    }
    Ok(())
}

/// The first tensor that `node` reads and that is not there.
fn unread<'n>(node: &'n NodeProto, known: &HashSet<String>) -> Option<&'n String> {
    node.input.iter().find(|input| !input.is_empty() && !known.contains(*input))
}

fn check_writers(graph: &GraphProto, known: &HashSet<String>) -> Result<(), CheckError> {
    let mut written: HashMap<&str, &NodeProto> = HashMap::new();
    for node in &graph.node {
        for output in node.output.iter().filter(|output| !output.is_empty()) {
            if known.contains(output) || written.insert(output, node).is_some() {
                let reason = format!(
                    "it writes `{output}`, which something else writes too: the file is damaged"
                );
                return Err(CheckError::Node { node: shown(node), reason });
            }
        }
    }
    Ok(())
}

/// What is wrong with nodes none of which can run.
fn never(nodes: &[NodeProto], known: &HashSet<String>) -> CheckError {
    let written: HashSet<&String> = nodes.iter().flat_map(|node| &node.output).collect();
    let missing = nodes.iter().find_map(|node| {
        let input = node.input.iter().find(|input| {
            !input.is_empty() && !known.contains(*input) && !written.contains(input)
        })?;
        Some((node, input))
    });
    match (missing, nodes.first()) {
        (Some((node, input)), _) => CheckError::Node {
            node: shown(node),
            reason: format!("it reads `{input}`, which nothing computes: the file is damaged"),
        },
        (None, first) => CheckError::Node {
            node: first.map_or_else(String::new, shown),
            reason: "it waits for its own output, by itself or through others: the file is damaged"
                .into(),
        },
    }
}
