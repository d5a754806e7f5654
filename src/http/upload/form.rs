//! `multipart/form-data` (RFC 7578): files named `image`, and parameters as fields.

use axum::body::Body;
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use axum::http::{HeaderValue, header};
use bytes::Bytes;

use super::content_disposition::{FilePart, PartHead, boundary};
use super::images::{Upload, Uploaded};
use super::parameters::UnparsedParameters;
use crate::http::error::{ApiError, shown};

/// Names of the parts that are images.
const IMAGE_PARTS: [&str; 3] = ["image", "file", "data"];

/// Finds the images in a form.
///
/// # Errors
/// 400 when the form is broken, a part is neither an image nor a parameter, or there is no image.
pub(super) async fn read_form(
    content_type: HeaderValue,
    body: Bytes,
    mut parameters: UnparsedParameters,
    max_images: usize,
) -> Result<Uploaded, ApiError> {
    let boundary =
        boundary(&String::from_utf8_lossy(content_type.as_bytes())).ok_or_else(no_boundary)?;
    let content_type = format!("multipart/form-data; boundary={}", quoted(&boundary));
    let content_type = HeaderValue::try_from(content_type).map_err(|_| no_boundary())?;
    let mut request = Request::new(Body::from(body));
    request.headers_mut().insert(header::CONTENT_TYPE, content_type);
    // The body was read under `--max-body-bytes`.
    DefaultBodyLimit::disable().apply(&mut request);
    let mut form = Multipart::from_request(request, &()).await.map_err(|_| no_boundary())?;
    let mut images = Vec::new();
    while let Some(field) = form.next_field().await.map_err(|e| broken(&e))? {
        match part(field, &parameters).await? {
            Part::Image(_) if images.len() == max_images => {
                return Err(ApiError::TooManyImages(max_images));
            }
            Part::Image(image) => images.push(Ok(image)),
            Part::Parameter { name, value } => parameters.set(&name, &value)?,
            Part::NotChosen => {}
        }
    }
    let images = match <[_; 1]>::try_from(images) {
        Ok([only]) => Upload::One(only),
        Err(none) if none.is_empty() => return Err(ApiError::MissingImage),
        Err(several) => Upload::Many(several),
    };
    Ok(Uploaded { images, parameters })
}

enum Part {
    Image(Bytes),
    Parameter {
        name: String,
        value: String,
    },
    /// An optional file or field of a web page that was left empty.
    NotChosen,
}

async fn part(field: Field<'_>, parameters: &UnparsedParameters) -> Result<Part, ApiError> {
    let PartHead { name, file } = PartHead::of(field.headers());
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return Err(ApiError::InvalidMultipart(
            "a part of the form has no name: name it `image` if it is an image, else by its parameter"
                .into(),
        ));
    };
    let is_image = IMAGE_PARTS.contains(&name.as_str());
    let is_file = match file {
        Some(FilePart::Named) => true,
        Some(FilePart::Typed) => !parameters.is_name(&name),
        Some(FilePart::Unnamed) | None => false,
    };
    if !is_image && is_file {
        return Err(ApiError::InvalidMultipart(format!(
            "a file is in the part `{}` of the form: the part of an image must be named `image`, also when \
             there are several",
            shown(&name)
        )));
    }
    let content = field.bytes().await.map_err(|e| broken(&e))?;
    if content.is_empty() && (file == Some(FilePart::Unnamed) || !is_image) {
        return Ok(Part::NotChosen);
    }
    if is_image {
        return Ok(Part::Image(content));
    }
    match std::str::from_utf8(&content) {
        Ok(value) => Ok(Part::Parameter { name, value: value.trim().to_owned() }),
        Err(_) => Err(ApiError::InvalidMultipart(format!(
            "the part `{}` of the form is not text: the part of an image must be named `image`",
            shown(&name)
        ))),
    }
}

fn quoted(boundary: &str) -> String {
    format!("\"{}\"", boundary.replace('\\', "\\\\").replace('"', "\\\""))
}

fn no_boundary() -> ApiError {
    ApiError::InvalidMultipart(
        "the Content-Type multipart/form-data has no boundary: leave it to your HTTP library, which writes \
         `multipart/form-data; boundary=…` when it makes the form"
            .into(),
    )
}

fn broken(error: &MultipartError) -> ApiError {
    ApiError::InvalidMultipart(format!(
        "the form cannot be read ({}): its parts must be separated by lines of `--` and the boundary that \
         Content-Type names, end with that line and `--`, and have lines that end with CR LF; leave that to your \
         HTTP library",
        error.body_text()
    ))
}
