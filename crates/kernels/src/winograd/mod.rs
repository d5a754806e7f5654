//! 3x3 convolutions of stride 1 with fewer multiplications: Winograd's minimal filtering (Lavin and
//! Gray, 2015, "Fast Algorithms for Convolutional Neural Networks", section 4.1).
//!
//! An output tile of `m x m` pixels depends on `n x n` inputs, `n = m + 2`. Both are transformed, tile by
//! tile and channel by channel, so that the convolution becomes `n * n` products of matrices, each
//! `[tiles, input channels] x [input channels, output channels]`: `n * n / (m * m)` multiplications for a
//! pixel instead of 9, which is 4 for tiles of 2 and 2.25 for tiles of 4. The products are 1x1
//! convolutions over the tiles, run by [`ConvWeights`].
//!
//! The transforms round a little more than the direct sums do: the larger the tile, the more.

mod pack;
mod transform;

#[cfg(test)]
mod tests;

pub use pack::{TileSize, WinogradWeights};

use std::cell::RefCell;
use std::ops::Range;

use super::conv::{Activation, ConvGeometry};
use super::map::{Destination, MapRowsMut, MapShape, MapView};
use super::simd::dispatch;
use transform::{Output, input_tiles, output_tiles};

#[cfg(doc)]
use super::conv::ConvWeights;

/// Bytes of the transformed tiles that are worked on together: they stay in the cache of a core.
const STRIP_BYTES: usize = 800 << 10;

thread_local! {
    /// Transformed inputs and outputs of a strip, made once for each thread.
    static STRIP: RefCell<(Vec<f32>, Vec<f32>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

/// Tiles that are transformed together: whole rows of tiles.
#[derive(Clone, Debug)]
struct Tiles {
    /// Rows of tiles of the map.
    rows: Range<usize>,
    /// Tiles in a row.
    columns: usize,
}

impl Tiles {
    fn count(&self) -> usize {
        self.rows.len() * self.columns
    }
}

impl WinogradWeights {
    /// Writes the rows of `output`.
    ///
    /// Tiles stand on a grid of the whole map: it does not matter which rows are asked for together.
    ///
    /// # Panics
    /// When a window reads outside the input's border, or the destination has other channels than the
    /// weights.
    pub fn run(
        &self,
        input: MapView<'_, f32>,
        output: &mut Destination<'_, f32>,
        activation: Activation,
    ) {
        let (rows, width) = (output.rows(), output.shape().width);
        assert_eq!(
            output.channel_count(),
            self.channels,
            "a destination has the weights' channels"
        );
        self.geometry().first(input.shape(), &rows, width);
        if rows.is_empty() || width == 0 {
            return;
        }
        let size = self.size.outputs();
        let (first, end) = (rows.start / size, rows.end.div_ceil(size));
        let columns = width.div_ceil(size);
        let together = (STRIP_BYTES / self.strip_bytes(columns)).max(1);
        STRIP.with_borrow_mut(|(inputs, outputs)| {
            for start in (first..end).step_by(together) {
                let tiles = Tiles { rows: start..end.min(start + together), columns };
                self.strip(&tiles, input, output, activation, (inputs, outputs));
            }
        });
    }

    /// Bytes of a row of transformed tiles.
    fn strip_bytes(&self, columns: usize) -> usize {
        let channels = self.input_channels + self.channels.min(pack::BLOCK);
        columns * self.size.products() * channels * size_of::<f32>()
    }

    fn geometry(&self) -> ConvGeometry {
        let Self { padding, input_channels, .. } = *self;
        ConvGeometry { kernel: (3, 3), stride: 1, padding, input_channels }
    }

    fn strip(
        &self,
        tiles: &Tiles,
        input: MapView<'_, f32>,
        output: &mut Destination<'_, f32>,
        activation: Activation,
        (inputs, outputs): (&mut Vec<f32>, &mut Vec<f32>),
    ) {
        let (count, products) = (tiles.count(), self.size.products());
        let shape = |channels| MapShape { height: 1, width: count, channels, border: 0 };
        let (from, size, shift) =
            (shape(self.input_channels), self.size, input.shape().border - self.padding);
        inputs.resize(inputs.len().max(products * from.len()), 0.0);
        dispatch!(
            self.isa,
            input_tiles(
                size: TileSize = size,
                tiles: &Tiles = tiles,
                input: MapView<'_, f32> = input,
                shift: usize = shift,
                to: &mut [f32] = &mut inputs[..products * from.len()],
            )
        );
        for block in &self.blocks {
            let to = shape(block.channels.len());
            outputs.resize(outputs.len().max(products * to.len()), 0.0);
            let maps = inputs.chunks_exact(from.len()).zip(outputs.chunks_exact_mut(to.len()));
            for (product, (input, output)) in block.products.iter().zip(maps) {
                let mut output = MapRowsMut::whole(to, output);
                let mut output = [output.channels(0..to.channels)];
                product.run(MapView::new(from, input), &mut output, Activation::Identity);
            }
            let what = Output { channels: block.channels.clone(), bias: &block.bias, activation };
            dispatch!(
                self.isa,
                output_tiles(
                    size: TileSize = size,
                    tiles: &Tiles = tiles,
                    from: &[f32] = &outputs[..products * to.len()],
                    what: Output<'_> = what,
                    output: &mut Destination<'_, f32> = output,
                )
            );
        }
    }
}
