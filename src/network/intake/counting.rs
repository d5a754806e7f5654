//! How many nodes and tensors a file holds, counted in its bytes: read, an empty node takes a hundred times as much.

/// Field numbers of ONNX's messages.
const GRAPH: u64 = 7;
const NODE: u64 = 1;
const INITIALIZER: u64 = 5;

/// Nodes and tensors of the graph in `bytes`, an ONNX model. Where the bytes are no message the count ends: reading them
/// says what is wrong.
pub(super) fn count(bytes: &[u8]) -> usize {
    let graphs = Fields(bytes).filter(|(number, _)| *number == GRAPH);
    let inner = graphs.flat_map(|(_, graph)| Fields(graph));
    inner.filter(|(number, _)| [NODE, INITIALIZER].contains(number)).count()
}

/// The fields of a message (Protocol Buffers, encoding): number and content.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (content, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(content)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let key = self.varint()?;
        let content = match key & 7 {
            0 => self.varint().map(|_| &[][..])?,
            1 => self.take(8)?,
            2 => {
                let length = self.varint()?;
                self.take(length)?
            }
            5 => self.take(4)?,
            _ => return None,
        };
        Some((key >> 3, content))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message;
    use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, TensorProto};

    use super::*;

    proptest! {
        #[test]
        fn nodes_and_tensors_are_counted(nodes in 0usize..50, tensors in 0usize..50, name in "\\PC*") {
            let graph = GraphProto {
                name,
                node: vec![NodeProto { op_type: "Relu".into(), ..Default::default() }; nodes],
                initializer: vec![TensorProto { dims: vec![1, 2], ..Default::default() }; tensors],
                ..Default::default()
            };
            let model = ModelProto { ir_version: 8, graph: Some(graph), ..Default::default() };
            prop_assert_eq!(count(&model.encode_to_vec()), nodes + tensors);
        }

        #[test]
        fn any_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(count(&bytes) <= bytes.len());
        }
    }
}
