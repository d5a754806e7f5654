//! `POST /v2/models/{name}/infer`.

use std::sync::Arc;

use axum::extract::{Extension, Request, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::future::try_join_all;

use super::answer::{InferAnswer, Inferred, respond};
use super::model_path::ModelPath;
use super::request::{Checked, Input, InputKind, OutputValues, json_bytes, read_request};
use super::request_json::InferRequest;
use super::tensor::{body_copies, memory_need, read_images, read_tensors};
use crate::http::body::{ReceivedBody, read_body};
use crate::http::body_memory::{BodyShare, held_with};
use crate::http::client::Client;
use crate::http::deadline::before;
use crate::http::error::ApiError;
use crate::http::openapi::bodies::{RawBytes, infer_example};
use crate::http::openapi::errors::route_errors;
use crate::http::request_tally::RequestTally;
use crate::http::server_timing::add_server_timing;
use crate::http::state::{AppState, Service};
use crate::pipeline::{Ask, Classified, Encoded, Timing, Wanted};
use googlenet_engine::model::Look;

route_errors!(InferErrors: InvalidInput, EmptyImage, NotFound, RequestTimeout, BodyTooLarge, ImageTooLarge, TooManyImages,
    UnsupportedContentType, UnsupportedImageFormat, CorruptImage, QueueFull, Internal, ShuttingDown, NotReady,
    DeadlineExceeded);

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
        InferErrors,
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
    let ReceivedBody { bytes, share } = read_body(request, copies, &state, service).await?;
    let (model, has_logits) = (Arc::clone(&service.model), service.pipeline.views.logits);
    let read = move || read_request(bytes, json_bytes, &model, has_logits);
    let read = service.pipeline.run_blocking(read);
    let read = before(client.deadline, &state, read).await?;
    let read = read.map_err(|error| state.body_failed(error))?;
    let Checked { id, input, outputs } = read?;
    tally.set_images(input.images());
    state.check_number(service, input.images())?;
    // Who asks for no logits runs as ever.
    let asks_for_logits = outputs.iter().any(|output| output.kind == OutputValues::Logits);
    let look = asks_for_logits.then(Look::default);
    let work = classify(&state, service, client, (input, share), look);
    let results = before(client.deadline, &state, work).await??;
    let (inferred, timings): (Vec<_>, Vec<_>) = results.into_iter().unzip();
    let mut response = respond(id.as_deref(), &outputs, &inferred, &service.model)?;
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
        InferErrors,
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
type Answered = (Inferred, Timing);

/// What is sent, and its share of the memory of all bodies, until it is read.
type Received = (Input, BodyShare);

/// Classifies all images of a request; the first that fails drops the others.
async fn classify(
    state: &AppState,
    service: &Service,
    client: Client,
    input: Received,
    look: Option<Look>,
) -> Result<Vec<Answered>, ApiError> {
    match input.0.kind {
        InputKind::Tensor => classify_tensor(state, service, client, input, look).await,
        InputKind::Images => classify_images(state, service, client, input, look).await,
    }
}

async fn classify_tensor(
    state: &AppState,
    service: &Service,
    client: Client,
    (input, share): Received,
    look: Option<Look>,
) -> Result<Vec<Answered>, ApiError> {
    let places = state.admit(service, client, &vec![Ask::TENSOR; input.images()])?;
    let (need, deadline) = (memory_need(&input), client.deadline.0);
    let read = move || {
        let tensors = read_tensors(&input);
        drop((input, share));
        tensors
    };
    let answered = service.pipeline.infer_tensor(places, need, deadline, look, read).await;
    let answered = answered.map_err(|error| state.tensor_failed(error))?.into_iter();
    let inferred =
        answered.map(|(probabilities, seen, timing)| (Inferred { probabilities, seen }, timing));
    Ok(inferred.collect())
}

async fn classify_images(
    state: &AppState,
    service: &Service,
    client: Client,
    (input, share): Received,
    look: Option<Look>,
) -> Result<Vec<Answered>, ApiError> {
    let pipeline = &service.pipeline;
    let failed = |error| state.failed(error);
    // They are part of the body's share, and wait for the memory of their own decoding.
    let images = pipeline.run_blocking(move || read_images(&input)).await;
    let images = images.map_err(|error| state.body_failed(error))??;
    let share = Arc::new(share);
    let images = images.into_iter().map(|image| held_with(image, &share));
    let images: Vec<Bytes> = images.collect();
    drop(share);
    let mut read: Vec<Encoded> = Vec::with_capacity(images.len());
    for image in images {
        let wanted = Wanted { look: look.clone(), ..Wanted::default() };
        read.push(pipeline.read_header(image, wanted).await.map_err(failed)?);
    }
    let asks: Vec<Ask> = read.iter().map(Encoded::ask).collect();
    let places = state.admit(service, client, &asks)?;
    let work = places.into_iter().zip(read).map(async |(place, image)| {
        let classified = pipeline.classify(place, image).await.map_err(failed)?;
        let Classified { probabilities, seen, timing, .. } = classified;
        Ok((Inferred { probabilities, seen: seen.map(|looked| looked.seen) }, timing))
    });
    try_join_all(work).await
}
