//! The gradient of a logit at the maps of the modules, exactly, without automatic differentiation.
//!
//! Between the first module and the logits there are only convolutions of stride 1 that keep the size of their map,
//! ReLU, max pools and joins. Then come a mean and one product with a matrix. Each has a plain derivative:
//!
//! | layer | gradient at its input |
//! |---|---|
//! | mean over `n` pixels, then the weights `w` of a class | `w / n` at each pixel |
//! | ReLU | that of its output, where the output is above 0 |
//! | convolution | the convolution with the transposed weights, turned by half a turn |
//! | max pool | that of each output, at the first of the largest values of its window |
//! | join | those of its parts, side by side; several readers of a map add up |
//!
//! So the packed convolutions that run the network run its gradient as well. What the ReLU let pass inside a module is
//! read in what the module has left, right after it ran.
//!
//! | file | what it is |
//! |---|---|
//! | `chain` | the modules and pools from the last map back |
//! | `module` | through one module |
//! | `responses` | the transposed weights, from what packed weights answer to impulses |
//! | `pooling` | through a max pool |

mod chain;
mod module;
mod pooling;
mod responses;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use super::operators::MapMemory;
use super::place_operators::{Network, Packed};
use super::team::Team;
use crate::model::{Activations, Classifier, GradientMap};
use chain::Step;
use googlenet_kernels::isa::Isa;
pub(super) use module::Passed;

/// The way back from the logits of a network to its modules.
pub(super) struct Gradient {
    isa: Isa,
    classifier: Arc<Classifier>,
    /// From the last map back; the first is a module.
    steps: Vec<Step>,
}

/// What a module did in a run.
#[derive(Debug)]
pub(super) struct Trace {
    /// What it wrote.
    pub(super) output: Activations,
    /// Where the ReLU inside it let something pass.
    pub(super) passed: Passed,
}

impl Gradient {
    /// The way back from the logits of `classifier`; none if it does not begin with a module.
    pub(super) fn find(
        network: Network<'_>,
        classifier: Option<Arc<Classifier>>,
        packed: &Packed,
        isa: Isa,
    ) -> Option<Self> {
        let steps = chain::steps(network, packed)?;
        Some(Self { isa, classifier: classifier?, steps })
    }

    /// The first module that there is a gradient for, by its index among all; there is one for all behind it.
    pub(super) fn first(&self) -> usize {
        self.modules().map(|module| module.index).min().unwrap_or(usize::MAX)
    }

    /// Memory that the transposed weights take once they are there, in bytes.
    pub(super) fn weights_bytes(&self) -> u64 {
        // Nothing lies before the last of the steps.
        self.modules().map(module::ModuleStep::weights_bytes).rev().skip(1).sum()
    }

    /// Memory that one run takes meanwhile, in bytes.
    pub(super) fn run_bytes(&self) -> u64 {
        self.modules().map(module::ModuleStep::trace_bytes).sum::<u64>()
            + self.modules().map(module::ModuleStep::run_bytes).max().unwrap_or(0)
    }

    /// What the ReLU inside module `index` let pass in the run that has just left its maps in `maps`.
    pub(super) fn passed(&self, index: usize, maps: &MapMemory) -> Option<Passed> {
        self.modules().find(|module| module.index == index)?.passed(maps)
    }

    /// For each of `modules` the gradient of `logit[class]`, less that of `logit[against]`, times the module's map, summed
    /// over the channels of each pixel (HiResCAM: Draelos and Carin 2020). `traces` has one for each module from the first
    /// of `modules` on, by its index.
    pub(super) fn at_modules(
        &self,
        modules: &[usize],
        (class, against): (usize, Option<usize>),
        traces: &[Option<Trace>],
        team: &Team,
    ) -> TractResult<Vec<GradientMap>> {
        let mut found: Vec<Option<GradientMap>> = vec![None; modules.len()];
        if modules.is_empty() {
            return Ok(Vec::new());
        }
        self.walk(
            modules,
            self.weights(class, against),
            traces,
            team,
            |index, output, gradient| {
                for (asked, found) in modules.iter().zip(&mut found) {
                    if *asked == index {
                        *found = Some(times_map(output, gradient));
                    }
                }
            },
        )?;
        found.into_iter().collect::<Option<_>>().context("there is a gradient for each module")
    }

