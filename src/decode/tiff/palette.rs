//! The colours that samples are indices of (TIFF 6.0, section 5).

use super::super::DecodeError;
use super::chain::Entries;
use super::samples::{Depth, Samples};
use super::{corrupt, tags, unsupported};

/// A table of at most 256 colours.
#[derive(Debug)]
pub(super) struct Palette(Vec<[u8; 3]>);

impl Palette {
    pub(super) fn read(entries: &Entries, samples: &Samples) -> Result<Self, DecodeError> {
        if !matches!(samples.depth, Depth::Packed(_) | Depth::U8) {
            return Err(unsupported("a palette with indices of more than 8 bits"));
        }
        let map =
            entries.integers(tags::COLOUR_MAP)?.ok_or_else(|| corrupt("its palette is missing"))?;
        // All reds, then all greens, then all blues.
        let entry_count = map.len() / 3;
        let used = entry_count.min(1 << samples.depth.bits());
        let level = |index| map.get(index).unwrap_or(0).min(u16::MAX.into()) as u16;
        let mut levels =
            (0..3).flat_map(|channel| (0..used).map(move |at| channel * entry_count + at));
        // Some writers state 8 bits instead of 16.
        let has_16_bits = levels.any(|at| level(at) > u8::MAX.into());
        let narrow = |level: u16| if has_16_bits { high_byte(level) } else { level as u8 };
        let colour = |at| [0, 1, 2].map(|channel| narrow(level(channel * entry_count + at)));
        Ok(Self((0..used).map(colour).collect()))
    }

    pub(super) fn colour(&self, index: u8) -> Option<[u8; 3]> {
        self.0.get(usize::from(index)).copied()
    }
}

/// Writers scale 8 bits by 256 or by 257; the high byte is right for both.
fn high_byte(level: u16) -> u8 {
    (level >> 8) as u8
}
