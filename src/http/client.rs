//! The client of a request, and the deadline of its answer.

use std::time::Instant;

use crate::pipeline::ClientKey;

/// When a request must be answered.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(pub Instant);

/// Who waits for an answer, and until when; in the extensions of each request.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Tells it from others.
    pub key: ClientKey,
    /// When it must be answered.
    pub deadline: Deadline,
}
