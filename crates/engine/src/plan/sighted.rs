//! What is seen in one run of a plan, node by node, at the places that [`taps`](super::taps) names.

use std::time::Duration;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use super::gradient::{Gradient, Trace};
use super::operators::{Map, MapElement, MapMemory, own_name};
use super::recognition::MapSize;
use super::taps::{TappedMap, Taps};
use super::team::Team;
use crate::model::{Activations, GradientMap, Look, OperatorTime, Probabilities, Seen};
use googlenet_kernels::map::MapShape;

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

    /// Takes what `node` has written in `time`, and what it has left in `maps`.
    pub(super) fn after(
        &mut self,
        node: &TypedNode,
        outputs: &[TValue],
        maps: Option<&MapMemory>,
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
            self.trace(index, output, map, maps)?;
        }
        Ok(())
    }

    /// Keeps what the gradient needs of a module that has just run.
    fn trace(
        &mut self,
        index: usize,
        output: &Tensor,
        map: TappedMap,
        maps: Option<&MapMemory>,
    ) -> TractResult<()> {
        let (Some(gradient), Some(of)) = (self.gradient, &self.look.gradient) else {
            return Ok(());
        };
        if of.modules.iter().all(|&first| index < first) {
            return Ok(());
        }
        if let Some(passed) = maps.and_then(|maps| gradient.passed(index, maps)) {
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
fn copied(tensor: &Tensor, map: TappedMap) -> TractResult<Activations> {
    if tensor.datum_type() == u8::datum_type() {
        inner::<u8>(tensor, map, |byte| f32::from(byte) * map.scale)
    } else {
        inner::<f32>(tensor, map, |value| value)
    }
}

fn inner<T: MapElement>(
    tensor: &Tensor,
    map: TappedMap,
    number: impl Fn(T) -> f32,
) -> TractResult<Activations> {
    let MapSize { height, width, channels } = map.size;
    let view = Map::<T>::of(tensor)?.view();
    let (shape, border) = (view.shape(), view.shape().border);
    if shape != (MapShape { height, width, channels, border }) {
        bail!("a map of {height}x{width}x{channels} is one of {shape:?}");
    }
    let columns = border * channels..(border + width) * channels;
    let rows = view.values().chunks_exact(shape.row_len()).skip(border).take(height);
    let values = rows.flat_map(|row| &row[columns.clone()]).map(|&value| number(value)).collect();
    Ok(Activations { height, width, channels, values })
}
