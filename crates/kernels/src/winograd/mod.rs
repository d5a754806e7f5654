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
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::conv::{Activation, ConvGeometry};
use super::map::{Destination, MapRowsMut, MapShape, MapView};
use super::simd::dispatch;
use super::threads::{CallingThread, Threads, share_once};
use transform::{Output, Planes, input_tiles, output_tiles};

#[cfg(doc)]
use super::conv::ConvWeights;

/// Bytes of the transformed tiles that are worked on together: they stay in the cache of a core.
const STRIP_BYTES: usize = 800 << 10;

thread_local! {
    /// Transformed inputs and outputs of a strip, made once for each thread.
    static STRIP: RefCell<(Vec<f32>, Vec<f32>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

impl WinogradWeights {
    /// Writes the rows of `output`.
    ///
    /// Tiles stand on a grid of the whole map: it does not matter which rows are asked for together, nor on how many
    /// threads.
    ///
    /// # Panics
    /// When a window reads outside the input's border, or the destination has other channels than the
    /// weights.
    pub fn run(
        &self,
        input: MapView<'_, f32>,
        output: &mut Destination<'_, f32>,
        activation: Activation,
        threads: &dyn Threads,
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
        let columns = width.div_ceil(size);
        let together = (STRIP_BYTES / self.strip_bytes(columns)).max(1) * threads.count();
        let mut tile_rows: Vec<Destination<'_, f32>> = output.in_rows_of(size);
        let first = rows.start / size;
        STRIP.with_borrow_mut(|(inputs, outputs)| {
            for (start, outputs_of) in
                (first..).step_by(together).zip(tile_rows.chunks_mut(together))
            {
                let strip = Strip { first: start, rows: outputs_of.len(), columns };
                let transformed = self.transform_input(&strip, input, inputs, threads);
                self.products(&strip, transformed, outputs, outputs_of, activation, threads);
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

    /// The transformed tiles of a strip, a map for each product.
    fn transform_input<'a>(
        &self,
        strip: &Strip,
        input: MapView<'_, f32>,
        inputs: &'a mut Vec<f32>,
        threads: &dyn Threads,
    ) -> &'a [f32] {
        let (plane, products) = (strip.map(self.input_channels).len(), self.size.products());
        inputs.resize(inputs.len().max(products * plane), 0.0);
        let inputs = &mut inputs[..products * plane];
        let (size, shift) = (self.size, input.shape().border - self.padding);
        let planes = Planes::new(inputs, products);
        share_once(threads, strip.rows, &|row| {
            dispatch!(
                self.isa,
                input_tiles(
                    size: TileSize = size,
                    row: usize = strip.first + row,
                    columns: usize = strip.columns,
                    input: MapView<'_, f32> = input,
                    shift: usize = shift,
                    to: &Planes<'_> = &planes,
                    first: usize = row * strip.columns,
                )
            );
        });
        inputs
    }

    /// The products of a strip, transformed back into the rows of `outputs_of`.
    fn products(
        &self,
        strip: &Strip,
        inputs: &[f32],
        outputs: &mut Vec<f32>,
        outputs_of: &mut [Destination<'_, f32>],
        activation: Activation,
        threads: &dyn Threads,
    ) {
        let (from, products) = (strip.map(self.input_channels), self.size.products());
        let rows: Vec<Mutex<&mut Destination<'_, f32>>> =
            outputs_of.iter_mut().map(Mutex::new).collect();
        for block in &self.blocks {
            let to = strip.map(block.channels.len());
            outputs.resize(outputs.len().max(products * to.len()), 0.0);
            let outputs = &mut outputs[..products * to.len()];
            let maps: Vec<Mutex<&mut [f32]>> =
                outputs.chunks_exact_mut(to.len()).map(Mutex::new).collect();
            threads.share(products, &|index| {
                let mut output = lock(&maps[index]);
                let input = MapView::new(from, &inputs[index * from.len()..][..from.len()]);
                let mut output = MapRowsMut::whole(to, &mut output);
                let window = &mut [output.channels(0..to.channels)];
                block.products[index].run(input, window, Activation::Identity, &CallingThread);
            });
            drop(maps);
            let from: &[f32] = outputs;
            threads.share(strip.rows, &|row| {
                let what =
                    Output { channels: block.channels.clone(), bias: &block.bias, activation };
                dispatch!(
                    self.isa,
                    output_tiles(
                        size: TileSize = self.size,
                        row: usize = strip.first + row,
                        columns: usize = strip.columns,
                        from: &[f32] = from,
                        first: usize = row * strip.columns,
                        what: Output<'_> = what,
                        output: &mut Destination<'_, f32> = &mut lock(&rows[row]),
                    )
                );
            });
        }
    }
}

/// Whole rows of tiles, transformed together.
struct Strip {
    /// The first of them among the rows of tiles of the map.
    first: usize,
    rows: usize,
    /// Tiles in a row.
    columns: usize,
}

impl Strip {
    /// The tiles as a map, which each product reads or writes.
    fn map(&self, channels: usize) -> MapShape {
        MapShape { height: 1, width: self.rows * self.columns, channels, border: 0 }
    }
}

/// Each part is taken by one thread: nothing waits, and a thread that panicked left nothing half done that
/// another reads.
fn lock<T>(part: &Mutex<T>) -> MutexGuard<'_, T> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}
