//! The compression of strips and tiles, each read row by row so that no more is decompressed than the
//! picture has.

use std::borrow::Cow;
use std::io::{Cursor, Read};

use super::super::DecodeError;
use super::chain::Entries;
use super::fax::{Coding, FaxReader};
use super::lzw::LzwReader;
use super::packbits::PackBitsReader;
use super::samples::{Depth, Samples};
use super::{corrupt, tags, unsupported};

/// T4Options and T6Options: uncompressed stretches within coded rows.
const UNCOMPRESSED_MODE: u64 = 0b10;

/// T4Options: rows that refer to the row above.
const TWO_DIMENSIONAL: u64 = 1;

/// How strips and tiles are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    /// TIFF 6.0, sections 10 and 11.
    Fax(Coding),
    /// TIFF 6.0, section 13.
    Lzw,
    /// TIFF technical note of 2002.
    Deflate,
    /// TIFF 6.0, section 9.
    PackBits,
}

impl Compression {
    pub(super) fn read(entries: &Entries, samples: &Samples) -> Result<Self, DecodeError> {
        let compression = match entries.integer(tags::COMPRESSION, 1)? {
            1 => Self::None,
            2 => Self::Fax(Coding::Runs),
            3 => Self::Fax(group_3(entries.integer(tags::T4_OPTIONS, 0)?)?),
            4 => {
                if entries.integer(tags::T6_OPTIONS, 0)? & UNCOMPRESSED_MODE != 0 {
                    return Err(unsupported("the uncompressed mode of fax compression"));
                }
                Self::Fax(Coding::Group4)
            }
            5 => Self::Lzw,
            8 | 32_946 => Self::Deflate,
            32_773 => Self::PackBits,
            other => return Err(unsupported(named(other))),
        };
        let is_bilevel = samples.per_pixel == 1 && samples.depth == Depth::Packed(1);
        if matches!(compression, Self::Fax(_)) && !is_bilevel {
            return Err(corrupt("fax compression of more than one bit a pixel"));
        }
        Ok(compression)
    }

    /// Whether the tag Predictor is of any meaning.
    pub(super) fn has_predictor(self) -> bool {
        matches!(self, Self::Lzw | Self::Deflate)
    }

    /// A reader of the decompressed bytes of a chunk, `width` pixels wide.
    pub(super) fn reader<'a>(
        self,
        data: Cow<'a, [u8]>,
        width: u32,
    ) -> Result<Box<dyn Read + 'a>, DecodeError> {
        if self == Self::Lzw && matches!(*data, [0, second, ..] if second & 1 == 1) {
            return Err(unsupported("LZW as it was before TIFF 5.0"));
        }
        let data = Cursor::new(data);
        Ok(match self {
            Self::None => Box::new(data),
            Self::Fax(coding) => Box::new(FaxReader::new(coding, data, width)?),
            Self::Lzw => Box::new(LzwReader::new(data)),
            Self::Deflate => Box::new(flate2::bufread::ZlibDecoder::new(data)),
            Self::PackBits => Box::new(PackBitsReader::new(data)),
        })
    }
}

fn group_3(options: u64) -> Result<Coding, DecodeError> {
    if options & UNCOMPRESSED_MODE != 0 {
        return Err(unsupported("the uncompressed mode of fax compression"));
    }
    Ok(Coding::Group3 { two_dimensional: options & TWO_DIMENSIONAL != 0 })
}

fn named(compression: u64) -> Cow<'static, str> {
    let name = match compression {
        6 | 7 | 34_892 => "JPEG inside TIFF",
        9 | 10 | 34_661 => "JBIG compression",
        32_766 => "NeXT compression",
        32_771 => "fax compression in words of 16 bits",
        32_809 => "ThunderScan compression",
        34_676 | 34_677 => "SGI LogLuv compression",
        34_712 => "JPEG 2000 inside TIFF",
        34_887 => "LERC compression",
        34_925 => "LZMA compression",
        50_000 => "Zstandard compression",
        50_001 => "WebP inside TIFF",
        50_002 | 52_546 => "JPEG XL inside TIFF",
        other => return format!("compression {other}").into(),
    };
    name.into()
}
