//! A commented TOML for a file that has none.

use crate::model::{ChannelOrder, OutputKind, Preprocessing, Resize};

/// Who trained a network tells how photos were made ready for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Training {
    /// PyTorch: torchvision's usual transforms.
    Torchvision,
    /// TensorFlow's slim and Keras: pixels in -1..=1.
    TensorFlow,
    /// The graph takes bytes, and normalises them itself.
    InGraph,
    /// Caffe: BVLC's mean.
    Caffe,
}

impl Training {
    /// By the file's producer, and by the type of its input.
    pub fn guess(producer: &str, takes_bytes: bool) -> Self {
        match producer.to_ascii_lowercase() {
            _ if takes_bytes => Self::InGraph,
            producer if producer.contains("torch") => Self::Torchvision,
            producer if producer.contains("tf2onnx") || producer.contains("keras") => {
                Self::TensorFlow
            }
            _ => Self::Caffe,
        }
    }

    /// As a sentence goes on from "as in".
    pub fn source(self) -> &'static str {
        match self {
            Self::Torchvision => "torchvision's transforms (the producer is PyTorch)",
            Self::TensorFlow => "TensorFlow's slim and Keras (the producer is tf2onnx or Keras)",
            Self::InGraph => "a graph that takes bytes",
            Self::Caffe => "BVLC's GoogLeNet for Caffe (the producer says nothing else)",
        }
    }

    /// From a photo to an input of `side` pixels.
    pub fn preprocessing(self, side: usize) -> Preprocessing {
        let scaled = |size: usize| (size * side / 224).max(side);
        let rgb = |mean, scale, resize| Preprocessing {
            side,
            channels: ChannelOrder::Rgb,
            mean,
            scale,
            resize,
        };
        match self {
            Self::Torchvision => rgb(
                [123.675, 116.28, 103.53],
                [0.017_124_75, 0.017_507, 0.017_429_2],
                Resize::ShortSide { size: scaled(256) },
            ),
            Self::TensorFlow => {
                rgb([127.5; 3], [1.0 / 127.5; 3], Resize::ShortSide { size: scaled(256) })
            }
            Self::InGraph => rgb([0.0; 3], [1.0; 3], Resize::ShortSide { size: scaled(256) }),
            Self::Caffe => Preprocessing {
                side,
                resize: Resize::Stretch { size: scaled(256) },
                ..Preprocessing::bvlc()
            },
        }
    }
}

/// What a TOML is to say.
#[derive(Clone, Debug)]
pub struct Proposal<'a> {
    /// From a photo to the input.
    pub preprocessing: &'a Preprocessing,
    /// Where that comes from.
    pub training: Training,
    /// What the output is.
    pub kind: OutputKind,
    /// Its name, where there are several.
    pub output: Option<&'a str>,
    /// The file of labels beside it.
    pub labels: Option<&'a str>,
}

impl Proposal<'_> {
    /// The text, with comments.
    pub fn toml(&self) -> String {
        let Preprocessing { side, channels, mean, scale, resize } = self.preprocessing;
        let (mode, size) = match resize {
            Resize::Stretch { size } => ("stretch", size),
            Resize::ShortSide { size } => ("short_side", size),
        };
        let channels = match channels {
            ChannelOrder::Rgb => "RGB",
            ChannelOrder::Bgr => "BGR",
        };
        let labels = match self.labels {
            Some(labels) => format!("labels = {}", quoted(labels)),
            None => "# labels = \"labels.txt\"".to_owned(),
        };
        let output =
            self.output.map_or_else(String::new, |output| format!("name = {}\n", quoted(output)));
        let (source, kind) = (self.training.source(), self.kind.as_str());
        format!(
            "# How photos are made ready for this network. Compare it with what the training did:\n\
             # a wrong mean or order of the channels costs accuracy, and nothing will say so.\n\
             # The proposal is as in {source}.\n\
             # One line for each class, in the order of the output: \"n02124075 Egyptian cat\", or the name alone.\n\
             {labels}\n\
             \n\
             [input]\n\
             # Width and height in pixels.\n\
             side = {side}\n\
             channels = \"{channels}\"\n\
             # normalised = (byte - mean) * scale, bytes in 0..=255, in the order of the channels.\n\
             mean = {mean:?}\n\
             scale = {scale:?}\n\
             # Before the centre crop: \"stretch\" to size x size, or \"short_side\" with the aspect kept.\n\
             resize = {{ mode = \"{mode}\", size = {size} }}\n\
             \n\
             [output]\n\
             {output}\
             # What the graph gives: \"logits\", \"probabilities\" or \"log_probabilities\".\n\
             kind = \"{kind}\"\n"
        )
    }
}

/// As TOML writes text.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::weights::Manifest;

    #[test]
    fn what_is_proposed_is_read_as_it_was_meant() {
        for training in
            [Training::Torchvision, Training::TensorFlow, Training::InGraph, Training::Caffe]
        {
            for (side, kind) in [
                (224, OutputKind::Logits),
                (64, OutputKind::Probabilities),
                (8, OutputKind::LogProbabilities),
            ] {
                let preprocessing = training.preprocessing(side);
                let (output, labels) =
                    (Some("a/b \"c\" \u{200b}"), Some("fru\u{308}chte \"b\".txt"));
                let text =
                    Proposal { preprocessing: &preprocessing, training, kind, output, labels }
                        .toml();
                let manifest = Manifest::parse(&text, Path::new("x.toml")).unwrap();
                assert_eq!(manifest.preprocessing, preprocessing, "{text}");
                assert_eq!(manifest.output.kind, Some(kind));
                assert_eq!(manifest.output.name.as_deref(), output);
                assert_eq!(manifest.labels.as_deref(), labels.map(Path::new));
                assert_eq!(manifest.doubts(), Vec::<String>::new());
            }
        }
    }

    #[test]
    fn the_producer_tells_the_training() {
        assert_eq!(Training::guess("pytorch 2.15.0", false), Training::Torchvision);
        assert_eq!(Training::guess("tf2onnx 1.16", false), Training::TensorFlow);
        assert_eq!(Training::guess("pytorch 2.15.0", true), Training::InGraph);
        assert_eq!(Training::guess("", false), Training::Caffe);
    }
}
