//! The plan: a graph, parsed by tract, ready to run.
//!
//! `load` makes tract's typed model. `recognition` finds GoogLeNet's layers in it, `place_operators` replaces them with the large
//! operators in `operators`, and `fast` serves the result. A node that no rule recognises stays tract's.
//!
//! `stock` runs the whole network in tract's own operators, and `self_check` compares the plan that serves with it, or
//! with answers of ONNX Runtime, `stored_answers`. If something is wrong, `dead_layers` and `logits` use `tapped` to
//! look inside the network. `checked` does all of this as the `settings` ask. `team` lends the threads, and
//! `taps` says where the plan that serves can be looked at, and `sighted` takes what is there in one run.
//!
//! For int8, `calibrator` runs photos, `calibration` is the table that it makes, `calibration_file` says where that
//! table is, and `packing` quantises and packs weights.

mod calibration;
mod calibration_file;
mod calibrator;
mod checked;
mod colour_filters;
mod dead_layers;
mod fast;
mod gradient;
mod load;
mod logits;
mod normalise;
mod operator_counts;
mod operators;
mod packing;
mod place_operators;
mod recognition;
mod self_check;
mod settings;
mod sighted;
mod stock;
mod stored_answers;
mod tapped;
mod taps;
mod team;

pub use calibration::{Calibration, CalibrationError, Int8LoadError};
pub use calibration_file::{CalibrationFileError, calibration_path};
pub use calibrator::Calibrator;
pub use checked::{PlanError, Planned, checked_plan};
pub use fast::FastPlan;
pub use load::LoadError;
pub use packing::memory_for_weights;
pub use self_check::{
    Logits, Reference, SelfCheckError, Suspicion, check_stored, pictures, self_check,
};
pub use settings::{PlanSettings, PlanSettingsError};
pub use stock::StockPlan;
pub use stored_answers::bvlc_answers;
pub use team::{Team, TeamError};
