//! Where a plan can be looked at: the nodes that write the maps of its modules, and those that read its last map and
//! its logits. [`sighted`](super::sighted) takes what is there in a run.

use std::collections::HashMap;
use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::change_axes::AxisOp;
use tract_onnx::tract_core::ops::nn::{Softmax, SoftmaxKind};

use super::place_operators::Network;
use super::recognition::{Convolution, FoundLayer, Inception, Layer, Layers, MapSize};
use crate::model::{Classifier, ModuleView, Views};

/// What there is to see in a network, by the nodes of tract's typed model.
pub(super) struct Sights {
    /// The modules, each with the node that writes its map.
    modules: Vec<(usize, ModuleView, TappedMap)>,
    /// The node of the softmax that gives the output.
    softmax: Option<usize>,
    /// The layer behind the last map, and the node of the average pooling that reads it.
    classifier: Option<(usize, Arc<Classifier>, TappedMap)>,
}

/// A map as it is copied.
#[derive(Clone, Copy, Debug)]
pub(super) struct TappedMap {
    pub(super) size: MapSize,
    /// The scale of its bytes, in int8.
    pub(super) scale: f32,
}

impl Sights {
    pub(super) fn find(network: Network<'_>) -> Self {
        let Network { model, layers, scales, .. } = network;
        let map = |outlet, size| TappedMap { size, scale: scales.at(outlet).unwrap_or(1.0) };
        let module = |found: &FoundLayer| match &found.layer {
            Layer::Inception(module) => {
                let MapSize { height, width, .. } = found.output_size;
                let view =
                    ModuleView { name: String::new(), height, width, branches: branches(module) };
                Some((found.output.node, view, map(found.output, found.output_size)))
            }
            _ => None,
        };
        let mut modules: Vec<_> = layers.iter().filter_map(module).collect();
        for (number, (_, view, _)) in modules.iter_mut().enumerate() {
            view.name = format!("inception_{}", number + 1);
        }
        let softmax = softmax(model);
        let classifier = softmax.and_then(|softmax| {
            let pooling = pooling(model, layers, softmax)?;
            let classifier = classifier(layers, pooling)?;
            let map = map(pooling.1.input, pooling.1.input_size);
            Some((pooling.1.output.node, Arc::new(classifier), map))
        });
        Self { modules, softmax, classifier }
    }

    pub(super) fn views(&self) -> Views {
        Views {
            modules: self.modules.iter().map(|(_, view, _)| view.clone()).collect(),
            classifier: self.classifier.as_ref().map(|(_, classifier, _)| Arc::clone(classifier)),
            gradients: None,
            logits: self.softmax.is_some(),
        }
    }

    /// Where these are in `plan`, which was made of `model`: a node of ours has the name of the one that it stands for.
    pub(super) fn taps(&self, model: &TypedModel, plan: &TypedModel) -> Taps {
        let nodes: HashMap<&str, usize> =
            plan.nodes().iter().map(|node| (node.name.as_str(), node.id)).collect();
        let in_plan = |node: usize| nodes.get(model.node(node).name.as_str()).copied();
        let modules = self.modules.iter().enumerate();
        Taps {
            modules: modules
                .filter_map(|(index, (node, _, map))| Some((in_plan(*node)?, (index, *map))))
                .collect(),
            softmax: self.softmax.and_then(in_plan),
            pooling: self
                .classifier
                .as_ref()
                .and_then(|(node, _, map)| Some((in_plan(*node)?, *map))),
        }
    }
}

fn branches(module: &Inception) -> [usize; 4] {
    [&module.o_1, &module.o_3, &module.o_5, &module.pool].map(|part| part.output_channels())
}

/// The node of the softmax over all classes that the output of `model` is, or that of the logarithms whose exponential
/// it is.
fn softmax(model: &TypedModel) -> Option<usize> {
    let mut at = *model.output_outlets().ok()?.first()?;
    let mut exponential = false;
    loop {
        let node = model.node(at.node);
        if let Some(softmax) = node.op_as::<Softmax>() {
            let sizes = model.outlet_fact(node.inputs[0]).ok()?.shape.as_concrete()?.to_vec();
            let over: usize = softmax.axes.iter().map(|&axis| sizes[axis]).product();
            let is_whole = over == sizes.iter().product::<usize>();
            let logarithm = softmax.kind == SoftmaxKind::LogSoftmax;
            return (is_whole && logarithm == exponential).then_some(node.id);
        }
        match &*node.op.name() {
            _ if keeps_values(model, node) => {}
            "Exp" if !exponential => exponential = true,
            _ => return None,
        }
        at = *node.inputs.first()?;
    }
}

/// Whether the first output of `node` has the values of its only input, maybe with other axes.
fn keeps_values(model: &TypedModel, node: &TypedNode) -> bool {
    let types = || {
        let (from, to) = (model.outlet_fact(*node.inputs.first()?), &node.outputs.first()?.fact);
        Some((from.ok()?.datum_type, to.datum_type))
    };
    match &*node.op.name() {
        _ if node.op_is::<AxisOp>() => true,
        "Cast" => types().is_some_and(|(from, to)| from == to),
        "Dropout" | "Identity" => true,
        _ => false,
    }
}

/// The weights of a fully connected layer, `[classes, channels]`, some exporters' convolution of 1x1 on one pixel.
fn last_weights(found: &FoundLayer) -> Option<&Convolution> {
    let is_pixel = |size: MapSize| (size.height, size.width) == (1, 1);
    match &found.layer {
        Layer::FullyConnected(weights) => Some(weights),
        Layer::Convolution(weights) => (!weights.relu
            && weights.geometry.kernel == (1, 1)
            && is_pixel(found.input_size)
            && is_pixel(found.output_size))
        .then_some(weights),
        _ => None,
    }
}

/// The fully connected layer whose logits `softmax` reads, and the average pooling that it reads.
fn pooling<'a>(
    model: &TypedModel,
    layers: &'a Layers,
    softmax: usize,
) -> Option<(&'a FoundLayer, &'a FoundLayer)> {
    let layer_before = |mut at: OutletId| {
        while layers.at(at).is_none() && keeps_values(model, model.node(at.node)) {
            at = *model.node(at.node).inputs.first()?;
        }
        layers.at(at)
    };
    let last = layer_before(*model.node(softmax).inputs.first()?)?;
    last_weights(last)?;
    let pooling = layer_before(last.input)?;
    matches!(pooling.layer, Layer::AveragePooling).then_some((last, pooling))
}

/// The map that the average pooling before the logits reads.
pub(super) fn last_map(model: &TypedModel, layers: &Layers) -> Option<OutletId> {
    Some(pooling(model, layers, softmax(model)?)?.1.input)
}

fn classifier(layers: &Layers, (last, pooling): (&FoundLayer, &FoundLayer)) -> Option<Classifier> {
    let weights = last_weights(last)?;
    let branches = layers.at(pooling.input).and_then(|found| match &found.layer {
        Layer::Inception(module) => Some(branches(module)),
        _ => None,
    });
    let MapSize { height, width, .. } = pooling.input_size;
    Classifier::new((height, width), branches, weights.weights.to_vec(), weights.bias.to_vec())
}

/// Where one plan can be looked at, by its nodes.
#[derive(Debug)]
pub(super) struct Taps {
    /// What writes the map of each module, by its index.
    pub(super) modules: HashMap<usize, (usize, TappedMap)>,
    /// The softmax that reads the logits.
    pub(super) softmax: Option<usize>,
    /// The average pooling that reads the last map.
    pub(super) pooling: Option<(usize, TappedMap)>,
}
