//! Which operators can be run, and which cannot: said before tract meets them.

use tract_onnx::pb::{ModelProto, NodeProto};

use super::super::check::{self, CheckError};
use super::constants::attribute;
use super::shown;

/// Versions of the operator set that are tried by tests.
const OPSETS: std::ops::RangeInclusive<i64> = 7..=25;
/// The names under which ONNX's own operators go.
const ONNX: [&str; 2] = ["", "ai.onnx"];

/// Operators whose values are not those of ONNX Runtime in tract 0.23.9.
const WRONG: [&str; 1] = ["Celu"];

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

/// Checks that all operators can be run.
///
/// # Errors
/// [`CheckError::Quantised`], [`CheckError::Operator`], [`CheckError::Opset`].
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
    let known = tract_onnx::onnx().op_register;
    let unknown = |node: &&NodeProto| {
        !ONNX.contains(&node.domain.as_str())
            || !known.0.contains_key(&node.op_type)
            || WRONG.contains(&node.op_type.as_str())
    };
    if let Some(node) = graph.node.iter().find(|node| is_in_training(node)) {
        return Err(CheckError::Node {
            node: shown(node),
            reason: "the model was exported in training mode: call model.eval() before the export"
                .into(),
        });
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
