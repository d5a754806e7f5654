//! Rows of black and white as fax machines send them (ITU-T T.4 and T.6; TIFF 6.0, sections 10, 11).
//!
//! The tables of codes are the crate's; how rows are made of them is here, because the crate knows
//! neither rows without a code for their end nor those of T.4 that refer to the row above.

use std::borrow::Cow;
use std::convert::Infallible;
use std::io::{self, Cursor, Read};

use fax::maps::{Mode, black, mode, white};
use fax::{BitReader, ByteReader};

use super::super::DecodeError;
use super::unsupported;

/// Which codes rows are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// Compression 2: runs, each row from a whole byte on and without a code for its end.
    Runs,
    /// Compression 3, T.4: rows of runs, or such between rows that refer to the row above.
    Group3 { two_dimensional: bool },
    /// Compression 4, T.6: all rows refer to the row above.
    Group4,
}

/// Longer rows than this have no place in the tables' 16 bits.
const WIDEST: u32 = u16::MAX as u32;

/// As many zero bits begin no code but that for the end of a row.
const END_OF_ROW_ZEROS: u8 = 9;

/// The bytes of a chunk, and zeros behind them so that the last code can be looked up whole.
type Bits<'a> = ByteReader<Box<dyn Iterator<Item = Result<u8, Infallible>> + 'a>>;

/// Decodes row by row; black is 1.
pub(super) struct FaxReader<'a> {
    coding: Coding,
    bits: Bits<'a>,
    width: u16,
    row: Row,
    packed: Cursor<Vec<u8>>,
}

impl<'a> FaxReader<'a> {
    pub(super) fn new(
        coding: Coding,
        data: Cursor<Cow<'a, [u8]>>,
        width: u32,
    ) -> Result<Self, DecodeError> {
        let width = u16::try_from(width)
            .map_err(|_| unsupported(format!("fax compression of more than {WIDEST} pixels")))?;
        let bytes: Box<dyn Iterator<Item = Result<u8, Infallible>>> = match data.into_inner() {
            Cow::Borrowed(data) => Box::new(data.iter().copied().chain([0; 2]).map(Ok)),
            Cow::Owned(data) => Box::new(data.into_iter().chain([0; 2]).map(Ok)),
        };
        let Ok(bits) = ByteReader::new(bytes);
        let mut packed = Cursor::new(vec![0; usize::from(width).div_ceil(8)]);
        packed.set_position(packed.get_ref().len() as u64);
        Ok(Self { coding, bits, width, row: Row::default(), packed })
    }

    fn next_row(&mut self) -> Option<()> {
        let above = std::mem::take(&mut self.row);
        self.row = match self.coding {
            Coding::Runs => {
                let to_byte = self.bits.bits_to_byte_boundary();
                self.consume(to_byte)?;
                self.row_of_runs()?
            }
            Coding::Group3 { two_dimensional: false } => {
                self.skip_end_of_row()?;
                self.row_of_runs()?
            }
            Coding::Group3 { two_dimensional: true } => {
                self.skip_end_of_row()?;
                let is_of_runs = self.bits.peek(1)? == 1;
                self.consume(1)?;
                if is_of_runs { self.row_of_runs()? } else { self.row_below(&above)? }
            }
            Coding::Group4 => self.row_below(&above)?,
        };
        Some(())
    }

    fn consume(&mut self, bits: u8) -> Option<()> {
        self.bits.consume(bits).ok()
    }

    /// Skips the code for the end of a row, with the zeros that fill up the byte before it.
    fn skip_end_of_row(&mut self) -> Option<()> {
        if self.bits.peek(END_OF_ROW_ZEROS) == Some(0) {
            while self.bits.peek(1)? == 0 {
                self.consume(1)?;
            }
            self.consume(1)?;
        }
        Some(())
    }

    /// Pixels of one colour: codes for multiples of 64, and one for what is left.
    fn run(&mut self, is_black: bool) -> Option<u16> {
        let mut sum = 0_u16;
        loop {
            let code = if is_black {
                black::decode(&mut self.bits)
            } else {
                white::decode(&mut self.bits)
            };
            let length = code?;
            sum = sum.checked_add(length)?;
            if length < 64 {
                return Some(sum);
            }
        }
    }

