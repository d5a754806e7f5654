//! BMP: runs of many pixels, and pixels that are not there.

use super::{File, HEIGHT, WIDTH};

fn bmp(width: i32, height: i32, bits: u16, compression: u32, data: &[u8]) -> Vec<u8> {
    let palette = if bits <= 8 { 4 << bits } else { 0 };
    let offset = 54 + palette;
    let mut bytes = b"BM".to_vec();
    bytes.extend(u32::try_from(offset + data.len()).unwrap().to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(u32::try_from(offset).unwrap().to_le_bytes());
    bytes.extend(40_u32.to_le_bytes());
    bytes.extend(width.to_le_bytes());
    bytes.extend(height.to_le_bytes());
    bytes.extend(1_u16.to_le_bytes());
    bytes.extend(bits.to_le_bytes());
    bytes.extend(compression.to_le_bytes());
    bytes.extend([0; 20]);
    bytes.resize(offset, 7);
    bytes.extend(data);
    bytes
}

/// Every row in runs of 255, then its end.
fn runs() -> Vec<u8> {
    let row = [[255, 1].repeat(31), vec![95, 1, 0, 0]].concat();
    [row.repeat(usize::from(HEIGHT)), vec![0, 1]].concat()
}

pub fn files() -> impl Iterator<Item = File> {
    let (width, height) = (i32::from(WIDTH), i32::from(HEIGHT));
    [
        ("RLE8, runs", bmp(width, height, 8, 1, &runs())),
        ("RLE4, runs", bmp(width, height, 4, 2, &runs())),
        ("RLE8, ended at once", bmp(width, height, 8, 1, &[0, 1])),
        ("RLE8, moves only", bmp(width, height, 8, 1, &[0, 2, 1, 0].repeat(1_000_000))),
        ("RLE8, runs of nothing", bmp(width, height, 8, 1, &[0, 0].repeat(3_000_000))),
        ("RLE8, runs past the end of a row", bmp(1, 32_000_000, 8, 1, &[255, 1].repeat(500_000))),
        ("1 bit, 4 MB", bmp(width, height, 1, 0, &vec![0x55; 4_000_000])),
        ("24 bits, empty", bmp(width, height, 24, 0, &[])),
        ("32 bits, top down, empty", bmp(width, -height, 32, 0, &[])),
        ("the least height", bmp(width, i32::MIN, 24, 0, &[])),
        ("a JPEG inside", bmp(width, height, 24, 4, &super::jpeg::giant(16_384, 16_384))),
    ]
    .into_iter()
    .map(|(name, bytes)| File::new(format!("bmp, {name}"), bytes))
}
