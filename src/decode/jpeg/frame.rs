//! What the segments of a JPEG say of its picture, and what follows from that.

use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use image::metadata::Orientation;

use crate::decode::{DecodeError, Format, rgb};

/// Blocks of all components in one interleaved unit at most (T.81, B.2.3).
const MOST_BLOCKS_IN_UNIT: u32 = 10;
/// Transform, upsampling and colours, of a baseline file of 2 bits a pixel.
const NANOSECONDS_A_PIXEL: u64 = 6;
/// Entropy coding.
const NANOSECONDS_A_BYTE: u64 = 6;
/// Of several scans each visits the coefficients of its band, also when it brings nothing.
const NANOSECONDS_A_COEFFICIENT: u64 = 2;
/// And it takes as long again as some coefficients to come to a block.
const COEFFICIENTS_TO_A_BLOCK: u64 = 3;

/// What the segments of a file say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) width: u16,
    pub(super) height: u16,
    pub(super) progressive: bool,
    pub(super) components: Vec<Component>,
    /// In the order of the file; at least one.
    pub(super) scans: Vec<Scan>,
    /// The colour transform of the Adobe segment: 0 none, 1 YCbCr, 2 YCCK.
    pub(super) adobe_transform: Option<u8>,
    pub(super) orientation: Orientation,
    /// The segments of the ICC profile, each with its number and their count in front.
    pub(super) profile: Vec<Range<usize>>,
    /// Places where bytes stand between segments that belong to none.
    pub(super) strays: usize,
    /// Whether the data of a scan have so many bits of 1 in a row that there may be an impossible code.
    pub(super) has_long_run: bool,
    /// Where the picture's bytes end, the end-of-image marker included if there is one.
    pub(super) end: usize,
    /// Whether there is an end-of-image marker.
    pub(super) has_end: bool,
}

/// One component and its sampling factors, 1..=4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Component {
    pub(super) id: u8,
    pub(super) h: u8,
    pub(super) v: u8,
}

/// One scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scan {
    /// Indices of the frame's components; 1 to 4.
    pub(super) components: Vec<usize>,
    /// Coefficients in zigzag order, within 0..=63.
    pub(super) band: RangeInclusive<u8>,
    /// The lowest bit of the coefficients that the scan brings: 0 is all.
    pub(super) low_bit: u8,
    /// Units between restart markers; 0 is none.
    pub(super) restart_interval: u16,
    /// Restart markers found in its data.
    pub(super) restarts: usize,
    /// Bytes of its data.
    pub(super) data_bytes: usize,
}

impl Scan {
    /// A scan without data.
    pub(super) fn new(components: Vec<usize>, band: RangeInclusive<u8>, low_bit: u8) -> Self {
        Self { components, band, low_bit, restart_interval: 0, restarts: 0, data_bytes: 0 }
    }
}

impl Frame {
    /// A frame without scans.
    pub(super) fn new(
        width: u16,
        height: u16,
        progressive: bool,
        components: Vec<Component>,
    ) -> Self {
        Self {
            width,
            height,
            progressive,
            components,
            scans: Vec::new(),
            adobe_transform: None,
            orientation: Orientation::NoTransforms,
            profile: Vec::new(),
            strays: 0,
            has_long_run: false,
            end: 0,
            has_end: false,
        }
    }

    /// Refuses what no decoder here decodes.
    ///
    /// # Errors
    /// [`DecodeError::UnsupportedFeature`] names it.
    pub(super) fn check(&self) -> Result<(), DecodeError> {
        let (h_max, v_max) = self.largest_sampling();
        let fraction = |c: &Component| !h_max.is_multiple_of(c.h) || !v_max.is_multiple_of(c.v);
        if self.components.iter().any(fraction) {
            return Err(unsupported("components whose sampling has no whole ratio"));
        }
        let blocks =
            |index: &usize| u32::from(self.components[*index].h * self.components[*index].v);
        let too_many = |scan: &Scan| {
            scan.components.len() > 1
                && scan.components.iter().map(blocks).sum::<u32>() > MOST_BLOCKS_IN_UNIT
        };
        if self.scans.iter().any(too_many) {
            return Err(unsupported("a scan of more than 10 blocks a unit"));
        }
        Ok(())
    }

