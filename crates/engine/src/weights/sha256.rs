//! The checksum that identifies a file of weights.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};
use sha2::Digest;

/// A SHA-256 digest (FIPS 180-4), written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// How much of a file is in memory while it is hashed.
    const CHUNK_BYTES: usize = 256 * 1024;

    /// Takes a digest that was computed elsewhere.
    pub const fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The digest of `data`.
    pub fn of(data: &[u8]) -> Self {
        Self(sha2::Sha256::digest(data).into())
    }

    /// The digest of a file and its length in bytes, read in chunks.
    ///
    /// # Errors
    /// Those of opening and reading `path`.
    pub fn of_file(path: &Path) -> io::Result<(Self, u64)> {
        let mut file = File::open(path)?;
        let mut hasher = sha2::Sha256::new();
        let mut chunk = vec![0; Self::CHUNK_BYTES];
        let mut bytes = 0;
        loop {
            match file.read(&mut chunk) {
                Ok(0) => return Ok((Self(hasher.finalize().into()), bytes)),
                Ok(read) => {
                    hasher.update(&chunk[..read]);
                    bytes += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The 32 bytes of the digest.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 12 hexadecimal digits: the model's version in answers.
    pub fn version(&self) -> String {
        let mut digits = self.to_string();
        digits.truncate(12);
        digits
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256({self})")
    }
}

impl FromStr for Sha256 {
    type Err = ParseSha256Error;

    fn from_str(text: &str) -> Result<Self, ParseSha256Error> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(ParseSha256Error);
        }
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Ok(Self(digest))
    }
}

fn nibble(digit: u8) -> Result<u8, ParseSha256Error> {
    let value = char::from(digit).to_digit(16).ok_or(ParseSha256Error)?;
    Ok(value as u8)
}

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// The text is no SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 is needed: 64 hexadecimal digits, as sha256sum prints them")]
pub struct ParseSha256Error;

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    /// FIPS 180-4's own example, and the empty message.
    #[test]
    fn known_digests() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Sha256::of(b"abc").to_string(), abc);
        assert_eq!(Sha256::of(b"abc").version(), "ba7816bf8f01");
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Sha256::of(b"").to_string(), empty);
    }

    #[test]
    fn a_file_hashes_as_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        for length in [0, 1, Sha256::CHUNK_BYTES - 1, Sha256::CHUNK_BYTES, Sha256::CHUNK_BYTES + 1]
        {
            let data: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            std::fs::write(&path, &data).unwrap();
            assert_eq!(Sha256::of_file(&path).unwrap(), (Sha256::of(&data), length as u64));
        }
    }

    proptest! {
        #[test]
        fn text_and_digest_are_each_others_inverse(digest: [u8; 32]) {
            let sha256 = Sha256::new(digest);
            prop_assert_eq!(sha256.to_string().parse(), Ok(sha256));
            prop_assert_eq!(sha256.to_string().to_uppercase().parse(), Ok(sha256));
        }

        #[test]
        fn other_text_is_refused(text in "\\PC{0,70}") {
            prop_assume!(text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()));
            prop_assert_eq!(text.parse::<Sha256>(), Err(ParseSha256Error));
        }
    }
}
