//! What `POST /classify` answers.

use serde::Serialize;
use utoipa::ToSchema;

use super::parameters::Parameters;
use crate::http::error::{ApiError, ErrorPayload};
use crate::pipeline::Classified;
use crate::topk::top_k;
use googlenet_engine::model_info::{ModelIdentity, ModelInfo};

/// The answer for one image, or for several.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum Answer {
    /// One image was sent.
    One(OneAnswer),
    /// Several were sent.
    Many(ManyAnswers),
}

/// The answer for one image.
#[derive(Serialize, ToSchema)]
pub struct OneAnswer {
    /// The model that answered.
    pub model: ModelIdentity,
    /// The image's classes.
    #[serde(flatten)]
    pub result: ImageAnswer,
}

/// The answer for several images.
#[derive(Serialize, ToSchema)]
pub struct ManyAnswers {
    /// The model that answered.
    pub model: ModelIdentity,
    /// In the order of the images.
    pub results: Vec<ImageResult>,
}

/// One image's classes.
#[derive(Serialize, ToSchema)]
pub struct ImageAnswer {
    /// Best first.
    pub predictions: Vec<ClassAnswer>,
    /// What the image turned out to be.
    pub image: ImageFacts,
}

/// One image among several.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum ImageResult {
    /// It was classified.
    Classified(ImageAnswer),
    /// It could not be.
    Failed(ErrorPayload),
}

/// A class with its probability.
#[derive(Serialize, ToSchema)]
pub struct ClassAnswer {
    /// Index in the network's output.
    #[schema(example = 285)]
    pub class: usize,
    /// WordNet id.
    #[schema(example = "n02124075")]
    pub id: String,
    /// The first name of the class.
    #[schema(example = "Egyptian cat")]
    pub label: String,
    /// All its names.
    pub labels: Vec<String>,
    /// In 0..=1.
    #[schema(example = 0.4951)]
    pub probability: f32,
}

/// What an image turned out to be.
#[derive(Serialize, ToSchema)]
pub struct ImageFacts {
    /// In pixels, as viewed (the EXIF orientation applied).
    pub width: u32,
    /// In pixels, as viewed.
    pub height: u32,
    /// Found from the bytes.
    #[schema(example = "jpeg")]
    pub format: &'static str,
    /// What is wrong with the file, though it could be decoded: `truncated` (it ends before its picture
    /// does) or `damaged` (bytes within it are wrong). Left out when nothing is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["truncated"]))]
    pub warnings: Vec<&'static str>,
}

impl ImageAnswer {
    /// Names the best classes.
    pub fn new(classified: &Classified, parameters: &Parameters, model: &ModelInfo) -> Self {
        let best = top_k(&classified.probabilities, parameters.top_k, parameters.min_probability);
        let named = best.into_iter().map(|prediction| {
            let label = model.labels.get(prediction.class);
            ClassAnswer {
                class: prediction.class,
                id: label.map(|l| l.id.clone()).unwrap_or_default(),
                label: label.map(|l| l.name().to_owned()).unwrap_or_default(),
                labels: label.map(|l| l.names.clone()).unwrap_or_default(),
                probability: prediction.probability,
            }
        });
        Self {
            predictions: named.collect(),
            image: ImageFacts {
                width: classified.width,
                height: classified.height,
                format: classified.format.as_str(),
                warnings: classified.warnings.iter().map(|warning| warning.as_str()).collect(),
            },
        }
    }
}

impl Answer {
    /// Several images' answer; an error when none could be classified.
    ///
    /// # Errors
    /// The first image's.
    pub fn many(
        model: ModelIdentity,
        results: Vec<Result<ImageAnswer, ApiError>>,
    ) -> Result<Self, ApiError> {
        if results.iter().any(Result::is_ok) {
            let results = results.into_iter().map(|result| match result {
                Ok(answer) => ImageResult::Classified(answer),
                Err(error) => ImageResult::Failed(error.payload()),
            });
            return Ok(Self::Many(ManyAnswers { model, results: results.collect() }));
        }
        Err(results.into_iter().find_map(Result::err).unwrap_or(ApiError::MissingImage))
    }
}
