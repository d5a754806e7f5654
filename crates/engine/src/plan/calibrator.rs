//! Makes a calibration table: runs photos in f32 and keeps the largest activations.

use tract_onnx::prelude::*;

use super::calibration::{Calibration, activations};
use super::load::{LoadError, typed_model};
use super::normalise::normalise;
use super::recognition::Layers;
use crate::model::{EngineError, Input, Preprocessing};
use crate::network::ParsedGraph;

/// Sees photos and makes a [`Calibration`] of what they did to the network.
pub struct Calibrator {
    layers: Layers,
    state: TypedSimpleState,
    preprocessing: Preprocessing,
    names: Vec<String>,
    /// For each activation the largest value that a photo gave.
    largest: Vec<f32>,
    photos: usize,
}

impl Calibrator {
    /// The network in tract's own operators, with its activations as outputs.
    ///
    /// # Errors
    /// [`LoadError`] when tract cannot run it.
    pub fn new(graph: &ParsedGraph, preprocessing: &Preprocessing) -> Result<Self, LoadError> {
        let mut model = typed_model(graph, preprocessing.side)?;
        let layers = Layers::find(&model)?;
        let outlets = activations(&layers);
        let names: Vec<String> =
            outlets.iter().map(|outlet| model.node(outlet.node).name.clone()).collect();
        if outlets.is_empty() {
            return Err(LoadError("it has no layer that int8 could run".into()));
        }
        let state = model
            .select_output_outlets(&outlets)
            .and_then(|()| model.into_optimized())
            .and_then(|model| model.into_runnable())
            .and_then(|plan| plan.spawn())
            .map_err(|e| LoadError(format!("{e:#}")))?;
        let largest = vec![0.0; names.len()];
        Ok(Self { layers, state, preprocessing: preprocessing.clone(), names, largest, photos: 0 })
    }

    /// Runs one photo.
    ///
    /// # Errors
    /// [`EngineError`] when it has the wrong size or tract stops.
    pub fn observe(&mut self, photo: &Input) -> Result<(), EngineError> {
        let failed = |e: TractError| EngineError::Plan(format!("{e:#}"));
        let side = self.preprocessing.side;
        let mut values = vec![0.0; 3 * side * side];
        normalise(photo, &self.preprocessing, &mut values)?;
        let tensor = Tensor::from_shape(&[1, 3, side, side], &values).map_err(failed)?;
        let outputs = self.state.run(tvec!(tensor.into())).map_err(failed)?;
        for (largest, output) in self.largest.iter_mut().zip(&outputs) {
            let values = output.to_plain_array_view::<f32>().map_err(failed)?;
            *largest = values.iter().copied().fold(*largest, f32::max);
        }
        self.photos += 1;
        Ok(())
    }

    /// Photos that were run.
    pub fn photos(&self) -> usize {
        self.photos
    }

    /// The table.
    pub fn finish(self) -> Calibration {
        let largest = self.names.into_iter().zip(self.largest);
        Calibration::new(&self.layers, self.photos, largest.collect())
    }
}
