//! Every module written out as its single layers, with the maps between them.
//!
//! A map is square, and a layer changes its side in one of two ways:
//!
//! - a convolution with kernel `k`, stride `s` and 'same' padding `p = (k - 1) / 2` gives
//!   `floor((side + 2p - k) / s) + 1`, which is `side` when `s` is 1;
//! - max pooling 3x3 with stride 2 gives `ceil((side - 3) / 2) + 1`. Caffe rounds up, so that a
//!   last window which reaches one pixel over the edge still counts; most other frameworks round
//!   down and would lose a row. ONNX says the same with a padding of one pixel at the end, but
//!   only where the window does reach over: an odd side fits exactly and needs none.

use super::description::{GoogLeNet, Inception, Kind, Module};
use crate::model::Branch;

/// A map between two layers: `side` x `side` pixels of `channels` values. Behind the average pooling
/// the side is 1, and the map is a vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FeatureMap {
    /// Width and height in pixels.
    pub side: usize,
    /// Values at each pixel.
    pub channels: usize,
}

/// A square window that slides over a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Width and height in pixels.
    pub kernel: usize,
    /// Step in pixels.
    pub stride: usize,
    /// Pixels added above and left of the map.
    pub pad_begin: usize,
    /// Pixels added below and right of the map.
    pub pad_end: usize,
}

impl Window {
    /// 'Same' padding: with stride 1 the map keeps its side. `kernel` is odd.
    const fn same(kernel: usize, stride: usize) -> Self {
        let pad = (kernel - 1) / 2;
        Self { kernel, stride, pad_begin: pad, pad_end: pad }
    }

    /// Caffe's ceil mode on a map of `side` pixels, at least 2, with kernel 3 and stride 2.
    const fn halving(side: usize) -> Self {
        Self { kernel: 3, stride: 2, pad_begin: 0, pad_end: (side + 1) % 2 }
    }

    /// The side that a map of `side` pixels comes out with.
    const fn output_side(self, side: usize) -> usize {
        (side + self.pad_begin + self.pad_end - self.kernel) / self.stride + 1
    }
}

/// What a layer computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Convolution with bias, then ReLU.
    Convolution(Window),
    /// Maximum of each window; padding counts as minus infinity.
    MaxPooling(Window),
    /// See [`Kind::LocalResponseNormalization`].
    LocalResponseNormalization,
    /// Joins several maps along the channels.
    Concatenation,
    /// Mean of the whole map.
    AveragePooling(Window),
    /// See [`Kind::Dropout`].
    Dropout,
    /// Fully connected layer with bias.
    FullyConnected,
    /// See [`Kind::Softmax`].
    Softmax,
}

impl Operation {
    /// The window that slides over the map, if one does.
    pub fn window(self) -> Option<Window> {
        match self {
            Self::Convolution(window) | Self::MaxPooling(window) | Self::AveragePooling(window) => {
                Some(window)
            }
            _ => None,
        }
    }
}

/// One layer of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The name in the BVLC file, as `inception_3a/3x3_reduce`.
    pub name: String,
    /// The module that it belongs to.
    pub module: &'static str,
    /// The branch, in an inception module.
    pub branch: Option<Branch>,
    /// What it computes.
    pub operation: Operation,
    /// The layers that it reads, as indices in [`GoogLeNet::layers`]; none: the image.
    pub reads: Vec<usize>,
    /// The map that it reads; for a concatenation, the joined one.
    pub input: FeatureMap,
    /// The map that it gives.
    pub output: FeatureMap,
}

impl GoogLeNet {
    /// The layers in data-flow order: each reads only what stands before it.
    pub fn layers(&self) -> Vec<Layer> {
        let image = FeatureMap { side: self.side(), channels: Self::IMAGE_CHANNELS };
        let mut writing = Writing { layers: Vec::new(), image };
        for module in self.modules() {
            writing.module(*module);
        }
        writing.layers
    }
}

impl Inception {
    /// The layers of this module alone on a map `input`; the branches read nothing before them.
    pub(super) fn layers(self, input: FeatureMap) -> Vec<Layer> {
        let mut writing = Writing { layers: Vec::new(), image: input };
        writing.module(Module { name: "inception", kind: Kind::Inception(self) });
        writing.layers
    }
}

/// The layers written so far; a module reads the last of them, or the image.
struct Writing {
    layers: Vec<Layer>,
    image: FeatureMap,
}

/// What the next layer reads: an index in the layers, or the image, and its map.
#[derive(Clone, Copy)]
struct Source {
    layer: Option<usize>,
    map: FeatureMap,
}

impl Writing {
    fn last(&self) -> Source {
        match self.layers.last() {
            Some(layer) => Source { layer: Some(self.layers.len() - 1), map: layer.output },
            None => Source { layer: None, map: self.image },
        }
    }

