//! GoogLeNet (Inception v1) as an HTTP service.
//!
//! Data flows one way, and the modules follow it:
//! `http` → `pipeline` → {`decode`, `preprocess`, `batcher`, `topk`} → the engine, `googlenet_engine`, which loads a model
//! and runs it on the arithmetic of `googlenet_kernels`. `evidence` explains an answer.
// They panic when nobody reads; `cli` has the ways to print.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod app;
pub mod batcher;
pub mod cli;
pub mod config;
pub mod decode;
pub mod drawing;
pub mod evidence;
pub mod http;
pub mod inside;
pub mod lifecycle;
pub mod machine;
pub mod metrics;
pub mod pipeline;
pub mod preprocess;
pub mod topk;
