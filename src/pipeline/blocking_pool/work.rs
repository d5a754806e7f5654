//! A piece of work for the pool: what it needs, when it runs, and why it has no result.

use std::time::Instant;

use crate::batcher::{Effort, Turn};

/// What work takes of the pool's memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryNeed {
    /// While it runs, its result included, in bytes.
    pub running_bytes: u64,
    /// Its result alone, in bytes.
    pub kept_bytes: u64,
}

/// What is to be done, and when.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// What it takes of the memory.
    pub need: MemoryNeed,
    /// Which threads it takes.
    pub effort: Effort,
    /// Its place in the order of its kind.
    pub turn: Turn,
    /// When it is too late to begin.
    pub begin_by: Instant,
}

/// Work in the pool has no result.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// One piece of work needs more than the whole pool has.
    #[error("it needs {needed_bytes} bytes, the limit is {limit_bytes}")]
    Memory {
        /// What it needs.
        needed_bytes: u64,
        /// What there is.
        limit_bytes: u64,
    },
    /// The threads and the memory that it waited for did not come free in time; it was never begun.
    #[error("it could not begin in time")]
    NotBegun,
    /// It panicked.
    #[error("the work panicked")]
    Panicked,
    /// The runtime is shutting down.
    #[error("the service is shutting down")]
    Closed,
}
