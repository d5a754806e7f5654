//! What one connection is doing, so that the service knows at its end which connections to wait for.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use super::unanswered::Unanswered;

/// Shared by the connection's requests ([`Exchange`](super::exchange::Exchange)), its writes
/// ([`WriteTimeout`](super::connection::WriteTimeout)), and the accept loop's task that serves it.
#[derive(Debug, Default)]
pub(super) struct ConnectionState {
    /// From the head of a request to the last byte of its answer that hyper has taken.
    exchanges: AtomicUsize,
    /// What hyper has taken and the client has not: it writes nothing twice, so that a write that
    /// waits is the only sign of it.
    write_waits: AtomicBool,
    /// The client may still be sending when the connection is closed.
    lingers: AtomicBool,
    stopping: OnceLock<Instant>,
    /// Where accepted requests are counted.
    pub(super) unanswered: Unanswered,
}

impl ConnectionState {
    pub(super) fn new(unanswered: Unanswered) -> Self {
        Self { unanswered, ..Self::default() }
    }

    /// Whether there is a request, or an answer that the client has not taken yet. A head that has
    /// not arrived whole is no request.
    pub(super) fn is_busy(&self) -> bool {
        self.exchanges.load(Ordering::SeqCst) > 0 || self.write_waits.load(Ordering::SeqCst)
    }

    /// From here on a write may wait less long.
    pub(super) fn stop(&self, since: Instant) {
        // The service stops once.
        let _ = self.stopping.set(since);
    }

    /// Since when the service stops.
    pub(super) fn stopping(&self) -> Option<Instant> {
        self.stopping.get().copied()
    }

    /// The connection ends with the answer in hand, and the client may still be sending then.
    pub(super) fn linger(&self) {
        self.lingers.store(true, Ordering::SeqCst);
    }

    /// Whether what the client still sends is waited for at the end.
    pub(super) fn lingers(&self) -> bool {
        self.lingers.load(Ordering::SeqCst)
    }

    pub(super) fn exchange_begins(&self) {
        self.exchanges.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn exchange_ends(&self) {
        self.exchanges.fetch_sub(1, Ordering::SeqCst);
    }

    pub(super) fn set_write_waits(&self, waits: bool) {
        self.write_waits.store(waits, Ordering::SeqCst);
    }
}
