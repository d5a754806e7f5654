//! What the server and the model say of themselves.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::model_path::ModelPath;
use super::request::IMAGE_INPUT;
use super::request_json::Datatype;
use crate::http::error::ApiError;
use crate::http::openapi::errors::route_errors;
use crate::http::state::AppState;
use googlenet_engine::model::OutputKind;
use googlenet_engine::model_info::ModelInfo;

route_errors!(ServerErrors:);
route_errors!(NamedModelErrors: InvalidInput, NotFound, NotReady, ShuttingDown);

/// The server.
#[derive(Serialize, ToSchema)]
pub struct ServerMetadata {
    #[schema(example = "googlenet")]
    name: &'static str,
    /// Of the program, not of the model.
    version: &'static str,
    /// What is understood beyond the protocol.
    #[schema(example = json!(["binary_tensor_data", "classification"]))]
    extensions: [&'static str; 2],
}

/// The model: what it takes and what it gives.
#[derive(Serialize, ToSchema)]
pub struct ModelMetadata<'a> {
    /// The file's name without its ending.
    #[schema(example = "googlenet")]
    name: &'a str,
    /// The first 12 hexadecimal digits of the weights' SHA-256.
    #[schema(example = json!(["d3b58e6ed6d5"]))]
    versions: [&'a str; 1],
    #[schema(example = "tract_onnx")]
    platform: &'static str,
    /// A request gives one of these, not all.
    inputs: [TensorMetadata<'a>; 2],
    outputs: [TensorMetadata<'a>; 1],
    /// Only there when something about the model is out of the ordinary.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    parameters: Option<MetadataParameters>,
}

/// What is out of the ordinary about the model.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct MetadataParameters {
    /// Only there, as `false`, when the weights are seeded random numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    trained: Option<bool>,
    /// What the file's graph gives, if not probabilities: `logits` or `log_probabilities`. The output is always the
    /// probabilities.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "logits")]
    graph_output: Option<&'static str>,
}

impl MetadataParameters {
    fn of(model: &ModelInfo) -> Option<Self> {
        let trained = (!model.identity.trained).then_some(false);
        let graph_output = match model.output_kind {
            OutputKind::Probabilities => None,
            kind @ (OutputKind::Logits | OutputKind::LogProbabilities) => Some(kind.as_str()),
        };
        (trained.is_some() || graph_output.is_some()).then_some(Self { trained, graph_output })
    }
}

/// One input or output.
#[derive(Serialize, ToSchema)]
pub struct TensorMetadata<'a> {
    #[schema(example = "data_0")]
    name: &'a str,
    datatype: Datatype,
    /// -1 is any number.
    #[schema(example = json!([-1, 3, 224, 224]))]
    shape: Vec<i64>,
}

/// What is peculiar about the model.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct ModelParameters {
    /// Always `false`: the weights are seeded random numbers, and the classes mean nothing.
    trained: bool,
}

impl ModelParameters {
    /// `None` for trained weights.
    pub fn of(model: &ModelInfo) -> Option<Self> {
        (!model.identity.trained).then_some(Self { trained: false })
    }
}

impl<'a> ModelMetadata<'a> {
    /// The metadata of `model`.
    fn new(model: &'a ModelInfo) -> Self {
        let side = model.preprocessing.side as i64;
        let tensor = |name: &'a str, datatype, shape: &[i64]| TensorMetadata {
            name,
            datatype,
            shape: shape.into(),
        };
        Self {
            name: &model.identity.name,
            versions: [&model.identity.version],
            platform: "tract_onnx",
            inputs: [
                tensor(&model.input_name, Datatype::Fp32, &[-1, 3, side, side]),
                tensor(IMAGE_INPUT, Datatype::Bytes, &[-1]),
            ],
            outputs: [tensor(&model.output_name, Datatype::Fp32, &[-1, model.classes() as i64])],
            parameters: MetadataParameters::of(model),
        }
    }
}

/// The server's name, version and extensions of the protocol.
#[utoipa::path(get, path = "/v2", tag = "open inference protocol",
    responses((status = 200, description = "The server", body = ServerMetadata), ServerErrors))]
pub async fn server() -> Json<ServerMetadata> {
    Json(ServerMetadata {
        name: "googlenet",
        version: env!("CARGO_PKG_VERSION"),
        extensions: ["binary_tensor_data", "classification"],
    })
}

/// The model's inputs and outputs. A request gives one of the inputs, not all.
#[utoipa::path(get, path = "/v2/models/{name}", tag = "open inference protocol",
    params(("name" = String, Path, description = "The model's name, or `googlenet`", example = "googlenet")),
    responses(
        (status = 200, description = "The model", body = ModelMetadata),
        NamedModelErrors))]
pub async fn model(State(state): State<AppState>, path: ModelPath) -> Result<Response, ApiError> {
    let model = &state.service()?.model;
    path.check(model)?;
    Ok(Json(ModelMetadata::new(model)).into_response())
}

/// The inputs and outputs of this version of the model.
#[utoipa::path(get, path = "/v2/models/{name}/versions/{version}", tag = "open inference protocol",
    params(
        ("name" = String, Path, description = "The model's name, or `googlenet`", example = "googlenet"),
        ("version" = String, Path, description = "The model's version, or `1`", example = "1")),
    responses(
        (status = 200, description = "The model", body = ModelMetadata),
        NamedModelErrors))]
pub async fn version(state: State<AppState>, path: ModelPath) -> Result<Response, ApiError> {
    model(state, path).await
}
