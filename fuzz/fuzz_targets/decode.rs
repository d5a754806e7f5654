//! An image file: its header, then its pixels at every scale that the service may ask for.
#![no_main]

use std::time::{Duration, Instant};

use axum::body::Bytes;
use googlenet::decode::{DecodeLimits, Format, decode, read_header};
use googlenet_fuzz::CountingAllocator;
use libfuzzer_sys::{Corpus, fuzz_target};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const LIMITS: DecodeLimits = DecodeLimits { max_pixels: 1 << 20, max_side_pixels: 65_535 };

/// Far above what the limits allow for, even with sanitizers on a busy machine.
const MOST_TIME: Duration = Duration::from_secs(5);

/// Of a header, beside twice the file's own bytes: nothing asks whether there is so much.
const MOST_HEADER_BYTES: u64 = 256 << 10;
/// Of decoding, beside its estimate: tables of one size for all images.
const MOST_UNCOUNTED_BYTES: u64 = 512 << 10;
/// The decoder of WebP reserves zeros for a partition of the stated length, 24 bits, and ends where the file
/// does; no page is touched but for bytes that are there.
const STATED_PARTITION_BYTES: u64 = 1 << 24;

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let file = Bytes::copy_from_slice(bytes);
    let (header, peak) = CountingAllocator::peak_of(|| read_header(&file, &LIMITS));
    assert!(peak <= MOST_HEADER_BYTES + 2 * bytes.len() as u64, "{peak} bytes for {header:?}");
    let Ok(header) = header else {
        // What is no image at all teaches nothing.
        return if Format::sniff(bytes).is_some() { Corpus::Keep } else { Corpus::Reject };
    };
    let shorter = header.width.min(header.height) as usize;
    assert!(shorter > 0);
    assert!(u64::from(header.width) * u64::from(header.height) <= LIMITS.max_pixels);
    let reserved_bytes = if header.format == Format::WebP { STATED_PARTITION_BYTES } else { 0 };
    let most_bytes = header.decode_bytes + reserved_bytes + MOST_UNCOUNTED_BYTES;
    // The scales of JPEG; the other formats have only one.
    let scales: &[usize] =
        if header.format == Format::Jpeg { &[1, shorter / 4, usize::MAX] } else { &[usize::MAX] };
    for &at_least in scales {
        let started = Instant::now();
        let (decoded, peak) = CountingAllocator::peak_of(|| decode(&header, at_least));
        assert!(started.elapsed() < MOST_TIME, "{header:?} took {:?}", started.elapsed());
        assert!(peak <= most_bytes, "{peak} bytes for {header:?}");
        let Ok(decoded) = decoded else { continue };
        assert_eq!(decoded.format, header.format);
        let viewed = (decoded.width, decoded.height);
        assert!(
            viewed == (header.width, header.height) || viewed == (header.height, header.width),
            "{header:?} became {viewed:?}"
        );
        let (width, height) = decoded.pixels.dimensions();
        if at_least == usize::MAX {
            assert_eq!((width, height), viewed, "{header:?}");
        } else {
            assert!(width.min(height) as usize >= at_least.min(shorter), "{width} x {height}");
            assert!(width <= viewed.0 && height <= viewed.1, "{width} x {height}");
        }
    }
    Corpus::Keep
});
