//! All layers that the rules find in a graph.

use std::collections::{HashMap, HashSet};

use tract_onnx::prelude::*;

use super::rules::layer_at;
use super::{Layer, LoadError, MapSize};

/// A layer, where it stands in tract's typed model.
#[derive(Debug)]
pub(in crate::plan) struct FoundLayer {
    pub(in crate::plan) layer: Layer,
    /// The tensor that it reads, NCHW.
    pub(in crate::plan) input: OutletId,
    /// The tensor that it writes.
    pub(in crate::plan) output: OutletId,
    pub(in crate::plan) input_size: MapSize,
    pub(in crate::plan) output_size: MapSize,
}

/// The layers of a graph. What no rule takes is not among them and stays with tract.
#[derive(Debug, Default)]
pub(in crate::plan) struct Layers {
    by_output: HashMap<OutletId, FoundLayer>,
    /// Outputs of the layers; each stands behind those that it reads.
    order: Vec<OutletId>,
}

impl Layers {
    /// Walks `model` from its outputs to its input.
    ///
    /// # Errors
    /// [`LoadError`] when the model is not whole.
    pub(in crate::plan) fn find(model: &TypedModel) -> Result<Self, LoadError> {
        let failed = |e: TractError| LoadError(format!("{e:#}"));
        let mut layers = Self::default();
        let mut seen = HashSet::new();
        let mut open: Vec<Visit> =
            model.output_outlets().map_err(failed)?.iter().map(|&o| Visit::Enter(o)).collect();
        while let Some(visit) = open.pop() {
            match visit {
                Visit::Leave(output) => layers.order.push(output),
                Visit::Enter(outlet) if !seen.insert(outlet) => {}
                Visit::Enter(outlet) => match layer_at(model, outlet) {
                    Some(found) => {
                        open.extend([Visit::Leave(outlet), Visit::Enter(found.input)]);
                        layers.by_output.insert(outlet, found);
                    }
                    None => {
                        let inputs = model.node(outlet.node).inputs.iter();
                        open.extend(inputs.map(|&input| Visit::Enter(input)));
                    }
                },
            }
        }
        Ok(layers)
    }

    /// The layer that writes `outlet`.
    pub(in crate::plan) fn at(&self, outlet: OutletId) -> Option<&FoundLayer> {
        self.by_output.get(&outlet)
    }

    /// All layers; each stands behind the one that it reads.
    pub(in crate::plan) fn iter(&self) -> impl Iterator<Item = &FoundLayer> {
        self.order.iter().filter_map(|outlet| self.by_output.get(outlet))
    }

    /// The layers that read `outlet`.
    pub(in crate::plan) fn readers(&self, outlet: OutletId) -> impl Iterator<Item = &FoundLayer> {
        self.iter().filter(move |found| found.input == outlet)
    }
}

/// A walk without recursion: a file may be as deep as it likes.
enum Visit {
    Enter(OutletId),
    Leave(OutletId),
}
