//! Says that the answers of an untrained network mean nothing.

use googlenet_engine::model_info::ModelInfo;

/// One line on standard error, if the weights were not trained.
pub(super) fn warn_of_untrained(info: &ModelInfo) {
    if !info.identity.trained {
        tracing::warn!("the weights are not trained: the classes mean nothing");
    }
}
