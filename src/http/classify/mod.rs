//! `POST /classify`.

mod answer;
mod content_disposition;
mod form;
mod json;
mod parameters;
mod upload;
mod upload_form;

use axum::Json;
use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use answer::{Answer, ImageAnswer};
use parameters::{Parameters, UnparsedParameters};
use upload::{Upload, Uploaded};
use upload_form::{UploadForm, read_upload};

use super::body::{ReceivedBody, read_body};
use super::client::Client;
use super::deadline::before;
use super::error::ApiError;
use super::openapi::bodies::{
    ClassifyBody, ClassifyForm, EXAMPLE_IMAGE, QueryParameters, RawBytes,
};
use super::openapi::errors::route_errors;
use super::request_tally::RequestTally;
use super::server_timing::add_server_timing;
use super::state::{AppState, Service};
use crate::pipeline::{Ask, Classified, Encoded};
use crate::preprocess::Crops;

route_errors!(ClassifyErrors: InvalidParameter, InvalidJson, InvalidBase64, InvalidMultipart, MissingImage, EmptyImage,
    InvalidInput, RequestTimeout, BodyTooLarge, ImageTooLarge, TooManyImages, UnsupportedContentType,
    UnsupportedImageFormat, CorruptImage, QueueFull, Internal, ShuttingDown, NotReady, DeadlineExceeded);

/// Classifies one image or several.
///
/// The body is one image's bytes, a form with parts named `image`, or JSON with base64.
#[utoipa::path(
    post,
    path = "/classify",
    tag = "classify",
    params(QueryParameters),
    request_body(
        content(
            (inline(RawBytes) = "image/*"),
            (inline(RawBytes) = "application/octet-stream"),
            (ClassifyForm = "multipart/form-data"),
            (ClassifyBody = "application/json", examples(
                ("one" = (summary = "One image", value = json!({"image": EXAMPLE_IMAGE}))),
                ("several" = (summary = "Several images, the best class of each",
                    value = json!({"images": [EXAMPLE_IMAGE, EXAMPLE_IMAGE], "top_k": 1}))))),
        )
    ),
    responses(
        (status = 200, description = "The most probable classes", body = Answer,
            headers(("Server-Timing" = String, description = "Milliseconds of each stage"))),
        ClassifyErrors,
    )
)]
pub async fn classify(
    State(state): State<AppState>,
    Extension(client): Extension<Client>,
    Extension(tally): Extension<RequestTally>,
    request: Request,
) -> Result<Response, ApiError> {
    let service = state.service()?;
    // What the head says wrong is refused before the body comes.
    let parameters = UnparsedParameters::from_query(request.uri().query().unwrap_or_default())?;
    parameters.parse(&service.model.groups)?;
    let form = UploadForm::of(request.headers())?;
    let copies = form.body_copies();
    let ReceivedBody { bytes, share: _held } = read_body(request, copies, &state, service).await?;
    let read = read_upload(form, bytes, parameters, &state, &service.pipeline);
    let Uploaded { images, parameters } = before(client.deadline, &state, read).await??;
    let count = images.as_slice().len();
    tally.set_images(count);
    let parameters = parameters.parse(&service.model.groups)?;
    state.check_number(service, count)?;
    let work = classify_all(&state, service, client, images, parameters.crops);
    let results = before(client.deadline, &state, work).await??;
    respond(service, results, parameters)
}

/// Classifies each image that has a header; there is a place for each of them, or the request is refused.
async fn classify_all(
    state: &AppState,
    service: &Service,
    client: Client,
    images: Upload<Result<Bytes, ApiError>>,
    crops: Crops,
) -> Result<Upload<Result<Classified, ApiError>>, ApiError> {
    let pipeline = &service.pipeline;
    let failed = |error| state.failed(error);
    let read = async |image: Result<Bytes, ApiError>| {
        pipeline.read_header(image?, crops).await.map_err(failed)
    };
    // One after another: a request of many images is not to keep those of others waiting.
    let read = images.map(read).in_turn().await;
    let asks: Vec<Ask> = read.as_slice().iter().flatten().map(Encoded::ask).collect();
    let mut places = state.admit(service, client, &asks)?.into_iter();
    let work = read.map(|image| image.map(|image| (places.next(), image)));
    let work = work.map(async |image| match image? {
        (Some(place), image) => pipeline.classify(place, image).await.map_err(failed),
        (None, _) => Err(ApiError::Internal("fewer places than images".into())),
    });
    Ok(work.together().await)
}

fn respond(
    service: &Service,
    results: Upload<Result<Classified, ApiError>>,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let Service { model, .. } = service;
    let timings: Vec<_> = results.as_slice().iter().flatten().map(|image| image.timing).collect();
    let results =
        results.map(|result| result.map(|image| ImageAnswer::new(&image, &parameters, model)));
    let mut response = Json(Answer::new(&model.identity, results)?).into_response();
    add_server_timing(&mut response, timings.into_iter());
    Ok(response)
}
