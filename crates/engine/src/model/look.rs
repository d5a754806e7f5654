//! What a network shows of its computation: which layers can be looked at, and what is seen there for one input.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::{Branch, Probabilities};

/// What can be looked at.
#[derive(Clone, Debug, Default)]
pub struct Views {
    /// The inception modules, in data-flow order.
    pub modules: Vec<ModuleView>,
    /// Whether there are logits: the output is the softmax of a tensor.
    pub logits: bool,
    /// The layer that makes logits of the last map. There is one only if the output is the softmax of a fully connected
    /// layer that reads the mean of each channel over a map: then every square of that map has its exact share of a
    /// logit.
    pub classifier: Option<Arc<Classifier>>,
    /// The gradients of the logits at the maps of modules; none where the way from the modules to the logits has other
    /// layers than there are rules for.
    pub gradients: Option<GradientViews>,
}

/// The modules at whose maps there are gradients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GradientViews {
    /// The first of them, by its index in [`Views::modules`]; all behind it have one too.
    pub first_module: usize,
    /// Memory that the weights for it take once they are asked for and from then on, in bytes.
    pub weights_bytes: u64,
    /// Memory that one takes while it is computed, in bytes.
    pub run_bytes: u64,
}

impl Views {
    /// Memory that what is seen takes, in bytes.
    pub fn bytes(&self, look: &Look) -> u64 {
        let classifier = self.classifier.as_deref();
        let logits = classifier.map_or(0, |classifier| classifier.classes());
        let last = classifier.filter(|_| look.last_map).map_or(0, Classifier::map_values);
        let modules = look.modules.iter().filter_map(|&index| self.modules.get(index));
        let maps: usize = modules.map(ModuleView::values).sum();
        let gradient = self.gradients.filter(|_| look.gradient.is_some());
        let gradient = gradient.map_or(0, |gradients| gradients.run_bytes);
        ((logits + last + maps) * size_of::<f32>()) as u64 + gradient
    }

    /// Whether all that `look` asks for can be seen.
    pub fn show(&self, look: &Look) -> bool {
        let modules = look.modules.iter().all(|&index| index < self.modules.len());
        modules
            && (self.classifier.is_some() || !look.last_map)
            && look.gradient.as_ref().is_none_or(|gradient| self.show_gradient(gradient))
    }

    /// The last module from `first` on whose map is finer than the last map, or the last one; none if there is none.
    pub fn finest_behind(&self, first: usize) -> Option<usize> {
        let modules = self.modules.get(first..)?;
        let size = |module: &ModuleView| (module.height, module.width);
        let last = modules.last()?;
        let finer = modules.iter().rposition(|module| size(module) != size(last));
        Some(first + finer.unwrap_or(modules.len() - 1))
    }

    fn show_gradient(&self, gradient: &GradientOf) -> bool {
        let (Some(views), Some(classifier)) = (self.gradients, &self.classifier) else {
            return false;
        };
        let is_class =
            |class: Option<usize>| class.is_none_or(|class| class < classifier.classes());
        is_class(gradient.class)
            && is_class(gradient.against)
            && gradient
                .modules
                .iter()
                .all(|index| (views.first_module..self.modules.len()).contains(index))
    }
}

/// An inception module whose output can be looked at: `height` x `width` pixels of `channels` values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleView {
    /// As `GET /model/summary` names it.
    pub name: String,
    /// Rows.
    pub height: usize,
    /// Pixels of a row.
    pub width: usize,
    /// Channels that each branch gives, in the order of [`Branch::ALL`].
    pub branches: [usize; 4],
}

impl ModuleView {
    /// Channels of all branches.
    pub fn channels(&self) -> usize {
        self.branches.iter().sum()
    }

    /// The branches, each with its channels.
    pub fn ranges(&self) -> [(Branch, Range<usize>); 4] {
        ranges(self.branches)
    }

    fn values(&self) -> usize {
        self.height * self.width * self.channels()
    }
}

/// The branches of `sizes` channels, each with its channels.
fn ranges(sizes: [usize; 4]) -> [(Branch, Range<usize>); 4] {
    let mut begin = 0;
    let mut next = |index: usize| {
        let range = begin..begin + sizes[index];
        begin = range.end;
        (Branch::ALL[index], range)
    };
    [next(0), next(1), next(2), next(3)]
}

/// The fully connected layer behind the average pooling of the last map:
/// `logit[class] = bias[class] + sum over channels of weight[class, channel] * mean[channel]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Classifier {
    /// Rows and columns of the last map.
    pub size: (usize, usize),
    /// Channels that each branch of the last map's module gives; none if the map is not a module's output.
    pub branches: Option<[usize; 4]>,
    /// Layout `[classes, channels]`.
    weights: Box<[f32]>,
    /// One for each class.
    bias: Box<[f32]>,
}

