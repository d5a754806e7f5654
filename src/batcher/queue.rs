//! The bounded queue in front of the workers, counted in images.
//!
//! An image takes its [`Place`] before it is decoded and gives it back when a worker takes it up,
//! or when its client goes away: dropping a place, or the future of [`Place::infer`], frees it at
//! once, and the image is never computed.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tracing::Span;

use super::BatcherConfig;
use super::drain_rate::DrainRate;
use super::policy::{Decision, View, decide};
use crate::metrics::BatcherMetrics;
use crate::model::{EngineError, Input, Probabilities};

/// The answer for one image.
#[derive(Clone, Debug)]
pub struct Inference {
    /// The mean over the image's crops.
    pub probabilities: Probabilities,
    /// From joining the queue to being taken up by a worker.
    pub queue: Duration,
    /// The run of the batch that the image was in.
    pub inference: Duration,
}

/// There is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdmitError {
    /// As many images wait as may, or as can be answered in time.
    #[error("the queue is full")]
    Full {
        /// How long the queue will take to drain.
        retry_after: Duration,
    },
    /// The batcher is shutting down.
    #[error("the queue is closed")]
    Closed,
}

/// An image that was admitted has no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum InferError {
    /// The plan failed.
    #[error(transparent)]
    Engine(Arc<EngineError>),
    /// The plan panicked; the worker has a new session.
    #[error("the plan panicked")]
    Panicked,
    /// The batcher was shut down first.
    #[error("the queue is closed")]
    Closed,
}

/// An image that waits.
pub(super) struct Job {
    pub inputs: Vec<Input>,
    pub arrived: Instant,
    pub answer: oneshot::Sender<Result<Inference, InferError>>,
    pub span: Span,
}

/// The queue that clients and workers share.
pub struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    pub(super) config: BatcherConfig,
    pub(super) metrics: BatcherMetrics,
}

#[derive(Default)]
struct State {
    /// Admitted, not yet queued: being decoded.
    reserved: usize,
    /// By order of arrival.
    waiting: BTreeMap<u64, Job>,
    /// Inputs of all that wait.
    inputs: usize,
    next_id: u64,
    free_workers: usize,
    closed: bool,
    drain_rate: DrainRate,
}

impl State {
    fn depth(&self) -> usize {
        self.reserved + self.waiting.len()
    }

    fn remove(&mut self, id: u64) -> Option<Job> {
        let job = self.waiting.remove(&id)?;
        self.inputs -= job.inputs.len();
        Some(job)
    }
}

impl Queue {
    pub(super) fn new(config: BatcherConfig, metrics: BatcherMetrics) -> Self {
        metrics.queue_capacity.set(config.queue_capacity as i64);
        metrics.workers.set(config.workers as i64);
        Self { state: Mutex::default(), changed: Condvar::new(), config, metrics }
    }

    /// Takes places for `images` images, all or none.
    ///
    /// # Errors
    /// [`AdmitError`] when the queue is full, takes too long to drain, or is closed; nothing is taken
    /// then.
    pub fn admit(self: &Arc<Self>, images: usize) -> Result<Vec<Place>, AdmitError> {
        let mut state = self.lock();
        if state.closed {
            return Err(AdmitError::Closed);
        }
        let (depth, now) = (state.depth(), Instant::now());
        let wait = state.drain_rate.wait(now, depth);
        let too_late = wait.is_some_and(|wait| wait > self.config.max_expected_wait);
        if too_late || depth + images > self.config.queue_capacity {
            let retry_after = state.drain_rate.retry_after(now, depth);
            return Err(AdmitError::Full { retry_after });
        }
        state.reserved += images;
        self.report(&state);
        drop(state);
        let place = || Place { queue: Arc::clone(self), stage: Stage::Reserved };
        Ok(std::iter::repeat_with(place).take(images).collect())
    }

    /// Images that wait, those being decoded included.
    pub fn depth(&self) -> usize {
        self.lock().depth()
    }

    /// Images that may wait at most.
    pub fn capacity(&self) -> usize {
        self.config.queue_capacity
    }

