//! Which model, and how it is run.

use crate::plan::PlanSettings;
use crate::weights::{Download, ModelSource, SearchPath};

/// A choice of a model.
#[derive(Clone, Debug)]
pub struct ModelSettings {
    /// Where it is.
    pub source: ModelSource,
    /// Where weights are looked for, and kept, where that is chosen.
    pub search: SearchPath,
    /// How they are downloaded when none are at hand.
    pub download: Download,
    /// Largest model that is read, its files together.
    pub max_model_bytes: u64,
    /// How it is run.
    pub plan: PlanSettings,
}
