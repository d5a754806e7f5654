//! The plan: an ONNX file, loaded by tract, ready to run.
//!
//! `load` makes tract's typed model, `layers` finds GoogLeNet's layers in it, `operators` runs them in
//! large operators of our own, `wire` puts these in place of tract's, and `fast` serves the result.
//! What no rule knows stays tract's. `stock` runs the whole network in tract's own operators, and
//! `self_check` holds the plan that serves against it. `team` lends the threads.

mod fast;
mod layers;
mod load;
mod normalise;
mod operators;
mod self_check;
mod stock;
mod team;
mod wire;

pub use fast::FastPlan;
pub use load::LoadError;
pub use self_check::{SelfCheckError, self_check};
pub use stock::StockPlan;
pub use team::{Team, TeamError};
