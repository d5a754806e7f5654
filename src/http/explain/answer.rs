//! What `POST /explain` answers.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::evidence::{ChannelShare, ClassShare, Compared, LastMap};
use crate::http::cam::Cam;
use crate::http::image_facts::ImageFacts;
use googlenet_engine::model::Branch;
use googlenet_engine::model_info::{ModelIdentity, ModelInfo};
use googlenet_engine::weights::Label;

use super::parameters::Parameters;

/// Why the network gave a class its probability.
#[derive(Serialize, ToSchema)]
pub struct ExplainAnswer<'a> {
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
    /// The class that it is compared with: then logit, bias, grid, channels and branches are differences.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 281)]
    pub against: Option<usize>,
    /// Its first name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "tabby")]
    pub against_label: Option<&'a str>,
    /// How it is explained.
    #[schema(example = "cam")]
    pub method: &'static str,
    /// The logit and the share of each square.
    #[serde(flatten)]
    pub cam: Cam,
    /// For each square, row by row from the top, the classes whose logits it adds most to.
    pub squares: Vec<Vec<SquareClass<'a>>>,
    /// The channels of the last map that add most to the logit or take most from it, the largest first.
    pub channels: Vec<ChannelAnswer>,
    /// What the channels of each branch of the last module add to the logit; with the bias and the residual they are
    /// the logit. Left out if the last map is not a module's output.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(example = json!({"1x1": 9.1, "3x3": 5.2, "5x5": 2.0, "pool": 2.2}))]
    pub branches: BTreeMap<&'static str, f32>,
    /// What the image turned out to be.
    pub image: ImageFacts,
}

/// What a square adds to the logit of a class.
#[derive(Serialize, ToSchema)]
pub struct SquareClass<'a> {
    /// Index in the network's output.
    #[schema(example = 285)]
    pub class: usize,
    /// Its first name.
    #[schema(example = "Egyptian cat")]
    pub label: &'a str,
    /// What the square adds.
    #[schema(example = 1.9)]
    pub value: f32,
}

/// What a channel of the last map adds to the logit: weight times mean.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChannelAnswer {
    /// Its index.
    #[schema(example = 711)]
    pub channel: usize,
    /// The branch of the last module that it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "3x3")]
    pub branch: Option<Branch>,
    /// Of the fully connected layer.
    #[schema(example = 0.21)]
    pub weight: f32,
    /// Over all squares.
    #[schema(example = 3.4)]
    pub mean: f32,
    /// What it adds.
    #[schema(example = 0.714)]
    pub contribution: f32,
}

/// What is summed on a blocking thread.
#[derive(Debug)]
pub struct Sums {
    cam: Cam,
    squares: Vec<Vec<ClassShare>>,
    channels: Vec<ChannelShare>,
    branches: Option<[(Branch, f32); 4]>,
}

impl Sums {
    /// All that an answer needs.
    pub fn new(last: &LastMap<'_>, compared: Compared, parameters: &Parameters) -> Self {
        Self {
            cam: Cam::from(&last.evidence(compared)),
            squares: last.squares(parameters.squares),
            channels: last.channels(compared, parameters.channels),
            branches: last.branches(compared),
        }
    }
}

impl<'a> ExplainAnswer<'a> {
    /// Names what was summed.
    pub fn new(
        sums: Sums,
        compared: Compared,
        parameters: &Parameters,
        probability: f32,
        image: ImageFacts,
        model: &'a ModelInfo,
    ) -> Self {
        let Compared { class, against } = compared;
        let label = |class| model.labels.get(class).map_or("", Label::name);
        let named = |ClassShare { class, value }| SquareClass { class, label: label(class), value };
        let channel = |share| {
            let ChannelShare { channel, branch, weight, mean, contribution } = share;
            ChannelAnswer { channel, branch, weight, mean, contribution }
        };
        let Sums { cam, squares, channels, branches } = sums;
        Self {
            model: &model.identity,
            class,
            id: model.labels.get(class).map_or("", |label| &label.id),
            label: label(class),
            probability,
            against,
            against_label: against.map(label),
            method: parameters.method.as_str(),
            cam,
            squares: squares.into_iter().map(|of| of.into_iter().map(named).collect()).collect(),
            channels: channels.into_iter().map(channel).collect(),
            branches: branches
                .into_iter()
                .flatten()
                .map(|(branch, sum)| (branch.name(), sum))
                .collect(),
            image,
        }
    }
}
