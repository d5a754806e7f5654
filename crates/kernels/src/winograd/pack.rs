//! Weights, transformed once.

use std::ops::Range;

use crate::conv::{ConvGeometry, ConvPart, ConvWeights, OutputSize};
use crate::isa::Isa;

/// Output channels that are worked on together.
pub(super) const BLOCK: usize = 64;

/// Pixels of an output tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TileSize {
    /// `F(2x2, 3x3)`.
    Two,
    /// `F(4x4, 3x3)`.
    Four,
}

impl TileSize {
    /// Pixels of an output tile on a side.
    pub(super) fn outputs(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Four => 4,
        }
    }

    /// Pixels of an input tile on a side.
    pub(super) fn inputs(self) -> usize {
        self.outputs() + 2
    }

    /// Elements of a transformed tile, each of which is a product of matrices.
    pub(super) fn products(self) -> usize {
        self.inputs() * self.inputs()
    }

    /// The transform of a kernel row or column, `G` in the paper; the first [`inputs`](Self::inputs) count.
    fn kernel(self, [a, b, c]: [f64; 3]) -> [f64; 6] {
        match self {
            Self::Two => [a, (a + b + c) / 2.0, (a - b + c) / 2.0, c, 0.0, 0.0],
            Self::Four => [
                a / 4.0,
                -(a + b + c) / 6.0,
                -(a - b + c) / 6.0,
                a / 24.0 + b / 12.0 + c / 6.0,
                a / 24.0 - b / 12.0 + c / 6.0,
                c,
            ],
        }
    }
}

/// Transformed weights of a 3x3 convolution.
pub struct WinogradWeights {
    pub(super) isa: Isa,
    pub(super) size: TileSize,
    pub(super) padding: usize,
    pub(super) input_channels: usize,
    /// Output channels.
    pub(super) channels: usize,
    pub(super) blocks: Vec<Block>,
}

/// Some output channels.
pub(super) struct Block {
    pub(super) channels: Range<usize>,
    /// One for each element of a transformed tile.
    pub(super) products: Vec<ConvWeights>,
    pub(super) bias: Vec<f32>,
}

impl WinogradWeights {
    /// The tile with which a convolution is faster than by its direct sums, if there is one; its output
    /// is `width` pixels wide, and about as high.
    ///
    /// Narrow maps have too few tiles for the transformed weights, which are 16 or 36 matrices instead of
    /// 9, to be worth reading.
    pub fn tile(geometry: ConvGeometry, output_channels: usize, width: usize) -> Option<TileSize> {
        const LEAST_CHANNELS: usize = 32;
        let channels = geometry.input_channels.min(output_channels);
        if geometry.kernel != (3, 3) || geometry.stride != 1 || channels < LEAST_CHANNELS {
            return None;
        }
        match width {
            0..12 => None,
            12..24 => Some(TileSize::Two),
            _ => Some(TileSize::Four),
        }
    }

    /// Transforms the weights of a 3x3 convolution of stride 1.
    ///
    /// # Panics
    /// When the kernel or the stride is another, or the weights have another length than the geometry
    /// says.
    pub fn pack(isa: Isa, size: TileSize, geometry: ConvGeometry, part: ConvPart<'_>) -> Self {
        assert_eq!(
            (geometry.kernel, geometry.stride),
            ((3, 3), 1),
            "Winograd is for 3x3, stride 1"
        );
        let (inputs, channels) = (geometry.input_channels, part.bias.len());
        assert_eq!(part.weights.len(), channels * inputs * 9, "weights are OIHW");
        let one = ConvGeometry { kernel: (1, 1), stride: 1, padding: 0, input_channels: inputs };
        let blocks = (0..channels).step_by(BLOCK).map(|start| {
            let channels = start..channels.min(start + BLOCK);
            let kernels = &part.weights[channels.start * inputs * 9..channels.end * inputs * 9];
            let products = transformed(size, kernels);
            let none = vec![0.0; channels.len()];
            let pack = |weights: &Vec<f32>| {
                ConvWeights::pack(isa, one, &[ConvPart { weights, bias: &none }], OutputSize::Map)
            };
            Block {
                products: products.iter().map(pack).collect(),
                bias: part.bias[channels.clone()].to_vec(),
                channels,
            }
        });
        let blocks = blocks.collect();
        Self { isa, size, padding: geometry.padding, input_channels: inputs, channels, blocks }
    }

    /// Memory of the transformed weights.
    pub fn bytes(&self) -> usize {
        let products = self.blocks.iter().flat_map(|block| &block.products);
        products.map(ConvWeights::bytes).sum()
    }
}

/// For each element of a transformed tile the weights `[O][I]`.
fn transformed(size: TileSize, kernels: &[f32]) -> Vec<Vec<f32>> {
    let mut products = vec![Vec::with_capacity(kernels.len() / 9); size.products()];
    for kernel in kernels.chunks_exact(9) {
        let at = |row: usize, column: usize| f64::from(kernel[3 * row + column]);
        let rows = [0, 1, 2].map(|row| size.kernel([at(row, 0), at(row, 1), at(row, 2)]));
        for column in 0..size.inputs() {
            let values = size.kernel([rows[0][column], rows[1][column], rows[2][column]]);
            for (row, &value) in values[..size.inputs()].iter().enumerate() {
                products[row * size.inputs() + column].push(value as f32);
            }
        }
    }
    products
}
