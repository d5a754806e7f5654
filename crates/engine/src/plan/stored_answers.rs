//! Answers to the first pictures of the self-check that ONNX Runtime gave, for the weights that the program knows by
//! checksum: a plan of these is compared with them, and stock tract is neither optimised nor run at the start.

use super::self_check::COMPARED;
use crate::model::{Preprocessing, Probabilities};

/// Of BVLC's trained weights with BVLC's preprocessing, by ONNX Runtime 1.32: f32, little-endian, `[pictures, classes]`.
const BVLC: &[u8] = include_bytes!("bvlc_answers.f32");

/// The answers of BVLC's weights to photos that are normalised as `preprocessing` says; none where that is not as BVLC
/// trained them.
pub fn bvlc_answers(preprocessing: &Preprocessing) -> Option<Vec<Probabilities>> {
    let bvlc = Preprocessing::bvlc();
    // How a photo becomes a crop does not matter: the pictures are crops.
    (Preprocessing { resize: bvlc.resize, ..preprocessing.clone() } == bvlc).then_some(())?;
    let values: Vec<f32> =
        BVLC.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let classes = values.len() / COMPARED;
    values.chunks_exact(classes).map(|answer| Probabilities::new(answer).ok()).collect()
}
