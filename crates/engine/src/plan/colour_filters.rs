//! Takes the filters of the first layer out of a network.

use super::place_operators::Network;
use super::recognition::{Convolution, Layer};
use crate::model::ColourFilters;

/// Most weights that are kept beside the packed ones: 4 MB. GoogLeNet has 9,408.
const MOST_WEIGHTS: usize = 1 << 20;

const COLOURS: usize = 3;

/// The filters of the convolution that reads the network's input; none where another layer reads it.
pub(super) fn colour_filters(network: Network<'_>) -> Option<ColourFilters> {
    let Network { model, layers, preprocessing, .. } = network;
    let inputs = model.input_outlets().ok()?;
    let reads_input = |outlet| match layers.at(outlet) {
        Some(found) => {
            matches!(found.layer, Layer::InputScaling(_)) && inputs.contains(&found.input)
        }
        None => inputs.contains(&outlet),
    };
    let first = layers.iter().find_map(|found| match &found.layer {
        Layer::Convolution(first) if reads_input(found.input) => Some(first),
        _ => None,
    })?;
    in_rgb(first, preprocessing.channels.from_rgb())
}

/// From OIHW in the model's own order of channels; `from_rgb` has for each of its channels the one in RGB.
fn in_rgb(first: &Convolution, from_rgb: [usize; COLOURS]) -> Option<ColourFilters> {
    let ((height, width), count) = (first.geometry.kernel, first.output_channels());
    let taps = height * width;
    let fits = first.geometry.input_channels == COLOURS
        && first.weights.len() == count * COLOURS * taps
        && first.weights.len() <= MOST_WEIGHTS;
    if !fits {
        return None;
    }
    let mut weights = vec![0.0; first.weights.len()];
    let filters = first.weights.chunks_exact(COLOURS * taps);
    for (filter, to) in filters.zip(weights.chunks_exact_mut(COLOURS * taps)) {
        for (plane, colour) in filter.chunks_exact(taps).zip(from_rgb) {
            for (weight, pixel) in plane.iter().zip(to.chunks_exact_mut(COLOURS)) {
                pixel[colour] = *weight;
            }
        }
    }
    Some(ColourFilters { count, height, width, weights: weights.into() })
}