    fn module(&mut self, Module { name, kind }: Module) {
        let from = self.last();
        let FeatureMap { side, channels } = from.map;
        let (operation, output) = match kind {
            Kind::Inception(six) => return self.inception(name, six),
            Kind::Convolution { outputs, kernel, stride } => {
                let window = Window::same(kernel, stride);
                (Operation::Convolution(window), window.map(side, outputs))
            }
            Kind::MaxPooling => {
                let window = Window::halving(side);
                (Operation::MaxPooling(window), window.map(side, channels))
            }
            Kind::AveragePooling => {
                let window = Window { kernel: side, stride: 1, pad_begin: 0, pad_end: 0 };
                (Operation::AveragePooling(window), window.map(side, channels))
            }
            Kind::FullyConnected { outputs } => {
                (Operation::FullyConnected, FeatureMap { side: 1, channels: outputs })
            }
            Kind::LocalResponseNormalization => (Operation::LocalResponseNormalization, from.map),
            Kind::Dropout => (Operation::Dropout, from.map),
            Kind::Softmax => (Operation::Softmax, from.map),
        };
        self.layers.push(Layer {
            name: name.to_owned(),
            module: name,
            branch: None,
            operation,
            reads: from.layer.into_iter().collect(),
            input: from.map,
            output,
        });
    }

    fn inception(&mut self, module: &'static str, six: Inception) {
        let input = self.last();
        let one = self.branch(module, Branch::One, input, "1x1", (1, six.o_1));

        let reduced = self.branch(module, Branch::Three, input, "3x3_reduce", (1, six.r_3));
        let three = self.branch(module, Branch::Three, reduced, "3x3", (3, six.o_3));

        let reduced = self.branch(module, Branch::Five, input, "5x5_reduce", (1, six.r_5));
        let five = self.branch(module, Branch::Five, reduced, "5x5", (5, six.o_5));

        let pooled = self.pool(module, input);
        let pool = self.branch(module, Branch::Pool, pooled, "pool_proj", (1, six.pool));

        let joined = FeatureMap { side: input.map.side, channels: six.outputs() };
        self.layers.push(Layer {
            name: format!("{module}/output"),
            module,
            branch: None,
            operation: Operation::Concatenation,
            reads: [one, three, five, pool].into_iter().filter_map(|from| from.layer).collect(),
            input: joined,
            output: joined,
        });
    }

    /// A convolution of stride 1 in a branch: `(kernel, outputs)`.
    fn branch(
        &mut self,
        module: &'static str,
        branch: Branch,
        from: Source,
        name: &str,
        (kernel, outputs): (usize, usize),
    ) -> Source {
        self.layers.push(Layer {
            name: format!("{module}/{name}"),
            module,
            branch: Some(branch),
            operation: Operation::Convolution(Window::same(kernel, 1)),
            reads: from.layer.into_iter().collect(),
            input: from.map,
            output: FeatureMap { side: from.map.side, channels: outputs },
        });
        self.last()
    }

    /// The max pooling of a module: unlike that between the modules it keeps the map's side.
    fn pool(&mut self, module: &'static str, from: Source) -> Source {
        self.layers.push(Layer {
            name: format!("{module}/pool"),
            module,
            branch: Some(Branch::Pool),
            operation: Operation::MaxPooling(Window::same(3, 1)),
            reads: from.layer.into_iter().collect(),
            input: from.map,
            output: from.map,
        });
        self.last()
    }
}

impl Window {
    fn map(self, side: usize, channels: usize) -> FeatureMap {
        FeatureMap { side: self.output_side(side), channels }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Output side of each module of Table 1, in the order of the layers that change it.
    fn sides(network: &GoogLeNet) -> Vec<usize> {
        let mut sides: Vec<_> = network.layers().iter().map(|layer| layer.output.side).collect();
        sides.dedup();
        sides
    }

    #[test]
    fn maps_are_those_of_table_1() {
        assert_eq!(sides(&GoogLeNet::default()), [112, 56, 28, 14, 7, 1]);
    }

    #[test]
    fn small_inputs_end_in_one_pixel() {
        for side in GoogLeNet::MIN_SIDE..256 {
            let network = GoogLeNet::new(side, 10).unwrap();
            let layers = network.layers();
            assert_eq!(layers.last().unwrap().output, FeatureMap { side: 1, channels: 10 });
            assert!(layers.iter().all(|layer| layer.output.side >= 1), "{side}");
        }
    }

    /// Caffe's own formula, pooling_layer.cpp: `ceil((side - kernel) / stride) + 1`.
    #[test]
    fn halving_rounds_up_as_caffe() {
        for side in 2..300 {
            let caffe = ((side as f64 - 3.0) / 2.0).ceil() as usize + 1;
            let window = Window::halving(side);
            assert_eq!(window.output_side(side), caffe, "{side}");
            let read = (caffe - 1) * 2 + 3;
            assert_eq!(side + window.pad_end, read, "no padding that no window reads: {side}");
        }
    }

    #[test]
    fn every_layer_reads_what_stands_before_it() {
        let layers = GoogLeNet::default().layers();
        for (index, layer) in layers.iter().enumerate() {
            assert!(layer.reads.iter().all(|&read| read < index), "{}", layer.name);
            let channels: usize =
                layer.reads.iter().map(|&read| layers[read].output.channels).sum();
            if index > 0 {
                assert_eq!(layer.input.channels, channels, "{}", layer.name);
            }
        }
    }
}
