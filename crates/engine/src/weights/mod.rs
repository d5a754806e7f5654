//! Finds or downloads the file with the weights, and reads the TOML file beside it.
//!
//! [`obtain()`] is the entry point. It takes a [`ModelSource`] and returns an open [`ModelFile`]: its [`Manifest`] says
//! how a photo becomes the network's input, and its labels name the classes. Everything here blocks the calling thread;
//! nothing here reads the ONNX graph.

mod cache;
pub mod fetch;
mod groups_file;
pub mod labels;
pub mod locate;
pub mod manifest;
mod model_file;
mod obtain;
mod sha256;
mod text_file;

pub use cache::cache_folder;
pub use fetch::{Download, FetchError, without_credentials};
pub use groups_file::GroupsFileError;
pub use labels::{ClassNameError, Label, Labels, LabelsError};
pub use locate::{LocateError, ModelSource, SearchPath};
pub use manifest::{Manifest, ManifestError, OutputTable, PinnedFile};
pub use model_file::{ClassLabels, ModelFile, ModelFileError, Origin};
pub use obtain::{ObtainError, Obtained, Unavailable, check, obtain};
pub use sha256::{ParseSha256Error, Sha256};

/// The name under which weights are looked for, and under which a download is saved.
pub const FILE_NAME: &str = "googlenet.onnx";