    /// Whether the file lacks a part of the picture, as far as its segments tell.
    pub(super) fn is_cut(&self) -> bool {
        let lacks_restarts = |scan: &Scan| (scan.restarts as u64) < self.restarts_due(scan);
        !self.has_end || !self.has_all_coefficients() || self.scans.iter().any(lacks_restarts)
    }

    /// Whether there is anything of the picture.
    pub(super) fn has_data(&self) -> bool {
        self.scans.iter().any(|scan| scan.data_bytes > 0)
    }

    /// Whether one scan holds all components.
    pub(super) fn is_one_scan(&self) -> bool {
        !self.progressive && self.scans[0].components.len() == self.components.len()
    }

    /// Upper estimate of the bytes that decoding takes at full scale, the output included.
    pub(super) fn decode_bytes(&self) -> u64 {
        let (h_max, v_max) = self.largest_sampling();
        let padded_width = u64::from(self.width).next_multiple_of(8 * u64::from(h_max));
        // Coefficients of the whole picture, 16 bits each, are kept until the last scan.
        let coefficients = if self.is_one_scan() { 0 } else { 2 * self.samples() };
        // Rows of blocks for each component, before and after upsampling, 16 bits a sample.
        let rows = padded_width * 8 * u64::from(v_max) * self.components.len() as u64 * 2 * 6;
        let output = self.pixels() * rgb::RGB_BYTES.max(self.components.len() as u64);
        coefficients + rows + output
    }

    /// Estimate of the time that decoding takes at full scale on one core of 2023.
    pub(super) fn decode_time(&self) -> Duration {
        let passes = if self.is_one_scan() { 0 } else { self.coefficients_visited() };
        let data = self.end as u64 * NANOSECONDS_A_BYTE;
        let nanoseconds = self.pixels() * NANOSECONDS_A_PIXEL + passes * NANOSECONDS_A_COEFFICIENT;
        Duration::from_nanos(nanoseconds + data)
    }

    /// Coefficients that all scans together go through.
    fn coefficients_visited(&self) -> u64 {
        let visited = |scan: &Scan| {
            let blocks: u64 = match scan.components[..] {
                [_] => self.units(scan),
                _ => {
                    let share = |index: &usize| {
                        let component = &self.components[*index];
                        u64::from(component.h) * u64::from(component.v)
                    };
                    self.units(scan) * scan.components.iter().map(share).sum::<u64>()
                }
            };
            let band = u64::from(scan.band.end() - scan.band.start()) + 1;
            blocks * (band + COEFFICIENTS_TO_A_BLOCK)
        };
        self.scans.iter().map(visited).sum()
    }

    fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// Samples of all components, padded to whole units.
    fn samples(&self) -> u64 {
        let (h_max, v_max) = self.largest_sampling();
        let (h_max, v_max) = (u64::from(h_max), u64::from(v_max));
        let padded_width = u64::from(self.width).next_multiple_of(8 * h_max);
        let padded_height = u64::from(self.height).next_multiple_of(8 * v_max);
        let share = |c: &Component| u64::from(c.h * c.v);
        let shares: u64 = self.components.iter().map(share).sum();
        padded_width * padded_height * shares / (h_max * v_max)
    }

    fn largest_sampling(&self) -> (u8, u8) {
        let h = self.components.iter().map(|c| c.h).max().unwrap_or(1);
        let v = self.components.iter().map(|c| c.v).max().unwrap_or(1);
        (h, v)
    }

    /// Whether the scans bring every coefficient of every component to its last bit.
    fn has_all_coefficients(&self) -> bool {
        (0..self.components.len()).all(|component| {
            (0..64).all(|coefficient| {
                let brings = |scan: &&Scan| {
                    scan.components.contains(&component) && scan.band.contains(&coefficient)
                };
                self.scans.iter().filter(brings).map(|scan| scan.low_bit).min() == Some(0)
            })
        })
    }

