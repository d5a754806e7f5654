//! TIFF files made for tests, in every form that one picture can be written in.

use std::io::Write;

use super::tags;

pub(super) const BYTE: u16 = 1;
pub(super) const SHORT: u16 = 3;
pub(super) const LONG: u16 = 4;
pub(super) const RATIONAL: u16 = 5;
pub(super) const LONG8: u16 = 16;

/// How numbers are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub(super) big_endian: bool,
    pub(super) big_tiff: bool,
}

pub(super) const FORMS: [Form; 4] = [
    Form { big_endian: false, big_tiff: false },
    Form { big_endian: false, big_tiff: true },
    Form { big_endian: true, big_tiff: false },
    Form { big_endian: true, big_tiff: true },
];

impl Form {
    pub(super) fn number(self, number: u64, length: usize) -> Vec<u8> {
        let bytes = number.to_be_bytes()[8 - length..].to_vec();
        if self.big_endian { bytes } else { bytes.into_iter().rev().collect() }
    }

    fn word_bytes(self) -> usize {
        if self.big_tiff { 8 } else { 4 }
    }
}

/// A directory and the strips or tiles that it leads to.
#[derive(Clone, Debug, Default)]
pub(super) struct Written {
    /// Tag, type and values; fractions as two values.
    pub(super) entries: Vec<(u16, u16, Vec<u64>)>,
    pub(super) chunks: Vec<Vec<u8>>,
    pub(super) in_tiles: bool,
}

impl Written {
    pub(super) fn new(entries: &[(u16, u16, &[u64])], chunks: &[&[u8]]) -> Self {
        Self {
            entries: entries.iter().map(|(tag, kind, v)| (*tag, *kind, v.to_vec())).collect(),
            chunks: chunks.iter().map(|chunk| chunk.to_vec()).collect(),
            in_tiles: false,
        }
    }

    /// A grey picture of 8 bits in one strip, with these entries beside those that it needs.
    pub(super) fn grey(width: u64, pixels: &[u8], more: &[(u16, u16, &[u64])]) -> Self {
        let mut written = Self::new(more, &[pixels]);
        for (tag, value) in [
            (tags::IMAGE_WIDTH, width),
            (tags::IMAGE_LENGTH, pixels.len() as u64 / width),
            (tags::BITS_PER_SAMPLE, 8),
            (tags::PHOTOMETRIC_INTERPRETATION, 1),
        ] {
            if written.entries.iter().all(|entry| entry.0 != tag) {
                written.entries.push((tag, SHORT, vec![value]));
            }
        }
        written
    }
}

/// The file of these directories, one behind the other.
pub(super) fn file(form: Form, directories: &[Written]) -> Vec<u8> {
    let word = form.word_bytes();
    let mut bytes = if form.big_endian { b"MM".to_vec() } else { b"II".to_vec() };
    bytes.extend(form.number(if form.big_tiff { 43 } else { 42 }, 2));
    if form.big_tiff {
        bytes.extend(form.number(8, 2));
        bytes.extend([0; 2]);
    }
    let mut link = bytes.len();
    bytes.resize(link + word, 0);
    for directory in directories {
        link = append(&mut bytes, form, directory, link);
    }
    bytes
}

/// Appends a directory, leads the link at `link` to it and returns where its own link lies.
fn append(bytes: &mut Vec<u8>, form: Form, directory: &Written, link: usize) -> usize {
    let word = form.word_bytes();
    let mut entries = directory.entries.clone();
    let (offsets, counts) = if directory.in_tiles {
        (tags::TILE_OFFSETS, tags::TILE_BYTE_COUNTS)
    } else {
        (tags::STRIP_OFFSETS, tags::STRIP_BYTE_COUNTS)
    };
    let mut positions = (Vec::new(), Vec::new());
    for chunk in &directory.chunks {
        positions.0.push(bytes.len() as u64);
        positions.1.push(chunk.len() as u64);
        bytes.extend(chunk);
    }
    let kind = if form.big_tiff { LONG8 } else { LONG };
    for (tag, values) in [(offsets, positions.0), (counts, positions.1)] {
        if entries.iter().all(|entry| entry.0 != tag) {
            entries.push((tag, kind, values));
        }
    }
    entries.sort_by_key(|entry| entry.0);
    let mut table = form.number(entries.len() as u64, if form.big_tiff { 8 } else { 2 });
    for (tag, kind, values) in entries {
        let (item, count) = match kind {
            BYTE => (1, values.len()),
            SHORT => (2, values.len()),
            RATIONAL => (4, values.len() / 2),
            LONG8 => (8, values.len()),
            _ => (4, values.len()),
        };
        let mut data: Vec<u8> = values.iter().flat_map(|v| form.number(*v, item)).collect();
        if data.len() > word {
            let at = bytes.len() as u64;
            bytes.extend(data);
            data = form.number(at, word);
        }
        data.resize(word, 0xee);
        table.extend([form.number(tag.into(), 2), form.number(kind.into(), 2)].concat());
        table.extend(form.number(count as u64, word));
        table.extend(data);
    }
    let at = form.number(bytes.len() as u64, word);
    bytes[link..link + word].copy_from_slice(&at);
    bytes.extend(table);
    bytes.extend(form.number(0, word));
    bytes.len() - word
}

/// Compresses a strip or tile.
pub(super) fn compress(compression: u64, plain: &[u8]) -> Vec<u8> {
    match compression {
        5 => weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8)
            .encode(plain)
            .unwrap(),
        8 | 32_946 => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), Default::default());
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        32_773 => plain
            .chunk_by(|a, b| a == b)
            .flat_map(|run| run.chunks(128))
            // A run of one is a literal: 257 - 1 has the bits of 0.
            .flat_map(|run| [(257 - run.len()) as u8, run[0]])
            .collect(),
        _ => plain.to_vec(),
    }
}
