//! The one output, made the probabilities of the classes.

use std::collections::HashSet;

use tract_onnx::pb::{
    AttributeProto, GraphProto, NodeProto, attribute_proto::AttributeType, type_proto::Value,
};

use super::super::check::{CheckError, Shape};
use super::{fresh, shown, writer};
use crate::model::OutputKind;

/// Operators that leave the numbers as they are, or nearly so.
const PASSING: [&str; 9] = [
    "Identity",
    "Reshape",
    "Flatten",
    "Squeeze",
    "Unsqueeze",
    "Cast",
    "Transpose",
    "Dropout",
    "Clip",
];

/// Leaves one output, and of the nodes those that it needs; returns what a user should know.
///
/// # Errors
/// [`CheckError::Outputs`] when there is none, or none of the name that is wanted;
/// [`CheckError::OutputMissing`] when nothing computes it.
pub(super) fn select(
    graph: &mut GraphProto,
    wanted: Option<&str>,
) -> Result<Vec<String>, CheckError> {
    let names: Vec<String> = graph.output.iter().map(|output| output.name.clone()).collect();
    let chosen = match wanted {
        Some(wanted) => names.iter().position(|name| name == wanted),
        None => (!names.is_empty()).then_some(0),
    };
    let Some(chosen) = chosen else {
        return Err(CheckError::Outputs { wanted: wanted.map(str::to_owned), names });
    };
    graph.output = vec![graph.output.swap_remove(chosen)];
    let name = &names[chosen];
    if writer(graph, name).is_none() {
        return Err(CheckError::OutputMissing(name.clone()));
    }
    let mut warnings = Vec::new();
    if names.iter().any(|other| other != name) && wanted.is_none() {
        warnings.push(format!(
            "the model has {} outputs ({}): the first, `{name}`, is used; name another as `name` under [output] in \
             the TOML beside it",
            names.len(),
            names.join(", ")
        ));
    }
    Ok(warnings)
}

/// Drops the nodes and weights that the outputs do not need, such as auxiliary classifiers.
pub(super) fn keep_needed(graph: &mut GraphProto) {
    let mut needed: HashSet<String> =
        graph.output.iter().map(|output| output.name.clone()).collect();
    let mut kept: Vec<NodeProto> = Vec::new();
    // A valid graph writes before it reads; for another the check of the order says what is wrong.
    for node in std::mem::take(&mut graph.node).into_iter().rev() {
        if node.output.iter().any(|name| needed.contains(name)) {
            needed.extend(node.input.iter().cloned());
            kept.push(node);
        }
    }
    kept.reverse();
    graph.node = kept;
    graph.initializer.retain(|tensor| needed.contains(&tensor.name));
}

/// Adds what makes probabilities of the output, which is of `kind`, or of what the graph shows; returns what
/// it was.
///
/// # Errors
/// [`CheckError::OutputMissing`] when nothing computes it, [`CheckError::Distribution`] when something follows a softmax.
pub(super) fn to_probabilities(
    graph: &mut GraphProto,
    kind: Option<OutputKind>,
    changes: &mut Vec<String>,
) -> Result<OutputKind, CheckError> {
    let name = graph.output.first().map(|output| output.name.clone()).unwrap_or_default();
    let way = way_to_value(graph, &name);
    let last = *way.last().ok_or_else(|| CheckError::OutputMissing(name.clone()))?;
    let is_clipped = way.iter().any(|&index| graph.node[index].op_type == "Clip");
    let found = kind_of(graph, last);
    if kind.is_none()
        && found == OutputKind::Logits
        && let Some(hidden) = hidden_distribution(graph, last)
    {
        return Err(CheckError::Distribution {
            node: shown(hidden),
            last: shown(&graph.node[last]),
        });
    }
    let kind = kind.unwrap_or(found);
    match kind {
        OutputKind::Probabilities => {}
        OutputKind::LogProbabilities if graph.node[last].op_type == "LogSoftmax" && !is_clipped => {
            graph.node[last].op_type = "Softmax".into();
            changes.push("the last LogSoftmax was made a Softmax".into());
        }
        OutputKind::LogProbabilities => {
            append(graph, &name, &[("Exp", None)]);
            changes.push(format!("the output `{name}` are logarithms: an Exp was added"));
        }
        OutputKind::Logits => {
            let axis = Some(("axis", 1));
            check_flat(graph)?;
            // `[n, classes, 1, 1]` and `[n, 1, 1, classes]` are one list of classes.
            let flat = (rank(graph) != Some(2)).then_some(("Flatten", axis));
            let steps: Vec<_> = flat.into_iter().chain([("Softmax", axis)]).collect();
            append(graph, &name, &steps);
            changes.push(format!("the output `{name}` are logits: a Softmax was added"));
        }
    }
    Ok(kind)
}

fn rank(graph: &GraphProto) -> Option<usize> {
    declared(graph).map(|shape| shape.sizes().len())
}

/// The shape that the file declares for its output, if it does.
fn declared(graph: &GraphProto) -> Option<Shape> {
    match graph.output.first()?.r#type.as_ref()?.value.as_ref()? {
        Value::TensorType(tensor) => tensor.shape.is_some().then(|| Shape::of(tensor)),
    }
}

