//! How many nodes, tensors and packed numbers a file holds, counted in its bytes. Once parsed, an empty node takes a
//! hundred times as much memory, and a packed number up to sixteen times.

/// Field numbers of ONNX's messages.
mod field {
    pub(super) const MODEL_GRAPH: u64 = 7;
    pub(super) const MODEL_FUNCTION: u64 = 25;
    pub(super) const GRAPH_NODE: u64 = 1;
    pub(super) const GRAPH_INITIALIZER: u64 = 5;
    pub(super) const FUNCTION_NODE: u64 = 7;
    pub(super) const NODE_ATTRIBUTE: u64 = 5;
    pub(super) const ATTRIBUTE_TENSOR: u64 = 5;
    pub(super) const ATTRIBUTE_INTS: u64 = 8;
    pub(super) const TENSOR_DIMS: u64 = 1;
    /// Of 32, 64 and 64 bits without a sign.
    pub(super) const TENSOR_NUMBERS: [u64; 3] = [5, 7, 11];
}

/// What a file holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    /// Nodes and tensors, those of functions as well.
    pub(super) parts: usize,
    /// Bytes of whole numbers of variable length: read, each byte may be a number of eight.
    pub(super) packed_bytes: usize,
}

/// Counts in `bytes`, an ONNX model. Where the bytes are no message the count ends: reading them says what is wrong.
pub(super) fn count(bytes: &[u8]) -> Counted {
    let mut counted = Counted::default();
    for (number, content) in Fields(bytes) {
        match number {
            field::MODEL_GRAPH => graph(content, &mut counted),
            field::MODEL_FUNCTION => nodes(content, field::FUNCTION_NODE, &mut counted),
            _ => {}
        }
    }
    counted
}

fn graph(bytes: &[u8], counted: &mut Counted) {
    nodes(bytes, field::GRAPH_NODE, counted);
    for (_, content) in Fields(bytes).filter(|(number, _)| *number == field::GRAPH_INITIALIZER) {
        counted.parts += 1;
        tensor(content, counted);
    }
}

/// The nodes that are the `wanted` fields of a message.
fn nodes(bytes: &[u8], wanted: u64, counted: &mut Counted) {
    for (_, node) in Fields(bytes).filter(|(number, _)| *number == wanted) {
        counted.parts += 1;
        for (_, attribute) in Fields(node).filter(|(number, _)| *number == field::NODE_ATTRIBUTE) {
            for (number, content) in Fields(attribute) {
                match number {
                    field::ATTRIBUTE_TENSOR => tensor(content, counted),
                    field::ATTRIBUTE_INTS => counted.packed_bytes += content.len().max(1),
                    _ => {}
                }
            }
        }
    }
}

fn tensor(bytes: &[u8], counted: &mut Counted) {
    let is_number =
        |number| number == field::TENSOR_DIMS || field::TENSOR_NUMBERS.contains(&number);
    let numbers = Fields(bytes).filter(|(number, _)| is_number(*number));
    // A number that is not packed is a field without content here, of one byte or more.
    counted.packed_bytes += numbers.map(|(_, content)| content.len().max(1)).sum::<usize>();
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
            let expected = Counted { parts: nodes + tensors, packed_bytes: 2 * tensors };
            prop_assert_eq!(count(&model.encode_to_vec()), expected);
        }

        #[test]
        fn any_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let Counted { parts, packed_bytes } = count(&bytes);
            prop_assert!(parts + packed_bytes <= bytes.len());
        }
    }
}