impl Classifier {
    /// A layer of `weights`, `[classes, channels]`, and `bias`, `[classes]`, behind a map of `size`; none unless there
    /// are as many weights as that makes, and as many channels as `branches` have.
    pub fn new(
        size: (usize, usize),
        branches: Option<[usize; 4]>,
        weights: impl Into<Box<[f32]>>,
        bias: impl Into<Box<[f32]>>,
    ) -> Option<Self> {
        let (weights, bias) = (weights.into(), bias.into());
        let channels = weights.len().checked_div(bias.len())?;
        let fits = channels * bias.len() == weights.len()
            && size.0 * size.1 * channels > 0
            && branches.is_none_or(|sizes| sizes.iter().sum::<usize>() == channels);
        fits.then_some(Self { size, branches, weights, bias })
    }

    /// Classes of the output.
    pub fn classes(&self) -> usize {
        self.bias.len()
    }

    /// Channels of the last map.
    pub fn channels(&self) -> usize {
        self.weights.len() / self.bias.len()
    }

    /// The weights of a class, `[channels]`.
    ///
    /// # Panics
    /// When there is no such class.
    pub fn weights(&self, class: usize) -> &[f32] {
        &self.weights[class * self.channels()..][..self.channels()]
    }

    /// The bias of each class, `[classes]`.
    pub fn bias(&self) -> &[f32] {
        &self.bias
    }

    /// The branches of the last map, each with its channels, if it is a module's output.
    pub fn ranges(&self) -> Option<[(Branch, Range<usize>); 4]> {
        self.branches.map(ranges)
    }

    fn map_values(&self) -> usize {
        self.size.0 * self.size.1 * self.channels()
    }
}

/// What is looked at, beside the probabilities and the logits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// The map that the average pooling reads.
    pub last_map: bool,
    /// Outputs of modules, by their index in [`Views::modules`].
    pub modules: Vec<usize>,
    /// How long each operator takes.
    pub times: bool,
    /// Where the logit of a class changes with the maps of modules.
    pub gradient: Option<GradientOf>,
}

/// A gradient at the maps of modules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GradientOf {
    /// The class whose logit it is of; the most probable if none is named.
    pub class: Option<usize>,
    /// Less that of this class.
    pub against: Option<usize>,
    /// By their index in [`Views::modules`].
    pub modules: Vec<usize>,
}

/// What was seen for one input.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The softmax of the logits.
    pub probabilities: Probabilities,
    /// What the softmax reads, `[classes]`; none if the output of the graph is not the softmax of a tensor.
    pub logits: Option<Box<[f32]>>,
    /// The map that the average pooling reads, if it was asked for.
    pub last_map: Option<Activations>,
    /// In the order of [`Look::modules`].
    pub maps: Vec<Activations>,
    /// Of each operator, in the order in which they ran; empty unless it was asked for.
    pub times: Vec<OperatorTime>,
    /// In the order of [`GradientOf::modules`]; empty unless it was asked for.
    pub gradients: Vec<GradientMap>,
}

/// How much a network is for a class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// The logit, or what it is more than that of another class; the logarithm of the probability where there are no
    /// logits.
    pub value: f32,
    /// Whether it is a logit.
    pub is_logit: bool,
}

impl Score {
    /// What it is, as answers name it.
    pub fn measure(self) -> &'static str {
        if self.is_logit { "logit" } else { "log_probability" }
    }
}

impl Seen {
    /// How much it is for `class`, or more than for `against`.
    pub fn score(&self, class: usize, against: Option<usize>) -> Score {
        let of = |class: usize| match self.logits.as_deref() {
            Some(logits) => logits.get(class).copied().unwrap_or_default(),
            None => {
                let probability = self.probabilities.as_slice().get(class).copied();
                // Finite, also where the probability is too small for a number.
                probability.unwrap_or_default().max(f32::MIN_POSITIVE).ln()
            }
        };
        let value = of(class) - against.map_or(0.0, of);
        Score { value, is_logit: self.logits.is_some() }
    }
}

/// For each pixel of a module's map the sum over its channels of gradient times value (HiResCAM).
#[derive(Clone, Debug, PartialEq)]
pub struct GradientMap {
    /// Rows.
    pub height: usize,
    /// Pixels of a row.
    pub width: usize,
    /// Row by row.
    pub values: Box<[f32]>,
}

/// How long an operator took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorTime {
    /// Its name, as in [`OperatorCount`](super::OperatorCount).
    pub operator: String,
    /// The module that it is, by its index in [`Views::modules`].
    pub module: Option<usize>,
    /// From its call to its return.
    pub time: Duration,
}

/// A map of one input, layout `[height, width, channels]`. In int8 a value is a byte times the scale of the map.
#[derive(Clone, Debug, PartialEq)]
pub struct Activations {
    /// Rows.
    pub height: usize,
    /// Pixels of a row.
    pub width: usize,
    /// Values of a pixel.
    pub channels: usize,
    /// Row by row, pixel by pixel.
    pub values: Box<[f32]>,
}

impl Activations {
    /// The pixels, `[channels]` each, row by row.
    pub fn pixels(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.channels.max(1))
    }
}
