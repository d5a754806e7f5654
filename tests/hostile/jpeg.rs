//! JPEG (ITU-T T.81): frames and scans of many pixels in few bytes.

use super::{File, HEIGHT, WIDTH};

const BASELINE: u8 = 0xc0;
const PROGRESSIVE: u8 = 0xc2;

fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
    [&[0xff, marker], length.as_slice(), body].concat()
}

/// Sampling factors of the components, `(2 << 4) | 2` for twice in both directions.
fn frame(marker: u8, width: u16, height: u16, sampling: &[u8]) -> Vec<u8> {
    let mut body = vec![8];
    body.extend(height.to_be_bytes());
    body.extend(width.to_be_bytes());
    body.push(u8::try_from(sampling.len()).unwrap());
    for (id, sampling) in (1..).zip(sampling) {
        body.extend([id, *sampling, 0]);
    }
    segment(marker, &body)
}

/// The bit 0 is the end of a band that goes on for 2^14 blocks and as many as 14 more bits say, or a DC
/// coefficient without difference.
fn tables() -> Vec<u8> {
    let quantisation = segment(0xdb, &[&[0][..], &[1; 64]].concat());
    let code = |class: u8, symbol: u8| {
        let mut lengths = [0; 16];
        lengths[0] = 1;
        segment(0xc4, &[&[class][..], &lengths, &[symbol]].concat())
    };
    [quantisation, code(0, 0), code(0x10, 0xe0)].concat()
}

fn scan(components: &[u8], band: (u8, u8), bits: u8, data: &[u8]) -> Vec<u8> {
    let mut body = vec![u8::try_from(components.len()).unwrap()];
    for id in components {
        body.extend([*id, 0]);
    }
    body.extend([band.0, band.1, bits]);
    [segment(0xda, &body), data.to_vec()].concat()
}

fn file(parts: &[Vec<u8>]) -> Vec<u8> {
    [vec![0xff, 0xd8], tables(), parts.concat(), vec![0xff, 0xd9]].concat()
}

/// A frame of any size whose data are missing.
pub fn giant(width: u16, height: u16) -> Vec<u8> {
    let data = scan(&[1, 2, 3], (0, 0), 0, &[0; 2]);
    file(&[frame(PROGRESSIVE, width, height, &[0x11; 3]), data])
}

/// DC, then `scans` of one coefficient each that say in a few bytes that there is none.
fn progressive(sampling: &[u8], scans: usize) -> Vec<u8> {
    let blocks = usize::from(WIDTH).div_ceil(8) * usize::from(HEIGHT).div_ceil(8);
    let ids: Vec<u8> = (1..).take(sampling.len()).collect();
    // A bit a block: more than there are.
    let dc = scan(&ids, (0, 0), 0, &vec![0; blocks * sampling.len() / 8 + 8]);
    // 15 bits each: 0, then fourteen of 1; a byte of ones is followed by a zero.
    let mut bits = String::new();
    for _ in 0..blocks.div_ceil(0x7fff) {
        bits.push_str("011111111111111");
    }
    let mut ac = Vec::new();
    for byte in bits.as_bytes().chunks(8) {
        let byte = byte.iter().fold(0, |byte, bit| byte << 1 | (bit - b'0'));
        ac.push(byte);
        if byte == 0xff {
            ac.push(0);
        }
    }
    let bands = (0..scans).map(|number| {
        let (component, band) = (ids[number % ids.len()], (number / ids.len() % 63 + 1) as u8);
        scan(&[component], (band, band), 0, &ac)
    });
    let parts: Vec<Vec<u8>> =
        [frame(PROGRESSIVE, WIDTH, HEIGHT, sampling), dc].into_iter().chain(bands).collect();
    file(&parts)
}

pub fn files() -> impl Iterator<Item = File> {
    let empty = |marker, width, height, sampling: &[u8]| {
        let ids: Vec<u8> = (1..).take(sampling.len()).collect();
        let last = if marker == BASELINE { 63 } else { 0 };
        let data = scan(&ids, (0, last), 0, &[0; 16]);
        file(&[frame(marker, width, height, sampling), data])
    };
    let mut cut = progressive(&[0x22, 0x11, 0x11], 39);
    cut.truncate(cut.len() / 2);
    let restarts = {
        let data: Vec<u8> = (0..1_000_000).flat_map(|at| [0xff, 0xd0 + (at % 8) as u8]).collect();
        file(&[
            frame(BASELINE, WIDTH, HEIGHT, &[0x11; 3]),
            segment(0xdd, &[0, 1]),
            scan(&[1, 2, 3], (0, 63), 0, &data),
        ])
    };
    let comments = {
        let comments = segment(0xfe, b"").repeat(1_000_000);
        file(&[
            comments,
            frame(BASELINE, 64, 64, &[0x11; 3]),
            scan(&[1, 2, 3], (0, 63), 0, &[0; 99]),
        ])
    };
    [
        ("empty", empty(BASELINE, WIDTH, HEIGHT, &[0x11; 3])),
        ("empty, 65500 x 488", empty(BASELINE, 65_500, 488, &[0x11; 3])),
        ("empty, chroma enlarged", empty(BASELINE, WIDTH, HEIGHT, &[0x22, 0x11, 0x11])),
        ("empty, sampled 4 x 2", empty(BASELINE, WIDTH, HEIGHT, &[0x42, 0x11, 0x11])),
        ("empty, four components", empty(BASELINE, WIDTH, HEIGHT, &[0x11; 4])),
        ("progressive, empty", empty(PROGRESSIVE, WIDTH, HEIGHT, &[0x11; 3])),
        ("beyond the most pixels", giant(65_500, 65_500)),
        ("progressive, 40 scans", progressive(&[0x22, 0x11, 0x11], 39)),
        ("progressive, 40 scans, whole chroma", progressive(&[0x11; 3], 39)),
        ("progressive, 40 scans, grey", progressive(&[0x11], 39)),
        ("progressive, 40 scans, four components", progressive(&[0x11; 4], 39)),
        ("progressive, 190 scans", progressive(&[0x22, 0x11, 0x11], 189)),
        ("progressive, 5000 scans", progressive(&[0x22, 0x11, 0x11], 5_000)),
        ("progressive, cut", cut),
        ("a million restarts", restarts),
        ("a million comments", comments),
    ]
    .into_iter()
    .map(|(name, bytes)| File::new(format!("jpeg, {name}"), bytes))
}
