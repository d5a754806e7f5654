//! TIFF (6.0): directories that mean one thing to one reader and another to the next.

use super::{File, HEIGHT, WIDTH, jpeg};

const SHORT: u16 = 3;
const LONG: u16 = 4;
const COMPRESSION: u16 = 259;
const STRIP_OFFSETS: u16 = 273;
const ROWS_PER_STRIP: u16 = 278;
const STRIP_BYTE_COUNTS: u16 = 279;

/// Tag, type, count and the four bytes of the value or its offset.
type Entry = (u16, u16, u32, [u8; 4]);

fn short(tag: u16, value: u16) -> Entry {
    (tag, SHORT, 1, u32::from(value).to_le_bytes())
}

fn long(tag: u16, value: u32) -> Entry {
    (tag, LONG, 1, value.to_le_bytes())
}

/// Little-endian, one directory, and `data` behind it: at the offset that `entries` are made for.
fn file(entries: impl Fn(u32) -> Vec<Entry>, data: &[u8]) -> Vec<u8> {
    let count = entries(0).len();
    let offset = 8 + 2 + 12 * count + 4;
    let mut bytes = b"II*\0\x08\0\0\0".to_vec();
    bytes.extend(u16::try_from(count).unwrap().to_le_bytes());
    let mut sorted = entries(u32::try_from(offset).unwrap());
    sorted.sort_by_key(|entry| entry.0);
    for (tag, kind, count, value) in sorted {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(value);
    }
    bytes.extend([0; 4]);
    bytes.extend(data);
    bytes
}

/// 8-bit grey but for what is said of it.
fn picture(width: u32, height: u32) -> Vec<Entry> {
    vec![long(256, width), long(257, height), short(258, 8), short(262, 1), short(277, 1)]
}

/// The compression in every type, as the only value or beside others, with rubbish above it: nothing of it
/// may reach a decoder of JPEG that knows no limits.
pub fn jpeg_inside() -> impl Iterator<Item = File> {
    let jpeg = jpeg::giant(16_384, 16_384);
    let kinds = (0..=18).chain([99, 0xffff]);
    kinds.flat_map(move |kind| {
        let jpeg = jpeg.clone();
        [6_u8, 7, 8, 1, 5].into_iter().flat_map(move |scheme| {
            let jpeg = jpeg.clone();
            [
                (1, [scheme, 0, 0, 0]),
                (1, [scheme, 1, 2, 3]),
                (2, [scheme, 0, scheme, 0]),
                (0, [scheme; 4]),
            ]
            .into_iter()
            .map(move |(count, value)| {
                let length = u32::try_from(jpeg.len()).unwrap();
                let entries = |offset| {
                    let mut entries = picture(16, 16);
                    entries.extend([
                        (COMPRESSION, kind, count, value),
                        long(STRIP_OFFSETS, offset),
                        long(STRIP_BYTE_COUNTS, length),
                    ]);
                    entries
                };
                let name = format!("tiff, compression {value:?} of type {kind}, {count}");
                File::new(name, file(entries, &jpeg))
            })
        })
    })
}

/// Lists of millions of values, and strips of many pixels that are not there.
pub fn endless_values() -> impl Iterator<Item = File> {
    const BYTES: usize = 8_000_000;
    let lists = [(1, 1), (3, 2), (4, 4), (16, 8), (6, 1)].into_iter().flat_map(|(kind, size)| {
        [STRIP_BYTE_COUNTS, STRIP_OFFSETS, 324, 325, 258, 339, 320, 34675, 700, 33723]
            .into_iter()
            .map(move |tag| {
                let count = u32::try_from(BYTES / size).unwrap();
                let entries = |offset: u32| {
                    let mut entries = picture(16, 16);
                    entries.retain(|entry| entry.0 != tag);
                    entries.push((tag, kind, count, offset.to_le_bytes()));
                    for one in [STRIP_OFFSETS, STRIP_BYTE_COUNTS] {
                        if one != tag {
                            entries.push(long(one, 8));
                        }
                    }
                    entries.push(short(COMPRESSION, 1));
                    entries
                };
                let name = format!("tiff, tag {tag} of {count} values of type {kind}");
                File::new(name, file(entries, &vec![1; BYTES]))
            })
    });
    // A strip a row, each in the same few bytes.
    let schemes = [1, 2, 3, 4, 5, 7, 8, 32773, 32946, 34925, 50000, 50001].into_iter();
    let empty = schemes.flat_map(|scheme| {
        [(1, 8), (3, 8), (4, 16)].into_iter().map(move |(samples, bits)| {
            let entries = |offset: u32| {
                let mut entries = picture(u32::from(WIDTH), u32::from(HEIGHT));
                entries.retain(|entry| ![258, 262, 277].contains(&entry.0));
                entries.extend([
                    short(258, bits),
                    short(262, if samples == 1 { 1 } else { 2 }),
                    short(277, samples),
                    short(COMPRESSION, scheme),
                    long(STRIP_OFFSETS, offset),
                    long(STRIP_BYTE_COUNTS, 64),
                    long(ROWS_PER_STRIP, u32::from(HEIGHT)),
                ]);
                entries
            };
            let name = format!(
                "tiff, {WIDTH} x {HEIGHT} x {samples} x {bits} bits by scheme {scheme}, empty"
            );
            File::new(name, file(entries, &[0; 64]))
        })
    });
    lists.chain(empty)
}
