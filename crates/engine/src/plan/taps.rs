//! Where a plan can be looked at: the nodes that write the maps of its modules, and those that read its last map and
//! its logits.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::change_axes::AxisOp;
use tract_onnx::tract_core::ops::nn::{Softmax, SoftmaxKind};

use super::gradient::{Gradient, Trace};
use super::operators::own_name;
use super::place_operators::Network;
use super::recognition::{Convolution, FoundLayer, Inception, Layer, Layers, MapSize};
use super::team::Team;
use crate::model::{
    Activations, Classifier, GradientMap, Look, ModuleView, OperatorTime, Probabilities, Seen,
    Views,
};

/// What there is to see in a network, by the nodes of tract's typed model.
pub(super) struct Sights {
    /// The modules, each with the node that writes its map.
    modules: Vec<(usize, ModuleView, Map)>,
    /// The node of the softmax that gives the output.
    softmax: Option<usize>,
    /// The layer behind the last map, and the node of the average pooling that reads it.
    classifier: Option<(usize, Arc<Classifier>, Map)>,
}

/// A map as it is copied.
#[derive(Clone, Copy, Debug)]
struct Map {
    size: MapSize,
    /// What one unit of its bytes is worth, in int8.
    unit: f32,
}

impl Sights {
    pub(super) fn find(network: Network<'_>) -> Self {
        let Network { model, layers, units, .. } = network;
        let map = |outlet, size| Map { size, unit: units.at(outlet).unwrap_or(1.0) };
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
    modules: HashMap<usize, (usize, Map)>,
    softmax: Option<usize>,
    pooling: Option<(usize, Map)>,
}

/// What has been seen in a run so far.
pub(super) struct Sighted<'a> {
    taps: &'a Taps,
    look: &'a Look,
    logits: Option<Box<[f32]>>,
    last_map: Option<Activations>,
    maps: Vec<Option<Activations>>,
    times: Vec<OperatorTime>,
    gradient: Option<&'a Gradient>,
    /// What the modules did on the way to the logits, by their index, if there is to be a gradient.
    traces: Vec<Option<Trace>>,
}

impl<'a> Sighted<'a> {
    pub(super) fn nothing(taps: &'a Taps, look: &'a Look, gradient: Option<&'a Gradient>) -> Self {
        let maps = vec![None; look.modules.len()];
        let times = Vec::new();
        let gradient = gradient.filter(|_| look.gradient.is_some());
        let traces = Vec::new();
        Self { taps, look, logits: None, last_map: None, maps, times, gradient, traces }
    }

    /// Takes what `node` is about to read.
    pub(super) fn before(&mut self, node: &TypedNode, inputs: &[TValue]) -> TractResult<()> {
        let Some(input) = inputs.first() else { return Ok(()) };
        if self.taps.softmax == Some(node.id) {
            let logits = input.to_plain_array_view::<f32>()?;
            self.logits = Some(logits.iter().copied().collect());
        }
        match self.taps.pooling {
            Some((pooling, map)) if self.look.last_map && pooling == node.id => {
                self.last_map = Some(copied(input, map)?);
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes what `node` has written in `time`, and what it has left in `state`.
    pub(super) fn after(
        &mut self,
        node: &TypedNode,
        outputs: &[TValue],
        state: Option<&(dyn OpState + 'static)>,
        time: Duration,
    ) -> TractResult<()> {
        let module = self.taps.modules.get(&node.id).copied();
        if self.look.times && !node.inputs.is_empty() {
            let name = node.op.name();
            let operator = own_name(&name).unwrap_or(&name).to_owned();
            let module = module.map(|(index, _)| index);
            self.times.push(OperatorTime { operator, module, time });
        }
        if let (Some((index, map)), Some(output)) = (module, outputs.first()) {
            for (asked, seen) in self.look.modules.iter().zip(&mut self.maps) {
                if *asked == index {
                    *seen = Some(copied(output, map)?);
                }
            }
            self.trace(index, output, map, state)?;
        }
        Ok(())
    }

    /// Keeps what the gradient needs of a module that has just run.
    fn trace(
        &mut self,
        index: usize,
        output: &Tensor,
        map: Map,
        state: Option<&(dyn OpState + 'static)>,
    ) -> TractResult<()> {
        let (Some(gradient), Some(of)) = (self.gradient, &self.look.gradient) else {
            return Ok(());
        };
        if of.modules.iter().all(|&first| index < first) {
            return Ok(());
        }
        if let Some(passed) = state.and_then(|state| gradient.passed(index, state)) {
            self.traces.resize_with(self.traces.len().max(index + 1), || None);
            self.traces[index] = Some(Trace { output: copied(output, map)?, passed });
        }
        Ok(())
    }

    /// What the modules did, by their index.
    #[cfg(test)]
    pub(super) fn into_traces(self) -> Vec<Option<Trace>> {
        self.traces
    }

    /// The gradients that were asked for, of the run that gave these probabilities.
    pub(super) fn gradients(
        &self,
        probabilities: &Probabilities,
        team: &Team,
    ) -> TractResult<Vec<GradientMap>> {
        let (Some(gradient), Some(of)) = (self.gradient, &self.look.gradient) else {
            return Ok(Vec::new());
        };
        let class = of.class.unwrap_or_else(|| probabilities.best());
        gradient.at_modules(&of.modules, (class, of.against), &self.traces, team)
    }

    /// All of it; none if a map that was asked for was not there.
    pub(super) fn seen(
        self,
        probabilities: Probabilities,
        gradients: Vec<GradientMap>,
    ) -> Option<Seen> {
        let Self { look, logits, last_map, maps, times, .. } = self;
        let maps = maps.into_iter().collect::<Option<Vec<_>>>()?;
        (last_map.is_some() || !look.last_map).then_some(Seen {
            probabilities,
            logits,
            last_map,
            maps,
            times,
            gradients,
        })
    }
}

/// A map without its border.
fn copied(tensor: &Tensor, map: Map) -> TractResult<Activations> {
    let MapSize { height, width, channels } = map.size;
    let border = tensor.shape().first().map_or(0, |rows| rows.saturating_sub(height) / 2);
    let mut values = Vec::with_capacity(height * width * channels);
    let rows = border..border + height;
    let columns = border * channels..(border + width) * channels;
    let row_len = (width + 2 * border) * channels;
    if tensor.datum_type() == u8::datum_type() {
        let view = tensor.to_plain_array_view::<u8>()?;
        let bytes = view.as_slice().context("a map is contiguous")?;
        for row in bytes.chunks_exact(row_len).skip(rows.start).take(rows.len()) {
            values.extend(row[columns.clone()].iter().map(|&byte| f32::from(byte) * map.unit));
        }
    } else {
        let view = tensor.to_plain_array_view::<f32>()?;
        let floats = view.as_slice().context("a map is contiguous")?;
        for row in floats.chunks_exact(row_len).skip(rows.start).take(rows.len()) {
            values.extend_from_slice(&row[columns.clone()]);
        }
    }
    if values.len() != height * width * channels {
        bail!("a map of {height}x{width}x{channels} has {} values", values.len());
    }
    Ok(Activations { height, width, channels, values: values.into() })
}
