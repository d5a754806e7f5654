//! Gradients against finite differences, and against the exact shares of the last map.

use std::collections::HashMap;
use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::nn::Softmax;
use tract_onnx::tract_core::ops::source::TypedSource;
use tract_onnx::tract_core::plan::eval;

use super::pooling::Pool;
use super::{Gradient, Trace};
use crate::model::{
    Activations, Engine, GradientMap, GradientOf, Input, Look, Pixels, Preprocessing, Seen,
};
use crate::network::seeded::seeded_model;
use crate::network::{GoogLeNet, ParsedGraph};
use crate::plan::calibration::ActivationScales;
use crate::plan::load::typed_model;
use crate::plan::operators::{MapMemory, map_memory};
use crate::plan::place_operators::{Network, Source, place_operators};
use crate::plan::recognition::{self, Convolution, FoundLayer, Layer, Layers};
use crate::plan::sighted::Sighted;
use crate::plan::taps::Sights;
use crate::plan::{Calibrator, FastPlan, Team};
use googlenet_kernels::isa::Isa;

const SIDE: usize = 64;
const CLASSES: usize = 10;
const MODULES: usize = 9;

fn graph() -> ParsedGraph {
    ParsedGraph::parse(&seeded_model(&GoogLeNet::new(SIDE, CLASSES).unwrap(), 3)).unwrap()
}

fn preprocessing() -> Preprocessing {
    Preprocessing { side: SIDE, ..Preprocessing::bvlc() }
}

fn team() -> Arc<Team> {
    Arc::new(Team::new(2).unwrap())
}

fn photo(seed: usize) -> Input {
    let bytes = (0..SIDE * SIDE * 3).map(|i| ((i * 31 + i / 97 * 7 + seed * 13) % 256) as u8);
    Input::Pixels(Pixels::new(SIDE, bytes.collect::<Vec<_>>()).unwrap())
}

fn look(plan: &FastPlan, photo: &Input, of: GradientOf) -> Seen {
    let look = Look { last_map: true, gradient: Some(of), ..Look::default() };
    plan.session().unwrap().look(photo, &look).unwrap()
}

fn all_modules(class: Option<usize>, against: Option<usize>) -> GradientOf {
    GradientOf { class, against, modules: (0..MODULES).collect() }
}

/// Each square's share of a logit, or of the difference of two.
fn shares(plan: &FastPlan, map: &Activations, class: usize, against: Option<usize>) -> Vec<f32> {
    let classifier = plan.views().classifier.unwrap();
    let squares = (map.height * map.width) as f32;
    let product = |class: usize, pixel: &[f32]| -> f32 {
        classifier.weights(class).iter().zip(pixel).map(|(w, x)| w * x).sum::<f32>() / squares
    };
    map.pixels()
        .map(|pixel| product(class, pixel) - against.map_or(0.0, |against| product(against, pixel)))
        .collect()
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |most, value| most.max(value.abs()))
}

/// The largest difference, by the largest value.
fn apart(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let apart: Vec<f32> = found.iter().zip(expected).map(|(a, b)| a - b).collect();
    largest(&apart) / largest(expected)
}

#[test]
fn at_the_last_module_it_is_the_share_of_each_square() {
    for isa in Isa::available() {
        let plan = FastPlan::load(&graph(), &preprocessing(), isa, team()).unwrap();
        assert_eq!(plan.views().gradients.unwrap().first_module, 0);
        for (class, against) in [(None, None), (Some(4), None), (Some(4), Some(7))] {
            let seen = look(&plan, &photo(1), all_modules(class, against));
            let class = class.unwrap_or_else(|| seen.probabilities.best());
            let expected = shares(&plan, &seen.last_map.unwrap(), class, against);
            let apart = apart(&seen.gradients[MODULES - 1].values, &expected);
            assert!(apart <= 1e-3, "{isa:?}: {apart}");
        }
    }
}

/// One module alone, all together, and whatever the order: the same map.
#[test]
fn a_module_gets_the_same_alone() {
    let plan = FastPlan::load(&graph(), &preprocessing(), Isa::best(), team()).unwrap();
    let all = look(&plan, &photo(2), all_modules(Some(3), None)).gradients;
    for module in [8, 6, 0] {
        let of = GradientOf { class: Some(3), against: None, modules: vec![module, 8] };
        let two = look(&plan, &photo(2), of).gradients;
        assert_eq!(two, [all[module].clone(), all[8].clone()]);
    }
    let black = Input::Pixels(Pixels::new(SIDE, vec![0; 3 * SIDE * SIDE]).unwrap());
    let of_black = look(&plan, &black, all_modules(None, None)).gradients;
    assert!(of_black.iter().all(|map| map.values.iter().all(|value| value.is_finite())));
}

