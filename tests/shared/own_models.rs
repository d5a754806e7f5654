//! GoogLeNets as exporters, converters and quantisers write them.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Width and height of their input.
pub const SIDE: usize = 64;
/// Of the photos, in bytes, as `[input]` of the TOML has it.
pub const MEAN: [f32; 3] = [123.675, 116.28, 103.53];
/// See `MEAN`.
pub const SCALE: [f32; 3] = [0.0171248, 0.017507, 0.0174292];

/// The folder that they lie in.
pub fn fixtures() -> PathBuf {
    super::workspace().join("crates/engine/tests/fixtures/models")
}

/// Names of the models in `folder`.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let models =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "onnx"));
    let mut names: Vec<String> =
        models.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// Whether the model of this name was quantised.
pub fn is_quantised(name: &str) -> bool {
    ["qdq_", "qoperator_", "quantised_"].iter().any(|begin| name.starts_with(begin))
}

/// A copy of a model, with a TOML beside it.
pub struct Copied {
    pub path: PathBuf,
    _folder: TempDir,
}

/// Copies model `name` of `folder`, with the files of its weights; `output` is that of the TOML.
pub fn copied(folder: &Path, name: &str, output: &str) -> Copied {
    let copy = tempfile::tempdir().unwrap();
    let path = copy.path().join(format!("{name}.onnx"));
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let file = entry.file_name().into_string().unwrap();
        if file == format!("{name}.onnx") || file.ends_with(".data") {
            std::fs::copy(entry.path(), copy.path().join(file)).unwrap();
        }
    }
    let toml = format!(
        "[input]\nside = {SIDE}\nchannels = \"RGB\"\nmean = {MEAN:?}\nscale = {SCALE:?}\n\
         resize = {{ mode = \"stretch\", size = {SIDE} }}\n[output]\n{output}\n"
    );
    std::fs::write(path.with_extension("toml"), toml).unwrap();
    Copied { path, _folder: copy }
}
