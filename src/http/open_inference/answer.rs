//! What an inference answers, in JSON or with raw bytes behind it.

use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::{Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use super::metadata::ModelParameters;
use super::request::{INFERENCE_HEADER_CONTENT_LENGTH, Output, OutputValues};
use super::request_json::Datatype;
use crate::http::error::ApiError;
use crate::topk::{TopK, top_k};
use googlenet_engine::model::{Probabilities, Seen};
use googlenet_engine::model_info::ModelInfo;

/// An inference's answer.
#[derive(Serialize, ToSchema)]
pub struct InferAnswer<'a> {
    /// The file's name without its ending.
    #[schema(example = "googlenet")]
    model_name: &'a str,
    /// The first 12 hexadecimal digits of the weights' SHA-256.
    #[schema(example = "d3b58e6ed6d5")]
    model_version: &'a str,
    /// The request's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    id: Option<&'a str>,
    /// Only there when the weights are seeded random numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    parameters: Option<ModelParameters>,
    /// Those that were asked for.
    outputs: Vec<OutputTensor<'a>>,
}

/// An output.
#[derive(Serialize, ToSchema)]
pub struct OutputTensor<'a> {
    #[schema(example = "prob_1")]
    name: &'a str,
    datatype: Datatype,
    /// `[n, classes]`, or `[n, k]` for the k best classes.
    #[schema(example = json!([1, 1000]))]
    shape: [usize; 2],
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    parameters: Option<AnswerParameters>,
    /// The elements in row-major order; not there when they are behind the JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    data: Option<OutputData<'a>>,
}

/// Where the output's elements are.
#[derive(Serialize, ToSchema)]
pub struct AnswerParameters {
    /// Raw bytes behind the JSON.
    binary_data_size: usize,
}

/// The output's elements.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum OutputData<'a> {
    // No documentation: utoipa would describe it as an object, which an array is not.
    #[allow(missing_docs)]
    Fp32(#[schema(inline)] AllClasses<'a>),
    /// `probability:class:label`.
    Bytes(Vec<String>),
}

/// A value for each class of all images, one image behind the other.
pub struct AllClasses<'a>(Vec<&'a [f32]>);

impl AllClasses<'_> {
    fn iter(&self) -> impl Iterator<Item = &f32> {
        self.0.iter().flat_map(|image| image.iter())
    }
}

impl Serialize for AllClasses<'_> {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.collect_seq(self.iter())
    }
}

impl PartialSchema for AllClasses<'_> {
    fn schema() -> RefOr<Schema> {
        Vec::<f32>::schema()
    }
}

impl ToSchema for AllClasses<'_> {}

/// What the network gave for an image.
#[derive(Clone, Debug)]
pub struct Inferred {
    /// The mean over its crops.
    pub probabilities: Probabilities,
    /// What was seen, if logits were asked for.
    pub seen: Option<Arc<Seen>>,
}

impl Inferred {
    fn logits(&self) -> Result<&[f32], ApiError> {
        let logits = self.seen.as_ref().and_then(|seen| seen.logits.as_deref());
        logits.ok_or_else(|| ApiError::Internal("the logits were not seen".into()))
    }
}

impl OutputData<'_> {
    /// The best classes as Triton writes them.
    fn classification(answers: &[Inferred], k: TopK, model: &ModelInfo) -> Self {
        let best = answers.iter().flat_map(|answer| top_k(&answer.probabilities, k, 0.0, None));
        let written = best.map(|prediction| {
            let label = model.labels.get(prediction.class).map_or("", |label| label.name());
            format!("{:.6}:{}:{label}", prediction.probability, prediction.class)
        });
        Self::Bytes(written.collect())
    }

    fn datatype(&self) -> Datatype {
        match self {
            Self::Fp32(_) => Datatype::Fp32,
            Self::Bytes(_) => Datatype::Bytes,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Fp32(all) => all.iter().count(),
            Self::Bytes(texts) => texts.len(),
        }
    }

    /// FP32 little endian; BYTES each with its length before it, 32 bits little endian.
    fn to_raw(&self) -> Vec<u8> {
        match self {
            Self::Fp32(all) => all.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Self::Bytes(texts) => {
                let mut raw = Vec::new();
                for text in texts {
                    // A label is far shorter than 4 GiB: its file is bounded.
                    raw.extend((text.len() as u32).to_le_bytes());
                    raw.extend(text.as_bytes());
                }
                raw
            }
        }
    }
}

impl<'a> OutputTensor<'a> {
    /// An output for `answers`; its raw bytes are put behind `raw` if it is to come so.
    fn new(
        output: &'a Output,
        answers: &'a [Inferred],
        model: &ModelInfo,
        raw: &mut Vec<u8>,
    ) -> Result<Self, ApiError> {
        let data = match (output.kind, output.classification) {
            (OutputValues::Logits, _) => {
                let logits = answers.iter().map(Inferred::logits).collect::<Result<_, _>>()?;
                OutputData::Fp32(AllClasses(logits))
            }
            (OutputValues::Probabilities, Some(k)) => OutputData::classification(answers, k, model),
            (OutputValues::Probabilities, None) => {
                let all = answers.iter().map(|answer| answer.probabilities.as_slice());
                OutputData::Fp32(AllClasses(all.collect()))
            }
        };
        let bytes = output.binary.then(|| data.to_raw());
        let tensor = Self {
            name: &output.name,
            datatype: data.datatype(),
            shape: [answers.len(), data.len() / answers.len().max(1)],
            parameters: bytes.as_ref().map(|raw| AnswerParameters { binary_data_size: raw.len() }),
            data: bytes.is_none().then_some(data),
        };
        raw.extend(bytes.into_iter().flatten());
        Ok(tensor)
    }
}

/// The response for `answers`, at least one.
///
/// # Errors
/// [`ApiError::Internal`] when it is no JSON, or logits are not there.
pub fn respond(
    id: Option<&str>,
    outputs: &[Output],
    answers: &[Inferred],
    model: &ModelInfo,
) -> Result<Response, ApiError> {
    let mut raw = Vec::new();
    let tensors = outputs.iter().map(|output| OutputTensor::new(output, answers, model, &mut raw));
    let answer = InferAnswer {
        model_name: &model.identity.name,
        model_version: &model.identity.version,
        id,
        parameters: ModelParameters::of(model),
        outputs: tensors.collect::<Result<_, _>>()?,
    };
    let mut body = serde_json::to_vec(&answer).map_err(|e| ApiError::Internal(e.to_string()))?;
    let content_type = |value| (header::CONTENT_TYPE, HeaderValue::from_static(value));
    if outputs.iter().all(|output| !output.binary) {
        return Ok(([content_type("application/json")], body).into_response());
    }
    let json_length: (HeaderName, HeaderValue) =
        (INFERENCE_HEADER_CONTENT_LENGTH, HeaderValue::from(body.len()));
    body.extend(raw);
    Ok(([content_type("application/octet-stream"), json_length], body).into_response())
}
