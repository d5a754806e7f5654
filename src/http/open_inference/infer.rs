//! `POST /v2/models/{name}/infer`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, Request, State};
use axum::response::Response;
use futures_util::future::try_join_all;

use super::answer::{InferAnswer, respond};
use super::model_path::ModelPath;
use super::request::{Checked, Input, InputKind, json_bytes, read_request};
use super::request_json::InferRequest;
use super::tensor::{body_copies, memory_need, read_images, read_tensors};
use crate::batcher::{Ask, Effort, Place};
use crate::http::body::{ReceivedBody, read_body};
use crate::http::deadline::before;
use crate::http::error::{ApiError, ErrorBody};
use crate::http::openapi::bodies::{RawBytes, infer_example};
use crate::http::request_context::Client;
use crate::http::request_tally::RequestTally;
use crate::http::server_timing::add_server_timing;
use crate::http::state::{AppState, Service};
use crate::pipeline::{ClassifyError, Encoded, Timing, Work};
use crate::preprocess::Crops;
use googlenet_engine::model::{self, Probabilities};

/// Classifies images, given as a normalised tensor (`data_0`) or as encoded files (`image`).
///
/// The body is JSON; its data may come as raw bytes behind it (the extension `binary_tensor_data`),
/// then the header `Inference-Header-Content-Length` says where the JSON ends. One image that cannot
/// be classified fails the request.
#[utoipa::path(
    post,
    path = "/v2/models/{name}/infer",
    tag = "open inference protocol",
    params(
        ("name" = String, Path, description = "The model's name, or `googlenet`", example = "googlenet"),
        ("Inference-Header-Content-Length" = Option<u32>, Header, nullable = false,
            description = "Bytes of the JSON, when raw bytes follow it")),
    request_body(content(
        (InferRequest = "application/json", examples(
            ("image" = (summary = "An image, its five best classes", value = json!(infer_example()))))),
        (inline(RawBytes) = "application/octet-stream"),
    )),
    responses(
        (status = 200, description = "The probabilities",
            content((InferAnswer = "application/json"), (inline(RawBytes) = "application/octet-stream")),
            headers(
                ("Inference-Header-Content-Length" = u32, description = "Bytes of the JSON, when raw bytes follow it"),
                ("Server-Timing" = String, description = "Milliseconds of each stage"))),
        (status = 400, description = "The request is invalid, or an image is empty", body = ErrorBody),
        (status = 404, description = "There is no such model", body = ErrorBody),
        (status = 408, description = "The body did not arrive in time", body = ErrorBody),
        (status = 413, description = "The body, an image or their number is too large", body = ErrorBody),
        (status = 415, description = "The Content-Encoding, or an image's format, is not taken", body = ErrorBody),
        (status = 422, description = "An image is corrupt", body = ErrorBody),
        (status = 429, description = "The queue is full; see Retry-After", body = ErrorBody),
        (status = 500, description = "Something failed inside the service", body = ErrorBody),
        (status = 503, description = "Not ready, or shutting down; see Retry-After", body = ErrorBody),
        (status = 504, description = "No answer within the request timeout", body = ErrorBody),
    )
)]
pub async fn infer(
    State(state): State<AppState>,
    Extension(client): Extension<Client>,
    Extension(tally): Extension<RequestTally>,
    path: ModelPath,
    request: Request,
) -> Result<Response, ApiError> {
    let service = state.service()?;
    path.check(&service.model)?;
    let json_bytes = json_bytes(request.headers())?;
    let copies = body_copies(json_bytes);
    let ReceivedBody { bytes, share: _held } = read_body(request, copies, &state, service).await?;
    let model = Arc::clone(&service.model);
    let read = service.pipeline.pool.run_briefly(move || read_request(bytes, json_bytes, &model));
    let read = before(client.deadline, &state, read).await?;
    let read = read.map_err(|error| state.failed(ClassifyError::Prepare(error)))?;
    let Checked { id, input, output } = read?;
    tally.set_images(input.images());
    state.check_number(service, input.images())?;
    let work = classify(&state, service, client, input);
    let results = before(client.deadline, &state, work).await??;
    let (probabilities, timings): (Vec<_>, Vec<_>) = results.into_iter().unzip();
    let mut response = respond(id, output, &probabilities, &service.model)?;
    add_server_timing(&mut response, timings.into_iter());
    Ok(response)
}

