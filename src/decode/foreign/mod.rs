//! Names what was sent instead of an image that can be decoded, so that the answer can say it: other image formats,
//! videos, documents, archives and text.

mod address;
mod boxes;
mod text;

pub use address::is_address;

/// What the bytes are, as a person would say it, if their beginning tells.
///
/// Reads at most the first 4 KiB.
pub(super) fn name(bytes: &[u8]) -> Option<&'static str> {
    by_signature(bytes)
        .or_else(|| boxes::name(bytes))
        .or_else(|| by_riff_form(bytes))
        .or_else(|| text::name(bytes))
}

const SIGNATURES: [(&[u8], &str); 52] = [
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"II\xbc\x01", "JPEG XR"),
    (b"\0\0\x01\0", "an icon (ICO)"),
    (b"\0\0\x02\0", "a cursor (CUR)"),
    (b"icns", "an icon (ICNS)"),
    (b"8BPS", "a Photoshop document (PSD)"),
    (b"gimp xcf", "a GIMP document (XCF)"),
    (b"FUJIFILMCCD-RAW", "a Fujifilm raw file (RAF), as the camera saves it"),
    (b"IIRO", "an Olympus raw file (ORF), as the camera saves it"),
    (b"IIRS", "an Olympus raw file (ORF), as the camera saves it"),
    (b"MMOR", "an Olympus raw file (ORF), as the camera saves it"),
    (b"IIU\0", "a Panasonic raw file (RW2), as the camera saves it"),
    (b"FOVb", "a Sigma raw file (X3F), as the camera saves it"),
    (b"\0MRM", "a Minolta raw file (MRW), as the camera saves it"),
    (b"DDS ", "a texture (DDS)"),
    (b"\xabKTX ", "a texture (KTX)"),
    (b"qoif", "QOI"),
    (b"farbfeld", "farbfeld"),
    (b"FLIF", "FLIF"),
    (b"BPG\xfb", "BPG"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"#?RGBE", "Radiance HDR"),
    (b"\x8aMNG\r\n\x1a\n", "MNG"),
    (b"\x8bJNG\r\n\x1a\n", "JNG"),
    (b"AT&TFORM", "DjVu"),
    (b"DICM", "DICOM"),
    (b"%PDF-", "a PDF document"),
    (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "PostScript (EPS)"),
    (b"{\\rtf", "an RTF document"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a Microsoft Office document"),
    (b"\x1f\x8b", "a gzip file"),
    (b"PK\x03\x04", "a ZIP archive (or a document that is one)"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ\0", "an xz file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x1a\x45\xdf\xa3", "a video (Matroska or WebM)"),
    (b"\0\0\x01\xba", "a video (MPEG)"),
    (b"FLV\x01", "a video (Flash)"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a video (Windows Media)"),
    (b"OggS", "an Ogg file (sound or video)"),
    (b"fLaC", "sound (FLAC)"),
    (b"ID3", "sound (MP3)"),
    (b"\x7fELF", "a program"),
    (b"\0asm", "a WebAssembly module"),
];

fn by_signature(bytes: &[u8]) -> Option<&'static str> {
    let known = SIGNATURES.iter().find(|(signature, _)| bytes.starts_with(signature));
    known.map(|(_, what)| *what).or_else(|| {
        match bytes {
            // Netpbm: P1..P6, PAM and float maps, the number followed by white space.
            [b'P', b'1'..=b'7' | b'f' | b'F', b'\n' | b'\r' | b' ' | b'\t', ..] => {
                Some("Netpbm (PBM, PGM, PPM, PAM or PFM)")
            }
            // A frame of MPEG audio, layer III, without tags: eleven bits of synchronisation.
            [0xff, 0xfa | 0xfb | 0xf2 | 0xf3 | 0xe2 | 0xe3, rate, ..] if rate >> 4 != 15 => {
                Some("sound (MP3)")
            }
            _ => None,
        }
    })
}

/// RIFF of any form but WebP, which has been found before.
fn by_riff_form(bytes: &[u8]) -> Option<&'static str> {
    let (b"RIFF" | b"RIFX", form) = (bytes.get(..4)?, bytes.get(8..12)?) else {
        return None;
    };
    Some(match form {
        b"AVI " => "a video (AVI)",
        b"WAVE" => "sound (WAV)",
        b"ACON" => "an animated cursor (ANI)",
        _ => "a RIFF file that is not WebP",
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Format;
    use super::*;

    #[test]
    fn every_signature_is_named_and_is_none_of_a_format_that_is_decoded() {
        for (signature, what) in SIGNATURES {
            assert_eq!(name(signature), Some(what));
            assert_eq!(Format::sniff(signature), None, "{what}");
        }
    }

    #[test]
    fn formats_without_a_constant_signature_are_named() {
        for (bytes, expected) in [
            (&b"P6\n1 1\n255\n\0\0\0"[..], "Netpbm"),
            (b"P2 1 1 255 0", "Netpbm"),
            (b"\xff\xfb\x90\x00", "MP3"),
            (b"RIFF\0\0\0\0AVI LIST", "AVI"),
            (b"RIFF\0\0\0\0WAVEfmt ", "WAV"),
            (b"RIFF\0\0\0\0CDR9", "not WebP"),
        ] {
            let what = name(bytes).unwrap();
            assert!(what.contains(expected), "{what}");
        }
        assert_eq!(name(b"RIFF\0\0\0"), None);
        assert_eq!(name(b"\xff"), None);
        assert_eq!(name(b"\0\x01\x02\x03"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(
            index in 0..SIGNATURES.len(), bytes in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let _ = name(&bytes);
            let _ = name(&[SIGNATURES[index].0, &bytes].concat());
            let _ = name(&[b"\0\0\0\x20ftyp", bytes.as_slice()].concat());
        }
    }
}
