//! GoogLeNet as Table 1 of the paper gives it: a list of modules, nine of them inception modules.

/// The six numbers of an inception module: how many channels each of its convolutions gives.
///
/// Four branches read the same map and are joined along the channels. All have stride 1 and
/// 'same' padding, so that the maps that they give fit together:
///
/// | branch | layers |
/// |---|---|
/// | 1x1 | convolution 1x1 to `o_1` channels |
/// | 3x3 | convolution 1x1 to `r_3` channels (the reduction), then 3x3 to `o_3` |
/// | 5x5 | convolution 1x1 to `r_5` channels (the reduction), then 5x5 to `o_5` |
/// | pool | max pooling 3x3, then convolution 1x1 to `pool` channels (the projection) |
///
/// The reductions are what makes the module affordable. A 5x5 convolution from `c` channels to
/// `o_5` has `25 * c * o_5` weights; through `r_5` channels it has `c * r_5 + 25 * r_5 * o_5`, and
/// `r_5` is an eighth of `c` or less. The 1x1 convolution is a small linear map of the channels at
/// each pixel, so that the correlated channels of a wide map are compressed before the expensive
/// spatial filter sees them; the ReLU behind it adds a non-linearity at no cost. See
/// [`Inception::cost_without_reductions`] for the figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Inception {
    /// Channels of the 1x1 branch ("#1x1" in Table 1).
    pub o_1: usize,
    /// Channels between the reduction and the 3x3 convolution ("#3x3 reduce").
    pub r_3: usize,
    /// Channels of the 3x3 branch ("#3x3").
    pub o_3: usize,
    /// Channels between the reduction and the 5x5 convolution ("#5x5 reduce").
    pub r_5: usize,
    /// Channels of the 5x5 branch ("#5x5").
    pub o_5: usize,
    /// Channels of the pool branch ("pool proj").
    pub pool: usize,
}

impl Inception {
    /// Channels of the module's output: its branches side by side.
    ///
    /// ```
    /// use googlenet_engine::network::inception;
    /// assert_eq!(inception(64, 96, 128, 16, 32, 32).outputs(), 256);
    /// ```
    pub const fn outputs(self) -> usize {
        self.o_1 + self.o_3 + self.o_5 + self.pool
    }
}

/// An inception module from its six numbers, in the order of Table 1.
pub const fn inception(
    o_1: usize,
    r_3: usize,
    o_3: usize,
    r_5: usize,
    o_5: usize,
    pool: usize,
) -> Inception {
    Inception { o_1, r_3, o_3, r_5, o_5, pool }
}

/// The nine inception modules of Table 1, by their names in the BVLC file.
pub const INCEPTIONS: [(&str, Inception); 9] = [
    ("inception_3a", inception(64, 96, 128, 16, 32, 32)),
    ("inception_3b", inception(128, 128, 192, 32, 96, 64)),
    ("inception_4a", inception(192, 96, 208, 16, 48, 64)),
    ("inception_4b", inception(160, 112, 224, 24, 64, 64)),
    ("inception_4c", inception(128, 128, 256, 24, 64, 64)),
    ("inception_4d", inception(112, 144, 288, 32, 64, 64)),
    ("inception_4e", inception(256, 160, 320, 32, 128, 128)),
    ("inception_5a", inception(256, 160, 320, 32, 128, 128)),
    ("inception_5b", inception(384, 192, 384, 48, 128, 128)),
];

/// The parameters that Table 1 prints for [`INCEPTIONS`], in thousands. They differ a little from
/// what the six numbers of the same row give: `docs/network.md` says where.
pub const TABLE_1_PARAMETERS: [u32; 9] = [159, 380, 364, 437, 463, 580, 840, 1072, 1388];

/// A step of the network between two maps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Convolution with bias and ReLU; 'same' padding of `(kernel - 1) / 2`.
    Convolution {
        /// Channels that it gives.
        outputs: usize,
        /// Width and height of the filter in pixels, odd.
        kernel: usize,
        /// Step of the filter in pixels.
        stride: usize,
    },
    /// Max pooling 3x3 with stride 2, which halves the map; its last window may reach over the edge
    /// (Caffe's ceil mode, see [`single_layers`](super::single_layers)).
    MaxPooling,
    /// Local response normalization across channels (Krizhevsky et al., 2012, section 3.3):
    /// each value is divided by `(1 + alpha / size * sum of squares)^beta`, the sum taken over the
    /// `size` channels around its own. Parameters as in [`LRN`].
    LocalResponseNormalization,
    /// An inception module.
    Inception(Inception),
    /// Average pooling over the whole map, one value a channel. It replaces the large fully connected
    /// layers of earlier networks, and with them most of their parameters.
    AveragePooling,
    /// Dropout, which does something in training only: here it passes its input on.
    Dropout,
    /// The fully connected layer that gives the logits.
    FullyConnected {
        /// Logits that it gives.
        outputs: usize,
    },
    /// Turns the logits into probabilities.
    Softmax,
}

/// Parameters of every [`Kind::LocalResponseNormalization`] of the network, named as the
/// attributes of the ONNX operator `LRN`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lrn {
    /// Channels that the sum runs over.
    pub size: usize,
    /// Weight of the mean of squares.
    pub alpha: f32,
    /// Exponent.
    pub beta: f32,
    /// What is added to the weighted mean.
    pub bias: f32,
}

/// As Krizhevsky et al. chose them, and BVLC after them.
pub const LRN: Lrn = Lrn { size: 5, alpha: 1e-4, beta: 0.75, bias: 1.0 };

