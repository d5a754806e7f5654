//! GIF (89a): much from few bytes.

use weezl::BitOrder;
use weezl::encode::Encoder;

use super::{File, HEIGHT, WIDTH};

/// A screen, and a frame with the LZW data `data`.
fn gif(screen: (u16, u16), frame: (u16, u16), flags: u8, data: &[u8]) -> Vec<u8> {
    let sides = |(width, height): (u16, u16)| [width.to_le_bytes(), height.to_le_bytes()].concat();
    let mut bytes = [b"GIF89a".as_slice(), &sides(screen)].concat();
    bytes.extend([0x80, 0, 0, 0xff, 0, 0, 0, 0, 0xff]);
    bytes.extend([0x2c, 0, 0, 0, 0]);
    bytes.extend(sides(frame));
    bytes.extend([flags, 2]);
    for block in data.chunks(255) {
        bytes.push(u8::try_from(block.len()).unwrap());
        bytes.extend(block);
    }
    bytes.extend([0, 0x3b]);
    bytes
}

/// One pixel on a screen of the most pixels: 35 bytes.
pub fn one_pixel() -> Vec<u8> {
    gif((5656, 5656), (1, 1), 0, &[0x44, 0x01])
}

pub fn files() -> impl Iterator<Item = File> {
    let size = (WIDTH, HEIGHT);
    let pixels = vec![0; usize::from(WIDTH) * usize::from(HEIGHT)];
    let zeros = Encoder::new(BitOrder::Lsb, 2).encode(&pixels).unwrap();
    // Clear codes only: bits that give no pixel.
    let clears = [0b0010_0100, 0b1001_0010, 0b0100_1001].repeat(1_000_000);
    [
        ("one pixel on a large screen", one_pixel()),
        ("a large frame on a large screen", gif(size, size, 0, &zeros)),
        ("a large frame, interlaced", gif(size, size, 0x40, &zeros)),
        ("a large frame on a small screen", gif((1, 1), size, 0, &zeros)),
        ("a large frame on no screen", gif((0, 0), size, 0, &zeros)),
        ("an empty frame", gif(size, size, 0, &[0x2c])),
        ("a frame without data", gif(size, size, 0, &[])),
        ("no pixels", gif((0, 0), (0, 0), 0, &[0x44, 0x01])),
        ("the largest screen", gif((65_535, 65_535), (1, 1), 0, &[0x44, 0x01])),
        ("the largest frame", gif((1, 1), (65_535, 65_535), 0, &zeros)),
        ("the widest frame", gif((65_535, 488), (65_535, 488), 0, &zeros)),
        ("nothing but clear codes", gif(size, size, 0, &clears)),
    ]
    .into_iter()
    .map(|(name, bytes)| File::new(format!("gif, {name}"), bytes))
}
