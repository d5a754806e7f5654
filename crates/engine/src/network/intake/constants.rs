//! The tensors of a graph whose values are known: initializers, and `Constant` nodes.

use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto, TensorProto};

/// The tensor of that name, if the file has its values.
pub(super) fn constant<'a>(graph: &'a GraphProto, name: &str) -> Option<&'a TensorProto> {
    let is_it = |node: &&NodeProto| {
        node.op_type == "Constant" && node.output.iter().any(|output| output == name)
    };
    let of_node = graph.node.iter().find(is_it);
    let of_node =
        of_node.and_then(|node| node.attribute.iter().find_map(|attribute| attribute.t.as_ref()));
    of_node.or_else(|| graph.initializer.iter().find(|tensor| tensor.name == name))
}

/// The 64-bit numbers of a tensor.
pub(super) fn whole_numbers(tensor: &TensorProto) -> impl Iterator<Item = i64> {
    let raw = tensor.raw_data.as_chunks::<8>().0.iter().map(|&bytes| i64::from_le_bytes(bytes));
    raw.chain(tensor.int64_data.iter().copied())
}

/// The attribute of that name.
pub(super) fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name == name)
}
