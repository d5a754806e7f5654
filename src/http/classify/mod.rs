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
use futures_util::future::join_all;

use answer::{Answer, ImageAnswer, OneAnswer};
use parameters::{Parameters, QueryParameters, RawParameters};
use upload_form::{UploadForm, read_upload};

use super::body::{ReceivedBody, read_body};
use super::client::Client;
use super::deadline::before;
use super::error::{ApiError, ErrorBody};
use super::openapi::bodies::{ClassifyBody, ClassifyForm, EXAMPLE_IMAGE, RawBytes};
use super::request_tally::RequestTally;
use super::server_timing::add_server_timing;
use super::state::{AppState, Service};
use crate::pipeline::{Ask, Classified, Encoded, Timing};
use crate::preprocess::Crops;

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
        (status = 400, description = "A parameter or the form is invalid, or there is no image", body = ErrorBody),
        (status = 408, description = "The body did not arrive in time", body = ErrorBody),
        (status = 413, description = "The body, the image or their number is too large", body = ErrorBody),
        (status = 415, description = "The form or the image's format is not taken", body = ErrorBody),
        (status = 422, description = "The image is corrupt", body = ErrorBody),
        (status = 429, description = "The queue is full; see Retry-After", body = ErrorBody),
        (status = 500, description = "Something failed inside the service", body = ErrorBody),
        (status = 503, description = "Not ready, or shutting down; see Retry-After", body = ErrorBody),
        (status = 504, description = "No answer within the request timeout", body = ErrorBody),
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
    let parameters = RawParameters::from_query(request.uri().query().unwrap_or_default())?;
    parameters.check(service.model.classes())?;
    let form = UploadForm::of(request.headers())?;
    let copies = form.body_copies();
    let ReceivedBody { bytes, share: _held } = read_body(request, copies, &state, service).await?;
    let read = read_upload(form, bytes, parameters, &state, &service.pipeline);
    let upload = before(client.deadline, &state, read).await??;
    tally.set_images(upload.images.len());
    let parameters = upload.parameters.check(service.model.classes())?;
    state.check_number(service, upload.images.len())?;
    let work = classify_all(&state, service, client, upload.images, parameters.crops);
    let results = before(client.deadline, &state, work).await??;
    respond(service, results, parameters, upload.many)
}

/// Classifies each image that has a header; there is a place for each of them, or the request is refused.
async fn classify_all(
    state: &AppState,
    service: &Service,
    client: Client,
    images: Vec<Result<Bytes, ApiError>>,
    crops: Crops,
) -> Result<Vec<Result<Classified, ApiError>>, ApiError> {
    let pipeline = &service.pipeline;
    let failed = |error| state.failed(error);
    // One after another: a request of many images is not to keep those of others waiting.
    let mut read: Vec<Result<Encoded, ApiError>> = Vec::with_capacity(images.len());
    for image in images {
        read.push(match image {
            Ok(image) => pipeline.read_header(image, crops).await.map_err(failed),
            Err(error) => Err(error),
        });
    }
    let asks: Vec<Ask> = read.iter().flatten().map(Encoded::ask).collect();
    let mut places = state.admit(service, client, &asks)?.into_iter();
    let work = read.into_iter().map(|image| image.map(|image| (places.next(), image)));
    let work = work.map(async |image| match image? {
        (Some(place), image) => pipeline.classify(place, image).await.map_err(failed),
        (None, _) => Err(ApiError::Internal("fewer places than images".into())),
    });
    Ok(join_all(work).await)
}

fn respond(
    service: &Service,
    results: Vec<Result<Classified, ApiError>>,
    parameters: Parameters,
    many: bool,
) -> Result<Response, ApiError> {
    let timings: Vec<Timing> =
        results.iter().flatten().map(|classified| classified.timing).collect();
    let model = service.model.identity.clone();
    let answer = |result: Result<Classified, ApiError>| {
        result.map(|classified| ImageAnswer::new(&classified, &parameters, &service.model))
    };
    let mut results: Vec<_> = results.into_iter().map(answer).collect();
    let body = match (many, results.pop()) {
        (false, Some(only)) => Answer::One(OneAnswer { model, result: only? }),
        (_, last) => {
            results.extend(last);
            Answer::many(model, results)?
        }
    };
    let mut response = Json(body).into_response();
    add_server_timing(&mut response, timings.into_iter());
    Ok(response)
}
