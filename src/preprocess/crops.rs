//! Which crops of a photo are classified.

/// How many crops are taken, and where: Caffe's oversampling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Crops {
    /// The centre.
    #[default]
    One,
    /// Top left, top right, bottom left, bottom right, centre.
    Five,
    /// The five, then each of them mirrored left to right, in the same order.
    Ten,
}

/// Where in the resized photo a crop lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    TopLeft,
    TopRight,
    BottomLeft,
    BottomRight,
    Centre,
}

impl Crops {
    /// Number of crops.
    pub fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::Five => 5,
            Self::Ten => 10,
        }
    }

    pub(super) fn positions(self) -> &'static [Position] {
        use Position::{BottomLeft, BottomRight, Centre, TopLeft, TopRight};
        match self {
            Self::One => &[Centre],
            Self::Five | Self::Ten => &[TopLeft, TopRight, BottomLeft, BottomRight, Centre],
        }
    }

    pub(super) fn mirrored(self) -> bool {
        self == Self::Ten
    }
}

impl TryFrom<u32> for Crops {
    type Error = CropsError;

    fn try_from(count: u32) -> Result<Self, Self::Error> {
        match count {
            1 => Ok(Self::One),
            5 => Ok(Self::Five),
            10 => Ok(Self::Ten),
            _ => Err(CropsError { count }),
        }
    }
}

/// A number of crops that is not offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{count} crops are not offered: ask for 1, 5 or 10")]
pub struct CropsError {
    /// The number that was asked for.
    pub count: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_five_and_ten_are_offered() {
        for count in 0..20 {
            match Crops::try_from(count) {
                Ok(crops) => assert_eq!(crops.count(), count as usize),
                Err(error) => {
                    assert!(![1, 5, 10].contains(&count));
                    assert!(error.to_string().contains("1, 5 or 10"));
                }
            }
        }
    }

    #[test]
    fn the_count_is_that_of_the_positions_with_their_mirrors() {
        for crops in [Crops::One, Crops::Five, Crops::Ten] {
            let times = if crops.mirrored() { 2 } else { 1 };
            assert_eq!(crops.positions().len() * times, crops.count());
        }
    }
}
