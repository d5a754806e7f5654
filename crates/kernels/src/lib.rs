//! The arithmetic: convolutions, pooling and local response normalization on NHWC maps, in f32 and int8.
//!
//! Every kernel is written once, over the vectors of `simd`, and compiled for each instruction set: portable Rust, AVX2
//! with FMA, AVX-512, and for bytes AVX-VNNI and AVX-512 VNNI. The portable one is the specification: tests compare the others with it, and it with
//! values from ONNX Runtime.
//!
//! | file | what it is |
//! |---|---|
//! | [`isa`] | the instruction set: a token that proves that the machine has it |
//! | [`map`] | a feature map: rows, columns, channels, with a border around them |
//! | `simd` | the vectors, one file for each instruction set; the only intrinsics |
//! | [`conv`] | convolutions in f32 and int8 |
//! | [`winograd`] | 3x3 convolutions in f32 with fewer multiplications |
//! | [`threads`] | how a kernel is divided among threads |
//! | [`max_pool`], [`average_pool`], [`lrn`] | max pooling, average pooling, local response normalization |
//! | [`quantise`] | from f32 to u8 and back |
//! | [`region`] | memory for packed weights |
//! | [`freed_memory`] | gives freed memory back; it is here because it calls C |
//!
//! # Why NHWC, and what a tile is
//!
//! With contiguous channels, the taps `(kx, channel)` of one kernel row lie side by side in memory, for every kernel
//! size and also for the 3 channels of an image. So a convolution needs no im2col: each kernel row is a dot product
//! along such a run. While the run passes, the sums of a tile of output pixels and channels stay in registers. [`conv`]
//! has the loops, the tiles of each instruction set, and where the loops depart from this.

pub mod average_pool;
pub mod conv;
pub mod freed_memory;
pub mod isa;
mod lines;
pub mod lrn;
pub mod map;
pub mod max_pool;
#[cfg(test)]
mod operator_tests;
#[cfg(test)]
mod pool_tests;
pub mod quantise;
pub mod region;
mod simd;
pub mod threads;
mod window;
pub mod winograd;
