//! WebP (RFC 9649): frames that are not where, or not as large as, the container says.

use super::File;

fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = kind.to_vec();
    bytes.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
    bytes.extend(body);
    bytes.resize(bytes.len() + body.len() % 2, 0);
    bytes
}

/// `behind` follows the end that RIFF states, `further` bytes of it within.
fn riff(chunks: &[u8], further: usize, behind: &[u8]) -> Vec<u8> {
    let length = u32::try_from(4 + chunks.len() + further).unwrap();
    [b"RIFF", length.to_le_bytes().as_slice(), b"WEBP", chunks, behind].concat()
}

fn u24(value: u32) -> [u8; 3] {
    let [a, b, c, _] = value.to_le_bytes();
    [a, b, c]
}

fn vp8x(flags: u8, width: u32, height: u32) -> Vec<u8> {
    chunk(b"VP8X", &[&[flags, 0, 0, 0][..], &u24(width - 1), &u24(height - 1)].concat())
}

/// A key frame (RFC 6386, 9.1) whose partitions are noise.
fn vp8(width: u16, height: u16, length: usize) -> Vec<u8> {
    let first_partition = u32::try_from(length / 2).unwrap();
    let mut frame = u24((first_partition << 5) | (1 << 4)).to_vec();
    frame.extend([0x9d, 0x01, 0x2a]);
    frame.extend(width.to_le_bytes());
    frame.extend(height.to_le_bytes());
    frame.extend((0..length).map(|at| (at as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0]));
    chunk(b"VP8 ", &frame)
}

/// Bits, the least first.
#[derive(Default)]
struct Bits(Vec<u8>, u32);

impl Bits {
    fn put(mut self, value: u32, count: u32) -> Self {
        for bit in 0..count {
            if self.1.is_multiple_of(8) {
                self.0.push(0);
            }
            *self.0.last_mut().unwrap() |= ((value >> bit & 1) as u8) << (self.1 % 8);
            self.1 += 1;
        }
        self
    }

    fn header(width: u32, height: u32) -> Self {
        Self::default().put(0x2f, 8).put(width - 1, 14).put(height - 1, 14).put(0, 1).put(0, 3)
    }

    /// Five prefix codes of one symbol each: pixels of no bits at all.
    fn one_colour(self, symbols: [u32; 5]) -> Self {
        symbols.into_iter().fold(self, |bits, symbol| bits.put(0b101, 3).put(symbol, 8))
    }

    fn chunk(self) -> Vec<u8> {
        chunk(b"VP8L", &self.0)
    }
}

/// The whole picture is one colour: a few dozen bytes.
fn lossless(width: u32, height: u32) -> Vec<u8> {
    Bits::header(width, height).put(0, 3).one_colour([0; 5]).chunk()
}

/// Each transform (RFC 9649, 4), of the smallest blocks.
fn lossless_transformed(width: u32, height: u32, mode: u32) -> Vec<u8> {
    let bits = Bits::header(width, height);
    let bits = bits.put(0b001, 3).put(0, 3).put(0, 1).one_colour([mode, 0, 0, 255, 0]);
    let bits = bits.put(0b011, 3).put(0, 3).put(0, 1).one_colour([7, 7, 7, 255, 0]);
    let bits = bits.put(0b101, 3);
    // No more transforms, a cache of 2^11 colours, one group of prefix codes.
    bits.put(0, 1).put(1, 1).put(11, 4).put(0, 1).one_colour([9, 9, 9, 255, 0]).chunk()
}

/// The image of prefix codes names the last of 65,536 groups.
fn lossless_of_many_groups(width: u32, height: u32) -> Vec<u8> {
    let bits = Bits::header(width, height).put(0, 1).put(0, 1).put(1, 1).put(0, 3);
    let mut bits = bits.put(0, 1).one_colour([255, 255, 0, 255, 0]);
    for _ in 0..65_536 {
        bits = bits.one_colour([0; 5]);
    }
    bits.chunk()
}

