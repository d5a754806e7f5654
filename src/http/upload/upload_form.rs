//! The three forms in which images come: raw bytes, multipart, base64 in JSON.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, header};
use bytes::Bytes;

use super::form::read_form;
use super::images::{Upload, Uploaded};
use super::json::{JsonUpload, Text};
use super::parameters::UnparsedParameters;
use crate::http::base64_image::{self, Base64Error};
use crate::http::body::ReceivedBody;
use crate::http::body_memory::{BODY_COPIES, held_with};
use crate::http::error::ApiError;
use crate::http::state::AppState;
use crate::pipeline::Pipeline;

/// The form of a request, from its Content-Type.
pub enum UploadForm {
    /// One image as it is.
    Raw,
    /// `multipart/form-data`; the header has the boundary.
    Multipart(HeaderValue),
    /// Base64 in JSON.
    Json,
}

impl UploadForm {
    /// A missing Content-Type means `application/octet-stream` (RFC 9110, section 8.3).
    ///
    /// # Errors
    /// 415 when it is none of the three.
    pub fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(Self::Raw) };
        let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
        let essence = text.split(';').next().unwrap_or_default().trim();
        match essence {
            "application/octet-stream" => Ok(Self::Raw),
            "multipart/form-data" => Ok(Self::Multipart(value.clone())),
            "application/json" => Ok(Self::Json),
            image if image.starts_with("image/") => Ok(Self::Raw),
            _ => Err(ApiError::UnsupportedContentType(
                "this Content-Type is not supported: send the image's bytes as image/jpeg (or any \
                 image/*, or application/octet-stream), a form as multipart/form-data, or base64 \
                 in application/json"
                    .into(),
            )),
        }
    }

    /// How often the body is held while its images are taken out of it.
    pub fn body_copies(&self) -> usize {
        match self {
            Self::Raw => 1,
            Self::Multipart(_) | Self::Json => BODY_COPIES,
        }
    }
}

/// Finds the images in a body, and the parameters beside those of the query. The body's share of the memory is given back
/// when the last of its images has been dropped: when it is decoded.
///
/// # Errors
/// 400 when the form is broken or has no image.
pub async fn read_upload(
    form: UploadForm,
    ReceivedBody { bytes: body, share }: ReceivedBody,
    parameters: UnparsedParameters,
    state: &AppState,
    pipeline: &Pipeline,
) -> Result<Uploaded, ApiError> {
    let max_images = state.settings.max_images;
    let uploaded = match form {
        UploadForm::Raw if body.is_empty() => Err(ApiError::EmptyImage),
        UploadForm::Raw => Ok(Uploaded { images: Upload::One(Ok(body)), parameters }),
        UploadForm::Json => {
            // Twenty megabytes of base64 would keep an async thread from all other clients.
            let read = move || from_json(&body, parameters, max_images);
            let read = pipeline.run_blocking(read).await;
            read.map_err(|error| state.body_failed(error))?
        }
        UploadForm::Multipart(content_type) => {
            read_form(content_type, body, parameters, max_images).await
        }
    };
    let Uploaded { images, parameters } = uploaded?;
    let share = Arc::new(share);
    let images = images.map(|image| image.map(|bytes| held_with(bytes, &share)));
    Ok(Uploaded { images, parameters })
}

fn from_json(
    body: &[u8],
    parameters: UnparsedParameters,
    max_images: usize,
) -> Result<Uploaded, ApiError> {
    let JsonUpload { image, images, parameters } = JsonUpload::read(body, parameters)?;
    let images = match (image, images) {
        (Some(_), Some(_)) => {
            return Err(ApiError::InvalidJson("give `image` or `images`, not both".into()));
        }
        (None, None) => return Err(ApiError::MissingImage),
        (Some(image), None) => Upload::One(decode_image(0, &image)),
        (None, Some(images)) if images.count == 0 => return Err(ApiError::MissingImage),
        (None, Some(images)) if images.count > max_images => {
            return Err(ApiError::TooManyImages(max_images));
        }
        (None, Some(images)) => {
            let images = images.kept.iter().enumerate();
            Upload::Many(images.map(|(index, text)| decode_image(index, text)).collect())
        }
    };
    Ok(Uploaded { images, parameters })
}

fn decode_image(index: usize, Text(text): &Text<'_>) -> Result<Bytes, ApiError> {
    base64_image::decode(text).map_err(|error| match error {
        Base64Error::Empty => ApiError::EmptyImage,
        error => ApiError::InvalidBase64(format!("image {index} {error}")),
    })
}
