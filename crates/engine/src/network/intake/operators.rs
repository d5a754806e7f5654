//! Which operators can be run and which cannot; decided before tract sees them.

use tract_onnx::pb::{GraphProto, ModelProto, NodeProto};

use super::super::check::{self, CheckError};
use super::constants::{attribute, constant, whole_numbers};
use super::shown;

/// Versions of the operator set that are tried by tests.
const OPSETS: std::ops::RangeInclusive<i64> = 7..=25;
/// The names under which ONNX's own operators go.
const ONNX: [&str; 2] = ["", "ai.onnx"];

/// The operators that are run: each was held against ONNX Runtime (`tests/engine/operator_models.rs`). Others of ONNX are left out
/// because tract 0.23.9 gives other values, or none: Celu, GlobalLpPool, Mod, GridSample (cubic), ReduceLogSumExp (it
/// overflows), GatherND and ScatterND (negative indices end in a panic), or because they were not tried.
const OPERATORS: &[&str] = &[
    "Abs",
    "Acos",
    "Acosh",
    "Add",
    "And",
    "ArgMax",
    "ArgMin",
    "Asin",
    "Asinh",
    "Atan",
    "Atanh",
    "AveragePool",
    "BatchNormalization",
    "BitShift",
    "BitwiseAnd",
    "BitwiseNot",
    "BitwiseOr",
    "BitwiseXor",
    "Cast",
    "CastLike",
    "Ceil",
    "Clip",
    "Concat",
    "Constant",
    "Conv",
    "ConvTranspose",
    "Cos",
    "Cosh",
    "DepthToSpace",
    "Div",
    "Dropout",
    "Einsum",
    "Elu",
    "Equal",
    "Erf",
    "Exp",
    "Flatten",
    "Floor",
    "Gather",
    "GatherElements",
    "Gelu",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "Greater",
    "GreaterOrEqual",
    "GroupNormalization",
    "HardSigmoid",
    "HardSwish",
    "Hardmax",
    "Identity",
    "InstanceNormalization",
    "IsInf",
    "IsNaN",
    "LRN",
    "LayerNormalization",
    "LeakyRelu",
    "Less",
    "LessOrEqual",
    "Log",
    "LogSoftmax",
    "LpNormalization",
    "MatMul",
    "Max",
    "MaxPool",
    "Mean",
    "MeanVarianceNormalization",
    "Min",
    "Mish",
    "Mul",
    "Neg",
    "Not",
    "OneHot",
    "Or",
    "PRelu",
    "Pad",
    "Pow",
    "RMSNormalization",
    "Reciprocal",
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSum",
    "ReduceSumSquare",
    "Relu",
    "Reshape",
    "RotaryEmbedding",
    "Round",
    "ScatterElements",
    "Selu",
    "Shape",
    "Shrink",
    "Sigmoid",
    "Sign",
    "Sin",
    "Sinh",
    "Size",
    "Slice",
    "Softmax",
    "Softplus",
    "Softsign",
    "SpaceToDepth",
    "Split",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Sum",
    "Swish",
    "Tan",
    "Tanh",
    "ThresholdedRelu",
    "Transpose",
    "Trilu",
    "Unsqueeze",
    "Where",
    "Xor",
];

/// Operators of a network that was quantised.
const QUANTISED: [&str; 12] = [
    "QuantizeLinear",
    "DequantizeLinear",
    "DynamicQuantizeLinear",
    "QLinearConv",
    "QLinearMatMul",
    "QLinearAdd",
    "QLinearConcat",
    "QLinearGlobalAveragePool",
    "QLinearAveragePool",
    "QGemm",
    "ConvInteger",
    "MatMulInteger",
];

/// A batch normalisation that takes its statistics from the batch.
fn is_in_training(node: &NodeProto) -> bool {
    let outputs = node.output.iter().filter(|output| !output.is_empty()).count();
    node.op_type == "BatchNormalization"
        && (outputs > 1 || attribute(node, "training_mode").is_some_and(|mode| mode.i == 1))
}

/// The operators that can be run.
pub fn operators() -> impl Iterator<Item = &'static str> {
    OPERATORS.iter().copied()
}

/// A form of an operator in which tract 0.23.9 gives other values than ONNX Runtime.
fn wrong_variant(graph: &GraphProto, node: &NodeProto) -> Option<&'static str> {
    let is_read = |name: &String| {
        let mut inputs = graph.node.iter().flat_map(|node| &node.input);
        !name.is_empty()
            && (inputs.any(|input| input == name)
                || graph.output.iter().any(|output| output.name == *name))
    };
    match node.op_type.as_str() {
        "ConvTranspose" if attribute(node, "output_shape").is_some() => Some("`output_shape`"),
        "Dropout" if node.output.get(1).is_some_and(is_read) => Some("a mask that is used"),
        "Swish" if attribute(node, "alpha").is_some_and(|alpha| alpha.f != 1.0) => {
            Some("an `alpha` that is not 1")
        }
        "Pad" if has_negative_pad(graph, node) => Some("a negative padding"),
        _ => None,
    }
}

fn has_negative_pad(graph: &GraphProto, node: &NodeProto) -> bool {
    let of_attribute =
        attribute(node, "pads").into_iter().flat_map(|pads| pads.ints.iter().copied());
    let tensor = node.input.get(1).and_then(|pads| constant(graph, pads));
    of_attribute.chain(tensor.into_iter().flat_map(whole_numbers)).any(|pad| pad < 0)
}

/// Checks that all operators can be run.
///
/// # Errors
/// [`CheckError::Quantised`], [`CheckError::Operator`], [`CheckError::Variant`], [`CheckError::Opset`].
pub(super) fn check(model: &ModelProto) -> Result<(), CheckError> {
    let graph = model.graph.as_ref().ok_or_else(check::no_graph)?;
    if let Some(node) = graph.node.iter().find(|node| QUANTISED.contains(&node.op_type.as_str())) {
        return Err(CheckError::Quantised { node: shown(node) });
    }
    let opset = model.opset_import.iter().find(|set| ONNX.contains(&set.domain.as_str()));
    let opset = opset.map_or(1, |set| set.version);
    if !OPSETS.contains(&opset) {
        return Err(CheckError::Opset {
            found: opset,
            least: *OPSETS.start(),
            most: *OPSETS.end(),
        });
    }
    let unknown = |node: &&NodeProto| {
        !ONNX.contains(&node.domain.as_str()) || !OPERATORS.contains(&node.op_type.as_str())
    };
    if let Some(node) = graph.node.iter().find(|node| is_in_training(node)) {
        return Err(CheckError::Node {
            node: shown(node),
            reason: "the model was exported in training mode: call model.eval() before the export"
                .into(),
        });
    }
    for node in &graph.node {
        if let Some(what) = wrong_variant(graph, node) {
            return Err(CheckError::Variant { node: shown(node), what });
        }
    }
    match graph.node.iter().find(unknown) {
        Some(node) => Err(CheckError::Operator {
            node: shown(node),
            domain: if ONNX.contains(&node.domain.as_str()) {
                "ai.onnx".into()
            } else {
                node.domain.clone()
            },
        }),
        None => Ok(()),
    }
}
