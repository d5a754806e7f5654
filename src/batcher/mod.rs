//! Gathers images into batches for the workers.
//!
//! `admission` decides who gets a place, and `policy` when a batch starts (both are pure). `clients` decides whose turn
//! it is. `queue` holds the waiting images, `admit` gives out its places, and `place` is one image's place in it.
//! `patient` is a lane beside it, for work that waits for idle workers. `worker` is the thread of one worker.
//! `drain_rate`, `effort` and `pace` estimate how long the queue, the decoding and the lane will take, `gradient_cost` how
//! many runs of the network a gradient is worth, both by a `moving_mean`.

mod admission;
mod admit;
mod ask;
mod clients;
mod drain_rate;
mod effort;
mod gradient_cost;
mod moving_mean;
mod pace;
mod patient;
mod place;
mod policy;
mod queue;
mod worker;

use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::metrics::BatcherMetrics;
use googlenet_engine::model::{Engine, EngineError};

pub use admission::Bound;
pub use admit::AdmitError;
pub use ask::Ask;
pub use clients::{ClientKey, Turn};
pub use effort::Effort;
pub use patient::{MakeVariant, OfClass, PatientPlace};
pub use place::{Decoding, Place};
pub use queue::{Computation, InferError, Inference, Queue};

/// How images are gathered.
#[derive(Clone, Copy, Debug)]
pub struct BatcherConfig {
    /// Worker threads, each with its own session.
    pub workers: usize,
    /// Inputs that one run of the plan takes at most.
    pub max_batch_size: usize,
    /// How long a worker that comes free under load waits for company, counted from the arrival of
    /// the oldest image.
    pub max_wait: Duration,
    /// Images that may wait, those that are being decoded included.
    pub queue_capacity: usize,
    /// No image is admitted when those before it are expected to take longer, however few they are: it
    /// would be too late for its client, and take the place of one that is not.
    pub max_expected_wait: Duration,
    /// Threads that decode ordinary images, and dear ones ([`Effort`]).
    pub decode_threads: [usize; 2],
}

/// Why the workers did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The system refuses a thread.
    #[error("cannot start the workers: {0}")]
    Thread(#[from] std::io::Error),
    /// The engine has no session for a worker.
    #[error("a worker cannot open the plan: {0}")]
    Session(#[from] EngineError),
    /// The engine panicked.
    #[error("a worker panicked when it opened the plan; this is a bug of the service")]
    Panicked,
}

/// Owns the worker threads.
pub struct Batcher {
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
}

impl Batcher {
    /// Starts the workers and waits until each has what it needs to run.
    ///
    /// # Errors
    /// [`StartError`] when the system refuses a thread, or the engine a session.
    pub fn start(
        engine: Arc<dyn Engine>,
        config: BatcherConfig,
        metrics: BatcherMetrics,
    ) -> Result<Self, StartError> {
        let queue = Arc::new(Queue::new(config, metrics));
        let mut batcher = Self { queue: Arc::clone(&queue), threads: Vec::new() };
        let (opened, sessions) = mpsc::channel();
        for number in 0..config.workers {
            let (engine, queue) = (Arc::clone(&engine), Arc::clone(&queue));
            let opened = opened.clone();
            let thread = std::thread::Builder::new()
                .name(format!("worker-{number}"))
                .spawn(move || worker::run(engine.as_ref(), &queue, opened))?;
            batcher.threads.push(thread);
        }
        // A worker that panics sends nothing: with no sender left, nobody waits for it.
        drop(opened);
        for _ in 0..config.workers {
            sessions.recv().map_err(|_| StartError::Panicked)??;
        }
        Ok(batcher)
    }

    /// The queue in front of the workers.
    pub fn queue(&self) -> Arc<Queue> {
        Arc::clone(&self.queue)
    }

    /// Workers whose thread is alive.
    pub fn workers_alive(&self) -> usize {
        self.threads.iter().filter(|thread| !thread.is_finished()).count()
    }
}

impl Drop for Batcher {
    /// Refuses what comes, answers what waits with [`InferError::Closed`], and joins the workers.
    fn drop(&mut self) {
        self.queue.close();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a worker thread panicked outside of a batch");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use googlenet_engine::model::{Input, OperatorCount, Probabilities, Session};

    /// What the second session does not do.
    #[derive(Clone, Copy)]
    enum Step {
        Open,
        WarmUp,
    }

    /// The first session is opened and warmed up, the second is not.
    struct OneSession {
        opened: std::sync::atomic::AtomicUsize,
        fails_to: Step,
        panics: bool,
    }

    fn fail<T>() -> Result<T, EngineError> {
        Err(EngineError::Plan("injected".into()))
    }

    fn panic<T>() -> Result<T, EngineError> {
        panic!("injected")
    }

    /// Warms up as it is told.
    struct Nothing(fn() -> Result<(), EngineError>);

    impl Session for Nothing {
        fn warm_up(&mut self) -> Result<(), EngineError> {
            self.0()
        }

        fn run(&mut self, _: &[Input]) -> Result<Vec<Probabilities>, EngineError> {
            Ok(Vec::new())
        }
    }

    impl Engine for OneSession {
        fn session(&self) -> Result<Box<dyn Session>, EngineError> {
            let is_first = self.opened.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
            match self.fails_to {
                _ if is_first => Ok(Box::new(Nothing(|| Ok(())))),
                Step::Open if self.panics => panic(),
                Step::Open => fail(),
                Step::WarmUp if self.panics => Ok(Box::new(Nothing(panic))),
                Step::WarmUp => Ok(Box::new(Nothing(fail))),
            }
        }

        fn operators(&self) -> Vec<OperatorCount> {
            Vec::new()
        }
    }

    fn start(fails_to: Step, panics: bool) -> Result<Batcher, StartError> {
        let config = BatcherConfig {
            workers: 2,
            max_batch_size: 1,
            max_wait: Duration::ZERO,
            queue_capacity: 1,
            max_expected_wait: Duration::from_secs(1),
            decode_threads: [1, 1],
        };
        let engine = OneSession { opened: 0.into(), fails_to, panics };
        Batcher::start(Arc::new(engine), config, Metrics::new().unwrap().batcher)
    }

    #[test]
    fn a_worker_that_cannot_open_the_plan_or_warm_it_up_ends_the_start_and_the_other_workers() {
        for fails_to in [Step::Open, Step::WarmUp] {
            assert!(matches!(start(fails_to, false).err(), Some(StartError::Session(_))));
            assert!(matches!(start(fails_to, true).err(), Some(StartError::Panicked)));
        }
    }
}
