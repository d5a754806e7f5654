//! The HTTP interface: routes, errors, connections.

mod body;
mod body_memory;
mod classify;
mod connection;
mod error;
mod health;
mod model;
mod open_inference;
mod openapi;
mod request_context;
mod request_id;
mod router;
mod server;
mod state;
mod trace_parent;

pub use body_memory::{BODY_COPIES, BodyMemory};
pub use error::{ApiError, ErrorBody, ErrorPayload};
pub use openapi::document;
pub use router::{Routers, routers};
pub use server::{ConnectionLimits, serve};
pub use state::{AppState, Service};
