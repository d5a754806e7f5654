//! PNG (ISO/IEC 15948): pixels that deflate to almost nothing, and chunks beside them.

use std::io::Write;

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

use super::{File, HEIGHT, WIDTH};

fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut crc = Crc::new();
    crc.update(kind);
    crc.update(body);
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&length, kind.as_slice(), body, &crc.sum().to_be_bytes()].concat()
}

fn deflated_zeros(count: u64) -> Vec<u8> {
    static PIECE: [u8; 1 << 16] = [0; 1 << 16];
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    let mut left = count;
    while left > 0 {
        let length = left.min(PIECE.len() as u64) as usize;
        encoder.write_all(&PIECE[..length]).unwrap();
        left -= length as u64;
    }
    encoder.finish().unwrap()
}

/// Colour type, bits a sample, samples a pixel.
type Kind = (u8, u8, u64);

const RGBA16: Kind = (6, 16, 4);

/// All bytes zero, filters included.
fn zeros(width: u32, height: u32, (colour, bits, samples): Kind, interlaced: bool) -> Vec<u8> {
    let row = |width: u64| 1 + (width * samples * u64::from(bits)).div_ceil(8);
    let (w, h) = (u64::from(width), u64::from(height));
    // Where each pass begins, and how far its pixels are apart (8.2).
    const PASSES: [[u64; 4]; 7] = [
        [0, 0, 8, 8],
        [4, 0, 8, 8],
        [0, 4, 4, 8],
        [2, 0, 4, 4],
        [0, 2, 2, 4],
        [1, 0, 2, 2],
        [0, 1, 1, 2],
    ];
    let bytes = if interlaced {
        let pass = |[x, y, dx, dy]: [u64; 4]| row((w - x).div_ceil(dx)) * (h - y).div_ceil(dy);
        PASSES.into_iter().map(pass).sum()
    } else {
        row(w) * h
    };
    with_chunks(
        width,
        height,
        (colour, bits, samples),
        interlaced,
        &[],
        &deflated_zeros(bytes),
        &[],
    )
}

fn with_chunks(
    width: u32,
    height: u32,
    (colour, bits, _): Kind,
    interlaced: bool,
    before: &[u8],
    idat: &[u8],
    behind: &[u8],
) -> Vec<u8> {
    let sides = [width.to_be_bytes(), height.to_be_bytes()].concat();
    let ihdr = [sides.as_slice(), &[bits, colour, 0, 0, u8::from(interlaced)]].concat();
    let palette = if colour == 3 {
        [chunk(b"PLTE", &[9; 6]), chunk(b"tRNS", &[0, 128])].concat()
    } else {
        Vec::new()
    };
    [
        b"\x89PNG\r\n\x1a\n".as_slice(),
        &chunk(b"IHDR", &ihdr),
        before,
        &palette,
        &chunk(b"IDAT", idat),
        behind,
        &chunk(b"IEND", b""),
    ]
    .concat()
}

/// The most pixels of eight bytes each.
pub fn rgba16() -> Vec<u8> {
    zeros(u32::from(WIDTH), u32::from(HEIGHT), RGBA16, false)
}

/// A picture of 40 x 40 with other chunks around its pixels.
fn small(before: &[u8], behind: &[u8]) -> Vec<u8> {
    with_chunks(40, 40, (2, 8, 3), false, before, &deflated_zeros(40 * 121), behind)
}

fn xmp(length: usize) -> Vec<u8> {
    chunk(b"iTXt", &[b"XML:com.adobe.xmp\0\0\0\0\0".as_slice(), &vec![b' '; length]].concat())
}

/// Those of many pixels are made one after the other.
pub fn files() -> impl Iterator<Item = File> {
    let (width, height) = (u32::from(WIDTH), u32::from(HEIGHT));
    let kinds: [(&str, Kind); 7] = [
        ("RGBA of 16 bits", RGBA16),
        ("RGB of 16 bits", (2, 16, 3)),
        ("grey and alpha of 16 bits", (4, 16, 2)),
        ("RGBA of 8 bits", (6, 8, 4)),
        ("a palette of 8 bits with alpha", (3, 8, 1)),
        ("a palette of 1 bit with alpha", (3, 1, 1)),
        ("grey of 1 bit", (0, 1, 1)),
    ];
    let many_pixels = kinds.into_iter().flat_map(move |(name, kind)| {
        [
            (width, height, false),
            (width, height, true),
            (16, 2_000_000, false),
            (2_000_000, 16, false),
        ]
        .into_iter()
        .map(move |(width, height, interlaced)| {
            let passes = if interlaced { ", interlaced" } else { "" };
            File::new(
                format!("png, {width} x {height}, {name}{passes}"),
                zeros(width, height, kind, interlaced),
            )
        })
    });
    let empty_idat = with_chunks(width, height, RGBA16, false, &[], &deflated_zeros(1), &[]);
    let million = chunk(b"tEXt", b"a\0b").repeat(1_000_000);
    let bomb = deflated_zeros(1 << 30);
    let too_long = with_chunks(8, 8, RGBA16, false, &[], &bomb, &[]);
    let text = chunk(b"zTXt", &[b"Raw profile type exif\0\0".as_slice(), &bomb].concat());
    let profile = chunk(b"iCCP", &[b"icc\0\0".as_slice(), &bomb].concat());
    let animation = [
        chunk(b"acTL", &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
        chunk(b"fcTL", &[0; 26]).repeat(100_000),
    ]
    .concat();
    let rest = [
        ("its pixels missing", empty_idat),
        ("1 GiB behind 8 x 8 pixels", too_long),
        ("a million texts before", small(&million, &[])),
        ("a million texts behind", small(&[], &million)),
        ("XMP of 3 MB", small(&xmp(3 << 20), &[])),
        ("XMP of 15 MB", small(&xmp(15_000_000), &[])),
        ("XMP of 15 MB behind", small(&[], &xmp(15_000_000))),
        ("a text of 1 GiB, deflated", small(&text, &[])),
        ("a profile of 1 GiB, deflated", small(&profile, &[])),
        ("a million empty IDAT", small(&[], &chunk(b"IDAT", b"").repeat(1_000_000))),
        ("an animation without end", small(&animation, &[])),
    ];
    let rest = rest.into_iter().map(|(name, bytes)| File::new(format!("png, {name}"), bytes));
    many_pixels.chain(rest)
}
