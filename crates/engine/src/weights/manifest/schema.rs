//! The TOML as it is written, and the checks that lead from it to a [`Manifest`].

use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use toml::Spanned;

use super::{Manifest, OutputTable, PinnedFile};
use crate::model::{ChannelOrder, Preprocessing, Resize};
use crate::weights::Sha256;

/// GoogLeNet halves its input five times; 8 pixels leave something to halve.
const SIDES: RangeInclusive<usize> = 8..=1024;
/// The side of GoogLeNet's input when the TOML names none.
const DEFAULT_SIDE: usize = 224;
/// A resized photo is held in memory whole.
const MAX_RESIZE: usize = 4096;

/// What is wrong, and the byte of the text at which it is.
pub(super) struct Fault {
    pub(super) offset: Option<usize>,
    pub(super) message: String,
}

impl Fault {
    fn at(span: Range<usize>, message: String) -> Self {
        Self { offset: Some(span.start), message }
    }
}

pub(super) fn parse(text: &str) -> Result<Manifest, Fault> {
    let document: Document = toml::from_str(text).map_err(|error| Fault {
        offset: error.span().map(|span| span.start),
        message: error.message().to_owned(),
    })?;
    document.check()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    labels: Option<Spanned<PathBuf>>,
    groups: Option<Spanned<PathBuf>>,
    source: Option<String>,
    licence: Option<String>,
    input: Input,
    #[serde(default)]
    output: OutputTable,
    #[serde(default)]
    file: Vec<File>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    side: Option<Spanned<usize>>,
    channels: ChannelOrder,
    mean: Spanned<PerChannel>,
    scale: Option<Spanned<PerChannel>>,
    resize: ResizeTable,
}

/// As [`Resize`], but unknown members are refused and the size knows its place.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResizeTable {
    mode: ResizeMode,
    size: Spanned<usize>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ResizeMode {
    Stretch,
    ShortSide,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    bytes: Spanned<u64>,
    sha256: Sha256,
    url: Option<Spanned<String>>,
}

impl Document {
    fn check(self) -> Result<Manifest, Fault> {
        let named = |file: Option<Spanned<PathBuf>>, fault: &str| match file {
            Some(file) if file.get_ref().as_os_str().is_empty() => {
                Err(Fault::at(file.span(), fault.to_owned()))
            }
            file => Ok(file.map(Spanned::into_inner)),
        };
        Ok(Manifest {
            labels: named(
                self.labels,
                "labels must name a file; leave it out for numbered classes",
            )?,
            groups: named(self.groups, "groups must name a file; leave it out for WordNet's")?,
            preprocessing: self.input.check()?,
            output: self.output,
            source: self.source,
            licence: self.licence,
            files: self.file.into_iter().map(File::check).collect::<Result<_, _>>()?,
        })
    }
}

impl Input {
    fn check(self) -> Result<Preprocessing, Fault> {
        let side = match self.side {
            None => DEFAULT_SIDE,
            Some(side) if SIDES.contains(side.get_ref()) => side.into_inner(),
            Some(side) => {
                let message = format!("side is {}, allowed are {SIDES:?} pixels", side.get_ref());
                return Err(Fault::at(side.span(), message));
            }
        };
        Ok(Preprocessing {
            side,
            resize: self.resize.check(side)?,
            channels: self.channels,
            mean: check_mean(self.mean)?,
            scale: self.scale.map_or(Ok([1.0; 3]), check_scale)?,
        })
    }
}

impl ResizeTable {
    fn check(self, side: usize) -> Result<Resize, Fault> {
        let size = *self.size.get_ref();
        if !(side..=MAX_RESIZE).contains(&size) {
            let message = format!(
                "resize.size is {size}, allowed are {side}..={MAX_RESIZE} pixels: \
                 the crop of {side} x {side} is taken from it"
            );
            return Err(Fault::at(self.size.span(), message));
        }
        Ok(match self.mode {
            ResizeMode::Stretch => Resize::Stretch { size },
            ResizeMode::ShortSide => Resize::ShortSide { size },
        })
    }
}

impl File {
    fn check(self) -> Result<PinnedFile, Fault> {
        if *self.bytes.get_ref() == 0 {
            let message = "bytes is the file's length and at least 1".to_owned();
            return Err(Fault::at(self.bytes.span(), message));
        }
        if let Some(url) = &self.url
            && !["http://", "https://"].iter().any(|scheme| url.get_ref().starts_with(scheme))
        {
            let message = "url must begin with https:// or http://".to_owned();
            return Err(Fault::at(url.span(), message));
        }
        Ok(PinnedFile {
            name: self.name,
            bytes: self.bytes.into_inner(),
            sha256: self.sha256,
            url: self.url.map(Spanned::into_inner),
        })
    }
}

fn check_mean(mean: Spanned<PerChannel>) -> Result<[f32; 3], Fault> {
    let PerChannel(values) = *mean.get_ref();
    if values.iter().all(|value| value.is_finite()) {
        return Ok(values);
    }
    let message = format!("mean is {values:?}, each must be a finite number (pixels are 0..=255)");
    Err(Fault::at(mean.span(), message))
}

fn check_scale(scale: Spanned<PerChannel>) -> Result<[f32; 3], Fault> {
    let PerChannel(values) = *scale.get_ref();
    // A subnormal scale is 0 to hardware that flushes them.
    if values.iter().all(|value| value.is_normal()) {
        return Ok(values);
    }
    let message = format!("scale is {values:?}, each must be a finite number other than 0");
    Err(Fault::at(scale.span(), message))
}

/// One number for all channels, or one for each.
#[derive(Clone, Copy)]
struct PerChannel([f32; 3]);

impl<'de> Deserialize<'de> for PerChannel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PerChannelVisitor)
    }
}

struct PerChannelVisitor;

impl<'de> Visitor<'de> for PerChannelVisitor {
    type Value = PerChannel;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or a list of 3 numbers in the order of the channels")
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<PerChannel, E> {
        Ok(PerChannel([value as f32; 3]))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<PerChannel, E> {
        self.visit_f64(value as f64)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<PerChannel, A::Error> {
        let mut values = [0.0; 3];
        for (index, value) in values.iter_mut().enumerate() {
            *value =
                sequence.next_element()?.ok_or_else(|| de::Error::invalid_length(index, &self))?;
        }
        match sequence.next_element::<f32>()? {
            None => Ok(PerChannel(values)),
            Some(_) => Err(de::Error::invalid_length(4, &self)),
        }
    }
}
