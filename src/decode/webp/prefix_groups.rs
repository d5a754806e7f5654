//! How many groups of prefix codes a lossless bitstream has (RFC 9649, 3.7.2.2), found by reading it as
//! far as the image that tells which block uses which group.
//!
//! The decoder builds every group up to the highest number that this image contains, of up to 20 KiB
//! each, whether a block uses it or not: 65,536 groups fit into a bitstream of 4 MB. That is image-webp 0.2.4; this can
//! go when it builds those groups only that are used, as libwebp does, or counts them against a limit.

/// Codes of a group: green with lengths, red, blue, alpha, distance.
const ALPHABETS: [usize; 5] = [256 + 24, 256, 256, 256, 40];

/// The order in which the lengths of the codes for lengths are written (3.7.2.1.2).
const LENGTH_ORDER: [usize; 19] =
    [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// Groups of the bitstream, at least 1; `None` where the decoder will find damage as well.
///
/// `stream` is what follows the header (3.4); `width` and `height` are in pixels.
pub(super) fn count(stream: Option<&[u8]>, (mut width, height): (u32, u32)) -> Option<u32> {
    let mut bits = Bits { bytes: stream?, held: 0, count: 0 };
    let mut seen = 0;
    while bits.read(1)? == 1 {
        let transform = bits.read(2)?;
        // Each is used at most once (4); without this a long file could take for ever.
        if seen & 1 << transform != 0 {
            return None;
        }
        seen |= 1 << transform;
        match transform {
            0 | 1 => {
                let block = bits.read(3)? + 2;
                highest_group(&mut bits, blocks(width, block), blocks(height, block))?;
            }
            2 => {}
            _ => {
                let colours = bits.read(8)? + 1;
                highest_group(&mut bits, colours, 1)?;
                width = blocks(
                    width,
                    match colours {
                        ..=2 => 3,
                        3..=4 => 2,
                        5..=16 => 1,
                        _ => 0,
                    },
                );
            }
        }
    }
    if bits.read(1)? == 1 {
        bits.read(4)?;
    }
    if bits.read(1)? == 0 {
        return Some(1);
    }
    let block = bits.read(3)? + 2;
    Some(highest_group(&mut bits, blocks(width, block), blocks(height, block))? + 1)
}

/// Pixels to blocks of `2^bits`.
fn blocks(side: u32, bits: u32) -> u32 {
    side.div_ceil(1 << bits)
}

/// Reads an image of one group and returns the highest number that red and green make together.
///
/// What is copied from earlier pixels or from the colour cache was a literal before, or is zero.
fn highest_group(bits: &mut Bits<'_>, width: u32, height: u32) -> Option<u32> {
    let cache = if bits.read(1)? == 1 { 1 << bits.read(4)? } else { 0 };
    let mut codes = Vec::with_capacity(ALPHABETS.len());
    for (index, alphabet) in ALPHABETS.into_iter().enumerate() {
        codes.push(Code::read(bits, if index == 0 { alphabet + cache } else { alphabet })?);
    }
    let [green, red, blue, alpha, distance] = codes.as_slice() else {
        return None;
    };
    if let (Some(level @ 0..256), Some(red), Some(_), Some(_)) =
        (green.only(), red.only(), blue.only(), alpha.only())
    {
        return Some(red << 8 | level);
    }
    // The only symbol of a code takes no bits: a few bytes could ask for as many steps as a large picture
    // has blocks.
    match green.only() {
        // A copy of what is before the first pixel.
        Some(256..280) => return None,
        // The colour cache is empty.
        Some(280..) => return Some(0),
        _ => {}
    }
    let mut left = u64::from(width) * u64::from(height);
    let mut highest = 0;
    while left > 0 {
        let before = bits.place();
        let symbol = green.decode(bits)?;
        let pixels = match symbol {
            0..256 => {
                highest = highest.max(red.decode(bits)? << 8 | symbol);
                blue.decode(bits)?;
                alpha.decode(bits)?;
                1
            }
            256..280 => {
                let length = long(bits, symbol - 256)?;
                let distance = distance.decode(bits)?;
                long(bits, distance)?;
                length
            }
            _ => 1,
        };
        if bits.place() == before {
            // A pixel that takes no bits is followed by its like up to the end.
            break;
        }
        left = left.saturating_sub(pixels.into());
    }
    Some(highest)
}

/// A length or a distance from its prefix (3.6.2.2).
fn long(bits: &mut Bits<'_>, prefix: u32) -> Option<u32> {
    if prefix < 4 {
        return Some(prefix + 1);
    }
    let extra = (prefix - 2) >> 1;
    Some(((2 + (prefix & 1)) << extra) + bits.read(extra)? + 1)
}

/// A canonical prefix code, decoded by the number of codes of each length.
struct Code {
    /// Codes of 0 to 15 bits.
    counts: [u32; 16],
    /// In the order of their codes.
    symbols: Vec<u32>,
}

impl Code {
    fn read(bits: &mut Bits<'_>, alphabet: usize) -> Option<Self> {
        let mut lengths = vec![0; alphabet];
        if bits.read(1)? == 1 {
            let two = bits.read(1)? == 1;
            let first = if bits.read(1)? == 1 { 8 } else { 1 };
            *lengths.get_mut(bits.read(first)? as usize)? = 1;
            if two {
                *lengths.get_mut(bits.read(8)? as usize)? = 1;
            }
            return Some(Self::new(&lengths));
        }
        let mut of_lengths = [0; LENGTH_ORDER.len()];
        let given = 4 + bits.read(4)? as usize;
        for index in LENGTH_ORDER.get(..given)? {
            of_lengths[*index] = bits.read(3)?;
        }
        let of_lengths = Self::new(&of_lengths);
        let mut most = u32::MAX;
        if bits.read(1)? == 1 {
            let width = 2 + 2 * bits.read(3)?;
            most = 2 + bits.read(width)?;
        }
        let (mut at, mut last) = (0, 8);
        while at < alphabet && most > 0 {
            most -= 1;
            let (length, times) = match of_lengths.decode(bits)? {
                16 => (last, 3 + bits.read(2)?),
                17 => (0, 3 + bits.read(3)?),
                18 => (0, 11 + bits.read(7)?),
                length => (length, 1),
            };
            if length != 0 {
                last = length;
            }
            let end = at + times as usize;
            lengths.get_mut(at..end)?.fill(length);
            at = end;
        }
        Some(Self::new(&lengths))
    }

    /// `lengths` are of 0 (no code) to 15 bits.
    fn new(lengths: &[u32]) -> Self {
        let mut counts = [0; 16];
        let mut symbols = Vec::new();
        for (length, count) in (1..).zip(counts.iter_mut().skip(1)) {
            let of_length = (0..).zip(lengths).filter(|(_, of)| **of == length);
            let before = symbols.len();
            symbols.extend(of_length.map(|(symbol, _)| symbol));
            *count = (symbols.len() - before) as u32;
        }
        Self { counts, symbols }
    }

    /// The symbol of a code that has no other, and so takes no bits.
    fn only(&self) -> Option<u32> {
        match self.symbols.as_slice() {
            [only] => Some(*only),
            _ => None,
        }
    }

    fn decode(&self, bits: &mut Bits<'_>) -> Option<u32> {
        if let Some(only) = self.only() {
            return Some(only);
        }
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in self.counts.iter().skip(1) {
            code |= bits.read(1)?;
            if code < first + count {
                return self.symbols.get((index + code - first) as usize).copied();
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        None
    }
}

/// Bits from the lowest of each byte on.
struct Bits<'a> {
    bytes: &'a [u8],
    held: u64,
    count: u32,
}

impl Bits<'_> {
    /// Changes whenever a bit is read.
    fn place(&self) -> (usize, u32) {
        (self.bytes.len(), self.count)
    }

    /// At most 32.
    fn read(&mut self, count: u32) -> Option<u32> {
        while self.count < count {
            let byte = self.bytes.split_off_first()?;
            self.held |= u64::from(*byte) << self.count;
            self.count += 8;
        }
        let bits = self.held & ((1 << count) - 1);
        self.held >>= count;
        self.count -= count;
        u32::try_from(bits).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bits in the order in which they are read.
    #[derive(Default)]
    struct Written(Vec<bool>);

    impl Written {
        fn put(mut self, value: u32, count: u32) -> Self {
            self.0.extend((0..count).map(|bit| value >> bit & 1 == 1));
            self
        }

        /// An image whose pixels are all the same: green and red as given.
        fn uniform(self, green: u32, red: u32) -> Self {
            let image = self.put(0, 1);
            let symbols = [green, red, 0, 0, 0];
            symbols.into_iter().fold(image, |image, symbol| image.put(0b101, 3).put(symbol, 8))
        }

        /// No colour cache, groups for blocks of 4 x 4.
        fn groups(self) -> Self {
            self.put(0, 1).put(1, 1).put(0, 3)
        }

        fn bytes(&self) -> Vec<u8> {
            let byte =
                |bits: &[bool]| bits.iter().rev().fold(0, |byte, &bit| byte << 1 | u8::from(bit));
            self.0.chunks(8).map(byte).collect()
        }
    }

    fn count_of(written: &Written) -> Option<u32> {
        count(Some(&written.bytes()), (100, 80))
    }

    #[test]
    fn the_highest_number_counts_whatever_precedes_it() {
        let plain = || Written::default().put(0, 1);
        assert_eq!(count_of(&plain().groups().uniform(255, 255)), Some(65_536));
        assert_eq!(count_of(&plain().groups().uniform(3, 1)), Some(260));
        assert_eq!(count_of(&plain().put(0, 1).put(0, 1)), Some(1));
        assert_eq!(count_of(&plain().put(1, 1).put(4, 4).put(0, 1)), Some(1));
        let transformed = Written::default()
            .put(0b001, 3)
            .put(2, 3)
            .uniform(9, 9)
            .put(0b101, 3)
            .put(0b111, 3)
            .put(3, 8)
            .uniform(7, 7)
            .put(0, 1);
        assert_eq!(count_of(&transformed.groups().uniform(4, 0)), Some(5));
    }

    #[test]
    fn an_image_of_several_symbols_is_read_to_its_end() {
        // Green is 1 or 2 by one bit each, the rest is nothing; 25 x 20 blocks.
        let mut image = Written::default().put(0, 1).groups().put(0, 1);
        image = image.put(0b111, 3).put(1, 8).put(2, 8);
        for _ in 0..4 {
            image = image.put(0b101, 3).put(0, 8);
        }
        let zeros =
            |image: Written, count: usize| (0..count).fold(image, |image, _| image.put(0, 1));
        let image = zeros(image, 499);
        assert_eq!(count_of(&Written(image.0.clone()).put(1, 1)), Some(3));
        assert_eq!(count_of(&Written(image.0.clone()).put(0, 1)), Some(2));
        assert_eq!(count_of(&Written(image.0[..image.0.len() - 16].to_vec())), None);
    }

    #[test]
    fn an_image_that_takes_no_bits_takes_no_time() {
        // Of 282 symbols of green only the one behind the runs of `zeros` has a code; a last run follows it.
        let image = |zeros: [u32; 3], last: Option<u32>| {
            let run = |image: Written, zeros: u32| image.put(1, 1).put(zeros - 11, 7);
            // A cache of two colours; runs of zeros and a length of 1 have codes of a bit each.
            let image = Written::default().put(0, 1).groups().put(1, 1).put(1, 4).put(0, 1);
            let image = image.put(0, 4).put(0, 3).put(1, 3).put(0, 3).put(1, 3).put(0, 1);
            let image = zeros.into_iter().fold(image, run).put(0, 1);
            let image = last.into_iter().fold(image, run);
            (0..4).fold(image, |image, _| image.put(0b101, 3).put(0, 8))
        };
        let count = |image: Written| count(Some(&image.bytes()), (u32::MAX, u32::MAX));
        assert_eq!(count(image([138, 132, 11], None)), Some(1), "from an empty cache");
        assert_eq!(count(image([138, 107, 11], Some(25))), None, "a copy of nothing");
    }

    #[test]
    fn a_transform_that_comes_again_is_damage() {
        let green = Written::default().put(0b101, 3).put(0b101, 3).put(0, 1);
        assert_eq!(count_of(&green.groups().uniform(0, 0)), None);
    }

    #[test]
    fn codes_of_every_length_are_read() {
        let lengths = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 15];
        let code = Code::new(&lengths);
        for (symbol, &length) in (0..).zip(&lengths) {
            // All ones and a zero, but for the last, which is all ones.
            let ones = if symbol == 15 { 15 } else { symbol };
            let written = Written::default().put((1 << ones) - 1, length);
            let bytes = written.bytes();
            let mut bits = Bits { bytes: &bytes, held: 0, count: 0 };
            assert_eq!(code.decode(&mut bits), Some(symbol));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            if let Some(groups) = count(Some(&bytes), (300, 200)) {
                prop_assert!((1..=65_536).contains(&groups));
            }
        }
    }
}
