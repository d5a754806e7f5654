//! A small JPEG encoder for tests: any sampling factors, any division into scans, baseline or
//! progressive (ITU-T T.81). Slow and plain, and written apart from every decoder.

use std::f64::consts::PI;

/// One component: its identifier, its sampling factors, and its levels by place in 0..=1.
#[derive(Clone, Copy)]
pub struct Component {
    pub id: u8,
    pub h: usize,
    pub v: usize,
    pub level: fn(f64, f64) -> f64,
}

/// One scan: the components in it, the band of coefficients, and the bits (T.81, G.1.1.1).
#[derive(Clone, Debug)]
pub struct Scan {
    pub components: Vec<usize>,
    pub band: (usize, usize),
    /// The lowest bit of the scan before it, 0 in a first one.
    pub high_bit: u8,
    pub low_bit: u8,
}

impl Scan {
    /// All coefficients of some components.
    pub fn whole(components: &[usize]) -> Self {
        Self { components: components.to_vec(), band: (0, 63), high_bit: 0, low_bit: 0 }
    }
}

/// What is written.
pub struct Picture<'a> {
    pub width: usize,
    pub height: usize,
    pub progressive: bool,
    pub components: &'a [Component],
    pub scans: &'a [Scan],
    /// Units between restart markers, 0 for none.
    pub restart_interval: usize,
    /// Segments in front of the frame, whole.
    pub extra: &'a [u8],
}

/// Quantisation of every coefficient.
const STEP: f64 = 2.0;

/// Code lengths and symbols of T.81, tables K.3 and K.5.
const DC_LENGTHS: [u8; 16] = [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0];
const DC_SYMBOLS: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
const AC_LENGTHS: [u8; 16] = [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d];
const AC_SYMBOLS: [u8; 162] = [
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07,
    0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0,
    0x24, 0x33, 0x62, 0x72, 0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28,
    0x29, 0x2a, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49,
    0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69,
    0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
    0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
    0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5,
    0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2,
    0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8,
    0xf9, 0xfa,
];
const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// The file.
pub fn encode(picture: &Picture<'_>) -> Vec<u8> {
    let mut file = vec![0xff, 0xd8];
    file.extend(picture.extra);
    segment(&mut file, 0xdb, &[&[0][..], &[STEP as u8; 64]].concat());
    segment(&mut file, if picture.progressive { 0xc2 } else { 0xc0 }, &frame_header(picture));
    segment(&mut file, 0xc4, &[&[0x00][..], &DC_LENGTHS, &DC_SYMBOLS].concat());
    segment(&mut file, 0xc4, &[&[0x10][..], &AC_LENGTHS, &AC_SYMBOLS].concat());
    if picture.restart_interval > 0 {
        segment(&mut file, 0xdd, &(picture.restart_interval as u16).to_be_bytes());
    }
    let planes: Vec<Plane> =
        picture.components.iter().map(|component| Plane::new(picture, component)).collect();
    for scan in picture.scans {
        let mut header = vec![scan.components.len() as u8];
        header.extend(scan.components.iter().flat_map(|&c| [picture.components[c].id, 0]));
        let (first, last) = scan.band;
        header.extend([first as u8, last as u8, scan.high_bit << 4 | scan.low_bit]);
        segment(&mut file, 0xda, &header);
        file.extend(scan_data(picture, &planes, scan));
    }
    file.extend([0xff, 0xd9]);
    file
}

fn segment(file: &mut Vec<u8>, marker: u8, body: &[u8]) {
    file.extend([0xff, marker]);
    file.extend((body.len() as u16 + 2).to_be_bytes());
    file.extend(body);
}

fn frame_header(picture: &Picture<'_>) -> Vec<u8> {
    let mut header = vec![8];
    header.extend((picture.height as u16).to_be_bytes());
    header.extend((picture.width as u16).to_be_bytes());
    header.push(picture.components.len() as u8);
    for component in picture.components {
        header.extend([component.id, (component.h << 4 | component.v) as u8, 0]);
    }
    header
}

