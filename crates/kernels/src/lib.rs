//! The arithmetic: convolutions, pools and normalisation on NHWC maps, f32 and int8.
//!
//! Every kernel is written once, over the vectors of `simd`, and compiled for each instruction set:
//! portable Rust, AVX2 with FMA, AVX-512 with VNNI. The portable one is the specification; the tests
//! hold the others to it, and it to values of ONNX Runtime.
//!
//! | file | what it is |
//! |---|---|
//! | [`isa`] | the instruction set, a token that proves the machine has it |
//! | [`map`] | a feature map: rows, columns, channels, with a border around them |
//! | `simd` | the vectors: one file for each instruction set; the only place with intrinsics |
//! | [`conv`] | convolutions in f32 and int8 |
//! | [`winograd`] | 3x3 convolutions in f32 with fewer multiplications |
//! | [`max_pool`], [`average_pool`], [`lrn`] | what stands between the convolutions |
//! | [`quantise`] | from f32 to u8 |
//!
//! # Why NHWC, and what a tile is
//!
//! With the channels contiguous, the taps `(kx, channel)` of one kernel row are one run in memory, for
//! every kernel size, and also for the 3 channels of the image. So a convolution is, for each kernel
//! row, a dot product along a run; there is no im2col. A tile of output pixels by output channels stays
//! in registers while the run passes: with 32 registers 14 pixels by two vectors, since every map of
//! GoogLeNet is a multiple of 7 wide (two rows of 7 where it is just 7 wide), with 16 registers
//! 4 by two. A value of the input is broadcast once and used for every vector; a vector of weights is loaded once and used
//! for every pixel.

pub mod average_pool;
pub mod conv;
pub mod isa;
mod lines;
pub mod lrn;
pub mod map;
pub mod max_pool;
#[cfg(test)]
mod pool_tests;
pub mod quantise;
mod simd;
mod window;
pub mod winograd;
