//! One image or several; the form of the answer follows from this.

use bytes::Bytes;
use futures_util::future::join_all;

use super::parameters::UnparsedParameters;
use crate::http::error::ApiError;

/// What is taken out of a request, whatever form it has.
pub struct Uploaded {
    /// Encoded images, each with its own fate: one that is not base64 does not spoil the others.
    pub images: Upload<Result<Bytes, ApiError>>,
    /// Those of the query and those of the body.
    pub parameters: UnparsedParameters,
}

/// What there is for each image of a request, in order.
#[derive(Debug)]
pub enum Upload<T> {
    /// One was sent, and one comes back.
    One(T),
    /// A list was sent, and a list comes back.
    Many(Vec<T>),
}

impl<T> Upload<T> {
    /// One for each image.
    pub fn as_slice(&self) -> &[T] {
        match self {
            Self::One(only) => std::slice::from_ref(only),
            Self::Many(all) => all,
        }
    }

    /// The same of each image.
    pub fn map<U>(self, mut change: impl FnMut(T) -> U) -> Upload<U> {
        match self {
            Self::One(only) => Upload::One(change(only)),
            Self::Many(all) => Upload::Many(all.into_iter().map(change).collect()),
        }
    }

    /// The only image.
    ///
    /// # Errors
    /// [`ApiError::SeveralImages`] when a list was sent that is longer.
    pub fn only(self) -> Result<T, ApiError> {
        match self {
            Self::One(only) => Ok(only),
            Self::Many(all) => {
                <[T; 1]>::try_from(all).map(|[only]| only).map_err(|_| ApiError::SeveralImages)
            }
        }
    }
}

impl<F: Future> Upload<F> {
    /// Waits for one image after another.
    pub async fn in_turn(self) -> Upload<F::Output> {
        match self {
            Self::One(only) => Upload::One(only.await),
            Self::Many(all) => {
                let mut done = Vec::with_capacity(all.len());
                for one in all {
                    done.push(one.await);
                }
                Upload::Many(done)
            }
        }
    }

    /// Waits for all images at the same time.
    pub async fn together(self) -> Upload<F::Output> {
        match self {
            Self::One(only) => Upload::One(only.await),
            Self::Many(all) => Upload::Many(join_all(all).await),
        }
    }
}
