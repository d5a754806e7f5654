//! The header of a file and the chain of its directories (TIFF 6.0, section 2; BigTIFF).

use super::super::{DecodeError, Format};
use super::values::{ByteOrder, Integers, Values};
use super::{corrupt, tags};

/// Directories that are looked at for one that is no reduced picture.
const MOST_DIRECTORIES: usize = 64;

/// Entries of a directory; TIFF 6.0 and all its extensions know a few hundred tags.
const MOST_ENTRIES: u64 = 4096;

/// NewSubfileType: a reduced picture of another one (bit 0), a transparency mask (bit 2).
const REDUCED_OR_MASK: u64 = 0b101;

/// The old SubfileType of a reduced picture.
const OLD_REDUCED: u64 = 2;

/// A file whose first bytes say how numbers and offsets are written in it.
#[derive(Clone, Copy)]
struct File<'a> {
    bytes: &'a [u8],
    order: ByteOrder,
    /// Bytes of an offset, of a count and of the field for values: 4, or 8 in BigTIFF.
    word_bytes: usize,
}

/// The entries of one directory, not read yet.
#[derive(Clone, Copy)]
pub(super) struct Entries<'a> {
    file: File<'a>,
    table: &'a [u8],
}

/// The entries of the first picture that is neither a reduced one nor a mask, or of the first of all
/// if there is none.
pub(super) fn picture_entries(bytes: &[u8]) -> Result<Entries<'_>, DecodeError> {
    let (file, mut at) = File::open(bytes)?;
    let mut seen = [0; MOST_DIRECTORIES];
    let mut first = None;
    for index in 0..MOST_DIRECTORIES {
        if seen[..index].contains(&at) {
            return Err(corrupt("its directories lead round in a circle"));
        }
        seen[index] = at;
        let entries = file.directory(at)?;
        if !entries.is_secondary()? {
            return Ok(entries);
        }
        let first = *first.get_or_insert(entries);
        at = file.next_directory(at, entries.table.len())?;
        if at == 0 {
            return Ok(first);
        }
    }
    let most = MOST_DIRECTORIES as u64;
    Err(DecodeError::TooMany { format: Format::Tiff, what: "many reduced pictures", most })
}

impl<'a> File<'a> {
    /// The file and the offset of its first directory.
    fn open(bytes: &'a [u8]) -> Result<(Self, u64), DecodeError> {
        let (order, word_bytes) = match bytes {
            [b'I', b'I', 42, 0, ..] => (ByteOrder::Little, 4),
            [b'M', b'M', 0, 42, ..] => (ByteOrder::Big, 4),
            [b'I', b'I', 43, 0, 8, 0, 0, 0, ..] => (ByteOrder::Little, 8),
            [b'M', b'M', 0, 43, 0, 8, 0, 0, ..] => (ByteOrder::Big, 8),
            _ => return Err(corrupt("its header is not one of TIFF")),
        };
        let file = Self { bytes, order, word_bytes };
        match file.unsigned(word_bytes as u64, word_bytes) {
            None => Err(corrupt("it ends within its header")),
            Some(0) => Err(corrupt("it has no picture")),
            Some(first) => Ok((file, first)),
        }
    }

    fn slice(&self, at: u64, length: usize) -> Option<&'a [u8]> {
        let at = usize::try_from(at).ok()?;
        self.bytes.get(at..at.checked_add(length)?)
    }

    fn unsigned(&self, at: u64, length: usize) -> Option<u64> {
        Some(self.order.unsigned(self.slice(at, length)?))
    }

    /// Bytes of the number of entries.
    fn head_bytes(&self) -> usize {
        if self.word_bytes == 8 { 8 } else { 2 }
    }

    /// Bytes of an entry: tag, type, count and values or their offset.
    fn entry_bytes(&self) -> usize {
        4 + 2 * self.word_bytes
    }

    fn directory(&self, at: u64) -> Result<Entries<'a>, DecodeError> {
        let beyond = || corrupt("a directory lies beyond its end");
        let count = self.unsigned(at, self.head_bytes()).ok_or_else(beyond)?;
        if count > MOST_ENTRIES {
            return Err(DecodeError::TooMany {
                format: Format::Tiff,
                what: "a directory of many entries",
                most: MOST_ENTRIES,
            });
        }
        let table = at
            .checked_add(self.head_bytes() as u64)
            .and_then(|from| self.slice(from, count as usize * self.entry_bytes()));
        Ok(Entries { file: *self, table: table.ok_or_else(beyond)? })
    }

    /// The offset of the directory behind the one at `at`, 0 if that is the last one.
    fn next_directory(&self, at: u64, table_bytes: usize) -> Result<u64, DecodeError> {
        at.checked_add((self.head_bytes() + table_bytes) as u64)
            .and_then(|from| self.unsigned(from, self.word_bytes))
            .ok_or_else(|| corrupt("it ends within a directory"))
    }
}

impl<'a> Entries<'a> {
    pub(super) fn order(&self) -> ByteOrder {
        self.file.order
    }

    fn is_secondary(&self) -> Result<bool, DecodeError> {
        Ok(self.integer(tags::NEW_SUBFILE_TYPE, 0)? & REDUCED_OR_MASK != 0
            || self.integer(tags::SUBFILE_TYPE, 0)? == OLD_REDUCED)
    }

    /// The values of the first entry with this tag.
    pub(super) fn values(&self, tag: u16) -> Result<Option<Values<'a>>, DecodeError> {
        let File { bytes, order, word_bytes } = self.file;
        let mut entries = self.table.chunks_exact(self.file.entry_bytes());
        let Some(entry) = entries.find(|entry| order.unsigned(&entry[..2]) == u64::from(tag))
        else {
            return Ok(None);
        };
        let (count, field) = entry[4..].split_at(word_bytes);
        let what = (tag, order.unsigned(&entry[2..4]), order.unsigned(count));
        Values::locate(bytes, order, what, field).map(Some)
    }

    pub(super) fn integers(&self, tag: u16) -> Result<Option<Integers<&'a [u8]>>, DecodeError> {
        self.values(tag)?.map(Values::integers).transpose()
    }

    /// The first value of a tag, or `default` if it is missing.
    pub(super) fn integer(&self, tag: u16, default: u64) -> Result<u64, DecodeError> {
        Ok(self.optional(tag)?.unwrap_or(default))
    }

    /// The first value of a tag that may be missing.
    pub(super) fn optional(&self, tag: u16) -> Result<Option<u64>, DecodeError> {
        let Some(values) = self.integers(tag)? else { return Ok(None) };
        values.get(0).ok_or_else(|| corrupt(format!("tag {tag} has no value"))).map(Some)
    }
}
