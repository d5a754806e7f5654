//! What the service is doing, from its start to its end.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;

/// In the order in which they follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The model is being loaded.
    Starting,
    /// Requests are served.
    Ready,
    /// Requests are served, but a load balancer should send no more.
    Draining,
    /// No new connection is taken; what is in flight is answered.
    Stopping,
}

/// The phase, shared by all parts of the service. It never goes back.
#[derive(Clone, Debug)]
pub struct Lifecycle(Arc<watch::Sender<Entered>>);

/// A phase, and since when.
#[derive(Clone, Copy, Debug)]
struct Entered {
    phase: Phase,
    at: Instant,
}

impl Default for Lifecycle {
    fn default() -> Self {
        let start = Entered { phase: Phase::Starting, at: Instant::now() };
        Self(Arc::new(watch::Sender::new(start)))
    }
}

impl Lifecycle {
    /// The phase now.
    pub fn phase(&self) -> Phase {
        self.0.borrow().phase
    }

    /// Enters `phase`, unless it has passed already.
    pub fn enter(&self, phase: Phase) {
        self.0.send_if_modified(|now| {
            let later = phase > now.phase;
            if later {
                *now = Entered { phase, at: Instant::now() };
            }
            later
        });
    }

    /// Waits until `phase` or a later one.
    pub async fn reached(&self, phase: Phase) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|now| now.phase >= phase).await;
    }

    /// Waits until [`Phase::Stopping`]; returns when it began.
    pub async fn stopping(&self) -> Instant {
        self.reached(Phase::Stopping).await;
        // It is the last phase: `at` is its begin from now on.
        self.0.borrow().at
    }
}
