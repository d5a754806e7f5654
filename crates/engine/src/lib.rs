//! GoogLeNet (Inception v1) as an engine: from an ONNX file to a plan that gives class probabilities.
//!
//! `weights` finds the file, or downloads it, and reads what stands beside it; `network` describes GoogLeNet as data and
//! brings a file's graph into the form that can be served; `plan` optimises it and runs it; `loaded_model` does all of
//! this for one choice of a model. `model` is the vocabulary that they share. Nothing here knows HTTP or the command line.
//!
//! With the feature `openapi`, what is serialised has an OpenAPI schema as well.
// They panic when nobody reads.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod groups;
mod load_progress;
pub mod loaded_model;
pub mod model;
pub mod model_info;
pub mod network;
pub mod plan;
pub mod weights;

pub use load_progress::TARGET as PROGRESS_TARGET;