fn largest(picture: &Picture<'_>) -> (usize, usize) {
    let h = picture.components.iter().map(|c| c.h).max().unwrap();
    (h, picture.components.iter().map(|c| c.v).max().unwrap())
}

/// The quantised coefficients of one component, block by block, padded to whole units.
struct Plane {
    blocks: Vec<[i32; 64]>,
    blocks_across: usize,
    /// Blocks that cover the picture: what a scan of this component alone has (A.2.2).
    own: (usize, usize),
    sampling: (usize, usize),
}

impl Plane {
    fn new(picture: &Picture<'_>, component: &Component) -> Self {
        let (h_max, v_max) = largest(picture);
        let units = (picture.width.div_ceil(8 * h_max), picture.height.div_ceil(8 * v_max));
        let (across, down) = (units.0 * component.h, units.1 * component.v);
        let own = (
            (picture.width * component.h).div_ceil(8 * h_max),
            (picture.height * component.v).div_ceil(8 * v_max),
        );
        // The place of the middle of a sample, as a share of the picture.
        let place = |at: usize, factor: usize, most: usize, side: usize| {
            (at as f64 + 0.5) * most as f64 / factor as f64 / side as f64
        };
        let sample = |x: usize, y: usize| {
            let x = place(x, component.h, h_max, picture.width);
            let y = place(y, component.v, v_max, picture.height);
            (component.level)(x.min(1.0), y.min(1.0)) - 128.0
        };
        let mut blocks = Vec::new();
        for row in 0..down {
            for column in 0..across {
                blocks.push(transform(|x, y| sample(8 * column + x, 8 * row + y)));
            }
        }
        Self { blocks, blocks_across: across, own, sampling: (component.h, component.v) }
    }
}

/// The forward transform, quantised, in zigzag order (A.3.3).
fn transform(sample: impl Fn(usize, usize) -> f64) -> [i32; 64] {
    let cosine = |x: usize, u: usize| ((2 * x + 1) as f64 * u as f64 * PI / 16.0).cos();
    let scale = |u: usize| if u == 0 { 0.5_f64.sqrt() } else { 1.0 };
    let mut samples = [[0.0; 8]; 8];
    for (y, row) in samples.iter_mut().enumerate() {
        for (x, value) in row.iter_mut().enumerate() {
            *value = sample(x, y);
        }
    }
    std::array::from_fn(|index| {
        let (v, u) = (ZIGZAG[index] / 8, ZIGZAG[index] % 8);
        let mut sum = 0.0;
        for (y, row) in samples.iter().enumerate() {
            for (x, value) in row.iter().enumerate() {
                sum += value * cosine(x, u) * cosine(y, v);
            }
        }
        (sum * scale(u) * scale(v) / 4.0 / STEP).round() as i32
    })
}

fn scan_data(picture: &Picture<'_>, planes: &[Plane], scan: &Scan) -> Vec<u8> {
    let mut bits = Bits::default();
    let mut predictions = [0; 4];
    let mut restarts = 0;
    for (number, unit) in units(picture, planes, scan).into_iter().enumerate() {
        let interval = picture.restart_interval;
        if interval > 0 && number > 0 && number % interval == 0 {
            bits.restart(restarts % 8);
            restarts += 1;
            predictions = [0; 4];
        }
        for (component, block) in unit {
            encode_block(
                &mut bits,
                &planes[component].blocks[block],
                scan,
                &mut predictions[component],
            );
        }
    }
    bits.finish()
}

