//! A strip or tile, row by row: decompressed, predictors undone, planes brought together.

use std::borrow::Cow;
use std::io::Read;

use super::super::DecodeError;
use super::directory::Directory;
use super::{corrupt, unsupported};

/// The rows of one strip or tile.
pub(super) struct Rows<'a> {
    directory: &'a Directory,
    /// One reader for each plane.
    planes: Vec<Box<dyn Read + 'a>>,
    /// Rows that were given.
    given: usize,
}

/// Buffers that all strips and tiles share.
pub(super) struct Buffers {
    /// A row of one plane, or a row of blocks.
    raw: Vec<u8>,
    spare: Vec<u8>,
    /// Samples of 8 bits of all planes, pixel by pixel.
    pub(super) samples: Vec<u8>,
}

impl Buffers {
    pub(super) fn new(directory: &Directory) -> Result<Self, DecodeError> {
        let buffer = |bytes: u64| {
            let bytes = usize::try_from(bytes).map_err(|_| corrupt("its rows are too long"))?;
            Ok(vec![0; bytes])
        };
        Ok(Self {
            raw: buffer(directory.row_bytes())?,
            spare: Vec::new(),
            samples: buffer(directory.row_samples())?,
        })
    }
}

impl<'a> Rows<'a> {
    /// The rows of the strip or tile in this column and row of strips or tiles.
    pub(super) fn open(directory: &'a Directory, chunk: (u32, u32)) -> Result<Self, DecodeError> {
        let open = |plane| {
            let mut data = Cow::Borrowed(directory.layout.data(plane, chunk)?);
            if directory.reversed_bits {
                data.to_mut().iter_mut().for_each(|byte| *byte = byte.reverse_bits());
            }
            directory.compression.reader(data, directory.layout.width)
        };
        let planes = (0..directory.samples.planes()).map(open).collect::<Result<_, _>>()?;
        Ok(Self { directory, planes, given: 0 })
    }

    /// Puts the next row into `buffers.samples`.
    pub(super) fn next(&mut self, buffers: &mut Buffers) -> Result<(), DecodeError> {
        let damaged = |error: std::io::Error| {
            tracing::debug!(%error, "a strip or tile cannot be read");
            corrupt("a strip or tile ends early or cannot be decompressed")
        };
        let Buffers { raw, spare, samples } = buffers;
        let Directory { colours, predictor, order, .. } = self.directory;
        let row = self.given;
        self.given += 1;
        if let ([plane], Some(subsampling)) = (&mut self.planes[..], colours.subsampling()) {
            let in_block = row % subsampling.down as usize;
            if in_block == 0 {
                plane.read_exact(raw).map_err(damaged)?;
            }
            subsampling.unpack(raw, in_block, samples);
            return Ok(());
        }
        let (depth, indices) = (self.directory.samples.depth, colours.are_indices());
        let together = self.directory.samples.together();
        let plane_count = self.planes.len();
        for (index, plane) in self.planes.iter_mut().enumerate() {
            plane.read_exact(raw).map_err(damaged)?;
            predictor.undo(raw, spare, (depth, *order, together));
            if depth.exceeds_unit(raw) {
                return Err(unsupported("floating-point samples beyond 0.0 to 1.0"));
            }
            if plane_count == 1 {
                depth.unpack(raw, indices, samples.iter_mut());
            } else {
                let places = samples.iter_mut().skip(index).step_by(plane_count);
                depth.unpack(raw, indices, places);
            }
        }
        Ok(())
    }
}
