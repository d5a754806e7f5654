//! `POST /explain`.

mod answer;
mod parameters;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use answer::{ExplainAnswer, Sums};
use parameters::{KNOWN, Parameters};

use super::accept::{Ranges, prefers};
use super::body::{ReceivedBody, read_body};
use super::client::Client;
use super::deadline::before;
use super::error::ApiError;
use super::image_facts::ImageFacts;
use super::openapi::bodies::{
    EXAMPLE_IMAGE, ExplainForm, ExplainJson, ExplainQueryParameters, RawBytes,
};
use super::openapi::errors::route_errors;
use super::request_tally::RequestTally;
use super::server_timing::add_server_timing;
use super::state::{AppState, Service};
use super::upload::{UnparsedParameters, UploadForm, Uploaded, read_upload};
use crate::evidence::{Compared, LastMap, overlay, picture_bytes};
use crate::pipeline::{Classified, Looked, Wanted};
use crate::topk::{TopK, top_k};
use googlenet_engine::model::{Classifier, Look};

/// A picture.
const PNG: Ranges = ["image/png", "image/*", "*/*"];
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
            content((ExplainAnswer = "application/json"), (inline(RawBytes) = "image/png")),
            headers(("Server-Timing" = String, description = "Milliseconds of each stage"),
                ("X-Logit" = Option<f32>, description = "With a picture: the logit that it explains"))),
        ExplainErrors,
    )
)]
pub async fn explain(
    State(state): State<AppState>,
    Extension(client): Extension<Client>,
    Extension(tally): Extension<RequestTally>,
    request: Request,
) -> Result<Response, ApiError> {
    let service = state.service()?;
    if !state.settings.explain {
        return Err(ApiError::UnknownName(
            "explanations are switched off in this service (--explain)".into(),
        ));
    }
    let classifier = service.classifier()?;
    // What the head says wrong is refused before the body comes.
    let query = request.uri().query().unwrap_or_default();
    let unparsed = UnparsedParameters::from_query(KNOWN, query)?;
    Parameters::parse(&unparsed, &service.model.labels)?;
    let is_picture = prefers(request.headers(), PNG);
    let form = UploadForm::of(request.headers())?;
    let copies = form.body_copies();
    let ReceivedBody { bytes, share: _held } = read_body(request, copies, &state, service).await?;
    let read = read_upload(form, bytes, unparsed, &state, &service.pipeline);
    let Uploaded { images, parameters } = before(client.deadline, &state, read).await??;
    let image = images.only()??;
    tally.set_images(1);
    let parameters = Parameters::parse(&parameters, &service.model.labels)?;
    let explanation = Explanation { state: &state, service, classifier, parameters, is_picture };
    let mut response = before(client.deadline, &state, explanation.of(image, client)).await??;
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// How an image is to be explained.
struct Explanation<'a> {
    state: &'a AppState,
    service: &'a Service,
    classifier: Arc<Classifier>,
    parameters: Parameters,
    is_picture: bool,
}

impl Explanation<'_> {
    async fn of(self, image: Bytes, client: Client) -> Result<Response, ApiError> {
        let pipeline = &self.service.pipeline;
        let failed = |error| self.state.failed(error);
        let encoded = pipeline.read_header(image, self.wanted()).await.map_err(failed)?;
        let places = self.state.admit(self.service, client, &[encoded.ask()])?;
        let place = places.into_iter().next();
        let place = place.ok_or_else(|| ApiError::Internal("no place for an image".into()))?;
        let mut image = pipeline.classify(place, encoded).await.map_err(failed)?;
        let looked = image.seen.take();
        let looked = looked.ok_or_else(|| ApiError::Internal("nothing was seen".into()))?;
        let mut response = if self.is_picture {
            self.picture(&image, looked, client).await?
        } else {
            self.json(&image, looked, client).await?
        };
        add_server_timing(&mut response, std::iter::once(image.timing));
        Ok(response)
    }

    fn wanted(&self) -> Wanted {
        let look = Some(Look { last_map: true, ..Look::default() });
        let size = self.is_picture.then_some(self.parameters.size);
        Wanted {
            look,
            picture_side: size,
            explanation_bytes: size.map_or(SUMS_BYTES, picture_bytes),
            ..Wanted::default()
        }
    }

    /// The class that was asked for, or the best.
    fn compared(&self, image: &Classified) -> Compared {
        let class = self.parameters.class.unwrap_or_else(|| {
            let best = top_k(&image.probabilities, TopK::default_for(1), 0.0, None);
            best.first().map_or(0, |prediction| prediction.class)
        });
        Compared { class, against: self.parameters.against }
    }

    async fn json(
        &self,
        image: &Classified,
        looked: Looked,
        client: Client,
    ) -> Result<Response, ApiError> {
        let (compared, parameters) = (self.compared(image), self.parameters);
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
        let compared = self.compared(image);
        let photo = looked.picture.take();
        let photo = photo.ok_or_else(|| ApiError::Internal("the crop is not there".into()))?;
        let picture = self.explained(looked, client, move |last| {
            let evidence = last.evidence(compared);
            let png = overlay(photo.as_bytes(), photo.side(), &evidence.grid);
            png.map(|png| (png, evidence.logit))
        });
        let (png, logit) = picture.await?.map_err(|e| ApiError::Internal(e.to_string()))?;
        let mut response = ([(header::CONTENT_TYPE, "image/png")], png).into_response();
        if let Ok(logit) = HeaderValue::try_from(logit.to_string()) {
            response.headers_mut().insert(X_LOGIT, logit);
        }
        Ok(response)
    }

    /// Does `work` with the last map on a blocking thread.
    async fn explained<T: Send + 'static>(
        &self,
        looked: Looked,
        client: Client,
        work: impl FnOnce(&LastMap<'_>) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let classifier = Arc::clone(&self.classifier);
        let method = self.parameters.method.as_str();
        let with_map =
            move |looked: &Looked| LastMap::of(&classifier, &looked.seen).map(|last| work(&last));
        let explained =
            self.service.pipeline.explain(method, looked, client.deadline.0, with_map).await;
        let explained = explained.map_err(|error| self.state.failed(error))?;
        explained.ok_or_else(|| ApiError::Internal("the last map was not seen".into()))
    }
}
