//! What the routes that look into the network do alike: one image comes, the network is looked at, one answer goes.

use axum::extract::Request;
use bytes::Bytes;

use super::body::read_body;
use super::client::Client;
use super::deadline::before;
use super::error::ApiError;
use super::request_tally::RequestTally;
use super::state::{AppState, Service};
use super::upload::{UnparsedParameters, UploadForm, Uploaded, read_upload};
use crate::pipeline::{Classified, Looked, Wanted};

/// The service, where explanations are not switched off.
///
/// # Errors
/// Those of [`AppState::service`], and [`ApiError::UnknownName`].
pub fn explaining_service(state: &AppState) -> Result<&Service, ApiError> {
    let service = state.service()?;
    if !state.settings.explain {
        return Err(ApiError::UnknownName(
            "explanations are switched off in this service (--explain)".into(),
        ));
    }
    Ok(service)
}

/// The image of a request.
pub struct OneImage {
    /// Encoded; they hold the share of the memory of all bodies.
    pub bytes: Bytes,
    /// Those of the query and those of the body.
    pub parameters: UnparsedParameters,
}

impl OneImage {
    /// Reads the body of `request`, which has `query`, the parameters of its head.
    ///
    /// # Errors
    /// Those of [`read_body`] and [`read_upload`], and [`ApiError::SeveralImages`].
    pub async fn read(
        request: Request,
        (form, query): (UploadForm, UnparsedParameters),
        state: &AppState,
        (client, tally): (Client, &RequestTally),
    ) -> Result<Self, ApiError> {
        let service = state.service()?;
        let copies = form.body_copies();
        let body = read_body(request, copies, state, service).await?;
        let read = read_upload(form, body, query, state, &service.pipeline);
        let Uploaded { images, parameters } = before(client.deadline, state, read).await??;
        let bytes = images.only()??;
        tally.set_images(1);
        Ok(Self { bytes, parameters })
    }
}

/// Classifies an image and looks at what is `wanted` of the network meanwhile.
///
/// # Errors
/// [`ApiError`] when there is no place, or a stage fails.
pub async fn look_at(
    image: Bytes,
    wanted: Wanted,
    state: &AppState,
    client: Client,
) -> Result<(Classified, Looked), ApiError> {
    let service = state.service()?;
    let failed = |error| state.failed(error);
    let encoded = service.pipeline.read_header(image, wanted).await.map_err(failed)?;
    let places = state.admit(service, client, &[encoded.ask()])?;
    let place = places.into_iter().next();
    let place = place.ok_or_else(|| ApiError::Internal("no place for an image".into()))?;
    let mut image = service.pipeline.classify(place, encoded).await.map_err(failed)?;
    let looked = image.seen.take();
    let looked = looked.ok_or_else(|| ApiError::Internal("nothing was seen".into()))?;
    Ok((image, looked))
}
