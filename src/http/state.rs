//! What the handlers share.

use std::sync::{Arc, OnceLock};

use super::body_memory::BodyMemory;
use super::client::Client;
use super::error::{ApiError, Sent};
use crate::config::Settings;
use crate::lifecycle::{Lifecycle, Phase};
use crate::metrics::Metrics;
use crate::pipeline::{Ask, ClassifyError, PatientPlace, Pipeline, Place, TensorError, WorkError};
use googlenet_engine::model::{Classifier, ColourFilters, OperatorCount};
use googlenet_engine::model_info::ModelInfo;

/// What the handlers share; a clone costs nothing.
#[derive(Clone)]
pub struct AppState {
    /// Limits and knobs.
    pub settings: Arc<Settings>,
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
    pub model: Arc<ModelInfo>,
    /// What the bodies of all requests may take.
    pub body_memory: BodyMemory,
    /// What answers may take that their clients have yet to take.
    pub answer_memory: BodyMemory,
    /// What runs it.
    pub operators: Vec<OperatorCount>,
    /// The filters of its first layer, if they read colours.
    pub colour_filters: Option<ColourFilters>,
    /// From images and tensors to probabilities.
    pub pipeline: Pipeline,
}

impl Service {
    /// What the evidence for a class is summed from.
    ///
    /// # Errors
    /// [`ApiError::NotExplainable`] when the network has no such layer.
    pub fn classifier(&self) -> Result<Arc<Classifier>, ApiError> {
        self.pipeline.views.classifier.clone().ok_or(ApiError::NotExplainable)
    }
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

    /// What a client hears of an image that was not classified.
    pub fn failed(&self, error: ClassifyError) -> ApiError {
        ApiError::from_classify(error, self.settings.overload_status.into())
    }

    /// What a client hears of a tensor that was not classified.
    pub fn tensor_failed(&self, error: TensorError<ApiError>) -> ApiError {
        ApiError::from_tensor(error, self.settings.overload_status.into())
    }

    /// What a client hears of a body that was not taken apart.
    pub fn body_failed(&self, error: WorkError) -> ApiError {
        ApiError::from_work(error, Sent::Body, self.settings.overload_status.into())
    }

    /// Refuses more images than there can ever be places for.
    ///
    /// # Errors
    /// [`ApiError::TooManyImages`].
    pub fn check_number(&self, service: &Service, images: usize) -> Result<(), ApiError> {
        let limit = self.settings.max_images.min(service.pipeline.capacity());
        if images > limit { Err(ApiError::TooManyImages(limit)) } else { Ok(()) }
    }

    /// Takes a place for the variants of an image.
    ///
    /// # Errors
    /// [`ApiError::QueueFull`] when there is none now, [`ApiError::ImageTooLarge`] when they are never computed in time.
    pub fn admit_patient(
        &self,
        service: &Service,
        client: Client,
        variants: usize,
    ) -> Result<PatientPlace, ApiError> {
        let status = self.settings.overload_status.into();
        let admitted = service.pipeline.admit_patient(client.key, variants, client.deadline.0);
        admitted.map_err(|error| ApiError::from_admission(error, status))
    }

    /// Takes a place for each image, all or none.
    ///
    /// # Errors
    /// [`ApiError::QueueFull`] when there are none now.
    pub fn admit(
        &self,
        service: &Service,
        client: Client,
        asks: &[Ask],
    ) -> Result<Vec<Place>, ApiError> {
        let status = self.settings.overload_status.into();
        let admitted = service.pipeline.admit(client.key, asks, client.deadline.0);
        admitted.map_err(|error| ApiError::from_admission(error, status))
    }
}
