//! Operators that ONNX Runtime's optimiser makes of several (domain `com.microsoft`), taken apart again.

use tract_onnx::pb::{ModelProto, NodeProto};

use super::super::check::{self, CheckError};
use super::constants::attribute;
use super::shown;

/// Where the optimiser's operators live.
const MICROSOFT: &str = "com.microsoft";

/// Takes `FusedConv` and `FusedGemm` with a ReLU apart.
///
/// # Errors
/// [`CheckError::Node`] for one with something else in it.
pub(super) fn expand(model: &mut ModelProto, changes: &mut Vec<String>) -> Result<(), CheckError> {
    let graph = model.graph.as_mut().ok_or_else(check::no_graph)?;
    let mut count = 0;
    for mut node in std::mem::take(&mut graph.node) {
        let plain = match (node.domain.as_str(), node.op_type.as_str()) {
            (MICROSOFT, "FusedConv") => "Conv",
            (MICROSOFT, "FusedGemm") => "Gemm",
            _ => {
                graph.node.push(node);
                continue;
            }
        };
        let is_relu =
            attribute(&node, "activation").is_some_and(|activation| activation.s == b"Relu");
        if !is_relu || node.input.get(3).is_some_and(|sum| !sum.is_empty()) {
            return Err(CheckError::Node {
                node: shown(&node),
                reason: "only a fused ReLU can be taken apart again: give the file from before ONNX Runtime \
                         optimised it"
                    .into(),
            });
        }
        count += 1;
        node.attribute.retain(|attribute| !attribute.name.starts_with("activation"));
        node.domain.clear();
        node.op_type = plain.into();
        let output = std::mem::take(&mut node.output);
        let before = format!("{}/before_relu", output.first().map_or("", String::as_str));
        let relu = NodeProto {
            name: format!("{}/relu", node.name),
            op_type: "Relu".into(),
            input: vec![before.clone()],
            output,
            ..Default::default()
        };
        node.output = vec![before];
        graph.node.extend([node, relu]);
    }
    if count > 0 {
        changes.push(format!("{count} fused operators of ONNX Runtime were taken apart"));
    }
    Ok(())
}
