//! Metadata that several formats embed in the same way: EXIF and colour profiles.

use image::metadata::Orientation;

/// The largest colour profile that is read, in bytes; those for printing take about 1 MiB.
pub(super) const MOST_PROFILE_BYTES: u64 = 4 << 20;

/// What EXIF (a TIFF structure, EXIF 2.32, 4.5) says of the orientation.
///
/// Some writers keep the prefix that EXIF has in JPEG.
pub(super) fn orientation_of_exif(exif: &[u8]) -> Option<Orientation> {
    Orientation::from_exif_chunk(exif.strip_prefix(b"Exif\0\0").unwrap_or(exif))
}

/// The profile if its header (ICC.1:2022, 7.2) is there and says that it is of RGB.
pub(super) fn rgb_profile(profile: Vec<u8>) -> Option<Vec<u8>> {
    (profile.len() >= 128 && profile.get(16..20) == Some(b"RGB ")).then_some(profile)
}
