//! Builds the model that runs from tract's typed model and the layers found in it, from the output back to the input.

use std::any::Any;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use super::calibration::ActivationScales;
use super::operators::arithmetic::{Float, Format, Int8, Scales};
use super::operators::convolution::{Convolution, FullyConnected, ToLogits};
use super::operators::image::{Bytes, Normalise, ScaleChannels};
use super::operators::layout::{ToNchw, ToNhwc};
use super::operators::pooling::{AveragePooling, LocalResponseNormalization, MaxPooling};
use super::operators::quantise::{Dequantise, Quantise};
use super::operators::{Operator, PlanOperator};
use super::packing::{InceptionScales, Pack, Part, inception, mean_bytes, pack_on_bytes};
use super::recognition::{self, FoundLayer, InputScaling, Layer, Layers, MapSize};
use super::team::Team;
use crate::model::Preprocessing;
use googlenet_kernels::conv::Int8ConvWeights;
use googlenet_kernels::isa::Isa;
use googlenet_kernels::map::MapShape;

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

/// What the wiring starts from.
#[derive(Clone, Copy)]
pub(super) struct Network<'a> {
    pub(super) model: &'a TypedModel,
    pub(super) layers: &'a Layers,
    pub(super) preprocessing: &'a Preprocessing,
    /// The scales of the activations; where there is none, the layer runs in f32.
    pub(super) scales: &'a ActivationScales,
}

