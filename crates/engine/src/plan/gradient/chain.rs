//! The modules and pools between the first module and the last map, from the last back.

use std::collections::HashSet;

use tract_onnx::prelude::*;

use super::module::ModuleStep;
use super::pooling::Pool;
use crate::plan::place_operators::{Network, Packed};
use crate::plan::recognition::{FoundLayer, Layer, MapSize};
use crate::plan::taps::last_map;

/// A layer on the way back.
pub(super) enum Step {
    Module(Box<ModuleStep>),
    Pool(Pool),
}

/// The way back from the last map, as far as each map has only one reader on it: another reader would add to the
/// gradient. None if the last map is not a module's.
pub(super) fn steps(network: Network<'_>, packed: &Packed) -> Option<Vec<Step>> {
    let Network { model, layers, .. } = network;
    let modules: Vec<OutletId> = layers
        .iter()
        .filter(|found| matches!(found.layer, Layer::Inception(_)))
        .map(|found| found.output)
        .collect();
    let live = live(model)?;
    let mut at = last_map(model, layers)?;
    let mut readers = 1;
    let mut steps = Vec::new();
    while let Some(found) = layers.at(at).filter(|_| live_readers(model, &live, at) == readers) {
        let Some(step) = step(network, packed, found, &modules) else { break };
        readers = match step {
            // Three convolutions and a pool.
            Step::Module(_) => 4,
            Step::Pool(_) => 1,
        };
        steps.push(step);
        at = found.input;
    }
    matches!(steps.first()?, Step::Module(_)).then_some(steps)
}

fn step(
    network: Network<'_>,
    packed: &Packed,
    found: &FoundLayer,
    modules: &[OutletId],
) -> Option<Step> {
    match &found.layer {
        &Layer::MaxPooling(geometry) => {
            let MapSize { height, width, .. } = found.output_size;
            Some(Step::Pool(Pool { geometry, output: (height, width) }))
        }
        Layer::Inception(module) => {
            let index = modules.iter().position(|&output| output == found.output)?;
            let step = ModuleStep::new(index, module, found, network.scales, packed)?;
            Some(Step::Module(Box::new(step)))
        }
        _ => None,
    }
}

/// The nodes that the outputs are computed from.
fn live(model: &TypedModel) -> Option<HashSet<usize>> {
    let mut live = HashSet::new();
    let mut open: Vec<usize> = model.output_outlets().ok()?.iter().map(|o| o.node).collect();
    while let Some(node) = open.pop() {
        if live.insert(node) {
            open.extend(model.node(node).inputs.iter().map(|input| input.node));
        }
    }
    Some(live)
}

fn live_readers(model: &TypedModel, live: &HashSet<usize>, outlet: OutletId) -> usize {
    let outputs = &model.node(outlet.node).outputs;
    let readers = outputs.get(outlet.slot).map(|output| output.successors.iter());
    readers.into_iter().flatten().filter(|reader| live.contains(&reader.node)).count()
}
