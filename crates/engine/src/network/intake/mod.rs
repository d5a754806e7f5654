//! From a file as an exporter wrote it to the one form that the reports and the plan read:
//!
//! - one input, f32 `[n, 3, side, side]`, and one output, f32, the probabilities of the classes;
//! - weights in f32, inside the file; only operators of ONNX itself, no functions;
//! - no shapes of inner tensors: tract finds them.
//!
//! What cannot be brought into this form is refused here, by a sentence that names the node, before anything is
//! optimised or allocated for it.

mod bounds;
mod constants;
mod counting;
mod external_data;
mod functions;
mod fused;
mod growth;
mod half;
mod image_input;
mod operators;
mod order;
mod output;
mod pads;
mod squeeze;
mod subtraction;

use tract_onnx::pb::{GraphProto, ModelProto, NodeProto};

use super::check::{CheckError, no_graph};
use crate::model::OutputKind;

pub use external_data::{ExternalDataError, read_external_data};
pub use operators::operators;

/// What the description beside a file says of its graph.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Width and height of the input where the graph leaves them open, in pixels.
    pub side: usize,
    /// The output to use, if there are several.
    pub output: Option<String>,
    /// What the output is, if the graph is not to be believed.
    pub kind: Option<OutputKind>,
}

/// A graph in the form that can be served, and what was done to it.
#[derive(Clone, Debug)]
pub struct Intake {
    /// The graph.
    pub model: ModelProto,
    /// What its output was in the file. In `model` it is always the probabilities.
    pub output_kind: OutputKind,
    /// What was changed, a sentence each, for `inspect` and the log.
    pub changes: Vec<String>,
    /// What a user should know of, such as outputs that are not used.
    pub warnings: Vec<String>,
}

/// Reads an ONNX model from the bytes of a file.
///
/// # Errors
/// As [`check::decode`](super::check::decode), and [`CheckError::TooLarge`] before it takes memory for what it holds.
pub fn decode(bytes: &[u8]) -> Result<ModelProto, CheckError> {
    let found = counting::count(bytes);
    let limits = [
        ("nodes and tensors", found.parts, bounds::MOST_PARTS),
        ("bytes of numbers that are not stored raw", found.packed_bytes, bounds::MOST_PACKED_BYTES),
    ];
    for (what, found, most) in limits {
        if found > most {
            return Err(CheckError::TooLarge { what, found, most });
        }
    }
    super::check::decode(bytes)
}

/// Brings `model`, whose weights are all inside, into the form that can be served.
///
/// # Errors
/// [`CheckError`] names the first thing that is in the way.
pub fn intake(mut model: ModelProto, wanted: &Wanted) -> Result<Intake, CheckError> {
    let mut changes = Vec::new();
    bounds::check(&model)?;
    functions::inline(&mut model, &mut changes)?;
    fused::expand(&mut model, &mut changes)?;
    let graph = model.graph.as_mut().ok_or_else(no_graph)?;
    // Exporters leave wrong ones behind when a graph is changed afterwards.
    graph.value_info.clear();
    order::sort(graph, &mut changes)?;
    let warnings = output::select(graph, wanted.output.as_deref())?;
    // What serves an output that is not used may be anything.
    output::keep_needed(graph);
    operators::check(&model)?;
    half::widen(&mut model, &mut changes)?;
    bounds::check_values(&model)?;
    let graph = model.graph.as_mut().ok_or_else(no_graph)?;
    growth::check(graph)?;
    pads::merge(graph, &mut changes);
    squeeze::split(graph);
    output::keep_needed(graph);
    image_input::bind(graph, wanted.side, &mut changes)?;
    let output_kind = output::to_probabilities(graph, wanted.kind, &mut changes)?;
    subtraction::negate(graph);
    Ok(Intake { model, output_kind, changes, warnings })
}

/// How a message calls a node: by its name, or by what it writes.
fn shown(node: &NodeProto) -> String {
    let name = if node.name.is_empty() {
        node.output.first().map_or("", String::as_str)
    } else {
        &node.name
    };
    format!("`{}` ({})", short(name, 80), short(&node.op_type, 40))
}

/// The first characters of a name, none of which moves a terminal's cursor.
pub(super) fn short(name: &str, most: usize) -> String {
    let visible = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    name.chars().take(most).map(visible).collect()
}

/// The node that writes `tensor`.
fn writer<'a>(graph: &'a GraphProto, tensor: &str) -> Option<&'a NodeProto> {
    graph.node.iter().find(|node| node.output.iter().any(|output| output == tensor))
}

/// A name that nothing in the graph has yet.
fn fresh(graph: &GraphProto, wish: &str) -> String {
    let taken = |name: &str| {
        graph
            .node
            .iter()
            .any(|node| node.name == name || node.output.iter().any(|output| output == name))
            || graph.initializer.iter().any(|tensor| tensor.name == name)
            || graph.input.iter().any(|input| input.name == name)
    };
    let mut name = wish.to_owned();
    while taken(&name) {
        name.push('_');
    }
    name
}
