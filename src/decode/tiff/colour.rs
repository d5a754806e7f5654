//! 8-bit samples to RGB: what PhotometricInterpretation says of them, and alpha over white.

use super::super::{DecodeError, rgb};
use super::chain::Entries;
use super::palette::Palette;
use super::samples::{Depth, Samples};
use super::ycbcr::{Subsampling, YCbCr};
use super::{corrupt, tags, unsupported};

/// What the samples of a pixel mean.
#[derive(Debug)]
pub(super) enum Colours {
    Grey {
        white_is_zero: bool,
    },
    Rgb,
    Palette(Palette),
    /// TIFF 6.0, section 16.
    Cmyk,
    YCbCr(YCbCr, Subsampling),
}

/// What the samples behind the colours say (ExtraSamples; TIFF 6.0, section 18).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alpha {
    /// Nothing that is known: the picture is opaque.
    None,
    /// Sample `.0` is how opaque the pixel is.
    Straight(usize),
    /// The same, and the colours are multiplied by it.
    Associated(usize),
}

impl Colours {
    pub(super) fn read(
        entries: &Entries,
        samples: &Samples,
        is_fax: bool,
    ) -> Result<Self, DecodeError> {
        let stated = entries.optional(tags::PHOTOMETRIC_INTERPRETATION)?;
        let colours = match (stated, samples.per_pixel) {
            (Some(0), _) => Self::Grey { white_is_zero: true },
            (Some(1), _) => Self::Grey { white_is_zero: false },
            (Some(2), _) => Self::Rgb,
            (Some(3), _) => Self::Palette(Palette::read(entries, samples)?),
            (Some(5), _) if entries.integer(tags::INK_SET, 1)? != 1 => {
                return Err(unsupported("inks that are not CMYK"));
            }
            (Some(5), _) => Self::Cmyk,
            (Some(6), _) => ycbcr(entries, samples)?,
            (Some(other), _) => return Err(unsupported(named(other))),
            // The tag is required; libtiff guesses the same.
            (None, 1) => Self::Grey { white_is_zero: is_fax },
            (None, 3) => Self::Rgb,
            (None, _) => return Err(corrupt("it does not say what its samples mean")),
        };
        if samples.per_pixel < colours.channels() {
            return Err(corrupt(format!("its pixels have only {} samples", samples.per_pixel)));
        }
        Ok(colours)
    }

    /// Samples of a colour.
    fn channels(&self) -> usize {
        match self {
            Self::Grey { .. } | Self::Palette(_) => 1,
            Self::Rgb | Self::YCbCr(..) => 3,
            Self::Cmyk => 4,
        }
    }

    /// Whether samples are indices, not to be scaled.
    pub(super) fn are_indices(&self) -> bool {
        matches!(self, Self::Palette(_))
    }

    /// How blocks of pixels share colour differences, if they do.
    pub(super) fn subsampling(&self) -> Option<Subsampling> {
        match self {
            Self::YCbCr(_, subsampling) if !subsampling.is_none() => Some(*subsampling),
            _ => None,
        }
    }

    /// Whether a colour profile of RGB is about these colours.
    pub(super) fn are_rgb(&self) -> bool {
        matches!(self, Self::Rgb | Self::Palette(_) | Self::YCbCr(..))
    }

    pub(super) fn alpha(&self, entries: &Entries, samples: &Samples) -> Result<Alpha, DecodeError> {
        const ASSOCIATED: u64 = 1;
        const STRAIGHT: u64 = 2;
        let channels = self.channels();
        let Some(kinds) = entries.integers(tags::EXTRA_SAMPLES)? else {
            // As Pillow reads a fourth sample that nothing is said of.
            let is_rgba = matches!(self, Self::Rgb) && samples.per_pixel == 4;
            return Ok(if is_rgba { Alpha::Straight(channels) } else { Alpha::None });
        };
        let kinds = kinds.iter().take(samples.per_pixel - channels);
        let alpha = kinds
            .enumerate()
            .find_map(|(index, kind)| match kind {
                ASSOCIATED => Some(Alpha::Associated(channels + index)),
                STRAIGHT => Some(Alpha::Straight(channels + index)),
                _ => None,
            })
            .unwrap_or(Alpha::None);
        Ok(match (self, alpha) {
            (Self::Palette(_), Alpha::Straight(_) | Alpha::Associated(_))
                if samples.depth != Depth::U8 =>
            {
                return Err(unsupported("alpha beside indices of less than 8 bits"));
            }
            // An index cannot be multiplied.
            (Self::Palette(_), Alpha::Associated(at)) => Alpha::Straight(at),
            // Zero is white: inks multiplied by alpha are the inks on white paper.
            (Self::Cmyk | Self::Grey { white_is_zero: true }, Alpha::Associated(_)) => Alpha::None,
            (_, alpha) => alpha,
        })
    }

