//! From tract's typed model and the layers found in it to the model that runs: demand-driven, from the
//! output to the input.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use super::layers;
use super::layers::{FoundLayer, Layer, Layers, MapSize};
use super::operators::arithmetic::{Float, FloatWeights};
use super::operators::convolution::{Convolution, FullyConnected};
use super::operators::image::Normalise;
use super::operators::inception::{Inception, InceptionShapes};
use super::operators::layout::{ToNchw, ToNhwc};
use super::operators::pooling::{AveragePooling, LocalResponseNorm, MaxPooling};
use super::operators::{Operator, PlanOperator};
use super::team::Team;
use crate::kernels::conv::{Activation, ConvPart, ConvWeights};
use crate::kernels::isa::Isa;
use crate::kernels::map::MapShape;
use crate::model::Preprocessing;

/// What the plan reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Bytes of RGB, `[side, side, 3]`.
    Pixels,
    /// A normalised tensor of f32, `[1, 3, side, side]`.
    Tensor,
}

/// Layers with their packed weights, by the tensor that they write: the plans for both sources share
/// them.
pub(super) type Packed = HashMap<OutletId, Arc<dyn Any + Send + Sync>>;

/// Makes the model that runs.
pub(super) fn wire(
    model: &TypedModel,
    layers: &Layers,
    source: Source,
    preprocessing: &Preprocessing,
    isa: Isa,
    team: &Arc<Team>,
    packed: &mut Packed,
) -> TractResult<TypedModel> {
    let mut wiring = Wiring {
        model,
        layers,
        source,
        preprocessing,
        isa,
        team,
        packed,
        target: TypedModel::default(),
        plain: HashMap::new(),
        maps: HashMap::new(),
    };
    let mut outputs = tvec!();
    for &outlet in model.output_outlets()? {
        outputs.push(wiring.plain(outlet)?);
    }
    wiring.target.select_output_outlets(&outputs)?;
    Ok(wiring.target)
}

struct Wiring<'a> {
    model: &'a TypedModel,
    layers: &'a Layers,
    source: Source,
    preprocessing: &'a Preprocessing,
    isa: Isa,
    team: &'a Arc<Team>,
    packed: &'a mut Packed,
    target: TypedModel,
    /// Tensors as tract has them, NCHW.
    plain: HashMap<OutletId, OutletId>,
    /// The same as maps, NHWC.
    maps: HashMap<OutletId, OutletId>,
}

