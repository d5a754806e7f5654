//! Watches what zune-jpeg reads, because the decoder does not report how much of a scan's data was left over. Left-over
//! data is a sign of wrong bytes.
//!
//! After the last unit the decoder looks for a marker byte by byte, and meets errors at the end; it reads data in other
//! ways. So the last run of such reads begins where the used data ended. This is zune-jpeg 0.5.15; it can go when the
//! decoder reports the left-over bytes itself.

use zune_jpeg::zune_core::bytestream::{ZByteIoError, ZByteReaderTrait, ZCursor, ZSeekFrom};

/// A file, and where the decoder began to look for the marker that ends it.
pub(super) struct Reader<'a> {
    cursor: ZCursor<&'a [u8]>,
    length: u64,
    looking_from: Option<u64>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { cursor: ZCursor::new(bytes), length: bytes.len() as u64, looking_from: None }
    }

    /// Bytes at the end that the decoder passed over.
    pub(super) fn left_over(&self) -> u64 {
        self.looking_from.map_or(0, |from| self.length.saturating_sub(from))
    }
}

/// Lends the reader to a decoder.
pub(super) struct ReaderOf<'r, 'a>(pub(super) &'r mut Reader<'a>);

impl ZByteReaderTrait for ReaderOf<'_, '_> {
    #[inline(always)]
    fn read_byte_no_error(&mut self) -> u8 {
        self.0.looking_from = None;
        self.0.cursor.read_byte_no_error()
    }

    #[inline(always)]
    fn read_exact_bytes(&mut self, into: &mut [u8]) -> Result<(), ZByteIoError> {
        if into.len() != 1 {
            self.0.looking_from = None;
        } else if self.0.looking_from.is_none() {
            self.0.looking_from = self.0.cursor.z_position().ok();
        }
        self.0.cursor.read_exact_bytes(into)
    }

    fn read_bytes(&mut self, into: &mut [u8]) -> Result<usize, ZByteIoError> {
        self.0.looking_from = None;
        self.0.cursor.read_bytes(into)
    }

    fn peek_bytes(&mut self, into: &mut [u8]) -> Result<usize, ZByteIoError> {
        self.0.cursor.peek_bytes(into)
    }

    fn peek_exact_bytes(&mut self, into: &mut [u8]) -> Result<(), ZByteIoError> {
        self.0.cursor.peek_exact_bytes(into)
    }

    fn z_seek(&mut self, to: ZSeekFrom) -> Result<u64, ZByteIoError> {
        self.0.cursor.z_seek(to)
    }

    #[inline(always)]
    fn is_eof(&mut self) -> Result<bool, ZByteIoError> {
        self.0.cursor.is_eof()
    }

    fn z_position(&mut self) -> Result<u64, ZByteIoError> {
        self.0.cursor.z_position()
    }

    fn read_remaining(&mut self, into: &mut Vec<u8>) -> Result<usize, ZByteIoError> {
        self.0.looking_from = None;
        self.0.cursor.read_remaining(into)
    }
}
