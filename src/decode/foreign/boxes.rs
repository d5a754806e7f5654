//! Files made of ISO base media boxes (ISO/IEC 14496-12): HEIC, AVIF, raw files of Canon, videos.

/// Brands that are read of those that a file lists.
const MOST_BRANDS: usize = 64;

type Brand = [u8; 4];

/// What the file is, if it opens with a box of a known type.
pub(super) fn name(bytes: &[u8]) -> Option<&'static str> {
    let length = u32::from_be_bytes(*bytes.first_chunk()?);
    match bytes.get(4..8)? {
        b"ftyp" => {}
        // QuickTime from before there was a box for the file type.
        b"moov" | b"mdat" | b"wide" | b"pnot" => return Some("a video (MOV)"),
        _ => return None,
    }
    let brand: Brand = *bytes.get(8..)?.first_chunk()?;
    let end = bytes.len().min(usize::try_from(length).unwrap_or(usize::MAX));
    let (compatible, _) = bytes.get(16..end).unwrap_or_default().as_chunks::<4>();
    let compatible = || compatible.iter().take(MOST_BRANDS);
    of_image(brand)
        .or_else(|| match &brand {
            // General brands: what the pictures are compressed with is among the compatible ones.
            b"mif1" | b"msf1" | b"mif2" | b"miaf" => {
                Some(compatible().find_map(|brand| of_image(*brand)).unwrap_or("HEIF"))
            }
            b"crx " => Some("a Canon raw file (CR3), as the camera saves it"),
            b"jp2 " | b"jpx " | b"jpm " => Some("JPEG 2000"),
            b"jxl " => Some("JPEG XL"),
            b"qt  " => Some("a video (MOV)"),
            b"M4A " | b"M4B " => Some("sound (M4A)"),
            _ => None,
        })
        .or(Some("a video (MP4)"))
}

/// Brands of ISO/IEC 23008-12, annex B, and of the AVIF specification, section 6.
fn of_image(brand: Brand) -> Option<&'static str> {
    match &brand {
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"hevm" | b"hevs" => {
            Some("HEIC, as iPhones save photos")
        }
        b"avif" | b"avis" | b"avio" => Some("AVIF"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(major: &[u8; 4], compatible: &[&[u8; 4]]) -> Vec<u8> {
        let length = u32::try_from(16 + 4 * compatible.len()).unwrap();
        let mut bytes = length.to_be_bytes().to_vec();
        bytes.extend(b"ftyp");
        bytes.extend(major);
        bytes.extend([0; 4]);
        bytes.extend(compatible.iter().flat_map(|brand| **brand));
        bytes
    }

    #[test]
    fn the_brand_names_the_format() {
        for (major, expected) in [
            (b"heic", "iPhones"),
            (b"hevc", "HEIC"),
            (b"avif", "AVIF"),
            (b"avis", "AVIF"),
            (b"crx ", "CR3"),
            (b"qt  ", "MOV"),
            (b"isom", "MP4"),
        ] {
            let what = name(&file(major, &[])).unwrap();
            assert!(what.contains(expected), "{what}");
        }
    }

    #[test]
    fn a_general_brand_is_told_by_the_compatible_ones() {
        let named = |compatible: &[&[u8; 4]]| name(&file(b"mif1", compatible)).unwrap();
        assert_eq!(named(&[b"mif1", b"avif"]), "AVIF");
        assert!(named(&[b"miaf", b"heic"]).contains("HEIC"));
        assert_eq!(named(&[b"mif1"]), "HEIF");
    }

    #[test]
    fn brands_beyond_the_box_do_not_count() {
        let mut bytes = file(b"mif1", &[]);
        bytes.extend(b"avif");
        assert_eq!(name(&bytes), Some("HEIF"));
        for length in 0..12 {
            assert_eq!(name(&bytes[..length]), None);
        }
    }
}
