//! An ONNX graph as the report walks it: who writes a tensor, who reads it, which are constant.
//!
//! ONNX names tensors, not edges, and lists its nodes so that each stands behind those it reads.

use std::collections::{HashMap, HashSet};

use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto};

/// A graph with its tensors looked up by name.
pub(super) struct Graph<'a> {
    nodes: &'a [NodeProto],
    names: Vec<&'a str>,
    writers: HashMap<&'a str, usize>,
    readers: HashMap<&'a str, Vec<usize>>,
    constants: HashMap<&'a str, &'a [i64]>,
}

impl<'a> Graph<'a> {
    pub(super) fn new(graph: &'a GraphProto) -> Self {
        let nodes = graph.node.as_slice();
        let mut writers = HashMap::new();
        let mut readers = HashMap::<_, Vec<_>>::new();
        for (index, node) in nodes.iter().enumerate() {
            writers.extend(node.output.iter().map(|tensor| (tensor.as_str(), index)));
            for tensor in &node.input {
                readers.entry(tensor.as_str()).or_default().push(index);
            }
        }
        Self { nodes, names: names(nodes), writers, readers, constants: constants(graph) }
    }

    /// Indices of the nodes that compute something from the image, in the order of the file.
    pub(super) fn layers(&self) -> impl Iterator<Item = usize> {
        (0..self.nodes.len()).filter(|&index| {
            !self.nodes[index].output.iter().all(|tensor| self.is_constant(tensor))
        })
    }

    pub(super) fn node(&self, index: usize) -> &'a NodeProto {
        &self.nodes[index]
    }

    pub(super) fn operator(&self, index: usize) -> &'a str {
        &self.nodes[index].op_type
    }

    /// A name that no other node has: the node's own, or where that is missing or taken its first
    /// output's.
    pub(super) fn name(&self, index: usize) -> &'a str {
        self.names[index]
    }

    /// The `slot`th input, if it is there: ONNX leaves optional ones out or empty.
    pub(super) fn input(&self, index: usize, slot: usize) -> Option<&'a str> {
        let tensor = self.nodes[index].input.get(slot)?;
        (!tensor.is_empty()).then_some(tensor)
    }

    /// The first input that is not constant.
    pub(super) fn data_input(&self, index: usize) -> Option<&'a str> {
        let inputs = self.nodes[index].input.iter().map(String::as_str);
        inputs.into_iter().find(|tensor| !tensor.is_empty() && !self.is_constant(tensor))
    }

    /// The first output.
    pub(super) fn output(&self, index: usize) -> Option<&'a str> {
        self.nodes[index].output.first().map(String::as_str)
    }

    /// The node before `reader` that writes `tensor`; `None` for the image and constants.
    pub(super) fn writer(&self, tensor: &str, reader: usize) -> Option<usize> {
        // A file that breaks ONNX's order could hold a cycle: looking only ahead of the reader,
        // every walk towards the image ends.
        self.writers.get(tensor).copied().filter(|&writer| writer < reader)
    }

    /// The only node that reads `tensor`, if there is just one.
    pub(super) fn only_reader(&self, tensor: &str) -> Option<usize> {
        match self.readers.get(tensor)?.as_slice() {
            [reader] => Some(*reader),
            _ => None,
        }
    }

    /// Sizes of a constant tensor: an initializer, a `Constant`, or what is only passed on or
    /// dequantised from one.
    pub(super) fn constant(&self, tensor: &str) -> Option<Vec<usize>> {
        let sizes = self.constants.get(tensor)?;
        sizes.iter().map(|&size| usize::try_from(size).ok()).collect()
    }

    pub(super) fn is_constant(&self, tensor: &str) -> bool {
        self.constants.contains_key(tensor)
    }

    pub(super) fn attribute(&self, index: usize, name: &str) -> Option<&'a AttributeProto> {
        self.nodes[index].attribute.iter().find(|attribute| attribute.name == name)
    }

    /// An integer attribute.
    pub(super) fn int(&self, index: usize, name: &str) -> Option<i64> {
        self.attribute(index, name).map(|attribute| attribute.i)
    }

    /// A list of sizes; `None` as well when one is negative.
    pub(super) fn sizes(&self, index: usize, name: &str) -> Option<Vec<usize>> {
        let attribute = self.attribute(index, name)?;
        attribute.ints.iter().map(|&size| usize::try_from(size).ok()).collect()
    }
}

fn names<'a>(nodes: &'a [NodeProto]) -> Vec<&'a str> {
    let mut taken = HashSet::new();
    let mut name_of = |node: &'a NodeProto| match node.output.first() {
        _ if !node.name.is_empty() && taken.insert(&node.name) => node.name.as_str(),
        Some(output) => output.as_str(),
        None => "",
    };
    nodes.iter().map(&mut name_of).collect()
}

fn constants(graph: &GraphProto) -> HashMap<&str, &[i64]> {
    let initializers = graph.initializer.iter();
    let mut constants: HashMap<&str, &[i64]> =
        initializers.map(|tensor| (tensor.name.as_str(), tensor.dims.as_slice())).collect();
    for node in &graph.node {
        let Some(output) = node.output.first() else { continue };
        let sizes = match node.op_type.as_str() {
            "Constant" => Some(constant_sizes(node)),
            "Identity" | "Cast" | "DequantizeLinear" => {
                node.input.first().and_then(|input| constants.get(input.as_str()).copied())
            }
            _ => None,
        };
        if let Some(sizes) = sizes {
            constants.insert(output, sizes);
        }
    }
    constants
}

/// Sizes of what a `Constant` holds; its forms other than a tensor are scalars and lists, which
/// are no weights.
fn constant_sizes(node: &NodeProto) -> &[i64] {
    let tensor = node.attribute.iter().find_map(|attribute| attribute.t.as_ref());
    tensor.map_or(&[], |tensor| tensor.dims.as_slice())
}