    /// T.4, 4.1: white and black in turn, white first.
    fn row_of_runs(&mut self) -> Option<Row> {
        let mut row = Row::default();
        let (mut at, mut is_black) = (0_u16, false);
        while at < self.width {
            at = at.checked_add(self.run(is_black)?).filter(|at| *at <= self.width)?;
            row.change(at, self.width);
            is_black = !is_black;
        }
        Some(row)
    }

    /// T.4, 4.2 and T.6, 2.2: each change of colour by its distance from one in the row above.
    fn row_below(&mut self, above: &Row) -> Option<Row> {
        let mut row = Row::default();
        // None is the place before the first pixel, which counts as white.
        let (mut at, mut is_black) = (None, false);
        let mut search = 0;
        while at.unwrap_or(0) < self.width {
            let from = at.unwrap_or(0);
            let (b1, b2) = above.changes_after(&mut search, at, is_black, self.width);
            match mode::decode(&mut self.bits)? {
                Mode::Pass => at = Some(b2),
                Mode::Vertical(distance) => {
                    let a1 = b1.checked_add_signed(distance.into())?;
                    if a1 < from || a1 > self.width {
                        return None;
                    }
                    row.change(a1, self.width);
                    is_black = !is_black;
                    at = Some(a1);
                }
                Mode::Horizontal => {
                    let a1 = from.checked_add(self.run(is_black)?)?;
                    let a2 = a1.checked_add(self.run(!is_black)?).filter(|a2| *a2 <= self.width)?;
                    row.change(a1, self.width);
                    row.change(a2, self.width);
                    at = Some(a2);
                }
                Mode::Extension | Mode::EOF => return None,
            }
        }
        Some(row)
    }
}

impl Read for FaxReader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.packed.position() == self.packed.get_ref().len() as u64 {
            let damaged = || io::Error::new(io::ErrorKind::InvalidData, "a fax row is damaged");
            self.next_row().ok_or_else(damaged)?;
            self.row.pack(self.packed.get_mut());
            self.packed.set_position(0);
        }
        self.packed.read(into)
    }
}

/// The pixels at which the colour changes, ascending and less than the width: to black and to white
/// in turn.
#[derive(Default)]
struct Row(Vec<u16>);

impl Row {
    fn change(&mut self, at: u16, width: u16) {
        if self.0.last() == Some(&at) {
            // A run of no pixels: there is no change.
            self.0.pop();
        } else if at < width {
            self.0.push(at);
        }
    }

    /// The first change right of `at` to the colour that is not the present one, and the change that
    /// follows it; `width` where there is none.
    ///
    /// `search` is where the last search of the same row ended: `at` only grows.
    fn changes_after(
        &self,
        search: &mut usize,
        at: Option<u16>,
        is_black: bool,
        width: u16,
    ) -> (u16, u16) {
        while self.0.get(*search).is_some_and(|change| at.is_some_and(|at| *change <= at)) {
            *search += 1;
        }
        let first = *search + usize::from((*search % 2 == 1) != is_black);
        let change = |index: usize| self.0.get(index).copied().unwrap_or(width);
        (change(first), change(first + 1))
    }

    /// One bit a pixel, the first in the high bit.
    fn pack(&self, into: &mut [u8]) {
        into.fill(0);
        let end = into.len() * 8;
        for run in self.0.chunks(2) {
            let from = usize::from(run[0]);
            let to = run.get(1).map_or(end, |to| usize::from(*to));
            let (first, last) = (from / 8, to / 8);
            let (head, tail) = (0xff_u8 >> (from % 8), !(0xff_u8 >> (to % 8)));
            if first == last {
                into[first] |= head & tail;
            } else {
                into[first] |= head;
                into[first + 1..last].fill(0xff);
                if let Some(byte) = into.get_mut(last) {
                    *byte |= tail;
                }
            }
        }
    }
}
