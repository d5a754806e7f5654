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
        let mut lines = Self::zeroed(size_of_val(values));
        lines.values_mut()[..values.len()].copy_from_slice(values);
        lines
    }

    /// Zeros, of at least as many bytes.
    pub(super) fn zeroed(bytes: usize) -> Self {
        Self(vec![Line([0; 64]); bytes.div_ceil(64)])
    }

    /// The numbers of all lines.
    pub(super) fn values<W: Plain>(&self) -> &[W] {
        const { assert!(64 % size_of::<W>() == 0 && align_of::<W>() <= 64) };
        // SAFETY: the lines have as many bytes, aligned for W, and any bytes are a W.
        unsafe { std::slice::from_raw_parts(self.first(), self.bytes() / size_of::<W>()) }
    }

    /// The numbers of all lines, to be written.
    pub(super) fn values_mut<W: Plain>(&mut self) -> &mut [W] {
        const { assert!(64 % size_of::<W>() == 0 && align_of::<W>() <= 64) };
        let length = self.bytes() / size_of::<W>();
        // SAFETY: as above; W has no padding, so that the lines are bytes still, and nobody else has them meanwhile.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), length) }
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
