//! What a file says of itself, whether it can be served or not.

use tract_onnx::pb::{ModelProto, ValueInfoProto, tensor_proto::DataType, type_proto::Value};

use super::check::{self, Shape};
use super::intake::short;

/// What stands in a file's head and in the declaration of its graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFacts {
    /// Who wrote it, with a version; empty if it does not say.
    pub producer: String,
    /// Version of ONNX's operators.
    pub opset: i64,
    /// Nodes of the graph.
    pub nodes: usize,
    /// Inputs that are no weights.
    pub inputs: Vec<Declared>,
    /// All outputs.
    pub outputs: Vec<Declared>,
}

/// An input or output as the file declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Its name.
    pub name: String,
    /// Its type as ONNX calls it.
    pub data_type: String,
    /// Its shape.
    pub shape: Shape,
}

impl FileFacts {
    /// Reads them.
    pub fn of(model: &ModelProto) -> Self {
        let onnx =
            model.opset_import.iter().find(|set| set.domain.is_empty() || set.domain == "ai.onnx");
        let graph = model.graph.as_ref();
        let inputs = graph.into_iter().flat_map(check::inputs);
        let outputs = graph.iter().flat_map(|graph| &graph.output);
        let producer = format!("{} {}", model.producer_name, model.producer_version);
        Self {
            producer: short(producer.trim(), 80),
            opset: onnx.map_or(1, |set| set.version),
            nodes: graph.map_or(0, |graph| graph.node.len()),
            inputs: inputs.map(declared).collect(),
            outputs: outputs.map(declared).collect(),
        }
    }
}

fn declared(value: &ValueInfoProto) -> Declared {
    let of_value = value.r#type.as_ref().and_then(|of| of.value.as_ref());
    let tensor = of_value.map(|Value::TensorType(tensor)| tensor);
    let data_type = tensor.and_then(|tensor| DataType::try_from(tensor.elem_type).ok());
    Declared {
        name: short(&value.name, 80),
        data_type: data_type.unwrap_or(DataType::Undefined).as_str_name().to_owned(),
        shape: tensor.map(Shape::of).unwrap_or_default(),
    }
}
