//! Tiles of one size in a grid, row by row.

/// Where the tiles of a picture are, in pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tiles {
    /// Tiles.
    pub(super) count: usize,
    /// Tiles in a row.
    pub(super) columns: usize,
    /// Height and width of a tile.
    pub(super) size: (usize, usize),
    /// Free pixels around each tile.
    pub(super) gap: usize,
}

impl Tiles {
    /// Width and height of the picture.
    pub(super) fn picture(self) -> (usize, usize) {
        let rows = self.count.div_ceil(self.columns.max(1));
        let length = |tiles: usize, size: usize| tiles * (size + self.gap) + self.gap;
        (length(self.columns, self.size.1), length(rows, self.size.0))
    }

    /// The column and the row of the first pixel of a tile.
    pub(super) fn first(self, tile: usize) -> (usize, usize) {
        let (row, column) = (tile / self.columns.max(1), tile % self.columns.max(1));
        let begin = |index: usize, size: usize| index * (size + self.gap) + self.gap;
        (begin(column, self.size.1), begin(row, self.size.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_lie_side_by_side_within_the_picture() {
        for gap in [0, 2] {
            let tiles = Tiles { count: 10, columns: 4, size: (3, 5), gap };
            let (width, height) = tiles.picture();
            let mut covered = vec![0; width * height];
            for tile in 0..tiles.count {
                let (left, top) = tiles.first(tile);
                for (row, column) in (0..3).flat_map(|row| (0..5).map(move |column| (row, column)))
                {
                    covered[(top + row) * width + left + column] += 1;
                }
            }
            assert!(covered.iter().all(|&times| times <= 1), "two tiles share a pixel");
            assert_eq!(covered.iter().sum::<usize>(), 10 * 15);
            assert_eq!((width, height), (4 * 5 + 5 * gap, 3 * 3 + 4 * gap));
        }
    }
}
