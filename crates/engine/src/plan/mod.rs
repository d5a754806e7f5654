//! The plan: a graph, parsed by tract, ready to run.
//!
//! `load` makes tract's typed model, `recognition` finds GoogLeNet's layers in it, `operators` runs them in
//! large operators of our own, `wire` puts these in place of tract's, and `fast` serves the result.
//! What no rule knows stays tract's. `stock` runs the whole network in tract's own operators, and
//! `self_check` holds the plan that serves against it; `tapped` looks inside it for `dead_layers` and `logits`, when
//! something is wrong. `checked` does all of this as the `settings` ask for it. `team` lends the threads. For int8,
//! `calibrator` runs photos, `calibration` is the table that it makes, `calibration_file` where it lies, and `packing`
//! quantises weights.

mod calibration;
mod calibration_file;
mod calibrator;
mod checked;
mod dead_layers;
mod fast;
mod load;
mod logits;
mod normalise;
mod operator_counts;
mod operators;
mod packing;
mod recognition;
mod self_check;
mod settings;
mod stock;
mod tapped;
mod team;
mod wire;

pub use calibration::{Calibration, CalibrationError, Int8LoadError};
pub use calibration_file::{CalibrationFileError, calibration_path};
pub use calibrator::Calibrator;
pub use checked::{PlanError, Planned, checked_plan};
pub use fast::FastPlan;
pub use load::LoadError;
pub use self_check::{Logits, Reference, SelfCheckError, Suspicion, self_check};
pub use settings::{PlanSettings, PlanSettingsError};
pub use stock::StockPlan;
pub use team::{Team, TeamError};
