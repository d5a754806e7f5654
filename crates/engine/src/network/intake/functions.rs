//! Functions of the file itself (ONNX, model-local functions), put in place of the nodes that call them.

use std::collections::HashMap;

use tract_onnx::pb::{AttributeProto, FunctionProto, ModelProto, NodeProto};

use super::super::check::{self, CheckError};
use super::bounds::MOST_NODES;
use super::shown;

/// Functions that call functions, so deep.
const DEEPEST: usize = 8;

/// Puts the nodes of each function in place of its calls.
///
/// # Errors
/// [`CheckError::Node`] when they call each other too deep, or become too many.
pub(super) fn inline(model: &mut ModelProto, changes: &mut Vec<String>) -> Result<(), CheckError> {
    let functions = std::mem::take(&mut model.functions);
    if functions.is_empty() {
        return Ok(());
    }
    let by_name: HashMap<(&str, &str), &FunctionProto> =
        functions.iter().map(|function| ((function.domain(), function.name()), function)).collect();
    if by_name.len() < functions.len() {
        return Err(CheckError::Node {
            node: "of a function".into(),
            reason: "two functions have one name (overloads), which are not told apart: export the model without \
                     functions"
                .into(),
        });
    }
    let graph = model.graph.as_mut().ok_or_else(check::no_graph)?;
    let mut calls = 0;
    for _ in 0..DEEPEST {
        let before = std::mem::take(&mut graph.node);
        let mut called = false;
        for node in before {
            match by_name.get(&(node.domain.as_str(), node.op_type.as_str())) {
                None => graph.node.push(node),
                Some(function) => {
                    called = true;
                    calls += 1;
                    graph.node.extend(body(function, &node, calls)?);
                }
            }
            if graph.node.len() > MOST_NODES {
                let (what, found) = ("nodes in its functions", graph.node.len());
                return Err(CheckError::TooLarge { what, found, most: MOST_NODES });
            }
        }
        if !called {
            if calls == 0 {
                return Ok(());
            }
            changes.push(format!(
                "{} functions were put in place of the {calls} nodes that call them",
                functions.len()
            ));
            return Ok(());
        }
    }
    let node = graph
        .node
        .iter()
        .find(|node| by_name.contains_key(&(node.domain.as_str(), node.op_type.as_str())));
    let node = node.map_or_else(|| "a function".to_owned(), shown);
    Err(CheckError::Node {
        node,
        reason: "its functions call each other without end: export the model again".into(),
    })
}

/// The nodes of `function` as `call` runs them, with names of their own.
///
/// # Errors
/// [`CheckError::Node`] when an attribute has no value at the call: tract's reader does not see the function's own.
fn body(
    function: &FunctionProto,
    call: &NodeProto,
    number: usize,
) -> Result<Vec<NodeProto>, CheckError> {
    let inside = function.input.iter().chain(&function.output);
    // What the call leaves out is empty.
    let given = |names: &[String], index: usize| names.get(index).cloned().unwrap_or_default();
    let inputs = (0..function.input.len()).map(|index| given(&call.input, index));
    let outputs = (0..function.output.len()).map(|index| given(&call.output, index));
    let outside: HashMap<&String, String> = inside.zip(inputs.chain(outputs)).collect();
    let prefix = if call.name.is_empty() { &call.op_type } else { &call.name };
    let rename = |name: &String| match outside.get(name) {
        _ if name.is_empty() => String::new(),
        Some(given) if !given.is_empty() || function.input.contains(name) => given.clone(),
        _ => format!("{prefix}/{number}/{name}"),
    };
    let copy = |node: &NodeProto| {
        let attributes = node.attribute.iter().map(|attribute| bound(attribute, call));
        Ok(NodeProto {
            name: format!("{prefix}/{number}/{}", node.name),
            input: node.input.iter().map(rename).collect(),
            output: node.output.iter().map(rename).collect(),
            attribute: attributes.collect::<Result<_, _>>()?,
            ..node.clone()
        })
    };
    function.node.iter().map(copy).collect()
}

/// An attribute whose value the call may give.
fn bound(attribute: &AttributeProto, call: &NodeProto) -> Result<AttributeProto, CheckError> {
    if attribute.ref_attr_name.is_empty() {
        return Ok(attribute.clone());
    }
    let given = call.attribute.iter().find(|given| given.name == attribute.ref_attr_name);
    match given {
        Some(given) => Ok(AttributeProto { name: attribute.name.clone(), ..given.clone() }),
        None => Err(CheckError::Node {
            node: shown(call),
            reason: format!(
                "it calls a function without its attribute `{}`, whose default is not read: export the model without \
                 functions",
                attribute.ref_attr_name
            ),
        }),
    }
}
