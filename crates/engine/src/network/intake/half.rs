//! Weights, inputs and outputs in 16 or 64 bits, made 32 bits wide: the kernels and the service speak f32.

use half::{bf16, f16};
use tract_onnx::pb::{
    ModelProto, TensorProto, ValueInfoProto, tensor_proto::DataType, type_proto::Value,
};

use super::super::check::{self, CheckError};

/// Makes all floating point in `model` f32.
///
/// # Errors
/// [`CheckError::Tensor`] when a tensor's bytes are not whole elements.
pub(super) fn widen(model: &mut ModelProto, changes: &mut Vec<String>) -> Result<(), CheckError> {
    let graph = model.graph.as_mut().ok_or_else(check::no_graph)?;
    let mut widened = 0;
    let attributes = graph.node.iter_mut().flat_map(|node| &mut node.attribute);
    let constants = attributes.filter_map(|attribute| attribute.t.as_mut());
    for tensor in graph.initializer.iter_mut().chain(constants) {
        widened += usize::from(widen_tensor(tensor)?);
    }
    for value in graph.input.iter_mut().chain(&mut graph.output) {
        widened += usize::from(widen_value(value));
    }
    if widened == 0 {
        return Ok(());
    }
    for node in graph.node.iter_mut().filter(|node| node.op_type == "Cast") {
        let to = node.attribute.iter_mut().find(|attribute| attribute.name == "to");
        if let Some(to) = to.filter(|to| is_other_float(to.i as i32)) {
            to.i = DataType::Float as i64;
        }
    }
    changes.push(format!("{widened} tensors of 16 or 64 bits were made 32 bits wide"));
    Ok(())
}

fn is_other_float(data_type: i32) -> bool {
    matches!(
        DataType::try_from(data_type),
        Ok(DataType::Float16 | DataType::Bfloat16 | DataType::Double)
    )
}

fn widen_value(value: &mut ValueInfoProto) -> bool {
    let Some(Value::TensorType(tensor)) = value.r#type.as_mut().and_then(|of| of.value.as_mut())
    else {
        return false;
    };
    let is_other = is_other_float(tensor.elem_type);
    if is_other {
        tensor.elem_type = DataType::Float.into();
    }
    is_other
}

fn widen_tensor(tensor: &mut TensorProto) -> Result<bool, CheckError> {
    let values: Option<Vec<f32>> = match DataType::try_from(tensor.data_type) {
        Ok(DataType::Float16) => {
            halves(tensor).map(|bits| bits.map(|b| f16::from_bits(b).to_f32()).collect())
        }
        Ok(DataType::Bfloat16) => {
            halves(tensor).map(|bits| bits.map(|b| bf16::from_bits(b).to_f32()).collect())
        }
        Ok(DataType::Double) => doubles(tensor),
        _ => return Ok(false),
    };
    let values = values.ok_or_else(|| CheckError::Tensor {
        name: tensor.name.clone(),
        reason: "its bytes are not whole numbers of its type: the file is damaged".into(),
    })?;
    tensor.raw_data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    tensor.int32_data.clear();
    tensor.double_data.clear();
    tensor.data_type = DataType::Float.into();
    Ok(true)
}

/// The bits of 16-bit elements: raw, or the low half of an `int32_data`.
fn halves(tensor: &TensorProto) -> Option<Box<dyn Iterator<Item = u16> + '_>> {
    if tensor.raw_data.is_empty() {
        return Some(Box::new(tensor.int32_data.iter().map(|&bits| bits as u16)));
    }
    let (elements, rest) = tensor.raw_data.as_chunks::<2>();
    rest.is_empty()
        .then(|| Box::new(elements.iter().map(|&bytes| u16::from_le_bytes(bytes))) as Box<_>)
}

fn doubles(tensor: &TensorProto) -> Option<Vec<f32>> {
    if tensor.raw_data.is_empty() {
        return Some(tensor.double_data.iter().map(|&value| value as f32).collect());
    }
    let (elements, rest) = tensor.raw_data.as_chunks::<8>();
    rest.is_empty()
        .then(|| elements.iter().map(|&bytes| f64::from_le_bytes(bytes) as f32).collect())
}
