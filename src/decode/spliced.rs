//! Pieces of a file, read as one: a decoder gets what was checked of the file and nothing else.

use std::borrow::Cow;
use std::io::{self, BufRead, Read, Seek, SeekFrom};

/// Pieces of a file and pieces written in place of others, one behind the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Spliced<'a> {
    /// Each piece with the position at which it begins.
    pieces: Vec<(u64, Cow<'a, [u8]>)>,
    length: u64,
    at: u64,
}

impl<'a> Spliced<'a> {
    /// Appends a piece.
    pub(super) fn push(&mut self, piece: impl Into<Cow<'a, [u8]>>) {
        let piece = piece.into();
        if !piece.is_empty() {
            let begins = self.length;
            self.length += piece.len() as u64;
            self.pieces.push((begins, piece));
        }
    }

    /// What lies from the position to the end of its piece; empty at the end.
    fn rest(&self) -> &[u8] {
        let next = self.pieces.partition_point(|(begins, _)| *begins <= self.at);
        let Some((begins, piece)) = next.checked_sub(1).map(|index| &self.pieces[index]) else {
            return &[];
        };
        // The position is at most 2^63 - 1; past the last piece's end there is nothing.
        usize::try_from(self.at - begins).ok().and_then(|from| piece.get(from..)).unwrap_or(&[])
    }
}

impl Read for Spliced<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut rest = self.rest();
        let count = rest.read(into)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl BufRead for Spliced<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.rest())
    }

    fn consume(&mut self, count: usize) {
        self.at += count as u64;
    }
}

impl Seek for Spliced<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (from, by) = match to {
            SeekFrom::Start(at) => (at, 0),
            SeekFrom::End(by) => (self.length, by),
            SeekFrom::Current(by) => (self.at, by),
        };
        self.at = from
            .checked_add_signed(by)
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn any_seek() -> impl Strategy<Value = SeekFrom> {
        prop_oneof![
            (0_u64..40).prop_map(SeekFrom::Start),
            (-40_i64..10).prop_map(SeekFrom::End),
            (-20_i64..20).prop_map(SeekFrom::Current),
        ]
    }

    proptest! {
        #[test]
        fn it_reads_and_seeks_as_the_whole_would(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..5),
            steps in prop::collection::vec((any_seek(), 0_usize..12), 1..9),
        ) {
            let mut whole = Cursor::new(pieces.concat());
            let mut spliced = Spliced::default();
            for piece in &pieces {
                spliced.push(piece.as_slice());
            }
            for (seek, length) in steps {
                let (expected, actual) = (whole.seek(seek), spliced.seek(seek));
                prop_assert_eq!(expected.is_ok(), actual.is_ok());
                if let (Ok(expected), Ok(actual)) = (expected, actual) {
                    prop_assert_eq!(expected, actual);
                }
                let (mut from_whole, mut from_spliced) = (Vec::new(), Vec::new());
                whole.by_ref().take(length as u64).read_to_end(&mut from_whole).unwrap();
                spliced.by_ref().take(length as u64).read_to_end(&mut from_spliced).unwrap();
                prop_assert_eq!(from_whole, from_spliced);
            }
        }
    }
}
