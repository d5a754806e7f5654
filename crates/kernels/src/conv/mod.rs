//! Convolutions in f32 and in int8, with what follows them: bias, ReLU, scale.
//!
//! Both number formats run the same loops, over maps in NHWC. For each output pixel and channel:
//!
//! ```text
//! for block of output channels                 tile::run     the vectors that a tile has
//!   for tile of output pixels                  tile::map
//!     sums = start(bias)                       tile::tile    pixels x vectors, in registers
//!     for each row of the kernel
//!       for each step along the run            kx * channels taps lie side by side in memory
//!         w = weights(step)                    one load a vector
//!         for each pixel
//!           sums = step(sums, taps(pixel), w)  one broadcast a pixel
//!     output = finish(sums)                    ReLU, or scale and bias
//! ```
//!
//! What a number format and an instruction set do in `start`, `taps`, `step` is a
//! [`Product`](crate::simd::Product); what follows the sums is a `Finish`. Where the loops
//! depart from the above:
//!
//! 1. **Parts.** Convolutions of the same input and geometry, such as the three 1x1 of an inception
//!    module, are one product; each writes to a destination of its own. So the input is read once.
//! 2. **Tiles run on across rows.** A pixel's window is found through a pointer, so the pixels of a tile may
//!    stand in two rows, and no rest is left at the end of a row. The last tile of a map is moved
//!    back over pixels that are already written: it writes the same values again. Where registers allow
//!    fourteen pixels, pointers do not, and tiles are two strips of seven neighbours, every map of GoogLeNet
//!    being a multiple of seven wide; what is left of other maps goes four by four.
//! 3. **Maps of one pixel.** Nothing hides the latency of the sums but other channels: eight vectors.
//! 4. **Runs that are no multiple of a step.** The last step is moved back, so that it ends with the run and
//!    nothing behind the input is read; taps that it has twice have weight 0 in it.
//! 5. **Chains.** AVX2 multiplies bytes by an instruction that adds neighbours in 16 bits. Up to three
//!    steps are added in 16 bits before they are widened: packing chooses which, wherever they stand in the
//!    window, so that nothing saturates (`chains`). The sums are the same integers.

mod chains;
mod float;
mod int8;
mod packed;
mod tile;

#[cfg(test)]
pub(super) mod tests;

pub use super::window::ConvGeometry;
pub use float::{Activation, ConvPart, ConvWeights};
pub use int8::{Int8ConvPart, Int8ConvWeights};
pub use packed::OutputSize;
