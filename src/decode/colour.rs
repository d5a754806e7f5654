//! Embedded colour profiles: the colours that the file means, as sRGB, which the network was trained on.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use image::RgbImage;
use moxcms::{
    ColorProfile, DataColorSpace, Layout, ParsingOptions, Transform8BitExecutor, TransformOptions,
};

use super::embedded::MOST_PROFILE_BYTES;

/// A larger profile is not applied.
const LARGEST_PROFILE_BYTES: usize = MOST_PROFILE_BYTES as usize;
/// Differences that are not worth a pass over the picture: many files carry a profile of sRGB itself,
/// in one rounding or another.
const NEGLIGIBLE_LEVELS: u8 = 2;

/// Converts `pixels` to sRGB by an ICC profile. A profile that cannot be read, that is not one of RGB, or
/// that means sRGB changes nothing.
pub(super) fn to_srgb(pixels: &mut RgbImage, profile: &[u8]) {
    let Some(transform) = KNOWN.transform(profile) else { return };
    let row_bytes = 3 * pixels.width() as usize;
    let mut stored = vec![0; row_bytes];
    for row in pixels.chunks_exact_mut(row_bytes) {
        stored.copy_from_slice(row);
        // The lengths are equal and whole pixels, which is all that can be wrong.
        if transform.transform(&stored, row).is_err() {
            row.copy_from_slice(&stored);
        }
    }
}

/// Profiles of this size are remembered.
const KNOWN_PROFILE_BYTES: usize = 64 << 10;
/// Few programs write most files.
const KNOWN_PROFILES: usize = 8;

static KNOWN: Known = Known(Mutex::new(VecDeque::new()));

/// The transforms of the profiles that came last: to make one takes longer than to convert a small photo.
struct Known(Mutex<VecDeque<(Vec<u8>, Option<Transform>)>>);

type Transform = Arc<Transform8BitExecutor>;

impl Known {
    fn transform(&self, profile: &[u8]) -> Option<Transform> {
        if profile.len() > KNOWN_PROFILE_BYTES {
            return transform(profile);
        }
        if let Some((_, transform)) = self.lock().iter().find(|(known, _)| known == profile) {
            return transform.clone();
        }
        let made = transform(profile);
        let mut known = self.lock();
        known.truncate(KNOWN_PROFILES - 1);
        known.push_front((profile.to_vec(), made.clone()));
        made
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Vec<u8>, Option<Transform>)>> {
        // Nothing panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn transform(profile: &[u8]) -> Option<Transform> {
    if profile.len() > LARGEST_PROFILE_BYTES {
        return None;
    }
    let options =
        ParsingOptions { max_profile_size: LARGEST_PROFILE_BYTES + 1, ..ParsingOptions::default() };
    let profile = ColorProfile::new_from_slice_with_options(profile, options).ok()?;
    if profile.color_space != DataColorSpace::Rgb {
        return None;
    }
    let srgb = ColorProfile::new_srgb();
    let transform = profile
        .create_transform_8bit(Layout::Rgb, &srgb, Layout::Rgb, TransformOptions::default())
        .ok()?;
    changes_colours(transform.as_ref()).then_some(transform)
}

/// Whether any of 125 colours, from black to white, comes out as another.
fn changes_colours(transform: &Transform8BitExecutor) -> bool {
    const LEVELS: [u8; 5] = [0, 64, 128, 192, 255];
    let grid: Vec<u8> = LEVELS
        .iter()
        .flat_map(|&r| {
            LEVELS.iter().flat_map(move |&g| LEVELS.iter().flat_map(move |&b| [r, g, b]))
        })
        .collect();
    let mut converted = vec![0; grid.len()];
    transform.transform(&grid, &mut converted).is_ok()
        && grid.iter().zip(&converted).any(|(a, b)| a.abs_diff(*b) > NEGLIGIBLE_LEVELS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey_ramp() -> RgbImage {
        RgbImage::from_fn(256, 2, |x, y| image::Rgb([x as u8, (x / (1 + y)) as u8, 40]))
    }

    fn after(profile: &ColorProfile) -> RgbImage {
        let mut pixels = grey_ramp();
        to_srgb(&mut pixels, &profile.encode().unwrap());
        pixels
    }

    #[test]
    fn srgb_and_what_is_no_profile_change_nothing() {
        assert_eq!(after(&ColorProfile::new_srgb()), grey_ramp());
        for profile in [&b""[..], b"no profile", &[0; 4096]] {
            let mut pixels = grey_ramp();
            to_srgb(&mut pixels, profile);
            assert_eq!(pixels, grey_ramp());
        }
    }

    /// Red of Display P3 and of Adobe RGB lies outside of sRGB and is cut to it; white stays white.
    #[test]
    fn wider_colours_become_stronger_ones() {
        for profile in [ColorProfile::new_display_p3(), ColorProfile::new_adobe_rgb()] {
            let mut pixels = RgbImage::new(3, 1);
            for (x, colour) in [[200, 80, 80], [255, 255, 255], [0, 0, 0]].into_iter().enumerate() {
                pixels.put_pixel(x as u32, 0, image::Rgb(colour));
            }
            to_srgb(&mut pixels, &profile.encode().unwrap());
            let [r, g, _] = pixels.get_pixel(0, 0).0;
            assert!(r > 205 && g < 80, "{:?}", pixels.get_pixel(0, 0));
            assert!(pixels.get_pixel(1, 0).0.iter().all(|&level| level >= 254));
            assert!(pixels.get_pixel(2, 0).0.iter().all(|&level| level <= 1));
        }
    }

    #[test]
    fn every_cut_and_every_flipped_byte_of_a_profile_is_survived() {
        let profile = ColorProfile::new_display_p3().encode().unwrap();
        for length in 0..profile.len() {
            to_srgb(&mut grey_ramp(), &profile[..length]);
            let mut flipped = profile.clone();
            flipped[length] ^= 0xff;
            to_srgb(&mut grey_ramp(), &flipped);
        }
    }
}
