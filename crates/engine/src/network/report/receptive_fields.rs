//! How much of the input one value of a layer depends on, from the windows of the layers before it.
//!
//! A window of `kernel` values that are `step` pixels of the input apart reaches `(kernel - 1) * step` pixels further
//! than one of them; its stride multiplies the step (Araujo, Norris and Sim 2019, "Computing Receptive Fields of
//! Convolutional Neural Networks", equations 2 and 3). Of several ways the widest counts.

use std::collections::HashMap;

use super::LayerRow;
use crate::network::graph::Graph;

/// What a value of a tensor depends on, `[rows, columns]`, in pixels of the input.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Field {
    size: [usize; 2],
    /// From a value to the next.
    step: [usize; 2],
}

impl Field {
    /// That of a pixel of the input.
    const PIXEL: Self = Self { size: [1; 2], step: [1; 2] };

    /// That of a value that depends on `taps` values with `gap` values of this tensor from one to the next.
    fn behind(self, taps: [usize; 2], gap: [usize; 2], stride: [usize; 2]) -> Self {
        let at = |axis: usize| {
            let reach = taps[axis].saturating_sub(1).saturating_mul(gap[axis]);
            self.size[axis].saturating_add(reach.saturating_mul(self.step[axis]))
        };
        let step = |axis: usize| self.step[axis].saturating_mul(stride[axis]);
        Self { size: [at(0), at(1)], step: [step(0), step(1)] }
    }

    fn widest(self, other: Self) -> Self {
        let larger = |a: [usize; 2], b: [usize; 2]| [a[0].max(b[0]), a[1].max(b[1])];
        Self { size: larger(self.size, other.size), step: larger(self.step, other.step) }
    }
}

/// Fills in the receptive field of each of `layers`, which are in data-flow order.
pub(super) fn add(graph: &Graph, layers: &mut [(usize, LayerRow)]) {
    // A tensor that no layer writes is the input; one whose field is not known has none.
    let mut fields: HashMap<&str, Option<Field>> = HashMap::new();
    for (index, row) in layers {
        let inputs = graph
            .node(*index)
            .input
            .iter()
            .filter(|tensor| !tensor.is_empty() && !graph.is_constant(tensor));
        let read =
            inputs.map(|tensor| fields.get(tensor.as_str()).copied().unwrap_or(Some(Field::PIXEL)));
        let before = read.reduce(|a, b| Some(a?.widest(b?))).flatten();
        let field = before.and_then(|before| behind(graph, *index, row, before));
        row.receptive_field = field.map(|field| field.size[0].max(field.size[1]));
        fields.extend(graph.node(*index).output.iter().map(|tensor| (tensor.as_str(), field)));
    }
}

/// The field behind a layer; none where it is not known.
fn behind(graph: &Graph, index: usize, row: &LayerRow, before: Field) -> Option<Field> {
    let pair = |sizes: &[usize]| <[usize; 2]>::try_from(sizes).ok();
    if let Some(kernel) = &row.kernel {
        let dilations = graph.sizes(index, "dilations").unwrap_or_else(|| vec![1; kernel.len()]);
        return Some(before.behind(pair(kernel)?, pair(&dilations)?, pair(row.stride.as_ref()?)?));
    }
    match (row.input.as_deref(), row.output.as_deref()) {
        (Some([height, width, _]), Some([rows, columns, _]))
            if (rows, columns) == (height, width) =>
        {
            Some(before)
        }
        // One value of all pixels: a mean over the map, or a map that is laid out as a vector.
        (Some([height, width, _]), Some([_] | [1, 1, _])) => {
            Some(before.behind([*height, *width], [1; 2], [1; 2]))
        }
        (Some([_]), Some([_])) => Some(before),
        _ => None,
    }
}
