//! GoogLeNet (Inception v1) as an HTTP service.
//!
//! Data flows one way, and the modules follow it:
//! `http` → `pipeline` → {`decode`, `preprocess`, `batcher`, `topk`} → `model` ← `plan` → `kernels`,
//! with `network` describing GoogLeNet as data and `weights` finding the file that holds it.
#![deny(unsafe_code, unsafe_op_in_unsafe_fn)]
#![warn(missing_docs)]
// They panic when nobody reads; `cli` has the ways to print.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod app;
pub mod batcher;
pub mod cli;
pub mod config;
pub mod decode;
pub mod http;
#[allow(unsafe_code)] // the only module with SIMD
pub mod kernels;
pub mod lifecycle;
mod load_progress;
pub mod loaded_model;
pub mod machine;
pub mod metrics;
pub mod model;
pub mod model_info;
pub mod network;
pub mod pipeline;
pub mod plan;
pub mod preprocess;
pub mod topk;
pub mod weights;
