//! Through a max pool, forward and back.

use std::ops::Range;

use crate::model::Activations;
use googlenet_kernels::isa::Isa;
use googlenet_kernels::map::{MapRowsMut, MapShape, MapView};
use googlenet_kernels::max_pool::{PoolGeometry, max_pool};

/// A max pool of a map of known size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pool {
    pub(super) geometry: PoolGeometry,
    /// Rows and columns of its output.
    pub(super) output: (usize, usize),
}

/// The shape of a map without a border.
pub(super) fn shape(map: &Activations) -> MapShape {
    MapShape { height: map.height, width: map.width, channels: map.channels, border: 0 }
}

impl Pool {
    /// What the pool gives of `map`.
    pub(super) fn forward(self, isa: Isa, map: &Activations) -> Activations {
        let ((height, width), channels) = (self.output, map.channels);
        let to = MapShape { height, width, channels, border: 0 };
        let mut values = vec![0.0; to.len()];
        let mut rows = MapRowsMut::whole(to, &mut values);
        let from = MapView::new(shape(map), &map.values);
        max_pool(isa, self.geometry, from, &mut rows.channels(0..channels));
        Activations { height, width, channels, values: values.into() }
    }

    /// Adds `gradient`, that at the pool's output, to `to`, that at its input `map`: each value where the first of the
    /// largest of its window is, row by row.
    pub(super) fn back(self, isa: Isa, map: &Activations, gradient: &[f32], to: &mut [f32]) {
        let channels = map.channels;
        let largest = self.forward(isa, map);
        // What is yet to be given to a pixel of the window.
        let mut left = vec![0.0_f32; channels];
        let pixels = gradient.chunks_exact(channels.max(1)).zip(largest.pixels());
        for (index, (gradient, largest)) in pixels.enumerate() {
            let (row, column) = (index / self.output.1, index % self.output.1);
            let rows = self.window(row, map.height);
            let columns = self.window(column, map.width);
            let taps = rows.flat_map(|y| columns.clone().map(move |x| y * map.width + x));
            left.copy_from_slice(gradient);
            for pixel in taps {
                let values = &map.values[pixel * channels..][..channels];
                let to = &mut to[pixel * channels..][..channels];
                // Plain code over contiguous channels: the compiler makes vectors of it.
                let channels = to.iter_mut().zip(&mut left).zip(values).zip(largest);
                for (((to, left), value), largest) in channels {
                    let given = if value == largest { *left } else { 0.0 };
                    *to += given;
                    *left -= given;
                }
            }
        }
    }

    /// The part of a window that lies within `0..size`.
    fn window(self, index: usize, size: usize) -> Range<usize> {
        let PoolGeometry { kernel, stride, padding } = self.geometry;
        let start = index * stride;
        let end = (start + kernel).saturating_sub(padding).min(size);
        start.saturating_sub(padding)..end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_the_largest_gets_it_all() {
        let geometry = PoolGeometry { kernel: 3, stride: 2, padding: 0 };
        let pool = Pool { geometry, output: (1, 2) };
        // Two channels; the second has its largest value twice in each window.
        let first = [0, 9, 0, 0, 7, /**/ 0, 0, 0, 0, 0, /**/ 0, 0, 1, 0, 0];
        let second = [0, 0, 3, 0, 0, /**/ 0, 3, 0, 3, 0, /**/ 0, 0, 0, 0, 0];
        let values: Vec<f32> =
            first.iter().zip(&second).flat_map(|(a, b)| [*a as f32, *b as f32]).collect();
        let map = Activations { height: 3, width: 5, channels: 2, values: values.into() };
        let mut to = vec![0.0; 30];
        pool.back(Isa::best(), &map, &[1.0, 10.0, 2.0, 20.0], &mut to);
        let mut expected = vec![0.0; 30];
        (expected[2], expected[8]) = (1.0, 2.0);
        // Both windows have the pixel (0, 2) first.
        expected[5] = 30.0;
        assert_eq!(to, expected);
    }

    /// Summed over the windows, gradient times output is gradient times input: a maximum is linear in the value that it
    /// takes.
    #[test]
    fn it_is_the_transpose_of_the_pool() {
        for (geometry, output) in [
            (PoolGeometry { kernel: 3, stride: 1, padding: 1 }, (7, 6)),
            (PoolGeometry { kernel: 3, stride: 2, padding: 0 }, (3, 3)),
            (PoolGeometry { kernel: 2, stride: 2, padding: 0 }, (3, 3)),
        ] {
            let pool = Pool { geometry, output };
            let value = |index: usize| (index * 7919 % 101) as f32;
            let values: Vec<f32> = (0..7 * 6 * 5).map(value).collect();
            let map = Activations { height: 7, width: 6, channels: 5, values: values.into() };
            let pooled = pool.forward(Isa::best(), &map);
            let gradient: Vec<f32> =
                (0..pooled.values.len()).map(|index| value(index * 31 + 5) - 50.0).collect();
            let mut to = vec![0.0; map.values.len()];
            pool.back(Isa::best(), &map, &gradient, &mut to);
            let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
            // Whole numbers: exact.
            assert_eq!(
                product(&to, &map.values),
                product(&gradient, &pooled.values),
                "{geometry:?}"
            );
        }
    }
}
