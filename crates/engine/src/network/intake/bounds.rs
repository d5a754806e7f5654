//! Refuses sizes that no network for images has, before anything is allocated for them.

use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, tensor_proto::DataType,
};

use super::super::check::{self, CheckError};
use super::constants::{constant, whole_numbers};
use super::{short, shown};

/// That compute something: GoogLeNet has 143, with batch normalisation spelled out some hundreds. tract goes through
/// them by recursion, and takes half a minute to optimise 2,000.
pub(super) const MOST_NODES: usize = 1_200;
/// With those that hold weights.
const MOST_WITH_CONSTANTS: usize = 10_000;
const MOST_TENSORS: usize = 20_000;
/// Nodes and tensors.
pub(super) const MOST_PARTS: usize = MOST_WITH_CONSTANTS + MOST_TENSORS;
/// Numbers of variable length, as 16-bit weights may be stored: a GoogLeNet's take 20 MB. Read, they take up to sixteen
/// times as much.
pub(super) const MOST_PACKED_BYTES: usize = 32 << 20;
/// Elements of one tensor of weights: 1 GiB in f32.
const MOST_ELEMENTS: u64 = 1 << 28;
/// What the pads, strides, kernels and dilations of a window may be.
const MOST_PIXELS: u64 = 4096;
/// Operators with a window.
const WINDOWS: [&str; 7] =
    ["Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool", "Pad", "LRN"];
const MOST_DIMENSIONS: usize = 8;
const SPARSE: &str = "sparse weights are not read: save the model with dense ones";
/// Operators that make a tensor of a size that they are told, which no network for images needs.
const MAKERS: [&str; 8] = [
    "ConstantOfShape",
    "Expand",
    "Tile",
    "Range",
    "EyeLike",
    "RandomNormal",
    "RandomUniform",
    "Resize",
];

/// Checks the numbers of a file against each other.
///
/// # Errors
/// [`CheckError::TooLarge`], [`CheckError::Tensor`], [`CheckError::Node`].
pub(super) fn check(model: &ModelProto) -> Result<(), CheckError> {
    let graph = model.graph.as_ref().ok_or_else(check::no_graph)?;
    let functions = model.functions.iter().map(|function| function.node.len());
    let nodes = graph.node.len() + functions.sum::<usize>();
    if nodes > MOST_WITH_CONSTANTS {
        return Err(CheckError::TooLarge {
            what: "nodes",
            found: nodes,
            most: MOST_WITH_CONSTANTS,
        });
    }
    let computing = graph.node.iter().filter(|node| node.op_type != "Constant").count();
    if computing > MOST_NODES {
        return Err(CheckError::TooLarge { what: "nodes", found: computing, most: MOST_NODES });
    }
    let tensors = graph.initializer.len();
    if tensors > MOST_TENSORS {
        return Err(CheckError::TooLarge {
            what: "tensors of weights",
            found: tensors,
            most: MOST_TENSORS,
        });
    }
    if let Some(sparse) = graph.sparse_initializer.first() {
        let values = sparse.values.as_ref();
        let name = values.map_or_else(String::new, |values| short(&values.name, 80));
        return Err(CheckError::Tensor { name, reason: SPARSE.into() });
    }
    check_names(graph)?;
    for tensor in &graph.initializer {
        check_tensor(tensor)?;
    }
    check_pads(graph)?;
    for node in graph.node.iter().chain(model.functions.iter().flat_map(|function| &function.node))
    {
        check_node(node)?;
    }
    Ok(())
}

/// A line break or an escape in a name is not an exporter's.
fn check_names(graph: &GraphProto) -> Result<(), CheckError> {
    let of_nodes = graph
        .node
        .iter()
        .flat_map(|node| node.output.iter().chain([&node.name, &node.op_type, &node.domain]));
    let values = graph.input.iter().chain(&graph.output).map(|value| &value.name);
    let tensors = graph.initializer.iter().map(|tensor| &tensor.name);
    match of_nodes.chain(values).chain(tensors).find(|name| name.contains(char::is_control)) {
        Some(name) => Err(CheckError::Name(short(name, 80))),
        None => Ok(()),
    }
}

fn check_tensor(tensor: &TensorProto) -> Result<(), CheckError> {
    let refused = |reason: String| CheckError::Tensor { name: short(&tensor.name, 80), reason };
    let dims = &tensor.dims;
    let elements = dims
        .iter()
        .try_fold(1u64, |product, &dim| product.checked_mul(u64::try_from(dim).ok()?))
        .filter(|elements| *elements <= MOST_ELEMENTS && dims.len() <= MOST_DIMENSIONS)
        .ok_or_else(|| {
            refused(format!("its shape {:?} is not one of weights", &dims[..dims.len().min(9)]))
        })?;
    let Some(bytes) = bytes_of(tensor.data_type) else { return Ok(()) };
    let held = if tensor.raw_data.is_empty() {
        typed_elements(tensor).map(|held| held as u64)
    } else {
        let length = tensor.raw_data.len() as u64;
        length.is_multiple_of(bytes).then_some(length / bytes)
    };
    match held {
        Some(held) if held == elements => Ok(()),
        held => Err(refused(format!(
            "its shape {dims:?} takes {elements} elements, it holds {}: the file is damaged",
            held.map_or_else(|| "a broken one".into(), |held| held.to_string())
        ))),
    }
}