#[test]
fn what_there_is_no_gradient_of_is_refused() {
    let plan = FastPlan::load(&graph(), &preprocessing(), Isa::best(), team()).unwrap();
    for of in [
        GradientOf { modules: vec![MODULES], ..GradientOf::default() },
        GradientOf { class: Some(CLASSES), ..GradientOf::default() },
        GradientOf { against: Some(CLASSES), ..GradientOf::default() },
    ] {
        let look = Look { gradient: Some(of), ..Look::default() };
        assert!(plan.session().unwrap().look(&photo(1), &look).is_err(), "{look:?}");
    }
}

/// In int8 the gradient runs in f32 on the maps of int8: like that of f32, and exact in the last map.
#[test]
fn int8_gives_nearly_that_of_f32() {
    let (graph, preprocessing) = (graph(), preprocessing());
    let mut calibrator = Calibrator::new(&graph, &preprocessing).unwrap();
    (0..8).for_each(|seed| calibrator.observe(&photo(seed)).unwrap());
    let table = calibrator.finish();
    let float = FastPlan::load(&graph, &preprocessing, Isa::best(), team()).unwrap();
    let expected = look(&float, &photo(1), all_modules(Some(2), None)).gradients;
    for isa in Isa::available() {
        let plan = FastPlan::load_int8(&graph, &preprocessing, isa, team(), &table).unwrap();
        let seen = look(&plan, &photo(1), all_modules(Some(2), None));
        let of_last = shares(&plan, &seen.last_map.unwrap(), 2, None);
        assert!(apart(&seen.gradients[MODULES - 1].values, &of_last) <= 1e-3, "{isa:?}");
        let alike: Vec<f32> = seen
            .gradients
            .iter()
            .zip(&expected)
            .map(|(found, expected)| alike(found, expected))
            .collect();
        // A seeded network takes small differences of large values: what bytes round away adds up from module to module
        // on the way back.
        assert!(alike[MODULES - 2..].iter().all(|&alike| alike > 0.9), "{isa:?}: {alike:?}");
        assert!(alike.iter().all(|&alike| alike > 0.3), "{isa:?}: {alike:?}");
    }
}

/// The cosine of the angle between two maps.
fn alike(a: &GradientMap, b: &GradientMap) -> f32 {
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    product(&a.values, &b.values)
        / (product(&a.values, &a.values) * product(&b.values, &b.values)).sqrt()
}

/// What the class's logit is, computed by tract from the map of a module on.
struct Rest {
    plan: Arc<TypedRunnableModel>,
    class: usize,
}

impl Rest {
    fn of(model: &TypedModel, map: OutletId, class: usize) -> Self {
        let mut model = model.clone();
        let softmax = model.nodes().iter().find(|node| node.op_is::<Softmax>()).unwrap();
        let logits = softmax.inputs[0];
        let fact = model.outlet_fact(map).unwrap().clone();
        for input in std::mem::take(&mut model.nodes[map.node].inputs) {
            let readers = &mut model.nodes[input.node].outputs[input.slot].successors;
            readers.retain(|reader| reader.node != map.node);
        }
        model.nodes[map.node].op = Box::new(TypedSource::new(fact));
        model.set_input_outlets(&[map]).unwrap();
        model.select_output_outlets(&[logits]).unwrap();
        let plan = model.into_optimized().unwrap().into_runnable().unwrap();
        Self { plan, class }
    }

    /// `map` plus `step` times `direction`, NHWC both.
    fn logit(&self, map: &Activations, direction: &[f32], step: f64) -> f64 {
        let Activations { height, width, channels, values } = map;
        let mut planes = vec![0.0; values.len()];
        for (index, (value, direction)) in values.iter().zip(direction).enumerate() {
            let (pixel, channel) = (index / channels, index % channels);
            planes[channel * height * width + pixel] =
                (f64::from(*value) + step * f64::from(*direction)) as f32;
        }
        let input = Tensor::from_shape(&[1, *channels, *height, *width], &planes).unwrap();
        let output = self.plan.run(tvec!(input.into())).unwrap();
        let logits = output[0].to_plain_array_view::<f32>().unwrap();
        f64::from(*logits.iter().nth(self.class).unwrap())
    }
}

/// A run of the seeded network whose modules were traced.
struct Traced {
    model: TypedModel,
    layers: Layers,
    gradient: Gradient,
    traces: Vec<Option<Trace>>,
    team: Arc<Team>,
}

