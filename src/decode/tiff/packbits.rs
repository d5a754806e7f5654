//! PackBits, Apple's run-length compression of bytes (TIFF 6.0, section 9).

use std::io::{self, BufRead, Read};

/// What the bytes that follow stand for.
enum Packet {
    /// This many bytes as they are.
    Literal(usize),
    /// One byte this often.
    Run(usize, u8),
}

/// Decompresses what another reader holds.
pub(super) struct PackBitsReader<R> {
    compressed: R,
    packet: Packet,
}

impl<R: BufRead> PackBitsReader<R> {
    pub(super) fn new(compressed: R) -> Self {
        Self { compressed, packet: Packet::Literal(0) }
    }

    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.compressed.read_exact(&mut byte)?;
        Ok(byte[0])
    }

    fn next_packet(&mut self) -> io::Result<Packet> {
        loop {
            let header = self.byte()?;
            match header {
                0..=127 => return Ok(Packet::Literal(usize::from(header) + 1)),
                // It stands for nothing.
                128 => {}
                129..=255 => return Ok(Packet::Run(257 - usize::from(header), self.byte()?)),
            }
        }
    }
}

impl<R: BufRead> Read for PackBitsReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if matches!(self.packet, Packet::Literal(0) | Packet::Run(0, _)) && !into.is_empty() {
            self.packet = self.next_packet()?;
        }
        match &mut self.packet {
            Packet::Literal(left) => {
                let length = (*left).min(into.len());
                let count = self.compressed.read(&mut into[..length])?;
                *left -= count;
                Ok(count)
            }
            Packet::Run(left, byte) => {
                let count = (*left).min(into.len());
                into[..count].fill(*byte);
                *left -= count;
                Ok(count)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of TIFF 6.0, section 9, in pieces of every size.
    #[test]
    fn the_example_of_the_specification_is_unpacked() {
        let packed = [
            0xfe, 0xaa, 0x02, 0x80, 0x00, 0x2a, 0xfd, 0xaa, 0x03, 0x80, 0x00, 0x2a, 0x22, 0xf7,
            0xaa,
        ];
        let plain = [
            0xaa, 0xaa, 0xaa, 0x80, 0x00, 0x2a, 0xaa, 0xaa, 0xaa, 0xaa, 0x80, 0x00, 0x2a, 0x22,
            0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa,
        ];
        for piece in 1..=plain.len() {
            let mut reader = PackBitsReader::new(&packed[..]);
            for expected in plain.chunks(piece) {
                let mut bytes = vec![0; expected.len()];
                reader.read_exact(&mut bytes).unwrap();
                assert_eq!(bytes, expected, "{piece}");
            }
            assert!(reader.read_exact(&mut [0]).is_err());
        }
    }
}
