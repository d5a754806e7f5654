//! `POST /explain`.

mod answer;
mod choices;
mod grid;
mod parameters;

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use answer::{ExplainAnswer, Sums};
pub use choices::Choices;
use grid::{Explained, GridAnswer};
use parameters::{KNOWN, Method, Parameters};

use super::accept::{PNG, prefers};
use super::client::Client;
use super::deadline::before;
use super::error::ApiError;
use super::image_facts::ImageFacts;
use super::one_image::{OneImage, explaining_service, look_at};
use super::openapi::bodies::{
    EXAMPLE_IMAGE, ExplainForm, ExplainJson, ExplainQueryParameters, RawBytes,
};
use super::openapi::errors::route_errors;
use super::request_tally::RequestTally;
use super::server_timing::add_server_timing;
use super::state::{AppState, Service};
use super::upload::{UnparsedParameters, UploadForm};
use crate::evidence::{Compared, Grid, LastMap, overlay, picture_bytes};
use crate::inside::{Covers, drops, variants};
use crate::pipeline::{Classified, Looked, PatientPlace, Wanted};
use googlenet_engine::model::{GradientOf, Input, Look, Score, Seen};

/// The logit that a picture explains.
const X_LOGIT: HeaderName = HeaderName::from_static("x-logit");
/// More than the sums of an answer take: five classes for each of 49 squares, and all channels.
const SUMS_BYTES: u64 = 1 << 18;

route_errors!(ExplainErrors: InvalidParameter, NotExplainable, InvalidJson, InvalidBase64, InvalidMultipart,
    MissingImage, EmptyImage, InvalidInput, NotFound, RequestTimeout, BodyTooLarge, ImageTooLarge, TooManyImages,
    UnsupportedContentType, UnsupportedImageFormat, CorruptImage, QueueFull, Internal, ShuttingDown, NotReady,
    DeadlineExceeded);