impl Traced {
    fn new() -> Self {
        let (graph, preprocessing) = (graph(), preprocessing());
        let model = typed_model(&graph, SIDE).unwrap();
        let layers = Layers::find(&model).unwrap();
        let scales = ActivationScales::default();
        let network = Network {
            model: &model,
            layers: &layers,
            preprocessing: &preprocessing,
            scales: &scales,
        };
        let (team, isa) = (team(), Isa::best());
        let sights = Sights::find(network);
        let mut packed = HashMap::new();
        let placed = place_operators(network, Source::Pixels, isa, &team, &mut packed).unwrap();
        let runnable = placed.into_optimized().unwrap().into_runnable().unwrap();
        let taps = sights.taps(&model, runnable.model());
        let gradient = Gradient::find(network, sights.views().classifier, &packed, isa).unwrap();
        let look = Look { gradient: Some(all_modules(Some(0), None)), ..Look::default() };
        let mut sighted = Sighted::nothing(&taps, &look, Some(&gradient));
        let Input::Pixels(pixels) = photo(5) else { unreachable!("a photo is pixels") };
        let input = Tensor::from_shape(&[SIDE, SIDE, 3], pixels.as_bytes()).unwrap();
        let mut state = runnable.spawn().unwrap();
        state.turn_state.shared.insert(MapMemory::default());
        state
            .run_plan_with_eval(tvec!(input.into()), |context, mut state, node, inputs| {
                let outputs = eval(context, state.as_deref_mut(), node, inputs)?;
                sighted.after(node, &outputs, map_memory(context), std::time::Duration::ZERO)?;
                TractResult::Ok(outputs)
            })
            .unwrap();
        let traces = sighted.into_traces();
        Self { model, layers, gradient, traces, team }
    }

    fn modules(&self) -> Vec<(OutletId, &recognition::Inception)> {
        let module = |found: &'_ FoundLayer| match &found.layer {
            Layer::Inception(_) => Some(found.output),
            _ => None,
        };
        let outputs: Vec<OutletId> = self.layers.iter().filter_map(module).collect();
        let of = |output: OutletId| match &self.layers.at(output).unwrap().layer {
            Layer::Inception(module) => (output, &**module),
            other => panic!("{other:?} is no module"),
        };
        outputs.into_iter().map(of).collect()
    }
}

/// A map as plain loops have it.
fn convolved(map: &Activations, convolution: &Convolution) -> Activations {
    let (kernel, outputs) = (convolution.geometry.kernel.0, convolution.output_channels());
    let mut values = vec![0.0; map.height * map.width * outputs];
    for_taps(map.height, map.width, kernel, |to, from, tap| {
        for output in 0..outputs {
            for input in 0..map.channels {
                let weight =
                    convolution.weights[(output * map.channels + input) * kernel * kernel + tap];
                values[to * outputs + output] += weight * map.values[from * map.channels + input];
            }
        }
    });
    for pixel in values.chunks_mut(outputs) {
        pixel.iter_mut().zip(&convolution.bias).for_each(|(v, bias)| *v = (*v + bias).max(0.0));
    }
    Activations { height: map.height, width: map.width, channels: outputs, values: values.into() }
}

/// The gradient at the input of a convolution with its ReLU, whose output is `written`.
fn back(
    written: &[f32],
    gradient: &[f32],
    map: &Activations,
    convolution: &Convolution,
) -> Vec<f32> {
    let (kernel, outputs) = (convolution.geometry.kernel.0, convolution.output_channels());
    let mut values = vec![0.0; map.values.len()];
    for_taps(map.height, map.width, kernel, |to, from, tap| {
        for output in (0..outputs).filter(|output| written[to * outputs + output] > 0.0) {
            for input in 0..map.channels {
                let weight =
                    convolution.weights[(output * map.channels + input) * kernel * kernel + tap];
                values[from * map.channels + input] += weight * gradient[to * outputs + output];
            }
        }
    });
    values
}

/// Each pixel of the output, each pixel of the input that it reads, and through which tap.
fn for_taps(height: usize, width: usize, kernel: usize, mut take: impl FnMut(usize, usize, usize)) {
    for (to, tap) in (0..height * width).flat_map(|to| (0..kernel * kernel).map(move |t| (to, t))) {
        let row = (to / width + tap / kernel).checked_sub(kernel / 2).filter(|row| *row < height);
        let column = (to % width + tap % kernel).checked_sub(kernel / 2).filter(|at| *at < width);
        if let (Some(row), Some(column)) = (row, column) {
            take(to, row * width + column, tap);
        }
    }
}

