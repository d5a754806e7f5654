//! Numbers in whole cache lines: a vector never lies across two.

/// Numbers, the first at the begin of a cache line.
#[derive(Default)]
pub(super) struct Lines(Vec<Line>);

#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[allow(dead_code)] [u8; 64]); // read through pointers

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
        let bytes = size_of_val(values);
        let mut lines = vec![Line([0; 64]); bytes.div_ceil(64)];
        // SAFETY: the lines have at least as many bytes, and W has no padding.
        unsafe {
            let to = lines.as_mut_ptr().cast::<u8>();
            to.copy_from_nonoverlapping(values.as_ptr().cast(), bytes);
        }
        Self(lines)
    }

    /// The first number; the others follow.
    pub(super) fn first<W: Plain>(&self) -> *const W {
        self.0.as_ptr().cast()
    }

    /// Memory of the lines.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.0.as_slice())
    }
}
