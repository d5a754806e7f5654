//! The network as an ONNX file that any runtime loads, with the interface of the BVLC file:
//!
//! - input `data_0`, f32 `[N, 3, side, side]` (NCHW), any batch `N`;
//! - output `prob_1`, f32 `[N, classes]`, probabilities;
//! - operator set 12, the names of layers and tensors as BVLC's.
//!
//! Only the step to a vector differs: the file of the model zoo reshapes to a constant
//! `[1, 1024]`, which allows a batch of 1 alone; here it is a `Flatten`.

use std::{io, path::Path};

use prost::Message;
use tract_onnx::pb::{
    AttributeProto, GraphProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, attribute_proto::AttributeType,
    tensor_proto::DataType, tensor_shape_proto::Dimension,
    tensor_shape_proto::dimension::Value as Size, type_proto,
};

pub use tract_onnx::pb::ModelProto;

use super::description::{DROPOUT_RATIO, GoogLeNet, LRN};
use super::single_layers::{Layer, Operation, Window};

/// Name of the input.
pub const INPUT: &str = "data_0";
/// Name of the output.
pub const OUTPUT: &str = "prob_1";

/// The version of the ONNX format (IR) that came with operator set 12.
const IR_VERSION: i64 = 7;
const OPERATOR_SET: i64 = 12;
/// Tensor that goes into the fully connected layer, `[N, channels]`.
const FLAT: &str = "flat";
/// Key of the metadata entry that says `false` when no one has trained the weights.
const TRAINED: &str = "trained";

/// Weights and biases of one layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// `[outputs, inputs, kernel, kernel]` of a convolution, `[outputs, inputs]` of the fully
    /// connected layer.
    pub weights: Vec<f32>,
    /// `[outputs]`.
    pub biases: Vec<f32>,
}

/// Writes `network` as an ONNX model; `parameters` is asked for each layer that has weights, in
/// data-flow order. `trained` is noted in the file, see [`is_trained`].
pub fn model(
    network: &GoogLeNet,
    trained: bool,
    mut parameters: impl FnMut(&Layer) -> Parameters,
) -> ModelProto {
    let layers = network.layers();
    let mut graph = GraphProto {
        name: "googlenet".to_owned(),
        input: vec![value(INPUT, &[GoogLeNet::IMAGE_CHANNELS, network.side(), network.side()])],
        output: vec![value(OUTPUT, &[network.classes()])],
        ..Default::default()
    };
    for layer in &layers {
        let reads = match layer.reads.as_slice() {
            [] => vec![INPUT.to_owned()],
            reads => reads.iter().map(|&read| output(&layers[read])).collect(),
        };
        write_layer(&mut graph, layer, reads, &mut parameters);
    }
    ModelProto {
        ir_version: IR_VERSION,
        opset_import: vec![OperatorSetIdProto { version: OPERATOR_SET, ..Default::default() }],
        producer_name: "googlenet".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(graph),
        metadata_props: vec![StringStringEntryProto {
            key: TRAINED.to_owned(),
            value: trained.to_string(),
        }],
        ..Default::default()
    }
}

/// Whether the weights of `model` are trained: `false` only for a file that says so itself, as
/// those of [`seeded`](super::seeded) do.
pub fn is_trained(model: &ModelProto) -> bool {
    !model.metadata_props.iter().any(|entry| entry.key == TRAINED && entry.value == "false")
}

/// Writes `model` to `path`, over what is there.
///
/// # Errors
/// What the file system says.
pub fn write(model: &ModelProto, path: &Path) -> io::Result<()> {
    std::fs::write(path, model.encode_to_vec())
}

