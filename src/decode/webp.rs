//! The chunks of a WebP file (RFC 9649), checked before the decoder sees them.
//!
//! The decoder trusts two things that a hostile file can lie about: the length of its EXIF chunk
//! (up to 4 GiB are reserved for it) and, inside an extended file, the size of the bitstream, which it
//! compares with the canvas only after it has decoded it.

use image::metadata::Orientation;

use super::{DecodeError, Format};

/// Checks every chunk and returns the orientation that the EXIF chunk asks for.
pub(super) fn check(bytes: &[u8]) -> Result<Orientation, DecodeError> {
    let riff_size = bytes.get(4..8).and_then(|field| Some(le_u32(field)? as usize));
    let end = riff_size.and_then(|size| size.checked_add(8)).unwrap_or(usize::MAX);
    // A last chunk of odd length may lack its padding byte.
    if end > bytes.len() + 1 {
        return Err(corrupt("the file is shorter than its header says"));
    }
    let mut orientation = Orientation::NoTransforms;
    let mut canvas = None;
    for chunk in Chunks(bytes.get(12..end.min(bytes.len())).unwrap_or_default()) {
        let (name, body) = chunk?;
        if let Some(size) = size_of(name, body) {
            within(*canvas.get_or_insert(size), size)?;
        }
        match name {
            b"ANMF" => {
                for chunk in Chunks(body.get(16..).unwrap_or_default()) {
                    let (name, body) = chunk?;
                    let size = size_of(name, body).unwrap_or((0, 0));
                    within(canvas.unwrap_or((0, 0)), size)?;
                }
            }
            b"EXIF" => {
                // Some writers keep the prefix that EXIF has in JPEG.
                let tiff = body.strip_prefix(b"Exif\0\0").unwrap_or(body);
                orientation = Orientation::from_exif_chunk(tiff).unwrap_or(orientation);
            }
            _ => {}
        }
    }
    Ok(orientation)
}

/// Width and height in pixels, if the chunk states them.
fn size_of(name: &[u8; 4], body: &[u8]) -> Option<(u32, u32)> {
    match name {
        b"VP8X" => {
            let [w0, w1, w2, h0, h1, h2] = *body.get(4..10)?.as_array()?;
            let one_less = |bytes: [u8; 4]| u32::from_le_bytes(bytes) + 1;
            Some((one_less([w0, w1, w2, 0]), one_less([h0, h1, h2, 0])))
        }
        b"VP8 " => {
            let size = le_u32(body.get(6..10)?)?;
            Some((size & 0x3fff, size >> 16 & 0x3fff))
        }
        b"VP8L" => {
            let size = le_u32(body.get(1..5)?)?;
            Some(((size & 0x3fff) + 1, (size >> 14 & 0x3fff) + 1))
        }
        _ => None,
    }
}

fn within(canvas: (u32, u32), size: (u32, u32)) -> Result<(), DecodeError> {
    if size.0 > canvas.0 || size.1 > canvas.1 {
        return Err(corrupt("a frame is larger than the canvas"));
    }
    Ok(())
}

/// The chunks of a RIFF body: four letters, a length, that many bytes, padded to an even number.
struct Chunks<'a>(&'a [u8]);

impl<'a> Iterator for Chunks<'a> {
    type Item = Result<(&'a [u8; 4], &'a [u8]), DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (name, rest) = self.0.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length) as usize;
        let Some(body) = rest.get(..length) else {
            self.0 = &[];
            return Some(Err(corrupt("a chunk is longer than the file")));
        };
        self.0 = rest.get(length + length % 2..).unwrap_or_default();
        Some(Ok((name, body)))
    }
}

fn le_u32(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.first_chunk()?))
}

fn corrupt(detail: &str) -> DecodeError {
    DecodeError::corrupt(Format::WebP, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap().to_le_bytes();
        let padding = vec![0; body.len() % 2];
        [name.as_slice(), &length, body, &padding].concat()
    }

    fn file(chunks: &[Vec<u8>]) -> Vec<u8> {
        let body = [b"WEBP".to_vec(), chunks.concat()].concat();
        chunk(b"RIFF", &body)
    }

    fn lossy(width: u16, height: u16) -> Vec<u8> {
        let frame = [&[0, 0, 0, 0x9d, 1, 0x2a][..], &width.to_le_bytes(), &height.to_le_bytes()];
        chunk(b"VP8 ", &frame.concat())
    }

    fn canvas(width: u8, height: u8) -> Vec<u8> {
        chunk(b"VP8X", &[0, 0, 0, 0, width - 1, 0, 0, height - 1, 0, 0])
    }

    #[test]
    fn a_bitstream_larger_than_its_canvas_is_refused() {
        assert!(check(&file(&[canvas(16, 8), lossy(16, 8)])).is_ok());
        assert!(check(&file(&[canvas(16, 8), lossy(17, 8)])).is_err());
        assert!(check(&file(&[canvas(16, 8), lossy(16, 9)])).is_err());
        let nested = |frame: Vec<u8>| chunk(b"ANMF", &[vec![0; 16], frame].concat());
        assert!(check(&file(&[canvas(16, 8), nested(lossy(16, 8))])).is_ok());
        assert!(check(&file(&[canvas(16, 8), nested(lossy(16_383, 16_383))])).is_err());
    }

    #[test]
    fn lengths_beyond_the_file_are_refused() {
        let whole = file(&[canvas(16, 8), lossy(16, 8)]);
        for length in 12..whole.len() {
            assert!(check(&whole[..length]).is_err(), "{length}");
        }
        let mut lying = file(&[canvas(16, 8), chunk(b"EXIF", &[0; 4])]);
        let at = lying.len() - 8;
        lying[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(check(&lying).is_err());
    }
}
