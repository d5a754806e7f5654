//! `Content-Encoding` of a request's body (RFC 9110, section 8.4): none, gzip or deflate.

use std::io::{self, Write};

use axum::http::{HeaderMap, header};
use bytes::BytesMut;
use flate2::write::{GzDecoder, ZlibDecoder};

use super::error::ApiError;

/// Reserved for a body before any of it has come.
pub(super) const FIRST_BYTES: usize = 16 << 10;
/// Compressed bytes that are inflated in one go: about a thousand times as many may come out of them.
pub(super) const INFLATE_AT_ONCE: usize = 1 << 10;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContentCoding {
    /// Not at all.
    Identity,
    /// RFC 1952, one member.
    Gzip,
    /// The zlib format (RFC 1950), as RFC 9110 says.
    Deflate,
}

impl ContentCoding {
    /// From the request's head.
    ///
    /// # Errors
    /// [`ApiError::UnsupportedContentCoding`] for another, and for several one upon the other.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let values = headers.get_all(header::CONTENT_ENCODING).iter();
        let codings = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
        let mut found = Self::Identity;
        for coding in codings {
            let coding = coding.trim_ascii().to_ascii_lowercase();
            match (&coding[..], found) {
                (b"" | b"identity", _) => {}
                (b"gzip" | b"x-gzip", Self::Identity) => found = Self::Gzip,
                (b"deflate", Self::Identity) => found = Self::Deflate,
                _ => return Err(ApiError::UnsupportedContentCoding),
            }
        }
        Ok(found)
    }

    /// What inflates such a body to at most `limit` bytes; none if it is not compressed.
    pub(super) fn inflater(self, limit: usize) -> Option<Inflater> {
        let output = Bounded { bytes: BytesMut::new(), limit };
        match self {
            Self::Identity => None,
            Self::Gzip => Some(Inflater::Gzip(GzDecoder::new(output))),
            Self::Deflate => Some(Inflater::Deflate(ZlibDecoder::new(output))),
        }
    }
}

/// Inflates a body that comes in pieces.
pub(super) enum Inflater {
    Gzip(GzDecoder<Bounded>),
    Deflate(ZlibDecoder<Bounded>),
}

impl Inflater {
    /// More of the compressed body.
    ///
    /// # Errors
    /// [`ApiError::BodyTooLarge`] when more than the limit comes out of it, [`ApiError::InvalidInput`]
    /// when it is not what its `Content-Encoding` says.
    pub(super) fn write(&mut self, compressed: &[u8]) -> Result<(), ApiError> {
        let written = match self {
            Self::Gzip(decoder) => decoder.write_all(compressed),
            Self::Deflate(decoder) => decoder.write_all(compressed),
        };
        written.map_err(|error| self.refused(&error))
    }

    /// How many bytes have come out so far.
    pub(super) fn len(&self) -> usize {
        self.output().bytes.len()
    }

    /// All that has come out; the compressed body is at its end.
    ///
    /// # Errors
    /// As [`Self::write`], and when the compressed data ends too early.
    pub(super) fn finish(mut self) -> Result<BytesMut, ApiError> {
        let ended = match &mut self {
            Self::Gzip(decoder) => decoder.try_finish(),
            Self::Deflate(decoder) => decoder.try_finish(),
        };
        ended.map_err(|error| self.refused(&error))?;
        Ok(std::mem::take(&mut self.output_mut().bytes))
    }

    fn refused(&self, error: &io::Error) -> ApiError {
        match error.kind() {
            io::ErrorKind::FileTooLarge => ApiError::BodyTooLarge(self.output().limit),
            _ => ApiError::InvalidInput(format!(
                "the body is not valid {}, which Content-Encoding says it is: compress it so, or send it as it \
                 is, without Content-Encoding",
                self.name()
            )),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Gzip(_) => "gzip",
            Self::Deflate(_) => "deflate (the zlib format, RFC 1950)",
        }
    }

