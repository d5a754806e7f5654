//! The filters of a network's first layer: patches of colour that can be looked at.

/// Filters of the first convolution: layout `[count, height, width, 3]`, RGB. Each multiplies a normalised patch of the
/// photo; a weight is not a brightness, and may be negative.
#[derive(Clone, Debug, PartialEq)]
pub struct ColourFilters {
    /// Filters, which are the channels of the first map.
    pub count: usize,
    /// Rows of a filter.
    pub height: usize,
    /// Pixels of a row.
    pub width: usize,
    /// Row by row, pixel by pixel, RGB.
    pub weights: Box<[f32]>,
}

impl ColourFilters {
    /// The largest weight, whatever its sign.
    pub fn largest(&self) -> f32 {
        self.weights.iter().fold(0.0, |most, weight| most.max(weight.abs()))
    }

    /// The pixels of each filter.
    pub fn filters(&self) -> impl ExactSizeIterator<Item = &[[f32; 3]]> {
        self.weights.as_chunks().0.chunks_exact((self.height * self.width).max(1))
    }
}