/// Share of the values that dropout zeroes in training (Table 1: "dropout (40%)").
pub const DROPOUT_RATIO: f32 = 0.4;

/// A named step of the network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Module {
    /// The name in the BVLC file.
    pub name: &'static str,
    /// What it does.
    pub kind: Kind,
}

/// GoogLeNet for square RGB images of one size and a number of classes.
///
/// The default is the network of the paper: 224 x 224 pixels, 1,000 classes. Neither number
/// changes anything but the last layer and the sizes of the maps: a smaller input gives the same
/// network on smaller maps, which is what tests use.
#[derive(Clone, Debug, PartialEq)]
pub struct GoogLeNet {
    side: usize,
    modules: Vec<Module>,
    classes: usize,
}

impl GoogLeNet {
    /// Channels of the image.
    pub const IMAGE_CHANNELS: usize = 3;
    /// The smallest input, in pixels: with less, the last max pooling has no whole map to halve.
    pub const MIN_SIDE: usize = 31;
    /// The largest input, in pixels.
    pub const MAX_SIDE: usize = 4096;
    /// The largest number of classes: 100 times ImageNet's, half a gigabyte of last layer.
    pub const MAX_CLASSES: usize = 100_000;

    /// GoogLeNet that reads `side` x `side` pixels and tells `classes` classes apart.
    ///
    /// # Errors
    /// [`DescriptionError`] when `side` is outside [`MIN_SIDE`](Self::MIN_SIDE)..=[`MAX_SIDE`](Self::MAX_SIDE)
    /// or `classes` outside 1..=[`MAX_CLASSES`](Self::MAX_CLASSES).
    pub fn new(side: usize, classes: usize) -> Result<Self, DescriptionError> {
        if !(Self::MIN_SIDE..=Self::MAX_SIDE).contains(&side) {
            return Err(DescriptionError::Side(side));
        }
        if !(1..=Self::MAX_CLASSES).contains(&classes) {
            return Err(DescriptionError::Classes(classes));
        }
        Ok(Self { side, modules: table_1(classes), classes })
    }

    /// Width and height of the image in pixels.
    pub fn side(&self) -> usize {
        self.side
    }

    /// Classes that the network tells apart.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The modules in data-flow order: each reads what the one before it gives.
    pub fn modules(&self) -> &[Module] {
        &self.modules
    }
}

impl Default for GoogLeNet {
    fn default() -> Self {
        Self { side: 224, modules: table_1(1000), classes: 1000 }
    }
}

/// The rows of Table 1, from the image to the probabilities. The table's "convolution 3x3" of
/// depth 2 is `conv2/3x3_reduce` and `conv2/3x3`; the normalizations are in Figure 3 only.
fn table_1(classes: usize) -> Vec<Module> {
    use Kind::{AveragePooling, Dropout, LocalResponseNormalization, MaxPooling, Softmax};
    let [i3a, i3b, i4a, i4b, i4c, i4d, i4e, i5a, i5b] =
        INCEPTIONS.map(|(name, six)| Module { name, kind: Kind::Inception(six) });
    vec![
        module("conv1/7x7_s2", convolution(64, 7, 2)),
        module("pool1/3x3_s2", MaxPooling),
        module("pool1/norm1", LocalResponseNormalization),
        module("conv2/3x3_reduce", convolution(64, 1, 1)),
        module("conv2/3x3", convolution(192, 3, 1)),
        module("conv2/norm2", LocalResponseNormalization),
        module("pool2/3x3_s2", MaxPooling),
        i3a,
        i3b,
        module("pool3/3x3_s2", MaxPooling),
        i4a,
        i4b,
        i4c,
        i4d,
        i4e,
        module("pool4/3x3_s2", MaxPooling),
        i5a,
        i5b,
        module("pool5/7x7_s1", AveragePooling),
        module("pool5/drop_7x7_s1", Dropout),
        module("loss3/classifier", Kind::FullyConnected { outputs: classes }),
        module("prob", Softmax),
    ]
}

fn module(name: &'static str, kind: Kind) -> Module {
    Module { name, kind }
}

fn convolution(outputs: usize, kernel: usize, stride: usize) -> Kind {
    Kind::Convolution { outputs, kernel, stride }
}

/// A GoogLeNet that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescriptionError {
    /// The image is too small or too large.
    #[error(
        "an input of {0}x{0} pixels is not possible: choose {min} to {max}",
        min = GoogLeNet::MIN_SIDE,
        max = GoogLeNet::MAX_SIDE
    )]
    Side(usize),
    /// There are no classes, or too many.
    #[error("{0} classes are not possible: choose 1 to {max}", max = GoogLeNet::MAX_CLASSES)]
    Classes(usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_sizes_are_possible() {
        assert_eq!(GoogLeNet::new(30, 10).unwrap_err(), DescriptionError::Side(30));
        assert_eq!(GoogLeNet::new(224, 0).unwrap_err(), DescriptionError::Classes(0));
        assert_eq!(
            GoogLeNet::new(8, 10).unwrap_err().to_string(),
            "an input of 8x8 pixels is not possible: choose 31 to 4096"
        );
        assert_eq!(GoogLeNet::new(224, 1000), Ok(GoogLeNet::default()));
    }

    #[test]
    fn module_outputs_are_those_of_table_1() {
        assert_eq!(
            INCEPTIONS.map(|(_, six)| six.outputs()),
            [256, 480, 512, 512, 512, 528, 832, 832, 1024]
        );
    }
}
