//! The HTTP interface: routes, errors, connections.

mod accept_failures;
mod base64_image;
mod body;
mod body_memory;
mod classify;
mod client_address;
mod connection;
mod connection_state;
mod content_coding;
mod docs;
mod error;
mod exchange;
mod health;
mod json_text;
mod message_checks;
mod model;
mod open_inference;
mod openapi;
mod request_context;
mod request_id;
mod request_log;
mod request_tally;
mod router;
mod server;
mod state;
mod trace_parent;
mod unanswered;
mod unread_body;

pub use body_memory::{BODY_COPIES, BodyMemory};
pub use error::{ApiError, ErrorBody, ErrorPayload};
pub use openapi::document;
pub use router::{Routers, routers};
pub use server::{ConnectionLimits, serve};
pub use state::{AppState, Service};
pub use unanswered::Unanswered;
