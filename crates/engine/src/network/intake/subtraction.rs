//! `a - b` of two tensors that depend on the picture, written as `a + (-b)`, which gives the same bits: where `b` is a
//! convolution, tract 0.23.9 puts the difference into its bias and forgets to negate its weights.

use tract_onnx::pb::{GraphProto, NodeProto};

use super::constants::constant;
use super::fresh;

/// Rewrites each subtraction of what is no constant.
pub(super) fn negate(graph: &mut GraphProto) {
    for index in (0..graph.node.len()).rev() {
        let node = &graph.node[index];
        let subtrahend = match (node.op_type.as_str(), node.input.as_slice()) {
            ("Sub", [_, subtrahend]) if constant(graph, subtrahend).is_none() => subtrahend.clone(),
            _ => continue,
        };
        let negative = fresh(graph, &format!("{subtrahend}/negative"));
        graph.node[index].op_type = "Add".into();
        graph.node[index].input[1].clone_from(&negative);
        let node = NodeProto {
            name: negative.clone(),
            op_type: "Neg".into(),
            input: vec![subtrahend],
            output: vec![negative],
            ..Default::default()
        };
        graph.node.insert(index, node);
    }
}
