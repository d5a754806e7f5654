//! `POST /activations`.

mod answer;
mod parameters;

use axum::Json;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use answer::{ActivationsAnswer, Asked, ModuleAnswer};
use parameters::{KNOWN, Parameters};

use super::accept::{PNG, prefers};
use super::client::Client;
use super::deadline::before;
use super::error::ApiError;
use super::image_facts::ImageFacts;
use super::one_image::{OneImage, explaining_service, look_at};
use super::openapi::bodies::{
    ActivationsForm, ActivationsJson, ActivationsQueryParameters, EXAMPLE_IMAGE, RawBytes,
};
use super::openapi::errors::route_errors;
use super::request_tally::RequestTally;
use super::server_timing::add_server_timing;
use super::state::{AppState, Service};
use super::upload::{UnparsedParameters, UploadForm};
use crate::drawing::PictureError;
use crate::inside::{MapFacts, sprite, sprite_bytes};
use crate::pipeline::{Classified, Looked, Wanted};
use googlenet_engine::model::Look;

/// How its metrics count it.
const METHOD: &str = "activations";
/// What a white pixel of a picture is worth.
const X_SCALE: HeaderName = HeaderName::from_static("x-scale");
/// More than the figures of an answer take, for each channel listed.
const CHANNEL_BYTES: usize = 256;

route_errors!(ActivationsErrors: InvalidParameter, NotExplainable, InvalidJson, InvalidBase64, InvalidMultipart,
    MissingImage, EmptyImage, InvalidInput, NotFound, RequestTimeout, BodyTooLarge, ImageTooLarge, TooManyImages,
    UnsupportedContentType, UnsupportedImageFormat, CorruptImage, QueueFull, Internal, ShuttingDown, NotReady,
    DeadlineExceeded);

/// Shows the maps of the network's modules for an image: which channels are active, and where.
///
/// The body is the image's bytes, a form with a part named `image`, or JSON with base64. With `Accept: image/png` and
/// one `module` the answer is the picture of its channels.
#[utoipa::path(
    post,
    path = "/activations",
    tag = "classify",
    params(ActivationsQueryParameters),
    request_body(
        content(
            (inline(RawBytes) = "image/*"),
            (inline(RawBytes) = "application/octet-stream"),
            (ActivationsForm = "multipart/form-data"),
            (ActivationsJson = "application/json", examples(
                ("module" = (summary = "One module", value = json!({"image": EXAMPLE_IMAGE, "channels": 4}))))),
        )
    ),
    responses(
        (status = 200, description = "The maps, or a picture of one",
            content((ActivationsAnswer = "application/json"), (inline(RawBytes) = "image/png")),
            headers(("Server-Timing" = String, description = "Milliseconds of each stage"),
                ("X-Scale" = Option<f32>, description = "With a picture: the value that a white pixel stands for"))),
        ActivationsErrors,
    )
)]
pub async fn activations(
    State(state): State<AppState>,
    Extension(client): Extension<Client>,
    Extension(tally): Extension<RequestTally>,
    request: Request,
) -> Result<Response, ApiError> {
    let service = explaining_service(&state)?;
    let modules = &service.pipeline.views.modules;
    if modules.is_empty() {
        return Err(ApiError::NoModules);
    }
    let query = request.uri().query().unwrap_or_default();
    let unparsed = UnparsedParameters::from_query(KNOWN, query)?;
    let is_picture = prefers(request.headers(), PNG);
    let form = UploadForm::of(request.headers())?;
    // What the head says wrong is refused before the body comes; a form or JSON may still name the module of a picture.
    let is_all = matches!(form, UploadForm::Raw);
    Parameters::parse(&unparsed, modules, is_picture && is_all)?;
    let read = OneImage::read(request, (form, unparsed), &state, (client, &tally));
    let OneImage { bytes: image, parameters } = read.await?;
    let parameters = Parameters::parse(&parameters, modules, is_picture)?;
    let work = Showing { state: &state, service, parameters, is_picture };
    let mut response = before(client.deadline, &state, work.of(image, client)).await??;
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// What is to be shown of an image.
struct Showing<'a> {
    state: &'a AppState,
    service: &'a Service,
    parameters: Parameters,
    is_picture: bool,
}

impl Showing<'_> {
    async fn of(self, image: Bytes, client: Client) -> Result<Response, ApiError> {
        let (image, looked) = look_at(image, self.wanted(), self.state, client).await?;
        let mut response = if self.is_picture {
            self.picture(looked, client).await?
        } else {
            self.json(&image, looked, client).await?
        };
        add_server_timing(&mut response, std::iter::once(image.timing));
        Ok(response)
    }

    fn wanted(&self) -> Wanted {
        let Parameters { modules, channels, .. } = &self.parameters;
        let look = Look { modules: modules.clone(), times: true, ..Look::default() };
        let views =
            modules.iter().filter_map(|&index| self.service.pipeline.views.modules.get(index));
        let bytes = views.map(|view| {
            let listed = view.channels().min(*channels);
            sprite_bytes(listed * view.height * view.width) + (listed * CHANNEL_BYTES) as u64
        });
        Wanted { look: Some(look), explanation_bytes: bytes.sum(), ..Wanted::default() }
    }

    async fn json(
        &self,
        image: &Classified,
        looked: Looked,
        client: Client,
    ) -> Result<Response, ApiError> {
        let parameters = self.parameters.clone();
        let views = &self.service.pipeline.views.modules;
        let asked = parameters
            .modules
            .iter()
            .filter_map(|&index| Some(Asked { index, view: views.get(index)?.clone() }));
        let asked: Vec<Asked> = asked.collect();
        let modules = self.drawn(looked, client, move |looked| {
            let seen = &looked.seen;
            let maps = asked.iter().zip(&seen.maps);
            maps.map(|(asked, map)| ModuleAnswer::new(asked, map, seen, &parameters))
                .collect::<Result<Vec<_>, _>>()
        });
        let (model, modules) = (&self.service.model.identity, modules.await?);
        let answer = ActivationsAnswer { model, modules, image: ImageFacts::of(image) };
        Ok(Json(answer).into_response())
    }

    async fn picture(&self, looked: Looked, client: Client) -> Result<Response, ApiError> {
        let Parameters { sort, channels, .. } = self.parameters;
        let drawn = self.drawn(looked, client, move |looked| {
            let map = looked.seen.maps.first();
            let map = map.ok_or_else(|| PictureError("the map was not seen".into()))?;
            let first = MapFacts::of(map).first(sort, channels);
            let order: Vec<usize> = first.iter().map(|channel| channel.channel).collect();
            sprite(map, &order)
        });
        let sprite = drawn.await?;
        let mut response = ([(header::CONTENT_TYPE, "image/png")], sprite.png).into_response();
        if let Ok(scale) = HeaderValue::try_from(sprite.scale.to_string()) {
            response.headers_mut().insert(X_SCALE, scale);
        }
        Ok(response)
    }

    /// Does `work` with what was seen on a blocking thread.
    async fn drawn<T: Send + 'static>(
        &self,
        looked: Looked,
        client: Client,
        work: impl FnOnce(&Looked) -> Result<T, PictureError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let drawn = self.service.pipeline.explain(METHOD, looked, client.deadline.0, work).await;
        let drawn = drawn.map_err(|error| self.state.failed(error))?;
        drawn.map_err(|error| ApiError::Internal(error.to_string()))
    }
}
