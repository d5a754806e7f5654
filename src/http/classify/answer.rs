//! What `POST /classify` answers.

use serde::Serialize;
use utoipa::ToSchema;

use super::parameters::Parameters;
use crate::http::cam::Cam;
use crate::http::error::{ApiError, ErrorPayload};
use crate::http::image_facts::ImageFacts;
use crate::http::upload::Upload;
use crate::pipeline::Classified;
use crate::topk::Prediction;
use googlenet_engine::groups::GroupProbability;
use googlenet_engine::model_info::{ModelIdentity, ModelInfo, SureAnswer};

/// Most groups in the answer for an image.
const MOST_GROUPS: usize = 10;

/// An image with its classes.
pub struct Answered {
    /// What it turned out to be.
    pub image: Classified,
    /// Its classes, best first.
    pub best: Vec<Prediction>,
    /// The evidence for each of them, if it was asked for.
    pub cams: Vec<Cam>,
}

/// The answer for one image, or for several.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum Answer<'a> {
    /// One image was sent.
    One(OneAnswer<'a>),
    /// Several were sent.
    Many(ManyAnswers<'a>),
}

/// The answer for one image.
#[derive(Serialize, ToSchema)]
pub struct OneAnswer<'a> {
    /// The model that answered.
    pub model: &'a ModelIdentity,
    /// The image's classes.
    #[serde(flatten)]
    pub result: ImageAnswer<'a>,
}

/// The answer for several images.
#[derive(Serialize, ToSchema)]
pub struct ManyAnswers<'a> {
    /// The model that answered.
    pub model: &'a ModelIdentity,
    /// In the order of the images.
    pub results: Vec<ImageResult<'a>>,
}

/// One image's classes.
#[derive(Serialize, ToSchema)]
pub struct ImageAnswer<'a> {
    /// Best first.
    pub predictions: Vec<ClassAnswer<'a>>,
    /// With `groups`: what classes have in common, the most probable first, then the one with fewer classes; at most
    /// 10. They overlap: a terrier is a dog is an animal.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub groups: Option<Vec<GroupAnswer<'a>>>,
    /// With `groups` or `sure`: the narrowest class or group whose probability is at least `sure_at`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sure: Option<SureAnswer<'a>>,
    /// With `within`: the probability of all classes outside.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub elsewhere: Option<f32>,
    /// What the image turned out to be.
    pub image: ImageFacts,
}

/// One image among several.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum ImageResult<'a> {
    /// It was classified.
    Classified(ImageAnswer<'a>),
    /// It could not be.
    Failed(ErrorPayload),
}

/// A class with its probability.
#[derive(Serialize, ToSchema)]
pub struct ClassAnswer<'a> {
    /// Index in the network's output.
    #[schema(example = 285)]
    pub class: usize,
    /// WordNet id.
    #[schema(example = "n02124075")]
    pub id: &'a str,
    /// The first name of the class.
    #[schema(example = "Egyptian cat")]
    pub label: &'a str,
    /// All its names.
    pub labels: &'a [String],
    /// In 0..=1.
    #[schema(example = 0.4951)]
    pub probability: f32,
    /// With `explain=cam`: where the network found evidence for the class.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub cam: Option<Cam>,
}

/// A group of classes with its probability.
#[derive(Serialize, ToSchema)]
pub struct GroupAnswer<'a> {
    /// WordNet id.
    #[schema(example = "n02084071")]
    pub id: &'a str,
    /// What it is called.
    #[schema(example = "dog")]
    pub label: &'a str,
    /// The number of its classes.
    #[schema(example = 118)]
    pub classes: usize,
    /// The sum over its classes, in 0..=1.
    #[schema(example = 0.991)]
    pub probability: f32,
}

impl<'a> ImageAnswer<'a> {
    /// Names the best classes.
    pub fn new(answered: Answered, parameters: &Parameters, model: &'a ModelInfo) -> Self {
        let Answered { image, best, cams } = answered;
        let (probabilities, within) = (&image.probabilities, parameters.within.as_ref());
        let mut cams = cams.into_iter();
        let named = best.into_iter().map(|prediction| {
            let label = model.labels.get(prediction.class);
            ClassAnswer {
                class: prediction.class,
                id: label.map_or("", |label| &label.id),
                label: label.map_or("", |label| label.name()),
                labels: label.map_or(&[], |label| &label.names),
                probability: prediction.probability,
                cam: cams.next(),
            }
        });
        Self {
            predictions: named.collect(),
            groups: parameters.groups.then(|| {
                let shown = model.groups.shown(probabilities, within).into_iter();
                let probable =
                    shown.filter(|group| group.probability >= parameters.min_probability);
                probable.take(MOST_GROUPS).map(GroupAnswer::from).collect()
            }),
            sure: parameters.sure.map(|at| model.sure(probabilities, at, within)),
            elsewhere: within.map(|set| set.elsewhere(probabilities)),
            image: ImageFacts::of(&image),
        }
    }
}

impl<'a> From<GroupProbability<'a>> for GroupAnswer<'a> {
    fn from(GroupProbability { group, probability }: GroupProbability<'a>) -> Self {
        Self { id: &group.id, label: &group.label, classes: group.classes.len(), probability }
    }
}

impl<'a> Answer<'a> {
    /// The answer for what was sent; an error when no image of it could be classified.
    ///
    /// # Errors
    /// The first image's.
    pub fn new(
        model: &'a ModelIdentity,
        results: Upload<Result<ImageAnswer<'a>, ApiError>>,
    ) -> Result<Self, ApiError> {
        match results {
            Upload::One(result) => Ok(Self::One(OneAnswer { model, result: result? })),
            Upload::Many(results) if results.iter().any(Result::is_ok) => {
                let results = results.into_iter().map(|result| match result {
                    Ok(answer) => ImageResult::Classified(answer),
                    Err(error) => ImageResult::Failed(error.payload()),
                });
                Ok(Self::Many(ManyAnswers { model, results: results.collect() }))
            }
            Upload::Many(results) => {
                Err(results.into_iter().find_map(Result::err).unwrap_or(ApiError::MissingImage))
            }
        }
    }
}
