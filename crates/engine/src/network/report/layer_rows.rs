//! One row for each operator of the graph.

use std::collections::HashMap;

use super::LayerRow;
use super::modules::Modules;
use crate::network::graph::Graph;

/// Sizes of the tensors by name, with the batch in front.
type Shapes = HashMap<String, Vec<usize>>;

/// The rows in the order of the file, each with the index of its node.
pub(super) fn rows(graph: &Graph, shapes: &Shapes, modules: &Modules) -> Vec<(usize, LayerRow)> {
    graph.layers().map(|index| (index, row(graph, shapes, modules, index))).collect()
}

fn row(graph: &Graph, shapes: &Shapes, modules: &Modules, index: usize) -> LayerRow {
    let operator = graph.operator(index);
    let output = graph.output(index).and_then(|tensor| image_shape(shapes.get(tensor)?));
    let input = match operator {
        "Concat" => output.clone(),
        _ => graph.data_input(index).and_then(|tensor| image_shape(shapes.get(tensor)?)),
    };
    let window = Window::read(graph, index, input.as_deref(), output.as_deref());
    let (weights, biases) = parameters(graph, index);
    let weight_count = weights.as_deref().map(count);
    LayerRow {
        name: graph.name(index).to_owned(),
        operator: operator.to_owned(),
        module: modules.of(index).map(|module| module.name.clone()),
        branch: modules.branch(index),
        kernel: window.as_ref().map(|window| window.kernel.clone()),
        stride: window.as_ref().map(|window| window.stride.clone()),
        padding: window.map(|window| window.padding),
        receptive_field: None,
        weights: weight_count,
        biases,
        parameters: weight_count.unwrap_or(0).saturating_add(biases.unwrap_or(0)),
        multiply_adds: multiply_adds(operator, weight_count, output.as_deref()),
        input,
        output,
    }
}

/// `[n, channels, height, width]` as `[height, width, channels]`, anything else without its batch.
fn image_shape(sizes: &Vec<usize>) -> Option<Vec<usize>> {
    match sizes.as_slice() {
        [_, channels, height, width] => Some(vec![*height, *width, *channels]),
        [_, rest @ ..] if !rest.is_empty() => Some(rest.to_vec()),
        _ => None,
    }
}

/// Sizes of the weights and number of biases, where the operator has such and they are constant.
fn parameters(graph: &Graph, index: usize) -> (Option<Vec<usize>>, Option<u64>) {
    let constant = |slot| graph.constant(graph.input(index, slot)?);
    match graph.operator(index) {
        "Conv" | "Gemm" | "BatchNormalization" => (constant(1), constant(2).map(|b| count(&b))),
        "MatMul" => (constant(1).or_else(|| constant(0)), None),
        // A fully connected layer may be written as a product and a sum.
        "Add" if follows_product(graph, index) => {
            (None, constant(1).or_else(|| constant(0)).map(|b| count(&b)))
        }
        _ => (None, None),
    }
}

fn follows_product(graph: &Graph, index: usize) -> bool {
    let writer = graph.data_input(index).and_then(|tensor| graph.writer(tensor, index));
    writer.is_some_and(|writer| graph.operator(writer) == "MatMul")
}

fn count(sizes: &[usize]) -> u64 {
    sizes.iter().fold(1, |product, &size| product.saturating_mul(size as u64))
}

/// Each weight of a convolution or a product is used once for each place of the output.
fn multiply_adds(operator: &str, weights: Option<u64>, output: Option<&[usize]>) -> u64 {
    match (operator, weights, output) {
        ("Conv" | "Gemm" | "MatMul", Some(weights), Some([places @ .., _channels])) => {
            weights.saturating_mul(count(places))
        }
        _ => 0,
    }
}

/// The window of a convolution or a pool, as it comes out.
struct Window {
    kernel: Vec<usize>,
    stride: Vec<usize>,
    padding: Vec<usize>,
}

impl Window {
    fn read(
        graph: &Graph,
        index: usize,
        input: Option<&[usize]>,
        output: Option<&[usize]>,
    ) -> Option<Self> {
        let map = |shape: Option<&[usize]>| match shape {
            Some([height, width, _]) => Some([*height, *width]),
            _ => None,
        };
        let kernel = match graph.operator(index) {
            "Conv" => graph
                .sizes(index, "kernel_shape")
                .or_else(|| Some(graph.constant(graph.input(index, 1)?)?.get(2..)?.to_vec()))?,
            "MaxPool" | "AveragePool" => graph.sizes(index, "kernel_shape")?,
            "GlobalAveragePool" | "GlobalMaxPool" => map(input)?.to_vec(),
            _ => return None,
        };
        let ones = vec![1; kernel.len()];
        let stride = graph.sizes(index, "strides").unwrap_or_else(|| ones.clone());
        let dilation = graph.sizes(index, "dilations").unwrap_or(ones);
        let declared = graph.sizes(index, "pads").unwrap_or_else(|| vec![0; 2 * kernel.len()]);
        let reach: Vec<usize> = kernel
            .iter()
            .zip(&dilation)
            .map(|(k, d)| k.saturating_sub(1).saturating_mul(*d))
            .collect();
        let padding = match (map(input), map(output)) {
            (Some(input), Some(output)) => {
                effective_padding(graph, index, &declared, |axis: usize| {
                    let (last, reach) = (output[axis].checked_sub(1)?, *reach.get(axis)?);
                    let read = last.checked_mul(*stride.get(axis)?)?.checked_add(reach)? + 1;
                    Some(read.saturating_sub(input[axis]))
                })
            }
            _ => declared,
        };
        Some(Self { kernel, stride, padding })
    }
}

/// The padding that the windows really read: `overhang` gives for each axis by how many pixels all
/// of them together are longer than the map.
fn effective_padding(
    graph: &Graph,
    index: usize,
    declared: &[usize],
    overhang: impl Fn(usize) -> Option<usize>,
) -> Vec<usize> {
    let auto = graph.attribute(index, "auto_pad").map(|attribute| attribute.s.as_slice());
    let ceil_mode = graph.int(index, "ceil_mode") == Some(1);
    let (&[top, left, ..], [Some(down), Some(right)]) = (declared, [overhang(0), overhang(1)])
    else {
        return declared.to_vec();
    };
    match auto {
        Some(b"SAME_UPPER") => vec![down / 2, right / 2, down - down / 2, right - right / 2],
        Some(b"SAME_LOWER") => vec![down - down / 2, right - right / 2, down / 2, right / 2],
        _ if ceil_mode => {
            vec![top, left, down.saturating_sub(top), right.saturating_sub(left)]
        }
        _ => declared.to_vec(),
    }
}