    /// Admits nothing more and answers what waits with [`InferError::Closed`].
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.inputs = 0;
        let left = std::mem::take(&mut state.waiting);
        self.report(&state);
        drop(state);
        for job in left.into_values() {
            // A client that has gone needs no answer.
            let _ = job.answer.send(Err(InferError::Closed));
        }
        self.changed.notify_all();
    }

    /// Waits for the next batch; `None` when the queue is closed.
    pub(super) fn next_batch(&self) -> Option<Vec<Job>> {
        let mut state = self.lock();
        state.free_workers += 1;
        // A gathering worker must see that another has come free.
        self.changed.notify_all();
        let mut was_idle = false;
        let batch = loop {
            if state.closed {
                break None;
            }
            let view = View {
                queued: state.inputs,
                oldest: state.waiting.first_key_value().map(|(_, job)| job.arrived),
                free_workers: state.free_workers,
                was_idle,
                now: Instant::now(),
            };
            match decide(view, self.config.max_batch_size, self.config.max_wait) {
                Decision::Run(inputs) => break Some(take(&mut state, inputs)),
                Decision::Wait => {
                    was_idle = true;
                    // Images that are being decoded are on their way: then decoding is what takes the
                    // time, and its rate is the queue's.
                    if state.depth() == 0 {
                        state.drain_rate.idle();
                    }
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                Decision::WaitUntil(deadline) => {
                    let timeout = deadline.saturating_duration_since(Instant::now());
                    let waited = self.changed.wait_timeout(state, timeout);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        };
        state.free_workers -= 1;
        self.report(&state);
        batch
    }

    fn report(&self, state: &State) {
        self.metrics.queue_depth.set(state.depth() as i64);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held, and the counts are whole between statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the oldest images: as many as fit into `inputs` inputs, at least one.
fn take(state: &mut State, inputs: usize) -> Vec<Job> {
    let mut batch = Vec::new();
    let mut taken = 0;
    while let Some((&id, job)) = state.waiting.first_key_value() {
        if taken > 0 && taken + job.inputs.len() > inputs {
            break;
        }
        taken += job.inputs.len();
        batch.extend(state.remove(id));
    }
    state.drain_rate.record(Instant::now(), batch.len());
    batch
}

/// One image's place in the queue. Dropping it means that the client has gone, and counts as
/// cancelled.
pub struct Place {
    queue: Arc<Queue>,
    stage: Stage,
}

enum Stage {
    /// The place is taken, the image is being decoded.
    Reserved,
    /// The image waits under this number, or a worker has it.
    Queued(u64),
    /// There is an answer, or there will be none.
    Settled,
}

impl Place {
    /// Frees the place of an image that cannot join the queue: it is broken.
    pub fn give_back(mut self) {
        self.stage = Stage::Settled;
        let mut state = self.queue.lock();
        state.reserved -= 1;
        self.queue.report(&state);
    }

    /// Joins the queue with an image's crops and waits for the answer.
    ///
    /// # Errors
    /// [`InferError`] when the plan fails or the batcher is shut down.
    pub async fn infer(mut self, inputs: Vec<Input>) -> Result<Inference, InferError> {
        let (answer, receive) = oneshot::channel();
        let job = Job { inputs, arrived: Instant::now(), answer, span: Span::current() };
        {
            let mut state = self.queue.lock();
            if state.closed {
                drop(state);
                self.give_back();
                return Err(InferError::Closed);
            }
            let id = state.next_id;
            state.next_id += 1;
            state.reserved -= 1;
            state.inputs += job.inputs.len();
            state.waiting.insert(id, job);
            self.stage = Stage::Queued(id);
        }
        self.queue.changed.notify_all();
        let answer = receive.await;
        self.stage = Stage::Settled;
        // The sender is dropped unsent only when a worker's thread ends with the image in hand.
        answer.unwrap_or(Err(InferError::Closed))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        match self.stage {
            Stage::Settled => {}
            Stage::Reserved => {
                let mut state = self.queue.lock();
                state.reserved -= 1;
                self.queue.metrics.cancelled.inc();
                self.queue.report(&state);
            }
            Stage::Queued(id) => {
                let mut state = self.queue.lock();
                if state.remove(id).is_some() {
                    self.queue.metrics.cancelled.inc();
                }
                self.queue.report(&state);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn admits_no_image_that_would_be_answered_too_late() {
        let config = BatcherConfig {
            workers: 1,
            max_batch_size: 8,
            max_wait: Duration::ZERO,
            queue_capacity: 100,
            max_expected_wait: Duration::from_secs(5),
        };
        let queue = Arc::new(Queue::new(config, Metrics::new().unwrap().batcher));
        // 10 images a second of late.
        let now = Instant::now();
        for batch in 0..=20 {
            let then = now - Duration::from_millis(100 * (20 - batch));
            queue.lock().drain_rate.record(then, 1);
        }
        let first = queue.admit(45).unwrap();
        let second = queue.admit(10).unwrap();
        let refused = queue.admit(1).err();
        assert!(
            matches!(refused, Some(AdmitError::Full { retry_after }) if retry_after.as_secs() == 6)
        );
        drop(second);
        assert!(queue.admit(1).is_ok(), "there are 45 again");
        queue.lock().drain_rate.idle();
        let third = queue.admit(55).unwrap();
        assert!(queue.admit(1).is_err(), "the queue has 100 places");
        for place in first.into_iter().chain(third) {
            place.give_back();
        }
    }

    /// A worker that waits for the decoder says nothing of how fast the queue could drain; one that waits
    /// for clients makes what is known obsolete.
    #[test]
    fn the_rate_is_forgotten_only_when_nothing_is_on_its_way() {
        let config = BatcherConfig {
            workers: 1,
            max_batch_size: 8,
            max_wait: Duration::ZERO,
            queue_capacity: 100,
            max_expected_wait: Duration::from_secs(60),
        };
        for (decoding, known) in [(1, true), (0, false)] {
            let queue = Arc::new(Queue::new(config, Metrics::new().unwrap().batcher));
            let now = Instant::now();
            queue.lock().drain_rate.record(now - Duration::from_secs(1), 1);
            queue.lock().drain_rate.record(now, 1);
            let places = queue.admit(decoding).unwrap();
            std::thread::scope(|scope| {
                let worker = scope.spawn(|| queue.next_batch());
                // The lock is free again when it has decided to wait.
                while queue.lock().free_workers == 0 {
                    std::thread::yield_now();
                }
                let wait = queue.lock().drain_rate.wait(Instant::now(), 10);
                queue.close();
                assert!(worker.join().unwrap().is_none());
                assert_eq!(wait.is_some(), known, "{decoding} being decoded");
            });
            places.into_iter().for_each(Place::give_back);
        }
    }
}
