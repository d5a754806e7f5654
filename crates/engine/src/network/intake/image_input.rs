//! The one input, bound to one image: its layout, its type, its size.

use tract_onnx::pb::{
    AttributeProto, GraphProto, NodeProto, TensorProto, ValueInfoProto,
    attribute_proto::AttributeType,
    tensor_proto::DataType,
    tensor_shape_proto::Dimension,
    tensor_shape_proto::dimension::Value as Size,
    type_proto::{Tensor, Value},
};

use super::super::check::{self, CheckError, Shape};
use super::super::description::GoogLeNet;
use super::constants::{attribute, constant, whole_numbers};
use super::fresh;

/// Order of the dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// Channels before rows.
    Nchw,
    /// Channels last, as TensorFlow has them.
    Nhwc,
}

/// Makes the input f32 `[1, 3, side, side]`; `side` is for a graph that leaves its size open.
///
/// # Errors
/// [`CheckError::Inputs`], [`CheckError::Type`], [`CheckError::InputShape`].
pub(super) fn bind(
    graph: &mut GraphProto,
    side: usize,
    changes: &mut Vec<String>,
) -> Result<(), CheckError> {
    graph.input = check::inputs(graph).into_iter().cloned().collect();
    let names = || graph.input.iter().map(|input| input.name.clone()).collect();
    let [input] = graph.input.as_slice() else { return Err(CheckError::Inputs(names())) };
    let name = input.name.clone();
    let (layout, side, batch) = read(input, side)?;
    let is_bytes = |tensor: &Tensor| tensor.elem_type == i32::from(DataType::Uint8);
    if tensor(input).is_some_and(is_bytes) && !is_widened(graph, &name, 0) {
        return Err(CheckError::Node {
            node: format!("that reads the bytes of `{name}`"),
            reason:
                "bytes must go through a Cast to float first: normalise within the graph behind it"
                    .into(),
        });
    }
    let input = &mut graph.input[0];
    if let Some(tensor) = tensor_mut(input) {
        if tensor.elem_type == i32::from(DataType::Uint8) {
            tensor.elem_type = DataType::Float.into();
            changes
                .push(format!("the input `{name}` takes bytes; it is given whole numbers in f32"));
        }
        let sizes = [1, GoogLeNet::IMAGE_CHANNELS, side, side].map(|size| Dimension {
            value: Some(Size::DimValue(size as i64)),
            ..Default::default()
        });
        tensor.shape.get_or_insert_default().dim = sizes.to_vec();
    }
    if batch > 1 {
        unbatch(graph, batch);
        changes.push(format!(
            "it was exported for batches of {batch}; it is run for one image at a time"
        ));
    }
    if layout == Layout::Nhwc {
        transpose(graph, &name);
        changes.push(format!("the input `{name}` has its channels last; they are moved"));
    }
    Ok(())
}

/// Layout, side and batch of the input.
fn read(input: &ValueInfoProto, open_side: usize) -> Result<(Layout, usize, i64), CheckError> {
    let name = || input.name.clone();
    let shape_error = |shape| CheckError::InputShape { name: name(), shape };
    let Some(Value::TensorType(tensor)) = input.r#type.as_ref().and_then(|of| of.value.as_ref())
    else {
        return Err(shape_error(Shape::default()));
    };
    let data_type = DataType::try_from(tensor.elem_type).unwrap_or(DataType::Undefined);
    if !matches!(data_type, DataType::Float | DataType::Uint8) {
        return Err(CheckError::Type { name: name(), found: data_type.as_str_name().to_owned() });
    }
    let shape = Shape::of(tensor);
    let channels = Ok(GoogLeNet::IMAGE_CHANNELS);
    let (layout, height, width) = match shape.sizes() {
        [_, found, height, width] if *found == channels => (Layout::Nchw, height, width),
        [_, height, width, found] if *found == channels => (Layout::Nhwc, height, width),
        _ => return Err(shape_error(shape)),
    };
    let bound = |size: &Result<usize, String>| size.clone().unwrap_or(open_side);
    let (height, width) = (bound(height), bound(width));
    if height != width || !(1..=GoogLeNet::MAX_SIDE).contains(&height) {
        return Err(shape_error(shape));
    }
    let batch = shape.sizes().first().and_then(|size| size.clone().ok()).unwrap_or(1);
    Ok((layout, height, batch as i64))
}