/// Made flat, a map would look like a list of classes.
fn check_flat(graph: &GraphProto) -> Result<(), CheckError> {
    let Some(shape) = declared(graph) else { return Ok(()) };
    let is_long = |size: &&Result<usize, String>| size.as_ref().is_ok_and(|size| *size > 1);
    if shape.sizes().len() >= 2 && shape.sizes().iter().skip(1).filter(is_long).count() <= 1 {
        return Ok(());
    }
    let name = graph.output.first().map(|output| output.name.clone()).unwrap_or_default();
    Err(CheckError::OutputShape { name, shape })
}

/// The node that computes the values of `tensor`: what only reshapes them is passed over.
fn last_of_value(graph: &GraphProto, tensor: &str) -> Option<usize> {
    way_to_value(graph, tensor).pop()
}

/// The nodes from `tensor` back to that which computes its values, which is the last; none in a cycle, or if nothing
/// computes them.
fn way_to_value(graph: &GraphProto, tensor: &str) -> Vec<usize> {
    let mut tensor = tensor;
    let mut way = Vec::new();
    // Each step goes to another node, or the graph has a cycle.
    for _ in 0..graph.node.len() {
        let writes = |node: &NodeProto| node.output.iter().any(|name| name == tensor);
        let Some(index) = graph.node.iter().position(writes) else { break };
        way.push(index);
        let node = &graph.node[index];
        match node.input.first() {
            Some(input)
                if PASSING.contains(&node.op_type.as_str()) && writer(graph, input).is_some() =>
            {
                tensor = input
            }
            _ => return way,
        }
    }
    Vec::new()
}

/// A node that makes probabilities or scores, between the last layer with weights and the value of the node at `index`.
fn hidden_distribution(graph: &GraphProto, index: usize) -> Option<&NodeProto> {
    const DISTRIBUTIONS: [&str; 4] = ["Softmax", "LogSoftmax", "Hardmax", "Sigmoid"];
    const LAYERS: [&str; 5] = ["Conv", "Gemm", "MatMul", "ConvTranspose", "Einsum"];
    let (mut waiting, mut seen) = (vec![index], HashSet::new());
    while let Some(index) = waiting.pop() {
        let node = &graph.node[index];
        if DISTRIBUTIONS.contains(&node.op_type.as_str()) && !is_gate(graph, node) {
            return Some(node);
        }
        if seen.insert(index) && !LAYERS.contains(&node.op_type.as_str()) {
            let writes =
                |input: &String| graph.node.iter().position(|node| node.output.contains(input));
            waiting.extend(node.input.iter().filter_map(writes));
        }
    }
    None
}

/// Whether a sigmoid only weighs maps, as in `x * sigmoid(x)` or squeeze and excitation.
fn is_gate(graph: &GraphProto, sigmoid: &NodeProto) -> bool {
    let is_map = |name: &String| {
        sigmoid.output.contains(name)
            || writer(graph, name).is_some_and(|node| node.op_type != "Constant")
    };
    let reads = |node: &&NodeProto| node.input.iter().any(|name| sigmoid.output.contains(name));
    sigmoid.op_type == "Sigmoid"
        && graph
            .node
            .iter()
            .filter(reads)
            .all(|node| node.op_type == "Mul" && node.input.iter().all(is_map))
}

/// What the value is that the node at `index` computes.
fn kind_of(graph: &GraphProto, index: usize) -> OutputKind {
    let node = &graph.node[index];
    let input = |at: usize| {
        let name = node.input.get(at)?;
        last_of_value(graph, name).map(|index| &graph.node[index])
    };
    match node.op_type.as_str() {
        "Softmax" | "Sigmoid" => OutputKind::Probabilities,
        "LogSoftmax" => OutputKind::LogProbabilities,
        "Exp" if input(0).is_some_and(|node| node.op_type == "LogSoftmax") => {
            OutputKind::Probabilities
        }
        "Log" if input(0).is_some_and(|node| node.op_type == "Softmax") => {
            OutputKind::LogProbabilities
        }
        // exp(x) / sum(exp(x))
        "Div" => match (input(0), input(1)) {
            (Some(exp), Some(sum))
                if exp.op_type == "Exp"
                    && sum.op_type == "ReduceSum"
                    && sum.input.first().and_then(|name| last_of_value(graph, name))
                        == exp.output.first().and_then(|name| last_of_value(graph, name)) =>
            {
                OutputKind::Probabilities
            }
            _ => OutputKind::Logits,
        },
        _ => OutputKind::Logits,
    }
}

/// Adds nodes between what writes `output` and the output, whose name stays.
fn append(graph: &mut GraphProto, output: &str, steps: &[(&str, Option<(&str, i64)>)]) {
    let mut read = fresh(graph, &format!("{output}/before"));
    for node in &mut graph.node {
        let names = node.input.iter_mut().chain(&mut node.output);
        names.filter(|name| *name == output).for_each(|name| name.clone_from(&read));
    }
    for (index, (operator, attribute)) in steps.iter().enumerate() {
        let written = if index + 1 == steps.len() {
            output.to_owned()
        } else {
            fresh(graph, &format!("{output}/{}", operator.to_lowercase()))
        };
        let attribute = attribute.map(|(name, value)| AttributeProto {
            name: name.into(),
            r#type: AttributeType::Int.into(),
            i: value,
            ..Default::default()
        });
        graph.node.push(NodeProto {
            name: fresh(graph, &format!("{output}/added_{}", operator.to_lowercase())),
            op_type: (*operator).into(),
            input: vec![read],
            output: vec![written.clone()],
            attribute: attribute.into_iter().collect(),
            ..Default::default()
        });
        read = written;
    }
}
