//! `Squeeze` of several axes that are given as an input (operator set 13), which tract 0.23.9 refuses: one `Squeeze` for
//! each axis in its place. TensorFlow-slim's Inception has one before its softmax.

use tract_onnx::pb::{GraphProto, NodeProto, TensorProto, tensor_proto::DataType};

use super::constants::{constant, whole_numbers};
use super::fresh;

/// Splits each that can be split.
pub(super) fn split(graph: &mut GraphProto) {
    for index in (0..graph.node.len()).rev() {
        let Some(axes) = axes_in_turn(graph, &graph.node[index]) else { continue };
        let whole = graph.node.remove(index);
        let mut from = whole.input[0].clone();
        for (number, &axis) in axes.iter().enumerate() {
            let to = if number + 1 == axes.len() {
                whole.output[0].clone()
            } else {
                fresh(graph, &format!("{}/{number}", whole.output[0]))
            };
            let named = fresh(graph, &format!("{}/axis_{number}", whole.output[0]));
            graph.initializer.push(TensorProto {
                name: named.clone(),
                dims: vec![1],
                data_type: DataType::Int64.into(),
                int64_data: vec![axis],
                ..Default::default()
            });
            let one = NodeProto {
                name: fresh(graph, &format!("{}/{number}", whole.name)),
                input: vec![from, named],
                output: vec![to.clone()],
                ..whole.clone()
            };
            graph.node.insert(index + number, one);
            from = to;
        }
    }
}

/// The axes of a `Squeeze` of several, in an order in which none moves another: from the last, or, counted from the end,
/// from the first. Axes counted from both ends need the rank, and are left alone.
fn axes_in_turn(graph: &GraphProto, node: &NodeProto) -> Option<Vec<i64>> {
    let axes = node.input.get(1).filter(|_| node.op_type == "Squeeze" && node.output.len() == 1)?;
    let mut axes: Vec<i64> = whole_numbers(constant(graph, axes)?).collect();
    axes.sort_unstable();
    axes.dedup();
    if axes.iter().all(|&axis| axis >= 0) {
        axes.reverse();
    } else if axes.iter().any(|&axis| axis >= 0) {
        return None;
    }
    (axes.len() > 1).then_some(axes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split_axes(axes: &[i64]) -> Vec<i64> {
        let node = NodeProto {
            op_type: "Squeeze".into(),
            input: vec!["x".into(), "axes".into()],
            output: vec!["y".into()],
            ..Default::default()
        };
        let tensor =
            TensorProto { name: "axes".into(), int64_data: axes.to_vec(), ..Default::default() };
        let mut graph =
            GraphProto { node: vec![node], initializer: vec![tensor], ..Default::default() };
        split(&mut graph);
        assert_eq!(graph.node[0].input[0], "x");
        assert_eq!(graph.node.last().unwrap().output, ["y"]);
        for pair in graph.node.windows(2) {
            assert_eq!(pair[0].output[0], pair[1].input[0]);
        }
        let axis = |node: &NodeProto| constant(&graph, &node.input[1]).map(|t| t.int64_data[0]);
        graph.node.iter().filter_map(axis).collect()
    }

    #[test]
    fn no_axis_moves_another() {
        assert_eq!(split_axes(&[2, 3]), [3, 2]);
        assert_eq!(split_axes(&[-1, -2, -1]), [-2, -1]);
        assert_eq!(split_axes(&[-2, 0]), [-2], "left alone: the first of both");
        assert_eq!(split_axes(&[3]), [3]);
    }
}