    /// Goes back to the first of `modules`, and shows `see` each module's index, output and gradient on the way.
    fn walk(
        &self,
        modules: &[usize],
        weights: Vec<f32>,
        traces: &[Option<Trace>],
        team: &Team,
        mut see: impl FnMut(usize, &Activations, &[f32]),
    ) -> TractResult<()> {
        let last = modules.iter().copied().min().unwrap_or(usize::MAX);
        let trace = |index: usize| {
            traces.get(index).and_then(Option::as_ref).context("a module on the way was seen")
        };
        let pixels = self.classifier.size.0 * self.classifier.size.1;
        let mut gradient: Vec<f32> = weights.repeat(pixels);
        let mut steps = self.steps.iter().peekable();
        while let Some(step) = steps.next() {
            let Step::Module(module) = step else { continue };
            let written = trace(module.index)?;
            see(module.index, &written.output, &gradient);
            if module.index <= last {
                break;
            }
            // Pools between this module and the one before it.
            let mut pools = Vec::new();
            while let Some(Step::Pool(pool)) = steps.peek() {
                pools.push(*pool);
                steps.next();
            }
            let Some(Step::Module(before)) = steps.peek() else { break };
            let first = &trace(before.index)?.output;
            let mut pooled: Vec<Activations> = Vec::with_capacity(pools.len());
            for pool in pools.iter().rev() {
                let next = pool.forward(self.isa, pooled.last().unwrap_or(first));
                pooled.push(next);
            }
            gradient = module.back(&gradient, written, pooled.last().unwrap_or(first), team);
            for pool in &pools {
                pooled.pop();
                let input = pooled.last().unwrap_or(first);
                let mut before = vec![0.0; input.values.len()];
                pool.back(self.isa, input, &gradient, &mut before);
                gradient = before;
            }
        }
        Ok(())
    }

    /// The gradient at each pixel of the last map.
    fn weights(&self, class: usize, against: Option<usize>) -> Vec<f32> {
        let pixels = (self.classifier.size.0 * self.classifier.size.1) as f32;
        let mut weights = self.classifier.weights(class).to_vec();
        if let Some(other) = against {
            weights.iter_mut().zip(self.classifier.weights(other)).for_each(|(a, b)| *a -= b);
        }
        weights.iter_mut().for_each(|weight| *weight /= pixels);
        weights
    }

    fn modules(&self) -> impl DoubleEndedIterator<Item = &module::ModuleStep> {
        self.steps.iter().filter_map(|step| match step {
            Step::Module(module) => Some(&**module),
            Step::Pool(_) => None,
        })
    }
}

/// The sum over the channels of gradient times map, for each pixel.
fn times_map(map: &Activations, gradient: &[f32]) -> GradientMap {
    let pixels = map.pixels().zip(gradient.chunks_exact(map.channels.max(1)));
    let sums = pixels.map(|(map, gradient)| product(map, gradient) as f32);
    GradientMap { height: map.height, width: map.width, values: sums.collect() }
}

/// The sum of the products of `a` and `b`: hundreds of terms of both signs.
fn product(a: &[f32], b: &[f32]) -> f64 {
    /// Sums side by side: each addition waits only for its own.
    const SUMS: usize = 8;
    let mut sums = [0.0; SUMS];
    for (a, b) in a.chunks(SUMS).zip(b.chunks(SUMS)) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += f64::from(*a) * f64::from(*b);
        }
    }
    sums.iter().sum()
}
