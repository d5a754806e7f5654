//! The values of a directory's entries, read by the type that they are written in.
//!
//! Nothing is copied: values stay in the file and are read one by one, whatever their number.

use bytes::Bytes;

use super::super::DecodeError;
use super::corrupt;

/// How the bytes of a number follow each other (TIFF 6.0, section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    /// The unsigned number in `bytes`, at most eight of them.
    pub(super) fn unsigned(self, bytes: &[u8]) -> u64 {
        let join = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        match self {
            Self::Little => bytes.iter().rev().fold(0, join),
            Self::Big => bytes.iter().fold(0, join),
        }
    }

    /// Whether this machine has the same.
    pub(super) fn is_native(self) -> bool {
        self == if cfg!(target_endian = "little") { Self::Little } else { Self::Big }
    }
}

/// The types of TIFF 6.0, section 2, and of BigTIFF that the tags read here may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// BYTE, SHORT, LONG and LONG8: unsigned, of this many bytes.
    Unsigned(usize),
    /// RATIONAL: two LONGs, the numerator first.
    Rational,
    /// UNDEFINED: bytes.
    Undefined,
}

impl Kind {
    fn from_code(code: u64) -> Option<Self> {
        Some(match code {
            1 => Self::Unsigned(1),
            3 => Self::Unsigned(2),
            4 => Self::Unsigned(4),
            5 => Self::Rational,
            7 => Self::Undefined,
            16 => Self::Unsigned(8),
            _ => return None,
        })
    }

    fn bytes(self) -> usize {
        match self {
            Self::Unsigned(bytes) => bytes,
            Self::Rational => 8,
            Self::Undefined => 1,
        }
    }
}

/// The values of one entry, all of which lie within the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values<'a> {
    tag: u16,
    kind: Kind,
    bytes: &'a [u8],
    order: ByteOrder,
}

impl<'a> Values<'a> {
    /// `count` values of the type `code`: in `field` if they fit, else at the offset that it holds.
    pub(super) fn locate(
        file: &'a [u8],
        order: ByteOrder,
        (tag, code, count): (u16, u64, u64),
        field: &'a [u8],
    ) -> Result<Self, DecodeError> {
        let kind = Kind::from_code(code)
            .ok_or_else(|| corrupt(format!("tag {tag} has values of type {code}")))?;
        let length = usize::try_from(count).ok().and_then(|count| count.checked_mul(kind.bytes()));
        let bytes = length.and_then(|length| {
            if length <= field.len() {
                return field.get(..length);
            }
            let from = usize::try_from(order.unsigned(field)).ok()?;
            file.get(from..from.checked_add(length)?)
        });
        let bytes =
            bytes.ok_or_else(|| corrupt(format!("the values of tag {tag} lie beyond the end")))?;
        Ok(Self { tag, kind, bytes, order })
    }

    /// The entry's values as unsigned integers.
    pub(super) fn integers(self) -> Result<Integers<&'a [u8]>, DecodeError> {
        match self.kind {
            Kind::Unsigned(item_bytes) => {
                Ok(Integers { bytes: self.bytes, item_bytes, order: self.order })
            }
            _ => Err(corrupt(format!("the values of tag {} are not integers", self.tag))),
        }
    }

    /// The first `N` values as fractions.
    pub(super) fn fractions<const N: usize>(self) -> Result<[f32; N], DecodeError> {
        let (pairs, _) = self.bytes.as_chunks::<8>();
        if self.kind != Kind::Rational || pairs.len() < N {
            return Err(corrupt(format!("tag {} has not {N} fractions", self.tag)));
        }
        Ok(std::array::from_fn(|index| {
            let [numerator, denominator] =
                [0..4, 4..8].map(|half| self.order.unsigned(&pairs[index][half]) as f32);
            numerator / denominator
        }))
    }

    /// The values of an entry of bytes.
    pub(super) fn bytes(self) -> Result<&'a [u8], DecodeError> {
        match self.kind {
            Kind::Unsigned(1) | Kind::Undefined => Ok(self.bytes),
            _ => Err(corrupt(format!("the values of tag {} are not bytes", self.tag))),
        }
    }
}

/// A list of unsigned integers that stays in the file.
#[derive(Debug)]
pub(super) struct Integers<B> {
    bytes: B,
    item_bytes: usize,
    order: ByteOrder,
}

impl Integers<&[u8]> {
    /// The same, held by the file that they are in.
    pub(super) fn within(self, file: &Bytes) -> Integers<Bytes> {
        let Self { bytes, item_bytes, order } = self;
        Integers { bytes: file.slice_ref(bytes), item_bytes, order }
    }
}

impl<B: AsRef<[u8]>> Integers<B> {
    pub(super) fn len(&self) -> usize {
        self.bytes.as_ref().len() / self.item_bytes
    }

    pub(super) fn get(&self, index: usize) -> Option<u64> {
        let from = index.checked_mul(self.item_bytes)?;
        let item = self.bytes.as_ref().get(from..from.checked_add(self.item_bytes)?)?;
        Some(self.order.unsigned(item))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u64> {
        self.bytes.as_ref().chunks_exact(self.item_bytes).map(move |item| self.order.unsigned(item))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: u16 = 700;

    fn locate<'a>(
        file: &'a [u8],
        code: u64,
        count: u64,
        field: &'a [u8],
    ) -> Result<Values<'a>, DecodeError> {
        Values::locate(file, ByteOrder::Little, (TAG, code, count), field)
    }

    #[test]
    fn a_value_is_read_by_its_type_and_nothing_beside_it() {
        let field = [7, 0xff, 0xee, 0xdd];
        for (code, first) in [(1, 7), (3, 0xff07), (4, 0xddee_ff07)] {
            let values = locate(&[], code, 1, &field).unwrap().integers().unwrap();
            assert_eq!((values.len(), values.get(0), values.get(1)), (1, Some(first), None));
        }
        let big = Values::locate(&[], ByteOrder::Big, (TAG, 3, 2), &field).unwrap();
        assert_eq!(big.integers().unwrap().iter().collect::<Vec<_>>(), [0x07ff, 0xeedd]);
    }

    #[test]
    fn values_beyond_the_file_are_refused() {
        let file = [0; 40];
        for (code, count, offset) in [
            (1, 41, 0),
            (1, 40, 1),
            (3, u64::MAX, 0),
            (16, u64::MAX / 8 + 2, 0),
            (4, 3, u32::MAX),
            (5, 1, 33),
        ] {
            let field = offset.to_le_bytes();
            assert!(locate(&file, code, count, &field).is_err(), "{code} {count} {offset}");
        }
        assert!(locate(&file, 1, 40, &[0; 4]).is_ok());
    }

    #[test]
    fn types_that_no_tag_has_are_refused() {
        for code in [0, 2, 6, 8, 9, 10, 11, 12, 13, 14, 15, 17, 18, 0xffff] {
            assert!(locate(&[0; 40], code, 1, &[0; 4]).is_err(), "{code}");
        }
        assert!(locate(&[0; 40], 5, 1, &[0; 4]).unwrap().integers().is_err());
        assert!(locate(&[0; 40], 3, 1, &[0; 4]).unwrap().bytes().is_err());
        assert!(locate(&[0; 40], 5, 2, &[0; 4]).unwrap().fractions::<3>().is_err());
    }
}
