//! What the handlers share.

use std::sync::{Arc, OnceLock};

use super::body_memory::BodyMemory;
use super::error::ApiError;
use crate::batcher::{Place, Queue};
use crate::config::ServeConfig;
use crate::lifecycle::{Lifecycle, Phase};
use crate::metrics::Metrics;
use crate::model::OperatorCount;
use crate::model_info::ModelInfo;
use crate::pipeline::Pipeline;

/// What the handlers share; a clone costs nothing.
#[derive(Clone)]
pub struct AppState {
    /// Limits and knobs.
    pub config: Arc<ServeConfig>,
    /// What is counted.
    pub metrics: Metrics,
    /// What the service is doing.
    pub lifecycle: Lifecycle,
    /// There once the model is loaded and warmed.
    pub service: Arc<OnceLock<Service>>,
}

/// The loaded model and the way to it.
pub struct Service {
    /// What the model is.
    pub model: ModelInfo,
    /// What the bodies of all requests may take.
    pub body_memory: BodyMemory,
    /// What runs it.
    pub operators: Vec<OperatorCount>,
    /// Decode and preprocess.
    pub pipeline: Pipeline,
    /// In front of the workers.
    pub queue: Arc<Queue>,
}

impl AppState {
    /// The service, once it is ready.
    ///
    /// # Errors
    /// [`ApiError::NotReady`] while the model is being loaded, [`ApiError::ShuttingDown`] when the
    /// service stops before it was ready.
    pub fn service(&self) -> Result<&Service, ApiError> {
        self.service.get().ok_or_else(|| match self.lifecycle.phase() {
            Phase::Starting | Phase::Ready => ApiError::NotReady,
            Phase::Draining | Phase::Stopping => ApiError::ShuttingDown,
        })
    }

    /// Takes a place for each of `images` images, all or none.
    ///
    /// # Errors
    /// [`ApiError::TooManyImages`] when there can never be so many places, [`ApiError::QueueFull`]
    /// when there are none now.
    pub fn admit(&self, service: &Service, images: usize) -> Result<Vec<Place>, ApiError> {
        let limit = self.config.max_images.min(service.queue.capacity());
        if images > limit {
            return Err(ApiError::TooManyImages(limit));
        }
        let status = self.config.overload_status.into();
        service.queue.admit(images).map_err(|error| ApiError::from_admission(error, status))
    }
}