/// Branch by branch, plain loops over the weights of the file give the same.
#[test]
fn plain_loops_agree() {
    let traced = Traced::new();
    let modules = traced.modules();
    let trace = |index: usize| traced.traces[index].as_ref().unwrap();
    // The last module and one before it read the maps of modules, without a pool between.
    for index in [8, 6, 5] {
        let step = traced.gradient.modules().find(|step| step.index == index).unwrap();
        let (input, output) = (&trace(index - 1).output, &trace(index).output);
        let module = modules[index].1;
        let sizes =
            [&module.o_1, &module.o_3, &module.o_5, &module.pool].map(|p| p.output_channels());
        let mut first = 0;
        for (branch, size) in sizes.into_iter().enumerate() {
            let channels = first..first + size;
            first += size;
            let value = |at: usize| ((at * 7919 % 2003) as f32 - 1001.0) / 1001.0;
            let gradient: Vec<f32> = (0..output.values.len())
                .map(|at| if channels.contains(&(at % output.channels)) { value(at) } else { 0.0 })
                .collect();
            let own = |values: &[f32]| -> Vec<f32> {
                let pixels = values.chunks(output.channels);
                pixels.flat_map(|pixel| pixel[channels.clone()].to_vec()).collect()
            };
            let (written, of_branch) = (own(&output.values), own(&gradient));
            let reduced = |reduction: &Convolution, last: &Convolution| {
                let map = convolved(input, reduction);
                let at_map = back(&written, &of_branch, &map, last);
                back(&map.values, &at_map, input, reduction)
            };
            let expected = match branch {
                0 => back(&written, &of_branch, input, &module.o_1),
                1 => reduced(&module.r_3, &module.o_3),
                2 => reduced(&module.r_5, &module.o_5),
                _ => {
                    let output = (input.height, input.width);
                    let pool = Pool { geometry: module.window, output };
                    let pooled = pool.forward(Isa::best(), input);
                    let at_pooled = back(&written, &of_branch, &pooled, &module.pool);
                    let mut at_input = vec![0.0; input.values.len()];
                    pool.back(Isa::best(), input, &at_pooled, &mut at_input);
                    at_input
                }
            };
            let found = step.back(&gradient, trace(index), input, &*traced.team);
            let apart = apart(&found, &expected);
            assert!(apart <= 1e-3, "module {index}, branch {branch}: {apart}");
        }
    }
}

/// Along random halves of the channels, which change together with what they are: the change of the logit is the sum of
/// gradient times change, within 1 % of the sum of its terms without their signs.
///
/// A channel changes everywhere or nowhere. In a map of 2x2 pixels every window of a module's pool is the whole map, so
/// the channels of its fourth branch have the same value at all pixels, and the next module's pool has no derivative where
/// only some of these change.
#[test]
fn finite_differences_agree() {
    const CLASS: usize = 6;
    // The filters of a seeded network sum to zero: half of a map moves them far, over many a ReLU's edge. Much smaller,
    // and f32 rounds the difference away.
    const STEP: f64 = 2e-4;
    let traced = Traced::new();
    let modules = traced.modules();
    let (gradient, team) = (&traced.gradient, &traced.team);
    let every: Vec<usize> = (0..MODULES).collect();
    let mut compared = 0;
    let weights = gradient.weights(CLASS, None);
    gradient
        .walk(&every, weights, &traced.traces, team, |module, map, gradient| {
            let rest = Rest::of(&traced.model, modules[module].0, CLASS);
            for half in 0..6_usize {
                let is_in = |index: usize| ((index * 2_654_435_761) >> (7 + half)) & 1 == 0;
                let direction: Vec<f32> = (map.values.iter().enumerate())
                    .map(|(index, &value)| if is_in(index % map.channels) { value } else { 0.0 })
                    .collect();
                let terms = gradient.iter().zip(&direction).map(|(g, d)| f64::from(*g) * f64::from(*d));
                let terms: Vec<f64> = terms.collect();
                let (expected, whole) =
                    (terms.iter().sum::<f64>(), terms.iter().map(|term| term.abs()).sum::<f64>());
                let ahead = rest.logit(map, &direction, STEP);
                let behind = rest.logit(map, &direction, -STEP);
                let found = (ahead - behind) / (2.0 * STEP);
                assert!(
                    (found - expected).abs() <= 0.01 * whole && whole > 0.0,
                    "module {module}, half {half}: {found} by differences, {expected} by the gradient, {whole} in all"
                );
                compared += 1;
            }
        })
        .unwrap();
    assert_eq!(compared, 6 * MODULES);
}
