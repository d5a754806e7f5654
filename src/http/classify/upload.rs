//! The three forms in which images come: raw bytes, multipart, base64 in JSON.

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

use super::json::{Base64Text, JsonUpload, Parameter};
use super::parameters::RawParameters;
use crate::http::body_memory::BODY_COPIES;
use crate::http::error::ApiError;

/// The standard alphabet, with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The images of a request, in order, each with its own fate.
pub struct Upload {
    /// Encoded images; one that is not base64 does not spoil the others.
    pub images: Vec<Result<Bytes, ApiError>>,
    /// Whether the client sent a list, and gets one back.
    pub many: bool,
    /// From form fields or JSON members, after those of the query.
    pub parameters: RawParameters,
}

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
                "this Content-Type is not taken: send the image's bytes as image/jpeg (or any \
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

/// Finds the images in a body.
///
/// # Errors
/// 400 when the form is broken or has no image.
pub async fn read_upload(
    form: UploadForm,
    body: Bytes,
    parameters: RawParameters,
    max_images: usize,
) -> Result<Upload, ApiError> {
    match form {
        UploadForm::Raw if body.is_empty() => Err(ApiError::EmptyImage),
        UploadForm::Raw => Ok(Upload { images: vec![Ok(body)], many: false, parameters }),
        UploadForm::Json => from_json(&body, parameters, max_images),
        UploadForm::Multipart(content_type) => {
            from_multipart(content_type, body, parameters, max_images).await
        }
    }
}

async fn from_multipart(
    content_type: HeaderValue,
    body: Bytes,
    mut parameters: RawParameters,
    max_images: usize,
) -> Result<Upload, ApiError> {
    let mut request = Request::new(Body::from(body));
    request.headers_mut().insert(header::CONTENT_TYPE, content_type);
    // The body was read under `--max-body-bytes`.
    DefaultBodyLimit::disable().apply(&mut request);
    let mut multipart = Multipart::from_request(request, &())
        .await
        .map_err(|e| ApiError::InvalidMultipart(e.body_text()))?;
    let mut images = Vec::new();
    let broken =
        |e: axum::extract::multipart::MultipartError| ApiError::InvalidMultipart(e.body_text());
    while let Some(field) = multipart.next_field().await.map_err(broken)? {
        let name = field.name().unwrap_or_default().to_owned();
        match name.as_str() {
            "image" | "file" | "data" => {
                if images.len() == max_images {
                    return Err(ApiError::TooManyImages(max_images));
                }
                images.push(Ok(field.bytes().await.map_err(broken)?));
            }
            _ => parameters.set(&name, field.text().await.map_err(broken)?)?,
        }
    }
    match images.len() {
        0 => Err(ApiError::MissingImage),
        count => Ok(Upload { images, many: count > 1, parameters }),
    }
}

fn from_json(
    body: &[u8],
    mut parameters: RawParameters,
    max_images: usize,
) -> Result<Upload, ApiError> {
    let upload: JsonUpload =
        serde_json::from_slice(body).map_err(|e| ApiError::InvalidJson(e.to_string()))?;
    let members = [
        ("top_k", upload.top_k),
        ("min_probability", upload.min_probability),
        ("crops", upload.crops),
    ];
    for (name, value) in members {
        match value {
            None => {}
            Some(Parameter::Number(number)) => parameters.set(name, number.to_string())?,
            Some(Parameter::Other) => {
                return Err(ApiError::InvalidParameter(format!("{name} must be a number")));
            }
        }
    }
    let (texts, count, many) = match (upload.image, upload.images) {
        (Some(_), Some(_)) => {
            return Err(ApiError::InvalidJson("give `image` or `images`, not both".into()));
        }
        (Some(image), None) => (vec![image], 1, false),
        (None, Some(images)) => (images.kept, images.count, true),
        (None, None) => return Err(ApiError::MissingImage),
    };
    if texts.is_empty() {
        return Err(ApiError::MissingImage);
    }
    if count > max_images {
        return Err(ApiError::TooManyImages(max_images));
    }
    let images = texts
        .iter()
        .enumerate()
        .map(|(index, Base64Text(text))| decode_base64(index, text))
        .collect();
    Ok(Upload { images, many, parameters })
}

/// One image in base64; a data URL's head is passed over.
///
/// # Errors
/// [`ApiError::InvalidBase64`], or [`ApiError::EmptyImage`] when there is nothing.
pub fn decode_base64(index: usize, text: &str) -> Result<Bytes, ApiError> {
    let text = match text.strip_prefix("data:") {
        Some(url) => url.split_once(";base64,").map_or(text, |(_, data)| data),
        None => text,
    };
    let bytes = BASE64
        .decode(text)
        .map_err(|e| ApiError::InvalidBase64 { index, detail: e.to_string() })?;
    if bytes.is_empty() { Err(ApiError::EmptyImage) } else { Ok(bytes.into()) }
}