/// Classifies images with this version of the model.
///
/// As `/v2/models/{name}/infer`.
#[utoipa::path(
    post,
    path = "/v2/models/{name}/versions/{version}/infer",
    tag = "open inference protocol",
    params(
        ("name" = String, Path, description = "The model's name, or `googlenet`", example = "googlenet"),
        ("version" = String, Path, description = "The model's version, or `1`", example = "1"),
        ("Inference-Header-Content-Length" = Option<u32>, Header, nullable = false,
            description = "Bytes of the JSON, when raw bytes follow it")),
    request_body(content(
        (InferRequest = "application/json", examples(
            ("image" = (summary = "An image, its five best classes", value = json!(infer_example()))))),
        (inline(RawBytes) = "application/octet-stream"),
    )),
    responses(
        (status = 200, description = "The probabilities",
            content((InferAnswer = "application/json"), (inline(RawBytes) = "application/octet-stream")),
            headers(
                ("Inference-Header-Content-Length" = u32, description = "Bytes of the JSON, when raw bytes follow it"),
                ("Server-Timing" = String, description = "Milliseconds of each stage"))),
        (status = 400, description = "The request is invalid, or an image is empty", body = ErrorBody),
        (status = 404, description = "There is no such model or version", body = ErrorBody),
        (status = 408, description = "The body did not arrive in time", body = ErrorBody),
        (status = 413, description = "The body, an image or their number is too large", body = ErrorBody),
        (status = 415, description = "The Content-Encoding, or an image's format, is not taken", body = ErrorBody),
        (status = 422, description = "An image is corrupt", body = ErrorBody),
        (status = 429, description = "The queue is full; see Retry-After", body = ErrorBody),
        (status = 500, description = "Something failed inside the service", body = ErrorBody),
        (status = 503, description = "Not ready, or shutting down; see Retry-After", body = ErrorBody),
        (status = 504, description = "No answer within the request timeout", body = ErrorBody),
    )
)]
pub async fn infer_version(
    state: State<AppState>,
    client: Extension<Client>,
    tally: Extension<RequestTally>,
    path: ModelPath,
    request: Request,
) -> Result<Response, ApiError> {
    infer(state, client, tally, path, request).await
}

/// One image's answer, and how long each stage took.
type Answered = (Probabilities, Timing);

/// Elements are read, not decoded: what that takes is in the time of a run.
const TENSOR: Ask = Ask { decode_time: Duration::ZERO, inputs: 1 };

/// Classifies all images of a request; the first that fails drops the others.
async fn classify(
    state: &AppState,
    service: &Service,
    client: Client,
    input: Input,
) -> Result<Vec<Answered>, ApiError> {
    let pool = &service.pipeline.pool;
    let unprepared = |error| state.failed(ClassifyError::Prepare(error));
    match input.kind {
        InputKind::Tensor => {
            let places = state.admit(service, client, &vec![TENSOR; input.images()])?;
            let turn = places.first().map(Place::turn).unwrap_or_default();
            let begin_by = client.deadline.0;
            let need = memory_need(&input);
            let work = Work { need, effort: Effort::Ordinary, turn, begin_by };
            let (tensors, _kept) =
                pool.run(work, move || read_tensors(&input)).await.map_err(unprepared)?;
            let tensors = tensors?.into_iter().map(model::Input::Tensor);
            try_join_all(places.into_iter().zip(tensors).map(classify_tensor)).await
        }
        InputKind::Images => {
            // They are part of the body's share, and wait for the memory of their own decoding.
            let images =
                pool.run_briefly(move || read_images(&input)).await.map_err(unprepared)??;
            let mut read: Vec<Encoded> = Vec::with_capacity(images.len());
            for image in images {
                let header = service.pipeline.read_header(image, Crops::One).await;
                read.push(header.map_err(|error| state.failed(error))?);
            }
            let asks: Vec<Ask> = read.iter().map(Encoded::ask).collect();
            let places = state.admit(service, client, &asks)?;
            let work = places
                .into_iter()
                .zip(read)
                .map(|(place, image)| classify_encoded(state, service, place, image));
            try_join_all(work).await
        }
    }
}

async fn classify_tensor((place, tensor): (Place, model::Input)) -> Result<Answered, ApiError> {
    let inference = place.infer(vec![tensor]).await?;
    let timing =
        Timing { queue: inference.queue, inference: inference.inference, ..Timing::default() };
    Ok((inference.probabilities, timing))
}

async fn classify_encoded(
    state: &AppState,
    service: &Service,
    place: Place,
    image: Encoded,
) -> Result<Answered, ApiError> {
    let classified = service.pipeline.classify(place, image).await;
    let classified = classified.map_err(|error| state.failed(error))?;
    Ok((classified.probabilities, classified.timing))
}
