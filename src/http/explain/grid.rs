//! The answer of the methods that give a value for each part of the image, and no more.

use serde::Serialize;
use utoipa::ToSchema;

use super::parameters::Method;
use crate::evidence::{Compared, Grid};
use crate::http::image_facts::ImageFacts;
use googlenet_engine::model::Score;
use googlenet_engine::model_info::{ModelIdentity, ModelInfo};
use googlenet_engine::weights::Label;

/// A value for each part of the image, by the gradient or by occlusion.
#[derive(Serialize, ToSchema)]
pub struct GridAnswer<'a> {
    /// The model that answered.
    pub model: &'a ModelIdentity,
    /// The class that is explained, by its index in the network's output.
    #[schema(example = 285)]
    pub class: usize,
    /// Its WordNet id.
    #[schema(example = "n02124075")]
    pub id: &'a str,
    /// Its first name.
    #[schema(example = "Egyptian cat")]
    pub label: &'a str,
    /// In 0..=1.
    #[schema(example = 0.4951)]
    pub probability: f32,
    /// The class that it is compared with: then the values are differences.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 281)]
    pub against: Option<usize>,
    /// Its first name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "tabby")]
    pub against_label: Option<&'a str>,
    /// `gradient` or `occlusion`.
    #[schema(example = "gradient")]
    pub method: &'static str,
    /// The module at whose map the gradient is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "inception_4e")]
    pub module: Option<&'a str>,
    /// What is explained: `logit`, or `log_probability` where the network has no logits.
    #[schema(example = "logit")]
    pub measure: &'static str,
    /// Its value for the whole image.
    #[schema(example = 18.42)]
    pub value: f32,
    /// In rows from the top of `image.crop`. For a gradient: gradient times map, summed over the channels. For occlusion:
    /// what `value` loses when this part is covered.
    pub grid: Vec<Vec<f32>>,
    /// What the image turned out to be.
    pub image: ImageFacts,
}

/// A grid, and what it is of.
#[derive(Clone, Debug)]
pub struct Explained {
    /// The class, and the one that it is compared with.
    pub compared: Compared,
    /// How much the network is for it.
    pub score: Score,
    /// A value for each part of the image.
    pub grid: Grid,
}

impl<'a> GridAnswer<'a> {
    /// Names what was computed.
    pub fn new(
        explained: &Explained,
        method: Method,
        module: Option<&'a str>,
        probability: f32,
        image: ImageFacts,
        model: &'a ModelInfo,
    ) -> Self {
        let Compared { class, against } = explained.compared;
        let label = |class| model.labels.get(class).map_or("", Label::name);
        Self {
            model: &model.identity,
            class,
            id: model.labels.get(class).map_or("", |label| &label.id),
            label: label(class),
            probability,
            against,
            against_label: against.map(label),
            method: method.as_str(),
            module,
            measure: explained.score.measure(),
            value: explained.score.value,
            grid: explained.grid.rows().map(<[f32]>::to_vec).collect(),
            image,
        }
    }
}
