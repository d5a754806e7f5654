//! The window of a convolution over its input: its position, and the proof that it stays inside.

use std::ops::Range;

use super::map::MapShape;

/// Kernel, stride and padding of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvGeometry {
    /// Height and width of the kernel.
    pub kernel: (usize, usize),
    /// Pixels between windows.
    pub stride: usize,
    /// Pixels before the first row and column. What is needed behind the last follows from the sizes.
    pub padding: usize,
    /// Channels of the input.
    pub input_channels: usize,
}

impl ConvGeometry {
    /// Elements of one kernel row: its taps `(kx, channel)` are one run of the input.
    pub fn run(self) -> usize {
        self.kernel.1 * self.input_channels
    }

    /// The border that an input of `height x width` needs for an output of that many rows and columns.
    pub fn border(self, input: (usize, usize), output: (usize, usize)) -> usize {
        let behind = |outputs: usize, kernel: usize, inputs: usize| {
            let end = outputs.saturating_sub(1) * self.stride + kernel;
            end.saturating_sub(self.padding + inputs)
        };
        let rows = behind(output.0, self.kernel.0, input.0);
        let columns = behind(output.1, self.kernel.1, input.1);
        self.padding.max(rows).max(columns)
    }

    /// Index of the first element of the window of output `(0, 0)`.
    ///
    /// # Panics
    /// When a window of `rows` by `width` outputs reads outside the input with its border.
    pub(super) fn first(self, input: MapShape, rows: &Range<usize>, width: usize) -> usize {
        assert_eq!(input.channels, self.input_channels, "the input has the kernel's channels");
        assert!(input.border >= self.padding, "the border is as wide as the padding: {input:?}");
        let shift = input.border - self.padding;
        // None where no memory is as large.
        let end = |outputs: usize, kernel: usize| {
            let last = outputs.saturating_sub(1).checked_mul(self.stride)?;
            last.checked_add(shift)?.checked_add(kernel)
        };
        let within = |end: Option<usize>, size: usize| end.is_some_and(|end| end <= size);
        assert!(
            within(end(rows.end, self.kernel.0), input.height + 2 * input.border)
                && within(end(width, self.kernel.1), input.width + 2 * input.border),
            "the windows {self:?} of {rows:?} x {width} stay in {input:?}"
        );
        shift * input.row_len() + shift * input.channels
    }
}
