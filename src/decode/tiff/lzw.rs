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
        loop {
            let result = self.decoder.decode_bytes(self.compressed.fill_buf()?, into);
            self.compressed.consume(result.consumed_in);
            let status =
                result.status.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            // A picture may lack the code for its end, as long as it lacks no pixels.
            let may_go_on = matches!(status, LzwStatus::Ok) && result.consumed_in > 0;
            if result.consumed_out > 0 || !may_go_on {
                return Ok(result.consumed_out);
            }
        }
    }
}
