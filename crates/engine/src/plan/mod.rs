//! The plan: an ONNX file, loaded by tract, ready to run.
//!
//! `load` makes tract's typed model, `layers` finds GoogLeNet's layers in it, `operators` runs them in
//! large operators of our own, `wire` puts these in place of tract's, and `fast` serves the result.
//! What no rule knows stays tract's. `stock` runs the whole network in tract's own operators, and
//! `self_check` holds the plan that serves against it; `tapped` looks inside it for `dead_layers` and `logits`, when
//! something is wrong. `team` lends the threads. For int8, `calibrator` runs photos, `calibration` is the table that it
//! makes, and `packing` quantises weights.

mod calibration;
mod calibrator;
mod dead_layers;
mod fast;
mod layers;
mod load;
mod logits;
mod normalise;
mod operator_counts;
mod operators;
mod packing;
mod self_check;
mod stock;
mod tapped;
mod team;
mod wire;

pub use calibration::{Calibration, CalibrationError, Int8LoadError};
pub use calibrator::Calibrator;
pub use dead_layers::explain;
pub use fast::FastPlan;
pub use load::LoadError;
pub use logits::logits;
pub use self_check::{Logits, Reference, SelfCheckError, Suspicion, self_check};
pub use stock::StockPlan;
pub use team::{Team, TeamError};
