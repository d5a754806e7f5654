//! `POST /classify`.

mod answer;
mod parameters;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use answer::{Answer, Answered, ImageAnswer};
use parameters::{KNOWN, Parameters};

use super::body::read_body;
use super::cam::Cam;
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
use super::upload::{UnparsedParameters, Upload, UploadForm, Uploaded, read_upload};
use crate::evidence::{Compared, LastMap};
use crate::pipeline::{Ask, ClassifyError, Encoded, Looked, Place, Wanted};
use crate::topk::top_k;
use googlenet_engine::model::{Classifier, Look};

route_errors!(ClassifyErrors: InvalidParameter, NotExplainable, InvalidJson, InvalidBase64, InvalidMultipart, MissingImage, EmptyImage,
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
    let query = request.uri().query().unwrap_or_default();
    let parameters = UnparsedParameters::from_query(KNOWN, query)?;
    parse(&parameters, &state, service)?;
    let form = UploadForm::of(request.headers())?;
    let copies = form.body_copies();
    let body = read_body(request, copies, &state, service).await?;
    let read = read_upload(form, body, parameters, &state, &service.pipeline);
    let Uploaded { images, parameters } = before(client.deadline, &state, read).await??;
    let count = images.as_slice().len();
    tally.set_images(count);
    let parameters = parse(&parameters, &state, service)?;
    state.check_number(service, count)?;
    let work = classify_all(&state, service, client, images, &parameters);
    let results = before(client.deadline, &state, work).await??;
    respond(service, results, &parameters.0)
}

/// The parameters, and what evidence is summed from if it is asked for.
fn parse(
    unparsed: &UnparsedParameters,
    state: &AppState,
    service: &Service,
) -> Result<(Parameters, Option<Arc<Classifier>>), ApiError> {
    let parameters = Parameters::parse(unparsed, &service.model.groups)?;
    if !parameters.explain {
        return Ok((parameters, None));
    }
    if !state.settings.explain {
        return Err(ApiError::InvalidParameter(
            "explanations are switched off in this service (--explain): leave out `explain`".into(),
        ));
    }
    Ok((parameters, Some(service.classifier()?)))
}

/// Classifies each image that has a header; there is a place for each of them, or the request is refused.
async fn classify_all(
    state: &AppState,
    service: &Service,
    client: Client,
    images: Upload<Result<Bytes, ApiError>>,
    (parameters, classifier): &(Parameters, Option<Arc<Classifier>>),
) -> Result<Upload<Result<Answered, ApiError>>, ApiError> {
    let pipeline = &service.pipeline;
    let wanted = Wanted {
        crops: parameters.crops,
        look: classifier.is_some().then(|| Look { last_map: true, ..Look::default() }),
        ..Wanted::default()
    };
    let read = async |image: Result<Bytes, ApiError>| {
        let encoded = pipeline.read_header(image?, wanted.clone()).await;
        encoded.map_err(|error| state.failed(error))
    };
    // One after another: a request of many images is not to keep those of others waiting.
    let read = images.map(read).in_turn().await;
    let asks: Vec<Ask> = read.as_slice().iter().flatten().map(Encoded::ask).collect();
    let mut places = state.admit(service, client, &asks)?.into_iter();
    let work = read.map(|image| image.map(|image| (places.next(), image)));
    let work = work.map(async |image| match image? {
        (Some(place), image) => {
            let answered =
                answer_one(service, client, place, image, parameters, classifier.as_ref());
            answered.await.map_err(|error| state.failed(error))
        }
        (None, _) => Err(ApiError::Internal("fewer places than images".into())),
    });
    Ok(work.together().await)
}

/// Classifies an image, and sums the evidence for each of its classes where there is a `classifier`.
async fn answer_one(
    service: &Service,
    client: Client,
    place: Place,
    image: Encoded,
    parameters: &Parameters,
    classifier: Option<&Arc<Classifier>>,
) -> Result<Answered, ClassifyError> {
    let mut image = service.pipeline.classify(place, image).await?;
    let Parameters { top_k: k, min_probability, within, .. } = parameters;
    let best = top_k(&image.probabilities, *k, *min_probability, within.as_ref());
    let (Some(classifier), Some(looked)) = (classifier.cloned(), image.seen.take()) else {
        return Ok(Answered { image, best, cams: Vec::new() });
    };
    let classes: Vec<usize> = best.iter().map(|prediction| prediction.class).collect();
    let work = move |looked: &Looked| cams(&classifier, looked, &classes);
    let cams = service.pipeline.explain("cam", looked, client.deadline.0, work).await?;
    Ok(Answered { image, best, cams })
}

/// The evidence for each of `classes`.
fn cams(classifier: &Classifier, looked: &Looked, classes: &[usize]) -> Vec<Cam> {
    let Some(last) = LastMap::of(classifier, &looked.seen) else { return Vec::new() };
    let evidence = |&class| Cam::from(&last.evidence(Compared { class, against: None }));
    classes.iter().map(evidence).collect()
}

fn respond(
    service: &Service,
    results: Upload<Result<Answered, ApiError>>,
    parameters: &Parameters,
) -> Result<Response, ApiError> {
    let Service { model, .. } = service;
    let answered = results.as_slice().iter().flatten();
    let timings: Vec<_> = answered.map(|answered| answered.image.timing).collect();
    let results =
        results.map(|result| result.map(|image| ImageAnswer::new(image, parameters, model)));
    let mut response = Json(Answer::new(&model.identity, results)?).into_response();
    add_server_timing(&mut response, timings.into_iter());
    Ok(response)
}