fn frame(x: u32, y: u32, width: u32, height: u32, picture: &[u8]) -> Vec<u8> {
    let place = [u24(x / 2), u24(y / 2), u24(width - 1), u24(height - 1), u24(100)].concat();
    chunk(b"ANMF", &[place.as_slice(), &[0], picture].concat())
}

fn animated(canvas: (u32, u32), frames: &[Vec<u8>]) -> Vec<u8> {
    let chunks = [vp8x(2, canvas.0, canvas.1), chunk(b"ANIM", &[0; 6]), frames.concat()];
    riff(&chunks.concat(), 0, b"")
}

pub fn files() -> impl Iterator<Item = File> {
    let small = vp8x(0, 64, 64);
    let behind = [0, 2, 4, 8, 9, 10, 11, 12, 16].into_iter().flat_map(move |further| {
        let (small, large) = (small.clone(), vp8(16_383, 12_000, 100_000));
        let canvas = small.clone();
        [("VP8", large), ("VP8L", lossless(16_383, 16_383))].into_iter().map(
            move |(kind, large)| {
                let name = format!("webp, {kind} behind the end, {further} bytes within");
                File::new(name, riff(&canvas, further, &large))
            },
        )
    });
    let plain =
        |name: &str, chunks: &[u8]| File::new(format!("webp, {name}"), riff(chunks, 0, b""));
    let big = (16_383, 12_000);
    let frames = [("lossy", vp8(16_383, 12_000, 100_000)), ("lossless", lossless(16_383, 12_000))];
    let moving = frames.into_iter().flat_map(move |(kind, picture)| {
        [
            ("larger than its canvas", (64, 64), frame(0, 0, big.0, big.1, &picture)),
            ("larger than it says", (64, 64), frame(0, 0, 64, 64, &picture)),
            ("beside its canvas", (64, 64), frame(16_000_000, 16_000_000, 64, 64, &picture)),
            ("on a canvas of the most", (16_384, 16_384), frame(0, 0, big.0, big.1, &picture)),
        ]
        .into_iter()
        .map(move |(name, canvas, frame)| {
            File::new(format!("webp, {kind} frame {name}"), animated(canvas, &[frame]))
        })
        .collect::<Vec<_>>()
    });
    let single = [
        plain("lossless, 16383 x 1953", &lossless(16_383, 1_953)),
        plain("lossless, 16383 x 1953, select", &lossless_transformed(16_383, 1_953, 11)),
        plain("lossless, 16383 x 1953, gradient", &lossless_transformed(16_383, 1_953, 13)),
        plain("lossless, 1953 x 16383, gradient", &lossless_transformed(1_953, 16_383, 13)),
        plain("lossless, 65536 groups", &lossless_of_many_groups(16_383, 1_953)),
        plain("lossless, 65536 groups of few pixels", &lossless_of_many_groups(8, 8)),
        plain("lossy noise, 16383 x 1953", &vp8(16_383, 1_953, 1_000_000)),
        plain("lossy, 16383 x 1953, empty", &vp8(16_383, 1_953, 2)),
        plain(
            "lossy with alpha, 16383 x 1953",
            &[
                vp8x(0x10, 16_383, 1_953),
                chunk(b"ALPH", &[&[1][..], &lossless(16_383, 1_953)[13..]].concat()),
                vp8(16_383, 1_953, 100_000),
            ]
            .concat(),
        ),
        File::new(
            "webp, an animation of 32 megapixels",
            animated(
                (16_383, 1_953),
                &vec![frame(0, 0, 16_383, 1_953, &lossless(16_383, 1_953)); 50],
            ),
        ),
        plain(
            "a million chunks",
            &[vp8x(0, 64, 64), chunk(b"junk", b"ab").repeat(1_000_000), lossless(64, 64)].concat(),
        ),
    ];
    behind.chain(moving).chain(single)
}
