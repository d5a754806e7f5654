//! The plan: an ONNX file, loaded and optimised by tract, ready to run.
//!
//! `load` makes tract's typed model, `normalise` writes inputs into tensors, `stock` runs them
//! through tract's operators, and `self_check` holds the plan that serves against those.

mod load;
mod normalise;
mod self_check;
mod stock;

pub use load::LoadError;
pub use self_check::{SelfCheckError, self_check};
pub use stock::StockPlan;
