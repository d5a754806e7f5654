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
//! A `Product` (in `simd`) is what a number format and an instruction set do in `start` and `taps`, a `Stepped` one in
//! `step`, a `Chained` one in chains of steps (5); a `Finish` is what follows the sums. The loops depart from this in six
//! places:
//!
//! 1. **Parts.** Convolutions with the same input and geometry, such as the three 1x1 convolutions of an inception
//!    module, run as one product. Each writes to its own destination, so the input is read only once.
//! 2. **Tiles run on across rows.** Each pixel of a tile has its own pointer to its window, so a tile may cover
//!    the end of one row and the start of the next. The last tile of a map is moved back over pixels that are already
//!    written, and writes the same values again. Where there are registers for fourteen pixels but not for fourteen
//!    pointers, a tile is two strips of seven neighbours, because every map of GoogLeNet is a multiple of seven wide.
//!    Other maps finish in tiles of four.
//! 3. **Maps of one pixel.** Only other channels can hide the latency of the sums, so a tile has eight vectors of them.
//!    Chains hide it themselves.
//! 4. **Runs that are not a multiple of a step.** The last step is moved back to end with the run, so nothing behind
//!    the input is read. Taps that it repeats have weight 0 in it.
//! 5. **Chains** (`chains`). AVX2, and AVX-512 without VNNI, multiply bytes with an instruction that adds neighbours in
//!    16 bits. Up to four steps are added in 16 bits before they are widened. Packing chooses which, wherever they are
//!    in the window, so that nothing saturates; what a step has beyond 16 bits is a step of its own. The sums are the same
//!    integers.
//! 6. **Weights come before they are needed.** The weights of a network are larger than a core's cache, so each block's
//!    come from further away. The tiles of a block ask for the next one's: they compute meanwhile, and need not wait.

mod chains;
mod float;
mod int8;
mod order;
mod packed;
mod tile;

#[cfg(test)]
pub(super) mod tests;

pub use super::window::ConvGeometry;
pub use float::{Activation, ConvPart, ConvWeights};
pub use int8::{Int8ConvPart, Int8ConvWeights};
pub use packed::OutputSize;