    /// Restart markers that a scan has when nothing of it is missing: one between any two intervals.
    fn restarts_due(&self, scan: &Scan) -> u64 {
        match u64::from(scan.restart_interval) {
            0 => 0,
            interval => self.units(scan).div_ceil(interval) - 1,
        }
    }

    /// Units of a scan: blocks when it has one component, else groups of them (A.2).
    fn units(&self, scan: &Scan) -> u64 {
        let (h_max, v_max) = self.largest_sampling();
        let (h, v) = match scan.components[..] {
            [only] => (self.components[only].h, self.components[only].v),
            _ => (1, 1),
        };
        let across = |side: u16, most: u8, own: u8| {
            (u64::from(side) * u64::from(own)).div_ceil(8 * u64::from(most))
        };
        // At least one: a picture without pixels is refused before.
        (across(self.width, h_max, h) * across(self.height, v_max, v)).max(1)
    }
}

fn unsupported(detail: &str) -> DecodeError {
    DecodeError::unsupported(Format::Jpeg, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(progressive: bool, sampling: &[(u8, u8)], scans: &[(&[usize], u8, u8, u8)]) -> Frame {
        let component = |(id, &(h, v))| Component { id: id as u8, h, v };
        let components = sampling.iter().enumerate().map(component).collect();
        let mut frame = Frame::new(33, 17, progressive, components);
        frame.has_end = true;
        frame.scans = scans
            .iter()
            .map(|&(components, first, last, low_bit)| {
                Scan::new(components.to_vec(), first..=last, low_bit)
            })
            .collect();
        frame
    }

    const USUAL: [(u8, u8); 3] = [(2, 2), (1, 1), (1, 1)];

    #[test]
    fn a_missing_scan_is_seen() {
        let all: [(&[usize], u8, u8, u8); 4] =
            [(&[0, 1, 2], 0, 0, 0), (&[0], 1, 63, 0), (&[1], 1, 63, 0), (&[2], 1, 63, 0)];
        assert!(!frame(true, &USUAL, &all).is_cut());
        for missing in 0..4 {
            let mut scans = all.to_vec();
            scans.remove(missing);
            assert!(frame(true, &USUAL, &scans).is_cut(), "{missing}");
        }
        let coarse = [(&[0_usize][..], 0, 0, 0), (&[0], 1, 63, 1)];
        assert!(frame(true, &USUAL[..1], &coarse).is_cut(), "the last bit never comes");
        assert!(frame(false, &USUAL, &[(&[0], 0, 63, 0)]).is_cut());
    }

    #[test]
    fn missing_restart_markers_are_seen() {
        // 3 x 2 units of 16 x 16 pixels.
        let mut frame = frame(false, &USUAL, &[(&[0, 1, 2], 0, 63, 0)]);
        frame.scans[0].restart_interval = 2;
        frame.scans[0].restarts = 2;
        assert!(!frame.is_cut());
        frame.scans[0].restarts = 1;
        assert!(frame.is_cut());
        // 5 x 3 blocks of the first component alone.
        frame.scans[0].components = vec![0];
        assert_eq!(frame.units(&frame.scans[0]), 15);
        frame.scans[0].components = vec![1];
        assert_eq!(frame.units(&frame.scans[0]), 3 * 2);
    }

    #[test]
    fn samplings_that_are_not_decoded_are_named() {
        let message = |sampling: &[(u8, u8)]| {
            let all: Vec<usize> = (0..sampling.len()).collect();
            let checked = frame(false, sampling, &[(&all, 0, 63, 0)]).check();
            checked.err().map(|e| e.to_string()).unwrap_or_default()
        };
        assert_eq!(message(&USUAL), "");
        assert!(message(&[(3, 1), (2, 1), (1, 1)]).contains("whole ratio"));
        assert!(message(&[(4, 2), (2, 1), (1, 1)]).contains("10 blocks"));
    }
}
