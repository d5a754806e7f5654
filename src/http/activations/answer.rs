//! What `POST /activations` answers.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use utoipa::ToSchema;

use super::parameters::Parameters;
use crate::drawing::PictureError;
use crate::http::image_facts::ImageFacts;
use crate::inside::{MapFacts, sprite};
use googlenet_engine::model::{Activations, Branch, ModuleView, Seen};
use googlenet_engine::model_info::ModelIdentity;

/// The maps of modules.
#[derive(Serialize, ToSchema)]
pub struct ActivationsAnswer<'a> {
    /// The model that answered.
    pub model: &'a ModelIdentity,
    /// In the order in which they were named, or in data-flow order.
    pub modules: Vec<ModuleAnswer>,
    /// What the image turned out to be.
    pub image: ImageFacts,
}

/// The map of one module.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModuleAnswer {
    /// As `GET /model/summary` names it.
    #[schema(example = "inception_3a")]
    pub name: String,
    /// Rows of the map.
    #[schema(example = 28)]
    pub height: usize,
    /// Pixels of a row.
    #[schema(example = 28)]
    pub width: usize,
    /// Values of a pixel.
    #[schema(example = 256)]
    pub channels: usize,
    /// How long the module took.
    #[schema(example = 1.9)]
    pub milliseconds: f64,
    /// Share of the values that are 0, in 0..=1.
    #[schema(example = 0.71)]
    pub zeros: f32,
    /// Channels that are 0 everywhere, for this image.
    #[schema(example = 17)]
    pub silent: usize,
    /// The channels of each branch: the first, and the one behind the last.
    #[schema(example = json!({"1x1": [0, 64], "3x3": [64, 192], "5x5": [192, 224], "pool": [224, 256]}))]
    pub branches: BTreeMap<&'static str, [usize; 2]>,
    /// The first `channels` channels in the order of `sort`.
    pub largest: Vec<ChannelRow>,
    /// A picture of these channels; left out with `sprite=false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sprite: Option<SpriteAnswer>,
}

/// What a channel is like.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChannelRow {
    /// Its index.
    #[schema(example = 12)]
    pub channel: usize,
    /// The branch that it comes from.
    #[schema(example = "3x3")]
    pub branch: Branch,
    /// Mean over the map.
    #[schema(example = 3.1)]
    pub mean: f32,
    /// Largest value.
    #[schema(example = 44.0)]
    pub max: f32,
}

/// A picture of channels: tiles as large as the map, side by side, row by row, in the order of `largest`.
#[derive(Debug, Serialize, ToSchema)]
pub struct SpriteAnswer {
    /// Tiles in a row.
    #[schema(example = 16)]
    pub columns: usize,
    /// What white is worth, the largest value of the whole map; black is 0.
    #[schema(example = 44.0)]
    pub scale: f32,
    /// A PNG in grey, in base64.
    #[schema(content_encoding = "base64", format = Byte)]
    pub png: String,
}

/// What is asked of a module.
pub struct Asked {
    /// Its index.
    pub index: usize,
    /// What it is.
    pub view: ModuleView,
}

impl ModuleAnswer {
    /// What was seen of a module.
    ///
    /// # Errors
    /// [`PictureError`] when it cannot be drawn.
    pub fn new(
        asked: &Asked,
        map: &Activations,
        seen: &Seen,
        parameters: &Parameters,
    ) -> Result<Self, PictureError> {
        let Asked { index, view } = asked;
        let facts = MapFacts::of(map);
        let first = facts.first(parameters.sort, parameters.channels);
        let order: Vec<usize> = first.iter().map(|channel| channel.channel).collect();
        let ranges = view.ranges();
        let branch = |channel: usize| {
            let found = ranges.iter().find(|(_, range)| range.contains(&channel));
            found.map_or(Branch::One, |(branch, _)| *branch)
        };
        let times = seen.times.iter().filter(|time| time.module == Some(*index));
        let sprite = parameters.sprite.then(|| sprite(map, &order)).transpose()?;
        Ok(Self {
            name: view.name.clone(),
            height: map.height,
            width: map.width,
            channels: map.channels,
            milliseconds: times.map(|time| time.time.as_secs_f64() * 1e3).sum(),
            zeros: facts.zeros,
            silent: facts.silent,
            branches: ranges
                .iter()
                .map(|(branch, range)| (branch.name(), [range.start, range.end]))
                .collect(),
            largest: first
                .into_iter()
                .map(|channel| ChannelRow {
                    channel: channel.channel,
                    branch: branch(channel.channel),
                    mean: channel.mean,
                    max: channel.max,
                })
                .collect(),
            sprite: sprite.map(|sprite| SpriteAnswer {
                columns: sprite.columns,
                scale: sprite.scale,
                png: STANDARD.encode(&sprite.png),
            }),
        })
    }
}
