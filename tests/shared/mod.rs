//! Where the trained weights, photos and reference outputs lie.
#![allow(dead_code)] // each test file uses its part

pub mod own_models;

use std::path::{Path, PathBuf};

/// The folder with the weights and photos: `GOOGLENET_SHARED`, else `../shared` beside the project.
///
/// `None` when there is none: the test then says so and passes, but under CI it fails.
pub fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("GOOGLENET_SHARED")
        .map_or_else(|| workspace().join("../shared"), PathBuf::from);
    if folder.join("models/googlenet.onnx").is_file() {
        return Some(folder);
    }
    let message = format!(
        "left out: it needs the trained weights, reference outputs and photos in {} \
         (or in the folder that GOOGLENET_SHARED names); `googlenet fetch` gets the weights",
        folder.display()
    );
    assert!(std::env::var_os("CI").is_none(), "{message}");
    eprintln!("{message}");
    None
}

/// The folder of the workspace, from any package of it.
pub fn workspace() -> PathBuf {
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let workspace = folders.find(|folder| folder.join("Cargo.lock").is_file());
    workspace.expect("Cargo.lock lies in the folder of the workspace").to_owned()
}

/// The crops' file names with ONNX Runtime's probabilities, `[1000]` each.
pub fn reference_probabilities(shared: &Path) -> Vec<(String, Vec<f32>)> {
    let order = std::fs::read_to_string(shared.join("reference/order.txt")).unwrap();
    let names: Vec<&str> = order.split_whitespace().collect();
    let npy = std::fs::read(shared.join("reference/probabilities.npy")).unwrap();
    // NPY 1.0: ten bytes, then a header of the length in bytes 8 and 9, then the values.
    let header = 10 + usize::from(u16::from_le_bytes([npy[8], npy[9]]));
    let (values, rest) = npy[header..].as_chunks::<4>();
    assert!(rest.is_empty() && values.len() == names.len() * 1000, "unexpected reference file");
    let values: Vec<f32> = values.iter().map(|v| f32::from_le_bytes(*v)).collect();
    names.iter().map(|n| n.to_string()).zip(values.chunks(1000).map(<[f32]>::to_vec)).collect()
}
