//! Numbers in whole cache lines: a vector never lies across two.

use std::ptr::copy_nonoverlapping;

use crate::region::{Place, place};

/// Numbers, the first at the begin of a cache line. They lie beside those that were made before.
pub(super) struct Lines(Place);

/// A number that any bytes are.
///
/// # Safety
/// It has no padding, and every value of its bytes is one of it.
pub(super) unsafe trait Plain: Copy {}

// SAFETY: any four bytes are an f32.
unsafe impl Plain for f32 {}
// SAFETY: any byte is an i8.
unsafe impl Plain for i8 {}

impl Lines {
    pub(super) fn new<W: Plain>(values: &[W]) -> Self {
        let place = place(size_of_val(values));
        // SAFETY: the place has as many bytes, nobody else has them, and W has no padding.
        unsafe { copy_nonoverlapping(values.as_ptr().cast(), place.first(), size_of_val(values)) };
        Self(place)
    }

    /// The first number; the others follow.
    pub(super) fn first<W: Plain>(&self) -> *const W {
        self.0.first().cast_const().cast()
    }

    /// Memory of the lines.
    pub(super) fn bytes(&self) -> usize {
        self.0.bytes()
    }
}
