//! Requests that the service has accepted and not yet answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the requests that have arrived whole and have no answer yet, on all connections; a clone
/// counts on.
///
/// The end of the service has failed when there are any left.
#[derive(Clone, Debug, Default)]
pub struct Unanswered(Arc<AtomicUsize>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Owed(Unanswered);

impl Unanswered {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// One more.
    pub(super) fn owe(&self) -> Owed {
        self.0.fetch_add(1, Ordering::SeqCst);
        Owed(self.clone())
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}
