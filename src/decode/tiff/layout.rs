//! The strips or tiles that a picture is cut into (TIFF 6.0, sections 3 and 15).

use bytes::Bytes;

use super::super::{DecodeError, Format};
use super::chain::Entries;
use super::values::Integers;
use super::{corrupt, tags, unsupported};

/// Strips or tiles of a picture, over all its planes.
const MOST_CHUNKS: u64 = 65_536;

/// A tile may be larger than the picture, but not by more than any writer would make it.
const LARGEST_TILE_SIDE: u64 = 4096;

/// Where each strip or tile of a picture lies, in the picture and in the file.
#[derive(Debug)]
pub(super) struct Layout {
    /// Width of a chunk in pixels: that of the picture, or of a tile.
    pub(super) width: u32,
    /// Height of a chunk in pixels; strips end with the picture, tiles are filled up.
    pub(super) height: u32,
    /// Chunks beside each other.
    pub(super) across: u32,
    /// Chunks below each other.
    pub(super) down: u32,
    file: Bytes,
    offsets: Integers<Bytes>,
    byte_counts: Integers<Bytes>,
}

impl Layout {
    /// Reads how a picture of `width` x `height` pixels, at least one each, in so many `planes`, is cut
    /// up, and checks that each piece lies within the file.
    pub(super) fn read(
        file: &Bytes,
        entries: &Entries<'_>,
        (width, height): (u32, u32),
        planes: usize,
    ) -> Result<Self, DecodeError> {
        let tile = (entries.optional(tags::TILE_WIDTH)?, entries.optional(tags::TILE_LENGTH)?);
        let ((chunk_width, chunk_height), offsets, byte_counts) = match tile {
            (None, None) => {
                let rows = entries.integer(tags::ROWS_PER_STRIP, u64::MAX)?;
                let size = (width, rows.min(u64::from(height)) as u32);
                (size, tags::STRIP_OFFSETS, tags::STRIP_BYTE_COUNTS)
            }
            (tile_width, tile_height) => {
                let side = |tile: Option<u64>, picture| tile_side(tile.unwrap_or(0), picture);
                let size = (side(tile_width, width)?, side(tile_height, height)?);
                (size, tags::TILE_OFFSETS, tags::TILE_BYTE_COUNTS)
            }
        };
        if chunk_height == 0 {
            return Err(corrupt("its strips have no rows"));
        }
        let required = |tag| -> Result<Integers<Bytes>, DecodeError> {
            let list = entries.integers(tag)?.map(|list| list.within(file));
            list.ok_or_else(|| corrupt(format!("tag {tag} is missing")))
        };
        let layout = Self {
            width: chunk_width,
            height: chunk_height,
            across: width.div_ceil(chunk_width),
            down: height.div_ceil(chunk_height),
            file: file.clone(),
            offsets: required(offsets)?,
            byte_counts: required(byte_counts)?,
        };
        layout.check(planes)?;
        Ok(layout)
    }

    fn check(&self, planes: usize) -> Result<(), DecodeError> {
        let chunks = self.in_plane() * planes as u64;
        if chunks > MOST_CHUNKS {
            let what = "many strips or tiles";
            return Err(DecodeError::TooMany { format: Format::Tiff, what, most: MOST_CHUNKS });
        }
        for stated in [self.offsets.len() as u64, self.byte_counts.len() as u64] {
            if stated != chunks {
                let detail = format!("it lists {stated} strips or tiles of {chunks}");
                return Err(corrupt(detail));
            }
        }
        for index in 0..chunks as usize {
            self.chunk(index)?;
        }
        // Else a few bytes could be decompressed as often as there are chunks.
        if self.compressed_bytes() > self.file.len() as u64 {
            return Err(corrupt("its strips or tiles overlap"));
        }
        Ok(())
    }

    fn in_plane(&self) -> u64 {
        u64::from(self.across) * u64::from(self.down)
    }

    /// Strips or tiles, over all planes; at most 65,536.
    pub(super) fn chunks(&self) -> u32 {
        self.offsets.len() as u32
    }

    /// Bytes of all strips or tiles, at most those of the file.
    pub(super) fn compressed_bytes(&self) -> u64 {
        self.byte_counts.iter().fold(0, u64::saturating_add)
    }

    /// The bytes of the chunk at `(column, row)` of a plane.
    pub(super) fn data(
        &self,
        plane: usize,
        (column, row): (u32, u32),
    ) -> Result<&[u8], DecodeError> {
        let within = u64::from(row) * u64::from(self.across) + u64::from(column);
        // Fewer than 65,536, as was checked.
        self.chunk((plane as u64 * self.in_plane() + within) as usize)
    }

    fn chunk(&self, index: usize) -> Result<&[u8], DecodeError> {
        let beyond = || corrupt("a strip or tile lies beyond its end");
        let at = |list: &Integers<Bytes>| usize::try_from(list.get(index)?).ok();
        let from = at(&self.offsets).ok_or_else(beyond)?;
        let length = at(&self.byte_counts).ok_or_else(beyond)?;
        if length == 0 {
            return Err(unsupported("a picture with strips or tiles left out"));
        }
        let end = from.checked_add(length).ok_or_else(beyond)?;
        self.file.get(from..end).ok_or_else(beyond)
    }
}

fn tile_side(tile: u64, picture: u32) -> Result<u32, DecodeError> {
    let most = u64::from(picture).next_multiple_of(16).max(LARGEST_TILE_SIDE);
    u32::try_from(tile)
        .ok()
        .filter(|side| (1..=most).contains(&u64::from(*side)))
        .ok_or_else(|| corrupt(format!("its tiles have a side of {tile} pixels")))
}
