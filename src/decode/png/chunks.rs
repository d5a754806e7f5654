//! The chunks of a PNG file (ISO/IEC 15948, 5.3) and which of them make the picture.

use bytes::Bytes;

use super::super::spliced::Spliced;
use super::super::{DecodeError, Format};

const SIGNATURE_BYTES: usize = 8;

/// Length, type and checksum.
const FRAME_BYTES: usize = 12;

/// An IEND chunk (11.2.5).
const IEND: &[u8] = b"\0\0\0\0IEND\xae\x42\x60\x82";

/// How the samples of a pixel are to be read (11.2.2, table 11.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    Grey,
    Rgb,
    Palette,
    GreyAlpha,
    Rgba,
}

/// What IHDR states (11.2.2).
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    /// Pixels.
    pub(super) width: u32,
    /// Pixels.
    pub(super) height: u32,
    /// Bits a sample or, with a palette, an index: 1, 2, 4, 8 or 16.
    pub(super) depth: u8,
    pub(super) colour: Colour,
    /// In seven passes (8.2).
    pub(super) interlaced: bool,
}

/// A text chunk (11.3.3), its keyword taken off.
#[derive(Debug)]
pub(super) struct Text {
    /// `tEXt`, `zTXt` or `iTXt`.
    pub(super) kind: [u8; 4],
    /// What follows the keyword and its zero.
    pub(super) body: Bytes,
}

/// The chunks of a file that anything is read from.
#[derive(Debug)]
pub(in crate::decode) struct Picture {
    pub(super) header: Header,
    /// The first PLTE and the first tRNS, whole, in their order.
    tables: Vec<Bytes>,
    pub(super) has_transparency: bool,
    /// The signature with IHDR, whole.
    head: Bytes,
    /// The first run of IDAT chunks, whole.
    pixels: Bytes,
    /// Of the first eXIf whose checksum is right.
    pub(super) exif: Option<Bytes>,
    /// Of the first text whose keyword says that it is EXIF in hexadecimal digits.
    pub(super) raw_exif: Option<Text>,
    /// Of the first iCCP whose checksum is right.
    pub(super) profile: Option<Bytes>,
}

impl Picture {
    /// Walks the chunks, with IEND or the end of the file as the last.
    ///
    /// What precedes the pixels and the pixels must be whole. Behind them a chunk that the file does
    /// not hold wholly is where the walk ends: the picture is there.
    pub(super) fn read(bytes: &Bytes) -> Result<Self, DecodeError> {
        let (first, mut at) = chunk_at(bytes, SIGNATURE_BYTES)?;
        let mut picture = Self {
            header: header(&first)?,
            tables: Vec::new(),
            has_transparency: false,
            head: bytes.slice(..at),
            pixels: Bytes::new(),
            exif: None,
            raw_exif: None,
            profile: None,
        };
        loop {
            let (chunk, next) = chunk_at(bytes, at)?;
            if chunk.kind == *b"IDAT" {
                break;
            }
            picture.keep_before_pixels(bytes, &chunk)?;
            at = next;
        }
        let begin = at;
        loop {
            // The decoder looks for the type of the chunk that follows, to know that it has all pixels.
            match kind_at(bytes, at) {
                Some(kind) if kind == *b"IDAT" => {}
                // Whether all pixels are there is for the decoder to find out.
                _ => break,
            }
            (_, at) = chunk_at(bytes, at)?;
        }
        picture.pixels = bytes.slice(begin..at);
        while let Ok((chunk, next)) = chunk_at(bytes, at)
            && chunk.kind != *b"IEND"
        {
            picture.keep_metadata(bytes, &chunk);
            at = next;
        }
        picture.check_palette()?;
        Ok(picture)
    }

    fn keep_before_pixels(&mut self, file: &Bytes, chunk: &Chunk<'_>) -> Result<(), DecodeError> {
        let header = self.header;
        let keeps = |kind: &[u8; 4]| self.tables.iter().any(|table| table.get(4..8) == Some(kind));
        match &chunk.kind {
            b"IEND" => return Err(corrupt("it has no pixels")),
            b"PLTE" if header.colour == Colour::Palette && !keeps(b"PLTE") => {
                self.tables.push(file.slice_ref(chunk.whole));
            }
            b"tRNS" if !matches!(header.colour, Colour::GreyAlpha | Colour::Rgba) => {
                if !keeps(b"tRNS") && chunk.is_intact() {
                    self.tables.push(file.slice_ref(chunk.whole));
                    self.has_transparency = true;
                }
            }
            _ => self.keep_metadata(file, chunk),
        }
        Ok(())
    }

