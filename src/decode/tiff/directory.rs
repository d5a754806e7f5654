//! What is known about a picture before its pixels are decoded. All of it has been checked.

use bytes::Bytes;
use image::metadata::Orientation;

use super::super::DecodeError;
use super::chain::{Entries, picture_entries};
use super::colour::{Alpha, Colours};
use super::compression::Compression;
use super::layout::Layout;
use super::predictor::Predictor;
use super::samples::Samples;
use super::values::ByteOrder;
use super::{corrupt, tags, unsupported};

/// The largest colour profile that is handed on, in bytes.
const LARGEST_PROFILE_BYTES: usize = 4 << 20;

/// Where an ICC profile names the colours that it is about, and how (ICC.1, 7.2.6).
const PROFILE_COLOURS: std::ops::Range<usize> = 16..20;
const PROFILE_OF_RGB: &[u8] = b"RGB ";

/// The directory of the picture; all that is decoded goes by it.
#[derive(Debug)]
pub(in crate::decode) struct Directory {
    /// In pixels, at least 1.
    pub(super) width: u32,
    /// In pixels, at least 1.
    pub(super) height: u32,
    pub(super) orientation: Orientation,
    pub(super) order: ByteOrder,
    pub(super) samples: Samples,
    pub(super) compression: Compression,
    /// FillOrder 2: the bits of each byte of the compressed data are turned round.
    pub(super) reversed_bits: bool,
    pub(super) predictor: Predictor,
    pub(super) colours: Colours,
    pub(super) alpha: Alpha,
    pub(super) layout: Layout,
    /// An ICC profile of RGB.
    pub(super) colour_profile: Option<Bytes>,
}

impl Directory {
    /// Finds the picture's directory and checks it.
    pub(super) fn read(file: &Bytes) -> Result<Self, DecodeError> {
        let entries = picture_entries(file)?;
        let (width, height) =
            (side(&entries, tags::IMAGE_WIDTH)?, side(&entries, tags::IMAGE_LENGTH)?);
        let samples = Samples::read(&entries)?;
        let compression = Compression::read(&entries, &samples)?;
        let is_fax = matches!(compression, Compression::Fax(_));
        let colours = Colours::read(&entries, &samples, is_fax)?;
        let predictor = if compression.has_predictor() {
            Predictor::read(&entries, samples.depth)?
        } else {
            Predictor::None
        };
        if predictor != Predictor::None && colours.subsampling().is_some() {
            return Err(unsupported("a predictor of subsampled YCbCr"));
        }
        let layout = Layout::read(file, &entries, (width, height), samples.planes())?;
        if let Some(subsampling) = colours.subsampling()
            && layout.down > 1
            && !layout.height.is_multiple_of(subsampling.down)
        {
            return Err(corrupt("its strips end within blocks of subsampled pixels"));
        }
        Ok(Self {
            width,
            height,
            orientation: orientation(&entries)?,
            order: entries.order(),
            samples,
            compression,
            reversed_bits: reversed_bits(&entries)?,
            predictor,
            alpha: colours.alpha(&entries, &samples)?,
            colour_profile: colour_profile(&entries)?
                .filter(|_| colours.are_rgb())
                .map(|profile| file.slice_ref(profile)),
            colours,
            layout,
        })
    }

    /// Bytes that are decompressed at a time in each plane: a row of a chunk, or one of blocks.
    pub(super) fn row_bytes(&self) -> u64 {
        let width = self.layout.width;
        match self.colours.subsampling() {
            Some(subsampling) => subsampling.row_bytes(width),
            None => self.samples.row_bytes(width),
        }
    }

    /// Samples in a row of a chunk, over all planes.
    pub(super) fn row_samples(&self) -> u64 {
        u64::from(self.layout.width) * self.samples.per_pixel as u64
    }
}

fn side(entries: &Entries, tag: u16) -> Result<u32, DecodeError> {
    match entries.optional(tag)? {
        None => Err(corrupt("it does not state its size")),
        Some(0) => Err(corrupt("it has no pixels")),
        Some(side) => u32::try_from(side).map_err(|_| corrupt(format!("a side of {side} pixels"))),
    }
}

/// Values that TIFF 6.0 does not know are taken for none, as viewers do.
fn orientation(entries: &Entries) -> Result<Orientation, DecodeError> {
    let exif = entries.integer(tags::ORIENTATION, 1)?;
    let orientation = u8::try_from(exif).ok().and_then(Orientation::from_exif);
    Ok(orientation.unwrap_or(Orientation::NoTransforms))
}

fn reversed_bits(entries: &Entries) -> Result<bool, DecodeError> {
    match entries.integer(tags::FILL_ORDER, 1)? {
        1 => Ok(false),
        2 => Ok(true),
        other => Err(corrupt(format!("its fill order is {other}"))),
    }
}

fn colour_profile<'a>(entries: &Entries<'a>) -> Result<Option<&'a [u8]>, DecodeError> {
    let Some(values) = entries.values(tags::ICC_PROFILE)? else { return Ok(None) };
    let profile = values.bytes()?;
    let is_of_rgb = profile.get(PROFILE_COLOURS) == Some(PROFILE_OF_RGB);
    Ok((is_of_rgb && profile.len() <= LARGEST_PROFILE_BYTES).then_some(profile))
}
