//! The part of the source that a crop of the resized photo shows.

use super::crops::Position;
use googlenet_engine::model::Resize;

/// Largest size of the resize in pixels; far beyond any network, and it keeps products in range.
pub(super) const MAX_SIZE: usize = 1 << 14;

/// A rectangle in the source, in pixels, with fractions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Region {
    /// From the left edge.
    pub left: f64,
    /// From the upper edge.
    pub top: f64,
    /// Of the rectangle.
    pub width: f64,
    /// Of the rectangle.
    pub height: f64,
}

impl Region {
    /// The smallest that holds both.
    pub(super) fn with(self, other: Self) -> Self {
        let (left, top) = (self.left.min(other.left), self.top.min(other.top));
        let right = (self.left + self.width).max(other.left + other.width);
        let bottom = (self.top + self.height).max(other.top + other.height);
        Self { left, top, width: right - left, height: bottom - top }
    }
}

/// The photo as the resize would make it, without making it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Resized {
    horizontal: Axis,
    vertical: Axis,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Axis {
    source: u32,
    resized: u64,
}

impl Resized {
    pub(super) fn new(resize: Resize, width: u32, height: u32) -> Self {
        let (resized_width, resized_height) = match resize {
            Resize::Stretch { size } => (size as u64, size as u64),
            Resize::ShortSide { size } => {
                // The longer side is rounded down, as torchvision does.
                let size = size as u64;
                let short = u64::from(width.min(height));
                (size * u64::from(width) / short, size * u64::from(height) / short)
            }
        };
        Self {
            horizontal: Axis { source: width, resized: resized_width },
            vertical: Axis { source: height, resized: resized_height },
        }
    }

    /// The region of the source that becomes the crop of `side` pixels at `position`.
    pub(super) fn region(self, position: Position, side: usize) -> Region {
        let side = side as u64;
        let (x, y) = (self.horizontal.resized - side, self.vertical.resized - side);
        let (x, y) = match position {
            Position::TopLeft => (0, 0),
            Position::TopRight => (x, 0),
            Position::BottomLeft => (0, y),
            Position::BottomRight => (x, y),
            Position::Centre => (half_to_even(x), half_to_even(y)),
        };
        let (left, width) = self.horizontal.span(x, side);
        let (top, height) = self.vertical.span(y, side);
        Region { left, top, width, height }
    }
}

impl Axis {
    /// Start and length in the source of `length` resized pixels from `start` on.
    fn span(self, start: u64, length: u64) -> (f64, f64) {
        let source = f64::from(self.source);
        let at = |resized: u64| resized as f64 * source / self.resized as f64;
        let (first, width) = (at(start), at(start + length) - at(start));
        // The sum can round to a little more than the source has.
        let first = if first + width > source { first.next_down() } else { first };
        (first, width)
    }
}

/// Half of `margin`; of two halves the even one, as torchvision's centre crop rounds.
fn half_to_even(margin: u64) -> u64 {
    let half = margin / 2;
    if margin % 2 == 1 { half + half % 2 } else { half }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POSITIONS: [Position; 5] = [
        Position::TopLeft,
        Position::TopRight,
        Position::BottomLeft,
        Position::BottomRight,
        Position::Centre,
    ];

    proptest! {
        #[test]
        fn every_region_lies_within_the_source(
            width in 1_u32..70_000, height in 1_u32..70_000, size in 1_usize..600, cut in 0_usize..600,
        ) {
            let side = size - cut.min(size - 1);
            for resize in [Resize::Stretch { size }, Resize::ShortSide { size }] {
                let resized = Resized::new(resize, width, height);
                for position in POSITIONS {
                    let Region { left, top, width: w, height: h } = resized.region(position, side);
                    prop_assert!(left >= 0.0 && top >= 0.0 && w > 0.0 && h > 0.0);
                    prop_assert!(left + w <= f64::from(width) && top + h <= f64::from(height));
                }
            }
        }
    }

    #[test]
    fn the_shorter_side_becomes_the_size_and_the_longer_is_rounded_down() {
        let resized = Resized::new(Resize::ShortSide { size: 256 }, 500, 375);
        assert_eq!((resized.horizontal.resized, resized.vertical.resized), (341, 256));
        let upright = Resized::new(Resize::ShortSide { size: 256 }, 375, 500);
        assert_eq!((upright.horizontal.resized, upright.vertical.resized), (256, 341));
        let stretched = Resized::new(Resize::Stretch { size: 256 }, 500, 375);
        assert_eq!((stretched.horizontal.resized, stretched.vertical.resized), (256, 256));
    }

    #[test]
    fn halves_go_to_the_even_neighbour() {
        let halves: Vec<u64> = (0..8).map(half_to_even).collect();
        assert_eq!(halves, [0, 0, 1, 2, 2, 2, 3, 4]);
    }
}