/// Adds the nodes and tensors of one layer.
fn write_layer(
    graph: &mut GraphProto,
    layer: &Layer,
    mut reads: Vec<String>,
    parameters: &mut impl FnMut(&Layer) -> Parameters,
) {
    let mut shape = vec![layer.output.channels, layer.input.channels];
    let (operator, attributes) = match layer.operation {
        Operation::Convolution(window) => {
            shape.extend([window.kernel, window.kernel]);
            ("Conv", window_attributes(window))
        }
        Operation::MaxPooling(window) => ("MaxPool", window_attributes(window)),
        Operation::AveragePooling(window) => ("AveragePool", window_attributes(window)),
        Operation::LocalResponseNormalization => ("LRN", lrn_attributes()),
        Operation::Concatenation => ("Concat", vec![int("axis", 1)]),
        Operation::Dropout => ("Dropout", vec![]),
        Operation::FullyConnected => ("Gemm", vec![int("transB", 1)]),
        Operation::Softmax => ("Softmax", vec![int("axis", 1)]),
    };
    if layer.operation == Operation::FullyConnected {
        let flatten = vec![int("axis", 1)];
        graph.node.push(node("loss3/flatten", "Flatten", reads, FLAT.to_owned(), flatten));
        reads = vec![FLAT.to_owned()];
    }
    if layer.operation == Operation::Dropout {
        let ratio = format!("{}_ratio", layer.name);
        graph.initializer.push(tensor(&ratio, &[], &[DROPOUT_RATIO]));
        reads.push(ratio);
    }
    if layer.cost().weights > 0 {
        let Parameters { weights, biases } = parameters(layer);
        let names = [format!("{}_w_0", layer.name), format!("{}_b_0", layer.name)];
        graph.initializer.push(tensor(&names[0], &shape, &weights));
        graph.initializer.push(tensor(&names[1], &shape[..1], &biases));
        reads.extend(names);
    }
    let first = format!("{}_1", layer.name);
    graph.node.push(node(&layer.name, operator, reads, first.clone(), attributes));
    if let Operation::Convolution(_) = layer.operation {
        graph.node.push(node(&relu(&layer.name), "Relu", vec![first], output(layer), vec![]));
    }
}

/// The tensor that a layer gives, behind its ReLU where it has one.
fn output(layer: &Layer) -> String {
    let last = if matches!(layer.operation, Operation::Convolution(_)) { 2 } else { 1 };
    format!("{}_{last}", layer.name)
}

/// The name of a convolution's ReLU: `inception_3a/relu_1x1` behind `inception_3a/1x1`.
fn relu(convolution: &str) -> String {
    match convolution.split_once('/') {
        Some((module, layer)) => format!("{module}/relu_{layer}"),
        None => format!("relu_{convolution}"),
    }
}

fn node(
    name: &str,
    operator: &str,
    input: Vec<String>,
    output: String,
    attribute: Vec<AttributeProto>,
) -> NodeProto {
    NodeProto {
        name: name.to_owned(),
        op_type: operator.to_owned(),
        input,
        output: vec![output],
        attribute,
        ..Default::default()
    }
}

fn window_attributes(Window { kernel, stride, pad_begin, pad_end }: Window) -> Vec<AttributeProto> {
    vec![
        ints("kernel_shape", &[kernel, kernel]),
        ints("pads", &[pad_begin, pad_begin, pad_end, pad_end]),
        ints("strides", &[stride, stride]),
    ]
}

fn lrn_attributes() -> Vec<AttributeProto> {
    vec![
        float("alpha", LRN.alpha),
        float("beta", LRN.beta),
        float("bias", LRN.bias),
        int("size", LRN.size),
    ]
}

fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: kind.into(), ..Default::default() }
}

fn int(name: &str, value: usize) -> AttributeProto {
    AttributeProto { i: value as i64, ..attribute(name, AttributeType::Int) }
}

fn ints(name: &str, values: &[usize]) -> AttributeProto {
    AttributeProto {
        ints: values.iter().map(|&value| value as i64).collect(),
        ..attribute(name, AttributeType::Ints)
    }
}

fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { f: value, ..attribute(name, AttributeType::Float) }
}

fn tensor(name: &str, shape: &[usize], values: &[f32]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: shape.iter().map(|&dim| dim as i64).collect(),
        data_type: DataType::Float.into(),
        raw_data: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        ..Default::default()
    }
}

/// An f32 tensor `[N, shape…]` of the interface.
fn value(name: &str, shape: &[usize]) -> ValueInfoProto {
    let batch = Size::DimParam("N".to_owned());
    let sizes = shape.iter().map(|&size| Size::DimValue(size as i64));
    let dim = std::iter::once(batch)
        .chain(sizes)
        .map(|size| Dimension { value: Some(size), ..Default::default() })
        .collect();
    let tensor = type_proto::Tensor {
        elem_type: DataType::Float.into(),
        shape: Some(TensorShapeProto { dim }),
    };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto {
            value: Some(type_proto::Value::TensorType(tensor)),
            ..Default::default()
        }),
        ..Default::default()
    }
}
