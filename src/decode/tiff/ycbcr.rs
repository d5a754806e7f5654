//! Luminance and colour differences to RGB (TIFF 6.0, sections 20 and 21).

use super::super::DecodeError;
use super::chain::Entries;
use super::{corrupt, tags, unsupported};

/// Shares of red, green and blue in luminance (ITU-R BT.601), where the file states none.
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

/// Codes of black and white, for each component, where the file states none.
const REFERENCE_BLACK_WHITE: [f32; 6] = [0.0, 255.0, 128.0, 255.0, 128.0, 255.0];

/// Pixels that share a pair of colour differences, across and down: 1, 2 or 4 each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Subsampling {
    pub(super) across: u32,
    pub(super) down: u32,
}

impl Subsampling {
    pub(super) fn read(entries: &Entries) -> Result<Self, DecodeError> {
        let Some(values) = entries.integers(tags::YCBCR_SUBSAMPLING)? else {
            return Ok(Self { across: 2, down: 2 });
        };
        let side = |index| match values.get(index) {
            Some(side @ (1 | 2 | 4)) => Ok(side as u32),
            _ => Err(corrupt("its colours are subsampled in a way that there is not")),
        };
        Ok(Self { across: side(0)?, down: side(1)? })
    }

    pub(super) fn is_none(self) -> bool {
        self.across * self.down == 1
    }

    /// Bytes of a block: the luminances of its pixels, row by row, and one pair of differences.
    fn block_bytes(self) -> usize {
        (self.across * self.down + 2) as usize
    }

    /// Bytes of a row of blocks over `width` pixels.
    pub(super) fn row_bytes(self, width: u32) -> u64 {
        u64::from(width.div_ceil(self.across)) * self.block_bytes() as u64
    }

    /// Row `row < down` of a row of blocks, as three samples a pixel.
    pub(super) fn unpack(self, blocks: &[u8], row: usize, samples: &mut [u8]) {
        let across = self.across as usize;
        let differences = across * self.down as usize;
        let pixels = samples.as_chunks_mut::<3>().0;
        let blocks = blocks.chunks_exact(self.block_bytes());
        for (pixels, block) in pixels.chunks_mut(across).zip(blocks) {
            for (pixel, luma) in pixels.iter_mut().zip(&block[row * across..]) {
                *pixel = [*luma, block[differences], block[differences + 1]];
            }
        }
    }
}

/// How codes become colours.
#[derive(Clone, Copy, Debug)]
pub(super) struct YCbCr {
    /// Luminance, 0.0..=255.0: `code * scale + offset`.
    luma: (f32, f32),
    /// The same of both differences, -127.0..=127.0.
    differences: [(f32, f32); 2],
    shares: [f32; 3],
}

impl YCbCr {
    pub(super) fn read(entries: &Entries) -> Result<Self, DecodeError> {
        let shares = match entries.values(tags::YCBCR_COEFFICIENTS)? {
            Some(values) => values.fractions()?,
            None => LUMA,
        };
        let references = match entries.values(tags::REFERENCE_BLACK_WHITE)? {
            Some(values) => values.fractions()?,
            None => REFERENCE_BLACK_WHITE,
        };
        Self::new(shares, references)
    }

    fn new(shares: [f32; 3], references: [f32; 6]) -> Result<Self, DecodeError> {
        // TIFF 6.0, section 20: from the code of black to that of white there are `range` steps.
        let line = |at: usize, range: f32| {
            let (black, white) = (references[at], references[at + 1]);
            let scale = range / (white - black);
            (scale, -black * scale)
        };
        let colours =
            Self { luma: line(0, 255.0), differences: [line(2, 127.0), line(4, 127.0)], shares };
        let lines = [colours.luma, colours.differences[0], colours.differences[1]];
        let is_finite = lines.iter().all(|(scale, offset)| scale.is_finite() && offset.is_finite());
        if !is_finite || !shares.iter().all(|share| share.is_finite()) || shares[1] == 0.0 {
            return Err(unsupported("colours that are defined without a meaning"));
        }
        Ok(colours)
    }

    pub(super) fn to_rgb(self, [y, cb, cr]: [u8; 3]) -> [u8; 3] {
        let at = |(scale, offset): (f32, f32), code: u8| f32::from(code).mul_add(scale, offset);
        let y = at(self.luma, y);
        let [cb, cr] = [at(self.differences[0], cb), at(self.differences[1], cr)];
        let [red_share, green_share, blue_share] = self.shares;
        let red = y + cr * (2.0 - 2.0 * red_share);
        let blue = y + cb * (2.0 - 2.0 * blue_share);
        let green = (y - blue_share * blue - red_share * red) / green_share;
        // Out of range is clamped.
        [red, green, blue].map(|level| level.round() as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_primaries_of_jpeg_come_out() {
        let colours = YCbCr::new(LUMA, REFERENCE_BLACK_WHITE).unwrap();
        for (code, rgb) in [
            ([0, 128, 128], [0, 0, 0_u8]),
            ([255, 128, 128], [255, 255, 255]),
            ([76, 85, 255], [254, 0, 0]),
            ([29, 255, 107], [0, 0, 254]),
        ] {
            let ours = colours.to_rgb(code);
            assert!(ours.iter().zip(rgb).all(|(a, b)| a.abs_diff(b) <= 1), "{ours:?} {rgb:?}");
        }
    }

    #[test]
    fn the_range_of_video_is_stretched() {
        let colours = YCbCr::new(LUMA, [16.0, 235.0, 128.0, 240.0, 128.0, 240.0]).unwrap();
        assert_eq!(colours.to_rgb([16, 128, 128]), [0; 3]);
        assert_eq!(colours.to_rgb([235, 128, 128]), [255; 3]);
    }

    #[test]
    fn meaningless_numbers_are_refused() {
        assert!(YCbCr::new([0.3, 0.0, 0.7], REFERENCE_BLACK_WHITE).is_err());
        assert!(YCbCr::new([f32::NAN; 3], REFERENCE_BLACK_WHITE).is_err());
        assert!(YCbCr::new(LUMA, [0.0; 6]).is_err());
    }

    #[test]
    fn pixels_of_a_block_share_their_differences() {
        let subsampling = Subsampling { across: 2, down: 2 };
        let blocks = [1, 2, 3, 4, 90, 91, 5, 6, 7, 8, 92, 93];
        assert_eq!(subsampling.row_bytes(3), 12);
        let mut samples = [0; 9];
        subsampling.unpack(&blocks, 1, &mut samples);
        assert_eq!(samples, [3, 90, 91, 4, 90, 91, 7, 92, 93]);
    }
}
