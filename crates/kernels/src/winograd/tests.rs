use proptest::prelude::*;

use super::{TileSize, WinogradWeights};
use crate::conv::tests::Three;
use crate::conv::tests::float::{numbers, textbook};
use crate::conv::{Activation, ConvGeometry, ConvPart};
use crate::isa::Isa;
use crate::map::{MapRowsMut, MapShape, MapView};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Sizes that are no multiple of a tile, channels that fill no vector or several blocks, no padding,
    /// borders wider than the padding, windows of wider maps: every instruction set gives the
    /// textbook's values, and the same bits for all rows as for some.
    #[test]
    fn every_instruction_set_gives_the_textbooks_values(
        (height, width) in (1_usize..14, 1_usize..31),
        (inputs, outputs) in (1_usize..37, prop_oneof![1_usize..40, 60..70_usize]),
        (padding, wider) in (0_usize..2, 0_usize..2),
        four in any::<bool>(),
        (cut, seed) in (0_usize..14, 0_usize..1000),
    ) {
        let shape = MapShape {
            height: height + 2 - 2 * padding,
            width: width + 2 - 2 * padding,
            channels: inputs,
            border: padding + wider,
        };
        let geometry =
            ConvGeometry { kernel: (3, 3), stride: 1, padding, input_channels: inputs };
        let (input, weights) = (numbers(shape.len(), seed), numbers(outputs * inputs * 9, 1));
        let input = MapView::new(shape, &input);
        let part = ConvPart { weights: &weights, bias: &numbers(outputs, 3) };
        let expected = textbook(geometry, part, input, (height, width));
        let size = if four { TileSize::Four } else { TileSize::Two };
        // The window has 3 channels before it and 2 behind it.
        let shape = MapShape { height, width, channels: outputs + 5, border: 1 };
        for isa in Isa::available() {
            let packed = WinogradWeights::pack(isa, size, geometry, part);
            let run = |cut: usize| {
                let mut values = vec![-7.0; shape.len()];
                let (up, down) = MapRowsMut::whole(shape, &mut values).split_at(cut);
                for mut rows in [up, down] {
                    let mut window = rows.channels(3..3 + outputs);
                    packed.run(input, &mut window, Activation::Relu, &Three);
                }
                values
            };
            let whole = run(height);
            prop_assert_eq!(&whole, &run(cut.min(height)), "{:?}", isa);
            prop_assert_eq!(whole.iter().filter(|&&value| value == -7.0).count(),
                shape.len() - height * width * outputs, "the neighbours are left alone");
            let view = MapView::new(shape, &whole);
            for (index, expected) in expected.chunks_exact(outputs).enumerate() {
                let pixel = &view.pixel(index / width, index % width)[3..3 + outputs];
                for (a, b) in pixel.iter().zip(expected) {
                    let tolerance = 2e-5 * ((9 * inputs) as f32).sqrt() * b.abs().max(1.0);
                    prop_assert!((a - b).abs() <= tolerance, "{isa:?} {size:?}: {a} is not {b}");
                }
            }
        }
    }
}

#[test]
fn wide_maps_get_large_tiles_and_narrow_ones_none() {
    let geometry = |kernel, stride, input_channels| ConvGeometry {
        kernel: (kernel, kernel),
        stride,
        padding: kernel / 2,
        input_channels,
    };
    let tile = WinogradWeights::tile;
    assert_eq!(tile(geometry(3, 1, 64), 192, 56), Some(TileSize::Four));
    assert_eq!(tile(geometry(3, 1, 96), 208, 14), Some(TileSize::Two));
    assert_eq!(tile(geometry(3, 1, 192), 384, 7), None);
    assert_eq!(tile(geometry(3, 2, 64), 192, 56), None);
    assert_eq!(tile(geometry(5, 1, 64), 192, 56), None);
    assert_eq!(tile(geometry(3, 1, 3), 64, 224), None);
}