/// Explains why the network gave an image a class: what each part of the image adds to its logit.
///
/// The body is the image's bytes, a form with a part named `image`, or JSON with base64. With `Accept: image/png` the
/// answer is a picture.
#[utoipa::path(
    post,
    path = "/explain",
    tag = "classify",
    params(ExplainQueryParameters),
    request_body(
        content(
            (inline(RawBytes) = "image/*"),
            (inline(RawBytes) = "application/octet-stream"),
            (ExplainForm = "multipart/form-data"),
            (ExplainJson = "application/json", examples(
                ("best" = (summary = "The best class", value = json!({"image": EXAMPLE_IMAGE}))))),
        )
    ),
    responses(
        (status = 200, description = "The evidence for a class, or a picture of it",
            content((Answer = "application/json"), (inline(RawBytes) = "image/png")),
            headers(("Server-Timing" = String, description = "Milliseconds of each stage"),
                ("X-Logit" = Option<f32>, description = "With a picture: the logit that it explains, if the graph has logits"))),
        ExplainErrors,
    )
)]
pub async fn explain(
    State(state): State<AppState>,
    Extension(client): Extension<Client>,
    Extension(tally): Extension<RequestTally>,
    request: Request,
) -> Result<Response, ApiError> {
    let service = explaining_service(&state)?;
    let query = request.uri().query().unwrap_or_default();
    let unparsed = UnparsedParameters::from_query(KNOWN, query)?;
    let is_picture = prefers(request.headers(), PNG);
    let form = UploadForm::of(request.headers())?;
    // What the head says wrong is refused before the body comes; a form or JSON may still name the method, on which the
    // other parameters depend.
    if matches!(form, UploadForm::Raw) {
        parse(&unparsed, service)?;
    }
    let read = OneImage::read(request, (form, unparsed), &state, (client, &tally));
    let OneImage { bytes: image, parameters } = read.await?;
    let parameters = parse(&parameters, service)?;
    let explanation = Explanation { state: &state, service, parameters, is_picture };
    let answered = before(client.deadline, &state, explanation.of(image, client)).await;
    let mut response = answered.map_err(|error| match (error, parameters.method) {
        (ApiError::DeadlineExceeded(timeout), Method::Occlusion) => {
            ApiError::OcclusionTooSlow(timeout)
        }
        (error, _) => error,
    })??;
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// The parameters, for a network that can be explained so.
fn parse(unparsed: &UnparsedParameters, service: &Service) -> Result<Parameters, ApiError> {
    let Service { model, pipeline, .. } = service;
    let parameters = Parameters::parse(unparsed, &model.labels, &pipeline.views)?;
    if parameters.method == Method::Cam {
        service.classifier()?;
    }
    Ok(parameters)
}

/// What the methods answer.
#[derive(Serialize, ToSchema)]
#[schema(as = Explanation)]
#[serde(untagged)]
#[allow(dead_code)] // only described: each is answered as it is
enum Answer<'a> {
    /// `method=cam`.
    Cam(ExplainAnswer<'a>),
    /// `method=gradient` and `method=occlusion`.
    Grid(GridAnswer<'a>),
}

/// How an image is to be explained.
struct Explanation<'a> {
    state: &'a AppState,
    service: &'a Service,
    parameters: Parameters,
    is_picture: bool,
}

impl Explanation<'_> {
    async fn of(self, image: Bytes, client: Client) -> Result<Response, ApiError> {
        // Where there is no place for the variants, nothing is begun.
        let patient = match self.parameters.method {
            Method::Occlusion => {
                let count = variants(self.parameters.squares);
                Some(self.state.admit_patient(self.service, client, count)?)
            }
            Method::Cam | Method::Gradient => None,
        };
        let (mut image, looked) = look_at(image, self.wanted(), self.state, client).await?;
        let mut response = match (self.parameters.method, patient) {
            (Method::Cam, _) if self.is_picture => self.picture(&image, looked, client).await?,
            (Method::Cam, _) => self.json(&image, looked, client).await?,
            (_, None) => {
                let explained = self.gradient(&image, &looked.seen)?;
                self.grid(&image, looked, client, explained).await?
            }
            (_, Some(patient)) => {
                let begun = Instant::now();
                let explained = self.occlusion(&image, &looked, patient).await?;
                image.timing.occlusion = Some(begun.elapsed());
                self.grid(&image, looked, client, explained).await?
            }
        };
        add_server_timing(&mut response, std::iter::once(image.timing));
        Ok(response)
    }

    fn wanted(&self) -> Wanted {
        let Parameters { class, against, method, module, .. } = self.parameters;
        let gradient = module.map(|module| GradientOf { class, against, modules: vec![module] });
        let look = Some(Look { last_map: method == Method::Cam, gradient, ..Look::default() });
        let size = self.is_picture.then_some(self.parameters.size);
        Wanted {
            look,
            picture_side: size,
            explanation_bytes: size.map_or(SUMS_BYTES, picture_bytes),
            ..Wanted::default()
        }
    }

    /// The class that was asked for, or the best.
    fn compared(&self, image: &Classified) -> Result<Compared, ApiError> {
        let class = self.parameters.class.unwrap_or_else(|| image.probabilities.best());
        let compared = Compared { class, against: self.parameters.against };
        if compared.against == Some(class) {
            return Err(ApiError::InvalidParameter(
                "against is the best class of this image, which is explained if no class is given: compare it with \
                 another, or name a class"
                    .into(),
            ));
        }
        Ok(compared)
    }

    async fn json(
        &self,
        image: &Classified,
        looked: Looked,
        client: Client,
    ) -> Result<Response, ApiError> {
        let (compared, parameters) = (self.compared(image)?, self.parameters);
        let sums =
            self.explained(looked, client, move |last| Sums::new(last, compared, &parameters));
        let sums = sums.await?;
        let probability = image.probabilities.as_slice().get(compared.class).copied();
        let answer = ExplainAnswer::new(
            sums,
            compared,
            &parameters,
            probability.unwrap_or_default(),
            ImageFacts::of(image),
            &self.service.model,
        );
        Ok(Json(answer).into_response())
    }

    async fn picture(
        &self,
        image: &Classified,
        mut looked: Looked,
        client: Client,
    ) -> Result<Response, ApiError> {
        let compared = self.compared(image)?;
        let photo = looked.picture.take();
        let photo = photo.ok_or_else(|| ApiError::Internal("the crop is not there".into()))?;
        let picture = self.explained(looked, client, move |last| {
            let evidence = last.evidence(compared);
            let png = overlay(photo.as_bytes(), photo.side(), &evidence.grid);
            png.map(|png| (png, evidence.logit))
        });
        let (png, logit) = picture.await?.map_err(|e| ApiError::Internal(e.to_string()))?;
        Ok(png_response(png, Some(logit)))
    }

    /// The gradient that was seen.
    fn gradient(&self, image: &Classified, seen: &Seen) -> Result<Explained, ApiError> {
        let compared = self.compared(image)?;
        let map = seen.gradients.first();
        let map = map.ok_or_else(|| ApiError::Internal("the gradient was not seen".into()))?;
        let score = seen.score(compared.class, compared.against);
        let grid = Grid { columns: map.width, values: map.values.to_vec() };
        Ok(Explained { compared, score, grid })
    }

    /// What the class loses when parts of the image are covered.
    async fn occlusion(
        &self,
        image: &Classified,
        looked: &Looked,
        patient: PatientPlace,
    ) -> Result<Explained, ApiError> {
        let Some(Input::Pixels(crop)) = &looked.input else {
            return Err(ApiError::Internal("the crop is not there".into()));
        };
        let (compared, squares) = (self.compared(image)?, self.parameters.squares);
        let covers = Covers::new(crop.clone(), squares, &self.service.model.preprocessing);
        let of = (compared.class, compared.against);
        let scores = patient.infer(of, Arc::new(move |number| covers.variant(number)));
        let (score, values) = drops(&scores.await?)
            .ok_or_else(|| ApiError::Internal("there is no variant".into()))?;
        Ok(Explained { compared, score, grid: Grid { columns: squares, values } })
    }

    /// The answer of a grid, or its picture, which is made on a blocking thread.
    async fn grid(
        &self,
        image: &Classified,
        mut looked: Looked,
        client: Client,
        explained: Explained,
    ) -> Result<Response, ApiError> {
        let Parameters { method, module, .. } = self.parameters;
        let photo = looked.picture.take();
        let draw = move |_: &Looked| {
            let png = photo.map(|photo| overlay(photo.as_bytes(), photo.side(), &explained.grid));
            (png.transpose(), explained)
        };
        let pipeline = &self.service.pipeline;
        let drawn = pipeline.explain(method.as_str(), looked, client.deadline.0, draw).await;
        let (png, explained) = drawn.map_err(|error| self.state.failed(error))?;
        if let Some(png) = png.map_err(|e| ApiError::Internal(e.to_string()))? {
            let Score { value, is_logit } = explained.score;
            return Ok(png_response(png, is_logit.then_some(value)));
        }
        let probability = image.probabilities.as_slice().get(explained.compared.class);
        let module = module.and_then(|index| pipeline.views.modules.get(index));
        let answer = GridAnswer::new(
            &explained,
            method,
            module.map(|module| module.name.as_str()),
            probability.copied().unwrap_or_default(),
            ImageFacts::of(image),
            &self.service.model,
        );
        Ok(Json(answer).into_response())
    }

    /// Does `work` with the last map on a blocking thread.
    async fn explained<T: Send + 'static>(
        &self,
        looked: Looked,
        client: Client,
        work: impl FnOnce(&LastMap<'_>) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let classifier = self.service.classifier()?;
        let method = self.parameters.method.as_str();
        let with_map =
            move |looked: &Looked| LastMap::of(&classifier, &looked.seen).map(|last| work(&last));
        let explained =
            self.service.pipeline.explain(method, looked, client.deadline.0, with_map).await;
        let explained = explained.map_err(|error| self.state.failed(error))?;
        explained.ok_or_else(|| ApiError::Internal("the last map was not seen".into()))
    }
}

/// A picture, and the logit that it explains, where there are logits.
fn png_response(png: Vec<u8>, logit: Option<f32>) -> Response {
    let mut response = ([(header::CONTENT_TYPE, "image/png")], png).into_response();
    if let Some(logit) = logit.and_then(|logit| HeaderValue::try_from(logit.to_string()).ok()) {
        response.headers_mut().insert(X_LOGIT, logit);
    }
    response
}