/// Bytes that a tensor takes in `raw_data`, where its type and shape are those of weights.
pub(super) fn bytes(tensor: &TensorProto) -> Option<u64> {
    let sizes = tensor.dims.iter().map(|&dim| u64::try_from(dim).ok());
    let elements = sizes.into_iter().try_fold(1u64, |all, size| all.checked_mul(size?))?;
    elements.checked_mul(bytes_of(tensor.data_type)?)
}

/// Bytes of one element in `raw_data`; none for types that a network's weights do not have.
fn bytes_of(data_type: i32) -> Option<u64> {
    match DataType::try_from(data_type).ok()? {
        DataType::Float | DataType::Int32 | DataType::Uint32 => Some(4),
        DataType::Float16 | DataType::Bfloat16 | DataType::Int16 | DataType::Uint16 => Some(2),
        DataType::Int8 | DataType::Uint8 | DataType::Bool => Some(1),
        DataType::Double | DataType::Int64 | DataType::Uint64 => Some(8),
        _ => None,
    }
}

/// Elements that are not raw bytes.
fn typed_elements(tensor: &TensorProto) -> Option<usize> {
    Some(match DataType::try_from(tensor.data_type).ok()? {
        DataType::Float => tensor.float_data.len(),
        DataType::Double => tensor.double_data.len(),
        DataType::Int64 => tensor.int64_data.len(),
        DataType::Uint32 | DataType::Uint64 => tensor.uint64_data.len(),
        _ => tensor.int32_data.len(),
    })
}

fn check_node(node: &NodeProto) -> Result<(), CheckError> {
    let refused = |reason: String| CheckError::Node { node: shown(node), reason };
    if MAKERS.contains(&node.op_type.as_str()) {
        return Err(refused(
            "it makes a tensor of a size that only the run tells, which is not run here: simplify the model (python -m \
             onnxsim in.onnx out.onnx) or export it with fixed sizes"
                .into(),
        ));
    }
    for attribute in &node.attribute {
        let mut numbers = attribute.ints.iter().chain(std::iter::once(&attribute.i));
        let has_window = WINDOWS.contains(&node.op_type.as_str());
        if has_window && numbers.any(|number| number.unsigned_abs() > MOST_PIXELS) {
            return Err(refused(format!(
                "its attribute `{}` is out of all proportion",
                attribute.name
            )));
        }
        if has_graph(attribute) {
            return Err(refused(
                "loops and branches are not run: export the model in evaluation mode, without them"
                    .into(),
            ));
        }
        if attribute.sparse_tensor.is_some() {
            return Err(refused(SPARSE.into()));
        }
        if let Some(tensor) = &attribute.t {
            check_tensor(tensor)?;
        }
    }
    Ok(())
}

/// Newer operators take their pads as a tensor.
fn check_pads(graph: &GraphProto) -> Result<(), CheckError> {
    for node in graph.node.iter().filter(|node| node.op_type == "Pad") {
        let Some(pads) = node.input.get(1) else { continue };
        let Some(pads) = constant(graph, pads) else { continue };
        if whole_numbers(pads).any(|pad| pad.unsigned_abs() > MOST_PIXELS) {
            let reason = "its padding is out of all proportion".into();
            return Err(CheckError::Node { node: shown(node), reason });
        }
    }
    Ok(())
}

fn has_graph(attribute: &AttributeProto) -> bool {
    attribute.g.is_some() || !attribute.graphs.is_empty()
}

/// Checks that all weights are finite: a NaN may lie where no answer shows it.
///
/// # Errors
/// [`CheckError::Tensor`] names the first that has another.
pub(super) fn check_values(model: &ModelProto) -> Result<(), CheckError> {
    let graph = model.graph.as_ref().ok_or_else(check::no_graph)?;
    let constants = graph
        .node
        .iter()
        .flat_map(|node| &node.attribute)
        .filter_map(|attribute| attribute.t.as_ref());
    for tensor in graph.initializer.iter().chain(constants) {
        if tensor.data_type != i32::from(DataType::Float) {
            continue;
        }
        let raw = tensor.raw_data.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes));
        if !raw.chain(tensor.float_data.iter().copied()).all(f32::is_finite) {
            return Err(CheckError::Tensor {
                name: short(&tensor.name, 80),
                reason: "there is a NaN or an infinity among them: the training has diverged, or the file is damaged"
                    .into(),
            });
        }
    }
    Ok(())
}
