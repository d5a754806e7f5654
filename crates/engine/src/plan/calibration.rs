//! The calibration table: the largest activations over a set of photos, from which int8 takes the scale of its bytes.

use std::collections::HashMap;
use std::fmt::Write;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use tract_onnx::prelude::OutletId;

use super::load::LoadError;
use super::recognition::{Convolution, FoundLayer, Layer, Layers};

/// Largest activations of the layers of a network, and the weights that they belong to.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// SHA-256 of the layers' weights and biases, in hexadecimal digits. The same weights in another
    /// file have the same.
    weights: String,
    /// Photos that were run.
    photos: usize,
    /// In data-flow order; a module has its six convolutions.
    activation: Vec<Activation>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Activation {
    /// For the reader; the order counts.
    name: String,
    largest: f32,
}

impl Calibration {
    /// Reads a table.
    ///
    /// # Errors
    /// [`CalibrationError::Table`] says where it is wrong.
    pub fn parse(text: &str) -> Result<Self, CalibrationError> {
        let table: Self =
            toml::from_str(text).map_err(|e| CalibrationError::Table(place(&e, text)))?;
        let wrong = table.activation.iter().find(|a| !(0.0..=1e30).contains(&a.largest));
        match wrong {
            None => Ok(table),
            Some(Activation { name, largest }) => Err(CalibrationError::Table(format!(
                "`largest` of {name} is {largest}, it must be a number from 0 on"
            ))),
        }
    }

    /// Writes the table.
    pub fn to_toml(&self) -> String {
        let mut text = format!(
            "# Largest activations of each layer, from which int8 takes its scales; made by\n\
             # `googlenet calibrate`. `weights` is the SHA-256 of the layers' weights.\n\n\
             weights = \"{}\"\nphotos = {}\nactivation = [\n",
            self.weights, self.photos
        );
        for Activation { name, largest } in &self.activation {
            let name = toml::Value::String(name.clone());
            // Writing to a String does not fail.
            let _ = writeln!(text, "    {{ name = {name}, largest = {largest:?} }},");
        }
        text.push_str("]\n");
        text
    }

    pub(super) fn new(layers: &Layers, photos: usize, largest: Vec<(String, f32)>) -> Self {
        let activation =
            largest.into_iter().map(|(name, largest)| Activation { name, largest }).collect();
        Self { weights: fingerprint(layers), photos, activation }
    }

    /// The scales of the activations.
    ///
    /// # Errors
    /// [`CalibrationError::OtherWeights`] when the table was made for another network.
    pub(super) fn scales(&self, layers: &Layers) -> Result<ActivationScales, CalibrationError> {
        let outlets = activations(layers);
        if self.weights != fingerprint(layers) || outlets.len() != self.activation.len() {
            return Err(CalibrationError::OtherWeights);
        }
        let values = self.activation.iter().map(|activation| activation.largest);
        Ok(ActivationScales::new(layers, &outlets.into_iter().zip(values).collect()))
    }
}

/// The scale of each activation: its value is a byte times this. Only what is never negative has one.
#[derive(Debug, Default)]
pub(super) struct ActivationScales(HashMap<OutletId, f32>);

impl ActivationScales {
    pub(super) fn at(&self, outlet: OutletId) -> Option<f32> {
        self.0.get(&outlet).copied()
    }

    fn new(layers: &Layers, largest: &HashMap<OutletId, f32>) -> Self {
        let mut scales: HashMap<OutletId, f32> =
            largest.iter().map(|(&outlet, &largest)| (outlet, scale(largest))).collect();
        for FoundLayer { layer, input, output, .. } in layers.iter() {
            let from = scales.get(input).copied();
            match layer {
                Layer::Inception(module) => {
                    // The branches share one scale: joining them needs no rescaling.
                    let branches = [&module.o_1, &module.o_3, &module.o_5, &module.pool];
                    let most = branches.map(|branch| largest[&branch.output]);
                    scales.insert(*output, scale(most.into_iter().fold(0.0, f32::max)));
                }
                Layer::MaxPooling(_) => {
                    from.map(|from| scales.insert(*output, from));
                }
                // These are never negative only when what they read is not.
                Layer::LocalResponseNormalization(_) | Layer::AveragePooling if from.is_none() => {
                    scales.remove(output);
                }
                _ => {}
            }
        }
        Self(scales)
    }
}

fn scale(largest: f32) -> f32 {
    if largest > 0.0 { largest / 255.0 } else { 1.0 }
}

/// The tensors whose largest values the table has, in its order.
pub(super) fn activations(layers: &Layers) -> Vec<OutletId> {
    let of_layer = |found: &FoundLayer| match &found.layer {
        Layer::Convolution(convolution) if convolution.relu => vec![found.output],
        Layer::Inception(module) => module.convolutions().map(|part| part.output).to_vec(),
        Layer::LocalResponseNormalization(_) | Layer::AveragePooling => vec![found.output],
        _ => Vec::new(),
    };
    layers.iter().flat_map(of_layer).collect()
}

/// SHA-256 of all weights and biases, in data-flow order.
fn fingerprint(layers: &Layers) -> String {
    let mut hash = Sha256::new();
    let mut bytes = [[0; 4]; 4096];
    let mut take = |part: &Convolution| {
        for values in [&part.weights[..], &part.bias] {
            for values in values.chunks(bytes.len()) {
                let bytes = &mut bytes[..values.len()];
                for (bytes, value) in bytes.iter_mut().zip(values) {
                    *bytes = value.to_le_bytes();
                }
                hash.update(bytes.as_flattened());
            }
        }
    };
    for found in layers.iter() {
        match &found.layer {
            Layer::Convolution(part) | Layer::FullyConnected(part) => take(part),
            Layer::Inception(module) => module.convolutions().into_iter().for_each(&mut take),
            _ => {}
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The network cannot run in int8.
#[derive(Debug, thiserror::Error)]
pub enum Int8LoadError {
    /// Nor in f32.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The table does not fit.
    #[error(transparent)]
    Calibration(#[from] CalibrationError),
}

/// What is wrong with a TOML and in which line, without the picture of it that the parser draws.
fn place(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let message = error.message().replace('\n', ", ");
    match before {
        Some(before) => format!("line {}: {message}", before.matches('\n').count() + 1),
        None => message,
    }
}

/// int8 cannot use a table.
#[derive(Debug, thiserror::Error)]
pub enum CalibrationError {
    /// It is no table.
    #[error("{0}")]
    Table(String),
    /// It belongs to another network.
    #[error(
        "the calibration table was made for other weights: make one for these with \
         `googlenet calibrate DIR`, DIR being a folder of photos"
    )]
    OtherWeights,
}
