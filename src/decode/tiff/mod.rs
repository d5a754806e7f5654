//! TIFF 6.0 and BigTIFF to RGB.
//!
//! One reader walks the file: it ignores what it does not know, and decodes only what it has checked. Values are read
//! by the type that they are written in, and stay in the file until they are needed, so checking a header allocates
//! next to nothing. Strips and tiles are decompressed row by row, by other people's decompressors, and never further
//! than the picture reaches; none of these formats has a size of its own. JPEG inside TIFF would, and is refused.

mod chain;
mod colour;
mod compression;
mod cost;
mod directory;
mod fax;
mod layout;
mod lzw;
mod packbits;
mod palette;
mod picture;
mod predictor;
mod rows;
mod samples;
mod tags;
#[cfg(test)]
mod test_file;
#[cfg(test)]
mod tests;
mod values;
mod ycbcr;

use bytes::Bytes;

pub(super) use directory::Directory;

use super::stored::{Checked, Stored};
use super::{DecodeError, Format};

/// Reads and checks the directory of the picture.
pub(super) fn read_header(file: &Bytes) -> Result<Checked<Directory>, DecodeError> {
    let directory = Directory::read(file)?;
    Ok(Checked {
        width: directory.width,
        height: directory.height,
        orientation: directory.orientation,
        decode_bytes: cost::decode_bytes(&directory),
        decode_time: cost::decode_time(&directory),
        picture: directory,
    })
}

/// Decodes as stored (the orientation not applied).
pub(super) fn decode(directory: &Directory) -> Result<Stored, DecodeError> {
    let colour_profile = directory.colour_profile.as_deref().map(<[u8]>::to_vec);
    Ok(Stored { colour_profile, ..picture::decode(directory)?.into() })
}

fn corrupt(detail: impl ToString) -> DecodeError {
    DecodeError::corrupt(Format::Tiff, detail)
}

fn unsupported(feature: impl ToString) -> DecodeError {
    DecodeError::unsupported(Format::Tiff, feature)
}