/// The blocks of each unit, as (component, block), in the order of A.2.
fn units(picture: &Picture<'_>, planes: &[Plane], scan: &Scan) -> Vec<Vec<(usize, usize)>> {
    let mut units = Vec::new();
    if let [only] = scan.components[..] {
        let plane = &planes[only];
        for row in 0..plane.own.1 {
            for column in 0..plane.own.0 {
                units.push(vec![(only, row * plane.blocks_across + column)]);
            }
        }
        return units;
    }
    let (h_max, v_max) = largest(picture);
    for row in 0..picture.height.div_ceil(8 * v_max) {
        for column in 0..picture.width.div_ceil(8 * h_max) {
            let mut unit = Vec::new();
            for &component in &scan.components {
                let plane = &planes[component];
                let (h, v) = plane.sampling;
                for y in 0..v {
                    for x in 0..h {
                        let block = (row * v + y) * plane.blocks_across + column * h + x;
                        unit.push((component, block));
                    }
                }
            }
            units.push(unit);
        }
    }
    units
}

/// F.1.2 and, for the first scan of a band and for the later bits of DC, G.1.2.
fn encode_block(bits: &mut Bits, block: &[i32; 64], scan: &Scan, prediction: &mut i32) {
    let (first, last) = scan.band;
    if first == 0 {
        if scan.high_bit > 0 {
            bits.push((block[0] >> scan.low_bit & 1) as u32, 1);
        } else {
            let value = block[0] >> scan.low_bit;
            let (size, extra) = magnitude(value - *prediction);
            *prediction = value;
            bits.symbol(&DC_LENGTHS, &DC_SYMBOLS, size as u8);
            bits.push(extra, size);
        }
    }
    let mut zeros = 0;
    for &coefficient in &block[first.max(1)..=last.max(first)] {
        if last == 0 {
            return;
        }
        // AC coefficients are divided, not shifted (G.1.2.1.1).
        let value = coefficient / (1 << scan.low_bit);
        if value == 0 {
            zeros += 1;
            continue;
        }
        while zeros > 15 {
            bits.symbol(&AC_LENGTHS, &AC_SYMBOLS, 0xf0);
            zeros -= 16;
        }
        let (size, extra) = magnitude(value);
        bits.symbol(&AC_LENGTHS, &AC_SYMBOLS, (zeros << 4) as u8 | size as u8);
        bits.push(extra, size);
        zeros = 0;
    }
    if zeros > 0 {
        bits.symbol(&AC_LENGTHS, &AC_SYMBOLS, 0);
    }
}

/// The number of bits of a value, and the bits (F.1.2.1).
fn magnitude(value: i32) -> (u32, u32) {
    let size = 32 - value.unsigned_abs().leading_zeros();
    let bits = if value < 0 { value - 1 } else { value };
    (size, bits as u32 & ((1 << size) - 1))
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    pending: u32,
    count: u32,
}

impl Bits {
    fn push(&mut self, value: u32, count: u32) {
        for bit in (0..count).rev() {
            self.pending = self.pending << 1 | value >> bit & 1;
            self.count += 1;
            if self.count == 8 {
                self.bytes.push(self.pending as u8);
                if self.pending as u8 == 0xff {
                    self.bytes.push(0);
                }
                (self.pending, self.count) = (0, 0);
            }
        }
    }

    /// The code of a symbol, found by counting as annex C does.
    fn symbol(&mut self, lengths: &[u8; 16], symbols: &[u8], symbol: u8) {
        let (mut code, mut index) = (0, 0);
        for (length, &count) in (1..).zip(lengths) {
            for _ in 0..count {
                if symbols[index] == symbol {
                    return self.push(code, length);
                }
                code += 1;
                index += 1;
            }
            code <<= 1;
        }
        panic!("the symbol {symbol:#x} has no code");
    }

    fn align(&mut self) {
        while self.count > 0 {
            self.push(1, 1);
        }
    }

    fn restart(&mut self, number: u8) {
        self.align();
        self.bytes.extend([0xff, 0xd0 + number]);
    }

    fn finish(mut self) -> Vec<u8> {
        self.align();
        self.bytes
    }
}
