//! Says every two seconds which stage a slow load is in.

use std::convert::Infallible;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Where its lines come from, for filters.
pub const TARGET: &str = module_path!();
/// Between two lines.
const PERIOD: Duration = Duration::from_secs(2);

/// A load under way, and the thread that tells of it; dropping it ends the thread.
pub(crate) struct LoadProgress {
    stage: Arc<Mutex<&'static str>>,
    /// Disconnected at the end; nothing is ever sent.
    running: Option<Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl LoadProgress {
    /// Begins with a stage. Without a thread the load goes on untold.
    pub(crate) fn begin(stage: &'static str) -> Self {
        let stage = Arc::new(Mutex::new(stage));
        let (running, ended) = channel();
        let told = Arc::clone(&stage);
        let thread = thread::Builder::new().name("load-progress".into());
        let thread = thread.spawn(move || tell(&told, &ended, PERIOD)).ok();
        Self { stage, running: Some(running), thread }
    }

    /// The next stage has begun.
    pub(crate) fn enter(&self, stage: &'static str) {
        tracing::debug!(stage, "loading");
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = stage;
    }
}

impl Drop for LoadProgress {
    fn drop(&mut self) {
        self.running = None;
        if let Some(thread) = self.thread.take() {
            // What it does cannot panic.
            let _ = thread.join();
        }
    }
}

fn tell(stage: &Mutex<&'static str>, ended: &Receiver<Infallible>, period: Duration) {
    let started = Instant::now();
    while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(period) {
        let stage = *stage.lock().unwrap_or_else(PoisonError::into_inner);
        tracing::info!(stage, seconds = started.elapsed().as_secs(), "loading the model");
    }
}