    fn output(&self) -> &Bounded {
        match self {
            Self::Gzip(decoder) => decoder.get_ref(),
            Self::Deflate(decoder) => decoder.get_ref(),
        }
    }

    fn output_mut(&mut self) -> &mut Bounded {
        match self {
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Deflate(decoder) => decoder.get_mut(),
        }
    }
}

/// Bytes up to a limit; a write beyond it fails.
#[derive(Debug)]
pub(super) struct Bounded {
    bytes: BytesMut,
    limit: usize,
}

impl Write for Bounded {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + more.len() > self.limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let length = self.bytes.len() + more.len();
        if length > self.bytes.capacity() {
            // Once, as far as it can go: growing step by step would copy, and hold what is there twice.
            // Pages that nothing is written to take no memory.
            let capacity = if length <= FIRST_BYTES { FIRST_BYTES } else { self.limit };
            self.bytes.reserve(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use proptest::prelude::*;

    use super::*;

    fn coding(values: &[&str]) -> Result<ContentCoding, &'static str> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::CONTENT_ENCODING, HeaderValue::from_str(value).unwrap());
        }
        ContentCoding::of(&headers).map_err(|error| error.kind().code())
    }

    #[test]
    fn none_gzip_and_deflate_are_taken() {
        for identity in [&[][..], &[""], &["identity"], &["Identity"], &["identity, identity"]] {
            assert_eq!(coding(identity), Ok(ContentCoding::Identity), "{identity:?}");
        }
        for gzip in [&["gzip"][..], &["GZIP"], &["x-gzip"], &["identity", " gzip"]] {
            assert_eq!(coding(gzip), Ok(ContentCoding::Gzip), "{gzip:?}");
        }
        assert_eq!(coding(&["Deflate"]), Ok(ContentCoding::Deflate));
        for other in [&["br"][..], &["zstd"], &["gzip, gzip"], &["gzip", "deflate"], &["\u{e9}"]] {
            assert_eq!(coding(other), Err("unsupported_content_type"), "{other:?}");
        }
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(content: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn inflate(
        coding: ContentCoding,
        compressed: &[u8],
        limit: usize,
    ) -> Result<Vec<u8>, ApiError> {
        let mut inflater = coding.inflater(limit).unwrap();
        for piece in compressed.chunks(7) {
            inflater.write(piece)?;
        }
        inflater.finish().map(|bytes| bytes.to_vec())
    }

    proptest! {
        #[test]
        fn what_was_compressed_comes_out(content in prop::collection::vec(any::<u8>(), 0..2000)) {
            let limit = content.len();
            for (coding, compressed) in
                [(ContentCoding::Gzip, gzip(&content)), (ContentCoding::Deflate, zlib(&content))]
            {
                prop_assert_eq!(&inflate(coding, &compressed, limit).unwrap(), &content);
                let cut = &compressed[..compressed.len() - 1];
                prop_assert_eq!(inflate(coding, cut, limit).unwrap_err().kind().code(), "invalid_input");
                if let Some(less) = limit.checked_sub(1) {
                    let code = inflate(coding, &compressed, less).unwrap_err().kind().code();
                    prop_assert_eq!(code, "body_too_large");
                }
            }
        }
    }

    #[test]
    fn other_data_is_refused() {
        for coding in [ContentCoding::Gzip, ContentCoding::Deflate] {
            for data in [&b"not compressed at all"[..], b""] {
                let error = inflate(coding, data, 100).unwrap_err();
                assert_eq!(error.kind().code(), "invalid_input", "{coding:?} {data:?}");
            }
        }
        // Members without content would cost time and give nothing to count.
        let twice = [gzip(b"one "), gzip(b"two")].concat();
        assert_eq!(
            inflate(ContentCoding::Gzip, &twice, 100).unwrap_err().kind().code(),
            "invalid_input"
        );
    }
}