/// Makes the model that runs.
pub(super) fn place_operators(
    network: Network<'_>,
    source: Source,
    isa: Isa,
    team: &Arc<Team>,
    packed: &mut Packed,
) -> TractResult<TypedModel> {
    let Network { model, layers, preprocessing, scales } = network;
    let mut wiring = Wiring {
        model,
        layers,
        source,
        preprocessing,
        scales,
        isa,
        team,
        packed,
        target: TypedModel::default(),
        plain: HashMap::new(),
        maps: HashMap::new(),
        bytes: None,
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
    scales: &'a ActivationScales,
    isa: Isa,
    team: &'a Arc<Team>,
    packed: &'a mut Packed,
    target: TypedModel,
    /// Tensors as tract has them, NCHW.
    plain: HashMap<OutletId, OutletId>,
    /// The same as maps, NHWC.
    maps: HashMap<(OutletId, Format), OutletId>,
    /// The photo, for a plan that reads one.
    bytes: Option<OutletId>,
}

impl Wiring<'_> {
    /// `outlet` as tract has it.
    fn plain(&mut self, outlet: OutletId) -> TractResult<OutletId> {
        if let Some(&done) = self.plain.get(&outlet) {
            return Ok(done);
        }
        let node = self.model.node(outlet.node);
        let done = match self.layers.at(outlet) {
            Some(found @ FoundLayer { layer: Layer::FullyConnected(_), .. }) => {
                self.layer(found)?
            }
            Some(found) => {
                let input = self.shape(outlet, found.output_size);
                let map = self.map(outlet, found.output_size, Format::Float)?;
                self.add(&node.name, ToNchw { input }, map, "nchw")?
            }
            None if self.model.input_outlets()?.contains(&outlet) => match self.source {
                Source::Tensor => {
                    let fact = self.model.outlet_fact(outlet)?.clone();
                    self.target.add_source(&node.name, fact)?
                }
                Source::Pixels => {
                    let size = self.image();
                    let map = self.map(outlet, size, Format::Float)?;
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
    fn map(&mut self, outlet: OutletId, size: MapSize, format: Format) -> TractResult<OutletId> {
        if let Some(&done) = self.maps.get(&(outlet, format)) {
            return Ok(done);
        }
        let shape = self.shape(outlet, size);
        let name = &self.model.node(outlet.node).name;
        let native = self.format(outlet);
        let done = if let Some(preprocessing) = self.photo(outlet) {
            self.normalised(name, shape, preprocessing, format)?
        } else if format != native {
            let map = self.map(outlet, size, native)?;
            let scale =
                self.scales.at(outlet).context("only maps of known scales are quantised")?;
            match format {
                Format::Int8 => self.add(name, Quantise { shape, scale }, map, "quantise")?,
                Format::Float => self.add(name, Dequantise { shape, scale }, map, "dequantise")?,
            }
        } else if let Some(found) = self.layers.at(outlet) {
            self.layer(found)?
        } else {
            let plain = self.plain(outlet)?;
            self.add(name, ToNhwc { output: shape }, plain, "nhwc")?
        };
        self.maps.insert((outlet, format), done);
        Ok(done)
    }

    /// How `outlet` is made of a photo's bytes: it is the network's input, or that scaled.
    fn photo(&self, outlet: OutletId) -> Option<Preprocessing> {
        let inputs = self.model.input_outlets().unwrap_or_default();
        match self.layers.at(outlet).map(|found| &found.layer) {
            _ if self.source != Source::Pixels => None,
            Some(Layer::InputScaling(scaling)) => Some(scaling.after(self.preprocessing)),
            _ => inputs.contains(&outlet).then(|| self.preprocessing.clone()),
        }
    }

    fn normalised(
        &mut self,
        name: &str,
        output: MapShape,
        preprocessing: Preprocessing,
        format: Format,
    ) -> TractResult<OutletId> {
        let bytes = match self.bytes {
            Some(bytes) => bytes,
            None => {
                let sizes = [output.height, output.width, output.channels];
                *self.bytes.insert(self.target.add_source("photo", u8::fact(sizes))?)
            }
        };
        match format {
            Format::Float => {
                self.add(name, Normalise { preprocessing, output }, bytes, "normalise")
            }
            Format::Int8 => {
                let border = mean_bytes(&preprocessing).context("bytes hold the mean")?;
                self.add(name, Bytes { border, output }, bytes, "bytes")
            }
        }
    }

    /// The format that `outlet` is computed in.
    fn format(&self, outlet: OutletId) -> Format {
        let Some(found) = self.layers.at(outlet) else { return Format::Float };
        let from = self.scales.at(found.input).is_some();
        let to = self.scales.at(outlet).is_some();
        let fits =
            |part: &recognition::Convolution| part.geometry.run() >= Int8ConvWeights::LEAST_RUN;
        let int8 = match &found.layer {
            Layer::Convolution(part) => {
                let photo = self.photo(found.input);
                let from = photo.map_or(from, |photo| mean_bytes(&photo).is_some());
                from && to && fits(part)
            }
            Layer::InputScaling(_) => false,
            Layer::Inception(module) => from && to && module.convolutions().into_iter().all(fits),
            Layer::FullyConnected(part) => from && fits(part),
            Layer::MaxPooling(_) | Layer::LocalResponseNormalization(_) | Layer::AveragePooling => {
                from && to
            }
        };
        if int8 { Format::Int8 } else { Format::Float }
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

    /// Adds a layer, in the format that it runs in.
    fn layer(&mut self, found: &FoundLayer) -> TractResult<OutletId> {
        if self.format(found.output) == Format::Float {
            return self.layer_in::<Float>(found);
        }
        if let Layer::Convolution(first) = &found.layer
            && let Some(preprocessing) = self.photo(found.input)
        {
            return self.first_on_bytes(found, first, &preprocessing);
        }
        self.layer_in::<Int8>(found)
    }

    /// The first layer in int8: the bytes of a photo are its map as they are.
    fn first_on_bytes(
        &mut self,
        found: &FoundLayer,
        first: &recognition::Convolution,
        preprocessing: &Preprocessing,
    ) -> TractResult<OutletId> {
        let input = self.map(found.input, found.input_size, Format::Int8)?;
        let (from, to) = self.shapes(found);
        let (isa, scale) = (self.isa, self.scale(found.output));
        self.share(found.output, input, || Convolution::<Int8> {
            weights: pack_on_bytes(isa, first, preprocessing, scale, to.width),
            input: from,
            output: to,
        })
    }

    fn layer_in<A: Pack + ToLogits>(&mut self, found: &FoundLayer) -> TractResult<OutletId> {
        let input = self.map(found.input, found.input_size, A::FORMAT)?;
        let (from, to) = self.shapes(found);
        let (isa, outlet) = (self.isa, found.output);
        let scales = Scales { input: self.scale(found.input), output: self.scale(outlet) };
        match &found.layer {
            &Layer::InputScaling(InputScaling { factor, term }) => {
                self.share(outlet, input, || ScaleChannels {
                    factor,
                    term,
                    input: from,
                    output: to,
                })
            }
            Layer::Convolution(convolution) => self.share(outlet, input, || Convolution::<A> {
                weights: A::pack(isa, &[Part { convolution, scales }], to.width),
                input: from,
                output: to,
            }),
            Layer::Inception(module) => {
                let scales = InceptionScales {
                    input: scales.input,
                    reduced_3: self.scale(module.r_3.output),
                    reduced_5: self.scale(module.r_5.output),
                    output: scales.output,
                };
                self.share(outlet, input, || inception::<A>(isa, module, scales, from, to))
            }
            &Layer::MaxPooling(window) => self.share(outlet, input, || MaxPooling::<A::Element> {
                isa,
                window,
                input: from,
                output: to,
                element: PhantomData,
            }),
            &Layer::LocalResponseNormalization(parameters) => {
                self.share(outlet, input, || LocalResponseNormalization::<A> {
                    isa,
                    parameters,
                    scales,
                    input: from,
                    output: to,
                    arithmetic: PhantomData,
                })
            }
            Layer::AveragePooling => self.share(outlet, input, || AveragePooling::<A> {
                scales,
                input: from,
                border: to.border,
                arithmetic: PhantomData,
            }),
            Layer::FullyConnected(convolution) => {
                // Logits are f32.
                let scales = Scales { output: 1.0, ..scales };
                self.share(outlet, input, || FullyConnected::<A> {
                    weights: A::pack(isa, &[Part { convolution, scales }], 1),
                    channels: from.channels,
                    classes: convolution.output_channels(),
                })
            }
        }
    }

    fn shapes(&self, found: &FoundLayer) -> (MapShape, MapShape) {
        let input = self.shape(found.input, found.input_size);
        (input, self.shape(found.output, found.output_size))
    }

    /// The scale of `outlet`; nobody asks for it where the numbers are f32.
    fn scale(&self, outlet: OutletId) -> f32 {
        self.scales.at(outlet).unwrap_or(1.0)
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
        let operator = PlanOperator::new(operator, self.team.clone());
        Ok(self.target.wire_node(name, operator, &[input])?[0])
    }

    fn add<O: Operator>(
        &mut self,
        name: &str,
        operator: O,
        input: OutletId,
        what: &str,
    ) -> TractResult<OutletId> {
        let operator = PlanOperator::new(Arc::new(operator), self.team.clone());
        Ok(self.target.wire_node(format!("{name}.{what}"), operator, &[input])?[0])
    }
}