fn tensor(value: &ValueInfoProto) -> Option<&Tensor> {
    match value.r#type.as_ref()?.value.as_ref()? {
        Value::TensorType(tensor) => Some(tensor),
    }
}

fn tensor_mut(value: &mut ValueInfoProto) -> Option<&mut Tensor> {
    match value.r#type.as_mut()?.value.as_mut()? {
        Value::TensorType(tensor) => Some(tensor),
    }
}

/// Puts a batch of one in place of `batch` into the shapes that the graph reshapes to.
fn unbatch(graph: &mut GraphProto, batch: i64) {
    for index in 0..graph.node.len() {
        let node = &graph.node[index];
        let reads_a_map = node.input.first().is_some_and(|data| constant(graph, data).is_none());
        if node.op_type != "Reshape" || !reads_a_map {
            continue;
        }
        let shape = node.input.get(1).and_then(|shape| constant(graph, shape));
        let Some(shape) = shape.filter(|shape| whole_numbers(shape).next() == Some(batch)) else {
            continue;
        };
        // A copy: others may read the same numbers as something else.
        let mut own = shape.clone();
        own.name = fresh(graph, &format!("{}/of_one_image", node.input[1]));
        set_first(&mut own);
        graph.node[index].input[1].clone_from(&own.name);
        graph.initializer.push(own);
    }
}

/// Whether bytes are only ever made numbers that hold all of them.
fn is_widened(graph: &GraphProto, tensor: &str, depth: usize) -> bool {
    const DEEPEST: usize = 8;
    let wide =
        [DataType::Float, DataType::Float16, DataType::Double, DataType::Int32, DataType::Int64];
    let wide = wide.map(i32::from);
    let mut readers =
        graph.node.iter().filter(|node| node.input.iter().any(|input| input == tensor));
    readers.all(|node| match node.op_type.as_str() {
        "Cast" => attribute(node, "to").is_some_and(|to| wide.contains(&(to.i as i32))),
        "Transpose" | "Identity" | "Reshape" | "Slice" | "Gather" | "Split" | "Concat"
        | "Squeeze" | "Unsqueeze" => {
            depth < DEEPEST && node.output.iter().all(|output| is_widened(graph, output, depth + 1))
        }
        _ => false,
    })
}

fn set_first(tensor: &mut TensorProto) {
    if let Some(bytes) = tensor.raw_data.first_chunk_mut::<8>() {
        *bytes = 1i64.to_le_bytes();
    }
    if let Some(first) = tensor.int64_data.first_mut() {
        *first = 1;
    }
}

/// Moves the channels of the input last, for the nodes that read it.
fn transpose(graph: &mut GraphProto, input: &str) {
    let moved = fresh(graph, &format!("{input}/channels_last"));
    for name in graph.node.iter_mut().flat_map(|node| &mut node.input).filter(|name| *name == input)
    {
        name.clone_from(&moved);
    }
    let node = NodeProto {
        name: moved.clone(),
        op_type: "Transpose".into(),
        input: vec![input.to_owned()],
        output: vec![moved],
        attribute: vec![AttributeProto {
            name: "perm".into(),
            r#type: AttributeType::Ints.into(),
            ints: vec![0, 2, 3, 1],
            ..Default::default()
        }],
        ..Default::default()
    };
    graph.node.insert(0, node);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One constant is the axes of a mean and the shape of a Reshape: only the shape becomes one image's.
    #[test]
    fn a_shape_of_a_batch_is_changed_for_its_reshape_alone() {
        let node = |operator: &str, data: &str, output: &str| NodeProto {
            op_type: operator.into(),
            input: vec![data.into(), "numbers".into()],
            output: vec![output.into()],
            ..Default::default()
        };
        let numbers =
            TensorProto { name: "numbers".into(), int64_data: vec![2, 3], ..Default::default() };
        let mut graph = GraphProto {
            node: vec![node("ReduceMean", "x", "mean"), node("Reshape", "mean", "y")],
            initializer: vec![numbers],
            ..Default::default()
        };
        unbatch(&mut graph, 2);
        let read = |node: &NodeProto| {
            let numbers = constant(&graph, &node.input[1]);
            numbers.map(|numbers| numbers.int64_data.clone())
        };
        assert_eq!(read(&graph.node[0]), Some(vec![2, 3]));
        assert_eq!(read(&graph.node[1]), Some(vec![1, 3]));
    }
}