    /// Converts pixels of `per_pixel` samples each, as many as `out` has room for.
    pub(super) fn to_rgb(
        &self,
        samples: &[u8],
        per_pixel: usize,
        alpha: Alpha,
        out: &mut [u8],
    ) -> Result<(), DecodeError> {
        match self {
            Self::Rgb if per_pixel == 3 => out.copy_from_slice(&samples[..out.len()]),
            Self::Rgb => convert(samples, per_pixel, alpha, out, |p| [p[0], p[1], p[2]]),
            Self::Grey { white_is_zero: false } => {
                convert(samples, per_pixel, alpha, out, |p| [p[0]; 3]);
            }
            Self::Grey { white_is_zero: true } => {
                convert(samples, per_pixel, alpha, out, |p| [255 - p[0]; 3]);
            }
            Self::Cmyk => convert(samples, per_pixel, alpha, out, |p| {
                [0, 1, 2].map(|ink| under_ink(255 - p[3], p[ink]))
            }),
            Self::YCbCr(colours, _) => {
                convert(samples, per_pixel, alpha, out, |p| colours.to_rgb([p[0], p[1], p[2]]))
            }
            Self::Palette(palette) => {
                let mut visible = samples.chunks_exact(per_pixel).take(out.len() / 3);
                if let Some(unknown) = visible.find(|pixel| palette.colour(pixel[0]).is_none()) {
                    return Err(corrupt(format!("its palette has no colour {}", unknown[0])));
                }
                let colour = |pixel: &[u8]| palette.colour(pixel[0]).unwrap_or_default();
                convert(samples, per_pixel, alpha, out, colour);
            }
        }
        Ok(())
    }
}

fn ycbcr(entries: &Entries, samples: &Samples) -> Result<Colours, DecodeError> {
    let subsampling = Subsampling::read(entries)?;
    if samples.depth != Depth::U8 {
        return Err(unsupported("YCbCr of other than 8 bits"));
    }
    if !subsampling.is_none() && (samples.in_planes || samples.per_pixel != 3) {
        return Err(unsupported("subsampled YCbCr in planes or with further samples"));
    }
    Ok(Colours::YCbCr(YCbCr::read(entries)?, subsampling))
}

fn named(photometric: u64) -> String {
    match photometric {
        4 => "a transparency mask".into(),
        8..=10 => "CIE L*a*b* colours".into(),
        32_803 | 34_892 => "the raw picture of a camera".into(),
        32_844 | 32_845 => "LogLuv colours".into(),
        other => format!("colours of type {other}"),
    }
}

/// What `ink` leaves of the light, rounded: `light - round(ink * light / 255)`.
fn under_ink(light: u8, ink: u8) -> u8 {
    let taken = (u32::from(ink) * u32::from(light) + 127) / 255;
    // At most the light itself.
    light - taken as u8
}

fn convert(
    samples: &[u8],
    per_pixel: usize,
    alpha: Alpha,
    out: &mut [u8],
    to_rgb: impl Fn(&[u8]) -> [u8; 3],
) {
    let pixels = samples.chunks_exact(per_pixel).zip(out.as_chunks_mut::<3>().0);
    match alpha {
        Alpha::None => pixels.for_each(|(pixel, out)| *out = to_rgb(pixel)),
        Alpha::Straight(at) => pixels.for_each(|(pixel, out)| {
            *out = to_rgb(pixel).map(|level| rgb::over_white(level, pixel[at]));
        }),
        Alpha::Associated(at) => pixels.for_each(|(pixel, out)| {
            *out = to_rgb(pixel).map(|level| level.saturating_add(255 - pixel[at]));
        }),
    }
}
