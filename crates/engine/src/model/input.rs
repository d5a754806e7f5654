//! What the network reads: a crop of a photo as bytes, or a tensor that a client has normalised.

use std::sync::Arc;

/// A square RGB crop, layout `[side, side, 3]` (rows, columns, channels), `u8` in 0..=255.
///
/// The bytes are shared, so that a clone costs nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pixels {
    side: usize,
    data: Arc<[u8]>,
}

impl Pixels {
    /// Takes `side * side * 3` bytes of RGB, row by row.
    ///
    /// # Errors
    /// [`InputError::Length`] when the number of bytes is another.
    pub fn new(side: usize, data: impl Into<Arc<[u8]>>) -> Result<Self, InputError> {
        let data = data.into();
        let expected = side * side * 3;
        if data.len() != expected {
            return Err(InputError::Length { expected, actual: data.len() });
        }
        Ok(Self { side, data })
    }

    /// Width and height in pixels.
    pub fn side(&self) -> usize {
        self.side
    }

    /// The bytes, layout `[side, side, 3]`, RGB.
    pub fn as_bytes(&self) -> &[u8] {
        &self.data
    }
}

/// One input of the network, without its batch dimension.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A crop as it was decoded; the plan normalises it as the model's
    /// [`Preprocessing`](super::Preprocessing) says.
    Pixels(Pixels),
    /// Already normalised, layout `[3, side, side]` (NCHW without N), channels in the model's own order.
    Tensor(Arc<[f32]>),
}

/// An input has the wrong size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// The number of elements does not fit the shape.
    #[error("{expected} elements are needed, {actual} were given")]
    Length {
        /// Elements that the shape has.
        expected: usize,
        /// Elements that were given.
        actual: usize,
    },
}
