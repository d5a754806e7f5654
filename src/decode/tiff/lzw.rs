//! LZW (TIFF 6.0, section 13), read as far as is asked for.

use std::io::{self, BufRead, Read};

use weezl::decode::{Configuration, Decoder};
use weezl::{BitOrder, LzwStatus};

/// Decompresses what another reader holds.
pub(super) struct LzwReader<R> {
    compressed: R,
    decoder: Decoder,
}

impl<R: BufRead> LzwReader<R> {
    pub(super) fn new(compressed: R) -> Self {
        let decoder = Configuration::with_tiff_size_switch(BitOrder::Msb, 8)
            .with_yield_on_full_buffer(true)
            .build();
        Self { compressed, decoder }
    }
}

impl<R: BufRead> Read for LzwReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut was_idle = false;
        loop {
            let result = self.decoder.decode_bytes(self.compressed.fill_buf()?, into);
            self.compressed.consume(result.consumed_in);
            let status =
                result.status.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            // A word that is longer than `into` is first put by, which looks like no progress at all;
            // it comes with the next call, if there is one.
            let is_idle = result.consumed_in == 0 && result.consumed_out == 0;
            // A picture may lack the code for its end, as long as it lacks no pixels.
            let ended = matches!(status, LzwStatus::Done) || is_idle && was_idle;
            if result.consumed_out > 0 || ended {
                return Ok(result.consumed_out);
            }
            was_idle = is_idle;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::test_file::compress;
    use super::*;

    const LZW: u64 = 5;

    proptest! {
        #[test]
        fn data_come_back_in_pieces_of_any_size(
            plain in prop::collection::vec((0_u8..3, 1_usize..60), 1..200),
            piece in 1_usize..40,
        ) {
            let plain: Vec<u8> =
                plain.into_iter().flat_map(|(byte, run)| vec![byte; run]).collect();
            let compressed = compress(LZW, &plain);
            let mut reader = LzwReader::new(&compressed[..]);
            let mut bytes = vec![0; plain.len()];
            for piece in bytes.chunks_mut(piece) {
                reader.read_exact(piece).unwrap();
            }
            prop_assert_eq!(bytes, plain);
            prop_assert!(reader.read_exact(&mut [0]).is_err());
        }
    }
}
