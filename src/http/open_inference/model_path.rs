//! The model and version that a path names.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use serde::Deserialize;

use crate::http::error::ApiError;
use googlenet_engine::model_info::ModelInfo;

/// The name that always works, whatever the file is called.
const ALIAS: &str = "googlenet";
/// The version that always works: what clients send that count versions.
const FIRST_VERSION: &str = "1";

/// `{name}` and, in the longer form of a path, `{version}`.
#[derive(Debug, Deserialize)]
pub struct ModelPath {
    name: String,
    version: Option<String>,
}

impl ModelPath {
    /// Checks that `model` is the one that the path names.
    ///
    /// # Errors
    /// [`ApiError::UnknownName`] when it is another, or another version of it.
    pub fn check(&self, model: &ModelInfo) -> Result<(), ApiError> {
        let (name, version) = (&model.identity.name, &model.identity.version);
        if self.name != *name && self.name != ALIAS {
            return Err(ApiError::UnknownName(format!(
                "there is no model of this name: the model is `{name}`"
            )));
        }
        match &self.version {
            Some(asked) if asked != version && asked != FIRST_VERSION => {
                Err(ApiError::UnknownName(format!(
                    "there is no such version of the model: it is {version} (or {FIRST_VERSION})"
                )))
            }
            _ => Ok(()),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ModelPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Path::<Self>::from_request_parts(parts, state).await.map(|Path(path)| path).map_err(|e| {
            ApiError::InvalidInput(format!("the path cannot be read: {}", e.body_text()))
        })
    }
}
