//! Covers parts of a photo, one at a time (Zeiler and Fergus 2014, section 4.2).

use std::ops::Range;

use googlenet_engine::model::{Input, InputError, Pixels, Preprocessing, Score};

const CHANNELS: usize = 3;

/// A crop of a photo that is covered in parts: `squares` x `squares` of about the same size.
#[derive(Clone, Debug)]
pub struct Covers {
    photo: Pixels,
    squares: usize,
    /// Of a cover, RGB.
    colour: [u8; CHANNELS],
}

impl Covers {
    /// `photo` with covers of the mean colour of the photos that the network was trained on.
    pub fn new(photo: Pixels, squares: usize, preprocessing: &Preprocessing) -> Self {
        let mut colour = [0; CHANNELS];
        for (mean, place) in preprocessing.mean.iter().zip(preprocessing.channels.from_rgb()) {
            // A cast keeps within 0..=255.
            colour[place] = mean.round() as u8;
        }
        Self { photo, squares, colour }
    }

    /// Squares on a side.
    pub fn squares(&self) -> usize {
        self.squares
    }

    /// How many variants there are: the photo as it is, and one for each square.
    pub fn count(&self) -> usize {
        variants(self.squares)
    }

    /// The photo as it is for 0, then with each square covered, row by row.
    pub fn variant(&self, number: usize) -> Input {
        let covered = number.checked_sub(1).and_then(|square| self.covered(square).ok());
        Input::Pixels(covered.unwrap_or_else(|| self.photo.clone()))
    }

    fn covered(&self, square: usize) -> Result<Pixels, InputError> {
        let side = self.photo.side();
        let (row, column) = (square / self.squares.max(1), square % self.squares.max(1));
        let mut bytes = self.photo.as_bytes().to_vec();
        let columns = self.part(column);
        for row in self.part(row) {
            let covered = &mut bytes[row * side * CHANNELS..][..side * CHANNELS];
            for pixel in covered[columns.start * CHANNELS..columns.end * CHANNELS]
                .as_chunks_mut::<CHANNELS>()
                .0
            {
                *pixel = self.colour;
            }
        }
        Pixels::new(side, bytes)
    }

    /// Pixels of a row or column of squares.
    fn part(&self, index: usize) -> Range<usize> {
        let (side, squares) = (self.photo.side(), self.squares.max(1));
        side * index / squares..side * (index + 1) / squares
    }
}

/// How many variants there are of a photo that is covered in `squares` x `squares` parts.
pub fn variants(squares: usize) -> usize {
    squares * squares + 1
}

/// What covering each square took away: the scores of all variants, the first that of the photo as it is. None if there is
/// not even that.
pub fn drops(scores: &[Score]) -> Option<(Score, Vec<f32>)> {
    let (whole, covered) = scores.split_first()?;
    Some((*whole, covered.iter().map(|score| whole.value - score.value).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixels(input: &Input) -> &[u8] {
        let Input::Pixels(pixels) = input else { panic!("a photo is pixels") };
        pixels.as_bytes()
    }

    /// Together the covers are the whole photo, and no pixel is covered twice, also where the squares do not fit evenly.
    #[test]
    fn covers_are_a_partition() {
        for (side, squares) in [(224, 8), (32, 7), (5, 5), (224, 12)] {
            let photo = Pixels::new(side, vec![9; side * side * 3]).unwrap();
            let covers = Covers::new(photo, squares, &Preprocessing::bvlc());
            let mut covered = vec![0; side * side];
            assert!(pixels(&covers.variant(0)).iter().all(|&byte| byte == 9));
            for number in 1..covers.count() {
                let variant = covers.variant(number);
                for (times, pixel) in covered.iter_mut().zip(pixels(&variant).chunks_exact(3)) {
                    // BGR, minus (104, 117, 123).
                    assert!(pixel == [123, 117, 104] || pixel == [9, 9, 9]);
                    *times += usize::from(pixel == [123, 117, 104]);
                }
            }
            assert!(covered.iter().all(|&times| times == 1), "{side} in {squares}");
        }
    }

    #[test]
    fn squares_are_counted_row_by_row() {
        let covers = Covers::new(Pixels::new(4, vec![0; 48]).unwrap(), 2, &Preprocessing::bvlc());
        let second = covers.variant(2);
        let at = |row: usize, column: usize| pixels(&second)[(row * 4 + column) * 3];
        assert_eq!((at(0, 1), at(0, 2), at(1, 3), at(2, 2)), (0, 123, 123, 0));
    }

    #[test]
    fn drops_are_of_the_whole() {
        let scores = [-1.0, -3.0, -0.5].map(|value| Score { value, is_logit: false });
        let (whole, found) = drops(&scores).unwrap();
        assert_eq!((whole, found), (scores[0], vec![2.0, -0.5]));
        assert_eq!(drops(&[]), None);
    }
}
