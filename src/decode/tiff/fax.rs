//! Black and white rows as fax machines send them (ITU-T T.4 and T.6; TIFF 6.0, sections 10 and 11).
//!
//! The code tables come from the crate. The rows are put together here, because the crate supports neither rows without
//! an end code nor T.4 rows that refer to the row above.

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

#[cfg(test)]
mod tests {
    use fax::{BitWriter, Bits, Color, VecWriter, encoder};
    use proptest::prelude::*;

    use super::*;

    const END_OF_ROW: Bits = Bits { data: 1, len: 12 };

    /// Rows of pixels, black where true; long runs and short ones.
    fn rows() -> impl Strategy<Value = (usize, Vec<Vec<bool>>)> {
        let width = prop_oneof![1_usize..40, 2500_usize..5400];
        width.prop_flat_map(|width| {
            let run = prop_oneof![1_usize..9, 1_usize..3000];
            let row = prop::collection::vec(run, 0..40).prop_map(move |runs| {
                let runs = runs.into_iter().enumerate();
                let pixels = runs.flat_map(|(index, run)| vec![index % 2 == 1; run]);
                let mut row: Vec<bool> = pixels.take(width).collect();
                row.resize(width, false);
                row
            });
            (Just(width), prop::collection::vec(row, 1..6))
        })
    }

    fn decoded(coding: Coding, data: Vec<u8>, width: usize, count: usize) -> Vec<Vec<bool>> {
        let mut reader =
            FaxReader::new(coding, Cursor::new(Cow::Owned(data)), width as u32).unwrap();
        let mut row = vec![0; width.div_ceil(8)];
        let bit = |row: &[u8], x: usize| row[x / 8] >> (7 - x % 8) & 1 == 1;
        (0..count)
            .map(|_| {
                reader.read_exact(&mut row).unwrap();
                (0..width).map(|x| bit(&row, x)).collect()
            })
            .collect()
    }

    fn write(writer: &mut VecWriter, bits: Bits) {
        let Ok(()) = writer.write(bits);
    }

    fn write_runs(writer: &mut VecWriter, row: &[bool]) {
        let first_is_black = row.first() == Some(&true);
        let runs = row.chunk_by(|a, b| a == b).map(<[bool]>::len);
        let runs = first_is_black.then_some(0).into_iter().chain(runs);
        for (index, mut run) in runs.enumerate() {
            let code = |run: usize| {
                let run = run as u16;
                if index % 2 == 1 { black::encode(run) } else { white::encode(run) }.unwrap()
            };
            while run >= 64 {
                let most = (run & !63).min(2560);
                write(writer, code(most));
                run -= most;
            }
            write(writer, code(run));
        }
    }

    proptest! {
        #[test]
        fn rows_of_group_4_come_back((width, rows) in rows()) {
            let mut encoder = encoder::Encoder::new(VecWriter::new());
            for row in &rows {
                let colour = |black: &bool| if *black { Color::Black } else { Color::White };
                let Ok(()) = encoder.encode_line(row.iter().map(colour), width as u16);
            }
            let Ok(writer) = encoder.finish();
            let data = writer.finish();
            prop_assert_eq!(decoded(Coding::Group4, data, width, rows.len()), rows);
        }

        #[test]
        fn rows_of_runs_come_back((width, rows) in rows()) {
            let mut writer = VecWriter::new();
            for row in &rows {
                write_runs(&mut writer, row);
                writer.pad();
            }
            let data = writer.finish();
            prop_assert_eq!(decoded(Coding::Runs, data, width, rows.len()), rows);
        }

        #[test]
        fn rows_of_group_3_come_back((width, rows) in rows(), first in any::<bool>()) {
            let mut writer = VecWriter::new();
            for (index, row) in rows.iter().enumerate() {
                if index > 0 || first {
                    write(&mut writer, END_OF_ROW);
                }
                write_runs(&mut writer, row);
            }
            let coding = Coding::Group3 { two_dimensional: false };
            prop_assert_eq!(decoded(coding, writer.finish(), width, rows.len()), rows);
        }

        /// Each row once by its runs and once as the same as the row above.
        #[test]
        fn rows_of_group_3_that_refer_to_those_above_come_back((width, rows) in rows()) {
            let mut writer = VecWriter::new();
            let mut twice = Vec::new();
            for row in rows {
                write(&mut writer, END_OF_ROW);
                write(&mut writer, Bits { data: 1, len: 1 });
                write_runs(&mut writer, &row);
                write(&mut writer, END_OF_ROW);
                write(&mut writer, Bits { data: 0, len: 1 });
                let starts_black = usize::from(row.first() == Some(&true));
                for _ in 0..row.chunk_by(|a, b| a == b).count() + starts_black {
                    write(&mut writer, mode::encode(Mode::Vertical(0)).unwrap());
                }
                twice.extend([row.clone(), row]);
            }
            let coding = Coding::Group3 { two_dimensional: true };
            prop_assert_eq!(decoded(coding, writer.finish(), width, twice.len()), twice);
        }
    }

    #[test]
    fn a_block_that_ends_before_its_rows_do_is_damaged() {
        let mut writer = VecWriter::new();
        write(&mut writer, mode::encode(Mode::Vertical(0)).unwrap());
        write(&mut writer, END_OF_ROW);
        write(&mut writer, END_OF_ROW);
        let data = Cursor::new(Cow::Owned(writer.finish()));
        let mut reader = FaxReader::new(Coding::Group4, data, 8).unwrap();
        reader.read_exact(&mut [0]).unwrap();
        assert!(reader.read_exact(&mut [0]).is_err());
    }
}