    fn keep_metadata(&mut self, file: &Bytes, chunk: &Chunk<'_>) {
        match &chunk.kind {
            b"eXIf" if self.exif.is_none() && chunk.is_intact() => {
                self.exif = Some(file.slice_ref(chunk.body));
            }
            b"iCCP" if self.profile.is_none() && chunk.is_intact() => {
                self.profile = Some(file.slice_ref(chunk.body));
            }
            b"tEXt" | b"zTXt" | b"iTXt" if self.raw_exif.is_none() => {
                let body = chunk.body.strip_prefix(b"Raw profile type exif\0");
                self.raw_exif =
                    body.map(|body| Text { kind: chunk.kind, body: file.slice_ref(body) });
            }
            _ => {}
        }
    }

    fn check_palette(&self) -> Result<(), DecodeError> {
        let has_palette = || self.tables.iter().any(|table| table.get(4..8) == Some(b"PLTE"));
        if self.header.colour == Colour::Palette && !has_palette() {
            return Err(corrupt("its palette is missing"));
        }
        Ok(())
    }

    /// What the pixels depend on, and nothing else, as a file.
    pub(super) fn for_decoder(&self) -> Spliced<'_> {
        let mut file = Spliced::default();
        file.push(&self.head[..]);
        for table in &self.tables {
            file.push(&table[..]);
        }
        file.push(&self.pixels[..]);
        file.push(IEND);
        file
    }

    /// Bytes of the IDAT chunks.
    pub(super) fn deflated_bytes(&self) -> u64 {
        self.pixels.len() as u64
    }

    /// Of how many pieces the file for the decoder consists.
    #[cfg(test)]
    pub(super) fn pieces(&self) -> usize {
        self.tables.len() + 3
    }
}

struct Chunk<'a> {
    kind: [u8; 4],
    body: &'a [u8],
    /// From the length to the checksum.
    whole: &'a [u8],
}

impl Chunk<'_> {
    /// Whether the checksum is that of type and body (5.5).
    fn is_intact(&self) -> bool {
        let mut crc = flate2::Crc::new();
        crc.update(&self.kind);
        crc.update(self.body);
        self.whole.last_chunk::<4>() == Some(&crc.sum().to_be_bytes())
    }
}

fn kind_at(bytes: &[u8], at: usize) -> Option<[u8; 4]> {
    bytes.get(at..)?.get(4..)?.first_chunk().copied()
}

/// The chunk at `at`, and where the next one is.
fn chunk_at(bytes: &[u8], at: usize) -> Result<(Chunk<'_>, usize), DecodeError> {
    let rest = bytes.get(at..).unwrap_or_default();
    let (Some(length), Some(kind)) = (rest.first_chunk(), kind_at(bytes, at)) else {
        return Err(corrupt("it ends before its pixels do"));
    };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    let whole = length.checked_add(FRAME_BYTES).and_then(|length| rest.get(..length));
    let whole = whole.ok_or_else(|| corrupt("a chunk is longer than the file"))?;
    let body = whole.get(8..8 + length).unwrap_or_default();
    Ok((Chunk { kind, body, whole }, at + whole.len()))
}

fn header(chunk: &Chunk<'_>) -> Result<Header, DecodeError> {
    if chunk.kind == *b"CgBI" {
        let detail = "it is in the variant that Xcode writes for iPhones (CgBI)";
        return Err(DecodeError::unsupported(Format::Png, detail));
    }
    let (b"IHDR", [w0, w1, w2, w3, h0, h1, h2, h3, depth, colour, 0, 0, interlace @ (0 | 1)]) =
        (&chunk.kind, chunk.body)
    else {
        return Err(corrupt("its header is not valid"));
    };
    if !chunk.is_intact() {
        return Err(corrupt("the checksum of its header is wrong"));
    }
    let colour = match (colour, depth) {
        (0, 1 | 2 | 4 | 8 | 16) => Colour::Grey,
        (2, 8 | 16) => Colour::Rgb,
        (3, 1 | 2 | 4 | 8) => Colour::Palette,
        (4, 8 | 16) => Colour::GreyAlpha,
        (6, 8 | 16) => Colour::Rgba,
        _ => return Err(corrupt(&format!("colour type {colour} with {depth} bits"))),
    };
    Ok(Header {
        width: u32::from_be_bytes([*w0, *w1, *w2, *w3]),
        height: u32::from_be_bytes([*h0, *h1, *h2, *h3]),
        depth: *depth,
        colour,
        interlaced: *interlace == 1,
    })
}

fn corrupt(detail: &str) -> DecodeError {
    DecodeError::corrupt(Format::Png, detail)
}
