//! The whole way from a photo's bytes to the network's crop, against crops that Pillow made from the
//! same files: `reference/*.png` in the shared folder, each the centre 224 x 224 of the photo of the
//! same name after the resize to 256 x 256.

use std::fs;
use std::path::{Path, PathBuf};

use googlenet::decode::{DecodeLimits, decode, read_header};
use googlenet::preprocess::{Crops, Preprocessor};
use googlenet_engine::model::Preprocessing;

const LIMITS: DecodeLimits = DecodeLimits { max_pixels: 32_000_000, max_side_pixels: 16_384 };

/// The shared folder, or `None` where it may be missing (everywhere but under CI).
fn shared() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let folder = std::env::var_os("GOOGLENET_SHARED").map_or(beside, PathBuf::from);
    if folder.join("reference/order.txt").exists() {
        return Some(folder);
    }
    assert!(std::env::var_os("CI").is_none(), "{} has no reference", folder.display());
    eprintln!("skipped: {} has no reference", folder.display());
    None
}

fn crop_of(path: &Path, at_least: usize) -> Vec<u8> {
    let bytes = without_profile(&fs::read(path).unwrap());
    let file = read_header(&bytes.into(), &LIMITS).unwrap();
    let decoded = decode(&file, at_least).unwrap();
    let preprocessor = Preprocessor::new(Preprocessing::bvlc()).unwrap();
    let crops = preprocessor.crops(&decoded.pixels, Crops::One).unwrap();
    crops[0].as_bytes().to_vec()
}

/// A JPEG without the segments of its colour profile: the crops were made from the pixels as they are. Other
/// files stay as they were.
fn without_profile(file: &[u8]) -> Vec<u8> {
    let mut kept = file[..2].to_vec();
    let mut rest = &file[2..];
    while let [0xff, marker @ 0xe0..=0xef, high, low, ..] = *rest {
        let (segment, behind) = rest.split_at(2 + usize::from(u16::from_be_bytes([high, low])));
        if marker != 0xe2 {
            kept.extend(segment);
        }
        rest = behind;
    }
    kept.extend(rest);
    kept
}

struct Difference {
    max: u8,
    mean: f64,
}

fn difference(ours: &[u8], theirs: &[u8]) -> Difference {
    assert_eq!(ours.len(), theirs.len());
    let each = ours.iter().zip(theirs).map(|(a, b)| a.abs_diff(*b));
    let sum: u64 = each.clone().map(u64::from).sum();
    Difference { max: each.max().unwrap_or(0), mean: sum as f64 / ours.len() as f64 }
}

fn reference_names(shared: &Path) -> Vec<String> {
    let order = fs::read_to_string(shared.join("reference/order.txt")).unwrap();
    let names: Vec<String> = order
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.trim().trim_end_matches(".png").to_owned())
        .collect();
    assert_eq!(names.len(), 17, "{order}");
    names
}

/// From the same decoded pixels the two resizers differ by at most one level (ours rounds to bytes
/// after the vertical pass, Pillow after the horizontal one). The rest is the JPEG decoders: they round
/// the inverse transform differently, and interpolate chroma that is stored at half the resolution
/// (4:2:0) differently, by up to four levels at edges of colour.
#[test]
fn photos_give_the_crops_that_pillow_made() {
    let Some(shared) = shared() else { return };
    for name in reference_names(&shared) {
        let ours = crop_of(&shared.join(format!("photos/{name}.JPEG")), 256);
        let png = fs::read(shared.join(format!("reference/{name}.png"))).unwrap();
        // Pixels as they are: a profile that came from the photo is in some of these files.
        let theirs = image::load_from_memory(&png).unwrap().to_rgb8();
        let Difference { max, mean } = difference(&ours, theirs.as_raw());
        println!("{name:<45} max {max} mean {mean:.4}");
        assert!(max <= 4, "{name}: max {max}");
        assert!(mean <= 0.45, "{name}: mean {mean}");
    }
}
