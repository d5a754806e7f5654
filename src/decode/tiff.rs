//! The first directory of a TIFF file, checked before the decoder sees it.
//!
//! The decoder reserves what a directory entry says that it holds before it reads it, and hands
//! JPEG inside TIFF on without bounds on its size; the first is checked here, the second refused. It
//! also knows no palettes: indices are decoded as grey levels and looked up afterwards.

use std::borrow::Cow;

use image::RgbImage;

use super::{DecodeError, Format};

const COMPRESSION: u16 = 259;
const PHOTOMETRIC: u16 = 262;
const COLOUR_MAP: u16 = 320;

const PALETTE: u32 = 3;
const BLACK_IS_ZERO: u16 = 1;

/// What has to be known of the first directory before decoding.
#[derive(Default)]
pub(super) struct Directory {
    /// Where the two bytes lie that say that samples are palette indices.
    photometric_at: Option<usize>,
    palette: Option<Box<[[u8; 3]; 256]>>,
}

impl Directory {
    /// Checks that the values of all entries lie within the file.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let file = File { bytes, little_endian: bytes.starts_with(b"II") };
        let ends = || corrupt("the directory lies beyond the end of the file");
        let at = file.u32(4).ok_or_else(ends)? as usize;
        let count = file.u16(at).ok_or_else(ends)?;
        let mut directory = Self::default();
        let mut is_palette = false;
        for index in 0..usize::from(count) {
            let entry = file.entry(at + 2 + 12 * index).ok_or_else(ends)?;
            match entry.tag {
                COMPRESSION if matches!(entry.first, 6 | 7) => {
                    return Err(DecodeError::unsupported(Format::Tiff, "JPEG inside TIFF"));
                }
                PHOTOMETRIC if entry.first == PALETTE => {
                    is_palette = true;
                    directory.photometric_at = Some(entry.value_at);
                }
                COLOUR_MAP => directory.palette = file.palette(entry.value_at, entry.value_bytes),
                _ => {}
            }
        }
        if is_palette && directory.palette.is_none() {
            return Err(DecodeError::unsupported(
                Format::Tiff,
                "a palette that has not 256 entries",
            ));
        }
        if !is_palette {
            directory.palette = None;
        }
        Ok(directory)
    }

    /// The file, with palette indices declared as grey levels.
    pub(super) fn indices_as_grey<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let Some(at) = self.photometric_at else { return bytes.into() };
        let mut bytes = bytes.to_vec();
        let grey = if bytes.starts_with(b"II") {
            BLACK_IS_ZERO.to_le_bytes()
        } else {
            BLACK_IS_ZERO.to_be_bytes()
        };
        bytes[at..at + 2].copy_from_slice(&grey);
        bytes.into()
    }

    /// Whether [`apply_palette`](Self::apply_palette) changes anything.
    pub(super) fn has_palette(&self) -> bool {
        self.palette.is_some()
    }

    /// Looks each grey level up in the palette, if there is one.
    pub(super) fn apply_palette(&self, image: &mut RgbImage) {
        if let Some(palette) = &self.palette {
            for pixel in image.pixels_mut() {
                pixel.0 = palette[usize::from(pixel.0[0])];
            }
        }
    }
}

struct Entry {
    tag: u16,
    /// The first value, if it is a 16-bit or 32-bit integer.
    first: u32,
    value_at: usize,
    value_bytes: usize,
}

struct File<'a> {
    bytes: &'a [u8],
    little_endian: bool,
}

impl File<'_> {
    fn u16(&self, at: usize) -> Option<u16> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.little_endian { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    }

    fn u32(&self, at: usize) -> Option<u32> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.little_endian { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }

    /// `None` when the entry or its values lie beyond the end of the file.
    fn entry(&self, at: usize) -> Option<Entry> {
        let kind = self.u16(at + 2)?;
        let item_bytes = match kind {
            3 | 8 => 2,
            4 | 9 | 11 | 13 => 4,
            5 | 10 | 12 | 16..=18 => 8,
            _ => 1,
        };
        let value_bytes = (self.u32(at + 4)? as usize).checked_mul(item_bytes)?;
        let value_at = if value_bytes <= 4 { at + 8 } else { self.u32(at + 8)? as usize };
        self.bytes.get(value_at..value_at.checked_add(value_bytes.max(4))?)?;
        let first = match kind {
            3 => self.u16(value_at)?.into(),
            _ => self.u32(value_at)?,
        };
        Some(Entry { tag: self.u16(at)?, first, value_at, value_bytes })
    }

    /// All reds, then all greens, then all blues, 16 bits each.
    fn palette(&self, at: usize, length: usize) -> Option<Box<[[u8; 3]; 256]>> {
        if length != 3 * 256 * 2 {
            return None;
        }
        let mut palette = Box::new([[0; 3]; 256]);
        for (index, colour) in palette.iter_mut().enumerate() {
            for (channel, level) in colour.iter_mut().enumerate() {
                // Writers scale 8 bits by 256 or by 257; the high byte is right for both.
                *level = (self.u16(at + 2 * (channel * 256 + index))? >> 8) as u8;
            }
        }
        Some(palette)
    }
}

fn corrupt(detail: &str) -> DecodeError {
    DecodeError::corrupt(Format::Tiff, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_entry(tag: u16, kind: u16, count: u32, value: u32) -> Vec<u8> {
        let mut bytes = b"II*\0\x08\0\0\0\x01\0".to_vec();
        bytes.extend(tag.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(value.to_le_bytes());
        bytes.extend([0; 4]);
        bytes
    }

    #[test]
    fn values_beyond_the_file_are_refused() {
        assert!(Directory::read(&with_entry(700, 1, 4, 0)).is_ok());
        for (kind, count) in [(1, u32::MAX), (12, u32::MAX), (4, 1000), (1, 30)] {
            assert!(Directory::read(&with_entry(700, kind, count, 8)).is_err(), "{kind} {count}");
        }
        assert!(Directory::read(b"II*\0\xff\xff\xff\xff").is_err());
        assert!(Directory::read(b"MM\0*").is_err());
    }

    #[test]
    fn jpeg_inside_tiff_is_refused_by_name() {
        for compression in [6, 7] {
            let error = Directory::read(&with_entry(COMPRESSION, 3, 1, compression)).err().unwrap();
            assert!(error.to_string().contains("JPEG inside TIFF"), "{error}");
        }
    }

    #[test]
    fn indices_without_a_whole_palette_are_refused() {
        assert!(Directory::read(&with_entry(PHOTOMETRIC, 3, 1, PALETTE)).is_err());
        assert!(Directory::read(&with_entry(PHOTOMETRIC, 3, 1, 1)).is_ok());
    }
}