impl Wiring<'_> {
    /// `outlet` as tract has it.
    fn plain(&mut self, outlet: OutletId) -> TractResult<OutletId> {
        if let Some(&done) = self.plain.get(&outlet) {
            return Ok(done);
        }
        let node = self.model.node(outlet.node);
        let done = match self.layers.at(outlet) {
            Some(FoundLayer { layer: Layer::FullyConnected(_), .. }) => self.layer(outlet)?,
            Some(found) => {
                let input = self.shape(outlet, found.output_size);
                let map = self.map(outlet, found.output_size)?;
                self.add(&node.name, ToNchw { input }, map, "nchw")?
            }
            None if self.model.input_outlets()?.contains(&outlet) => match self.source {
                Source::Tensor => {
                    let fact = self.model.outlet_fact(outlet)?.clone();
                    self.target.add_source(&node.name, fact)?
                }
                Source::Pixels => {
                    let size = self.image();
                    let map = self.map(outlet, size)?;
                    let input = self.shape(outlet, size);
                    self.add(&node.name, ToNchw { input }, map, "nchw")?
                }
            },
            None => {
                let inputs: TractResult<TVec<OutletId>> =
                    node.inputs.iter().map(|&input| self.plain(input)).collect();
                let outputs = self.target.wire_node(&node.name, node.op.clone(), &inputs?)?;
                let slots = outputs.iter().enumerate();
                self.plain.extend(
                    slots.map(|(slot, &output)| (OutletId::new(outlet.node, slot), output)),
                );
                outputs[outlet.slot]
            }
        };
        self.plain.insert(outlet, done);
        Ok(done)
    }

    /// `outlet` as a map with the border that its readers need.
    fn map(&mut self, outlet: OutletId, size: MapSize) -> TractResult<OutletId> {
        if let Some(&done) = self.maps.get(&outlet) {
            return Ok(done);
        }
        let output = self.shape(outlet, size);
        let name = &self.model.node(outlet.node).name;
        let is_image = self.model.input_outlets()?.contains(&outlet);
        let done = if self.layers.at(outlet).is_some() {
            self.layer(outlet)?
        } else if is_image && self.source == Source::Pixels {
            let sizes = [size.height, size.width, size.channels];
            let bytes = self.target.add_source(name, u8::fact(sizes))?;
            let preprocessing = self.preprocessing.clone();
            self.add(name, Normalise { preprocessing, output }, bytes, "normalise")?
        } else {
            let plain = self.plain(outlet)?;
            self.add(name, ToNhwc { output }, plain, "nhwc")?
        };
        self.maps.insert(outlet, done);
        Ok(done)
    }

    fn image(&self) -> MapSize {
        let side = self.preprocessing.side;
        MapSize { height: side, width: side, channels: 3 }
    }

    /// The shape of `outlet` as a map.
    fn shape(&self, outlet: OutletId, size: MapSize) -> MapShape {
        let readers = self.layers.readers(outlet).map(|reader| match &reader.layer {
            Layer::Convolution(convolution) => {
                let (from, to) = (reader.input_size, reader.output_size);
                convolution.geometry.border((from.height, from.width), (to.height, to.width))
            }
            _ => 0,
        });
        let MapSize { height, width, channels } = size;
        MapShape { height, width, channels, border: readers.max().unwrap_or(0) }
    }

    /// The layer that writes `outlet`.
    fn layer(&mut self, outlet: OutletId) -> TractResult<OutletId> {
        let found = self.layers.at(outlet).context("only outputs of layers are asked for")?;
        let input = self.map(found.input, found.input_size)?;
        let from = self.shape(found.input, found.input_size);
        let to = self.shape(outlet, found.output_size);
        let isa = self.isa;
        match &found.layer {
            Layer::Convolution(convolution) => self.share(outlet, input, || Convolution::<Float> {
                weights: float_weights(isa, &[convolution], to.width),
                input: from,
                output: to,
                border: 0.0,
            }),
            Layer::Inception(module) => {
                self.share(outlet, input, || inception(isa, module, from, to))
            }
            &Layer::MaxPooling(window) => {
                self.share(outlet, input, || MaxPooling { isa, window, input: from, output: to })
            }
            &Layer::LocalResponseNorm(parameters) => self.share(outlet, input, || {
                LocalResponseNorm { isa, parameters, input: from, output: to }
            }),
            Layer::AveragePooling => {
                self.share(outlet, input, || AveragePooling { input: from, border: to.border })
            }
            Layer::FullyConnected(classifier) => {
                self.share(outlet, input, || FullyConnected::<Float> {
                    weights: float_weights(isa, &[classifier], 1),
                    channels: from.channels,
                    classes: classifier.output_channels(),
                })
            }
        }
    }

    /// Adds the layer that writes `outlet`; its weights are packed once for all sources.
    fn share<O: Operator>(
        &mut self,
        outlet: OutletId,
        input: OutletId,
        make: impl FnOnce() -> O,
    ) -> TractResult<OutletId> {
        let known = self.packed.get(&outlet).cloned().and_then(|known| known.downcast::<O>().ok());
        let operator = known.unwrap_or_else(|| Arc::new(make()));
        self.packed.insert(outlet, operator.clone());
        let name = self.model.node(outlet.node).name.clone();
        let operator = PlanOperator::new(operator, self.team.clone())?;
        Ok(self.target.wire_node(name, operator, &[input])?[0])
    }

    fn add<O: Operator>(
        &mut self,
        name: &str,
        operator: O,
        input: OutletId,
        what: &str,
    ) -> TractResult<OutletId> {
        let operator = PlanOperator::new(Arc::new(operator), self.team.clone())?;
        Ok(self.target.wire_node(format!("{name}.{what}"), operator, &[input])?[0])
    }
}

/// Convolutions of the same input, packed as one product.
fn float_weights(isa: Isa, parts: &[&layers::Convolution], width: usize) -> FloatWeights {
    let relu = parts.iter().all(|part| part.relu);
    let geometry = parts[0].geometry;
    let parts: Vec<ConvPart<'_>> =
        parts.iter().map(|part| ConvPart { weights: &part.weights, bias: &part.bias }).collect();
    FloatWeights {
        packed: ConvWeights::pack(isa, geometry, &parts, width),
        activation: if relu { Activation::Relu } else { Activation::Identity },
    }
}

fn inception(
    isa: Isa,
    module: &layers::Inception,
    input: MapShape,
    output: MapShape,
) -> Inception<Float> {
    let MapShape { height, width, .. } = input;
    let size = (height, width);
    let map = |channels, border| MapShape { height, width, channels, border };
    let [o_1, o_3, o_5] = [&module.o_1, &module.o_3, &module.o_5].map(|c| c.output_channels());
    let weights = |parts: &[&layers::Convolution]| float_weights(isa, parts, width);
    Inception {
        isa,
        heads: weights(&[&module.o_1, &module.r_3, &module.r_5]),
        o_3: weights(&[&module.o_3]),
        o_5: weights(&[&module.o_5]),
        pool: weights(&[&module.pool]),
        window: module.window,
        shapes: InceptionShapes {
            input,
            reduced_3: map(module.r_3.output_channels(), module.o_3.geometry.border(size, size)),
            reduced_5: map(module.r_5.output_channels(), module.o_5.geometry.border(size, size)),
            pooled: map(input.channels, 0),
            output,
            begin: [o_1, o_1 + o_3, o_1 + o_3 + o_5],
        },
    }
}
