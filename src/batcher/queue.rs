//! The bounded queue in front of the workers, counted in images.
//!
//! An image takes its [`Place`](super::Place) before it is decoded, and frees it when a worker takes the image or its
//! client disconnects. Dropping a place, or the future of [`Place::infer`](super::Place::infer), frees it at once, and
//! the image is never computed. Clients take turns, so the backlog of one does not block another. Images that have
//! waited long go first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tracing::Span;

use super::BatcherConfig;
use super::ask::{Ask, decode_time};
use super::clients::{ClientKey, Clients, Turn};
use super::drain_rate::DrainRate;
use super::effort::{Backlog, Effort};
use super::gradient_cost::GradientCost;
use super::patient::{PatientJob, PatientLane, end_all};
use super::policy::{Decision, View, decide};
use crate::metrics::BatcherMetrics;
use googlenet_engine::model::{EngineError, Input, Look, Probabilities, Seen};

/// The answer for one image.
#[derive(Clone, Debug)]
pub struct Inference {
    /// The mean over the image's crops.
    pub probabilities: Probabilities,
    /// What was seen on the way, for a [`Computation::Look`].
    pub seen: Option<Arc<Seen>>,
    /// From joining the queue to being taken up by a worker.
    pub queue: Duration,
    /// The run of the batch that the image was in.
    pub inference: Duration,
}

/// What is computed for an image.
#[derive(Clone, Debug)]
pub enum Computation {
    /// The mean of the probabilities of its crops.
    Run(Vec<Input>),
    /// The probabilities of one crop, and what the network computes on the way.
    Look(Input, Look),
}

impl Computation {
    /// Inputs that the network is run on.
    pub(super) fn inputs(&self) -> usize {
        match self {
            Self::Run(inputs) => inputs.len(),
            Self::Look(..) => 1,
        }
    }
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
    pub computation: Computation,
    /// Runs of the network that it was admitted as.
    pub runs: usize,
    pub client: ClientKey,
    pub turn: Turn,
    /// When it got its place.
    pub admitted: Instant,
    /// When it was decoded.
    pub arrived: Instant,
    pub answer: oneshot::Sender<Result<Inference, InferError>>,
    pub span: Span,
}

/// The queue that clients and workers share.
pub struct Queue {
    state: Mutex<State>,
    pub(super) changed: Condvar,
    pub(super) config: BatcherConfig,
    pub(super) metrics: BatcherMetrics,
}

pub(super) struct State {
    /// Admitted, not yet queued: being decoded.
    pub(super) reserved: [usize; 2],
    /// The runs that those will take.
    pub(super) reserved_runs: [usize; 2],
    pub(super) backlog: Backlog,
    /// By order of admission.
    pub(super) waiting: BTreeMap<u64, Job>,
    /// The same by their turn.
    pub(super) turns: BTreeSet<(Turn, u64)>,
    /// Runs of the network that all that wait will take.
    pub(super) runs: usize,
    pub(super) next_id: u64,
    pub(super) clients: Clients,
    free_workers: usize,
    pub(super) closed: bool,
    pub(super) drain_rate: DrainRate,
    pub(super) patient: PatientLane,
    pub(super) gradient_cost: GradientCost,
}

/// What a free worker does next.
pub(super) enum NextWork {
    /// It runs a batch.
    Images(Vec<Job>),
    /// No image waits: it computes some variants of a patient request.
    Patient(PatientJob),
}

impl State {
    fn new(config: &BatcherConfig) -> Self {
        Self {
            reserved: [0; 2],
            reserved_runs: [0; 2],
            backlog: Backlog::new(config.decode_threads),
            waiting: BTreeMap::new(),
            turns: BTreeSet::new(),
            runs: 0,
            next_id: 0,
            clients: Clients::default(),
            free_workers: 0,
            closed: false,
            drain_rate: DrainRate::default(),
            patient: PatientLane::default(),
            gradient_cost: GradientCost::default(),
        }
    }

    pub(super) fn depth(&self) -> usize {
        self.reserved[0] + self.reserved[1] + self.waiting.len()
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Job> {
        let job = self.waiting.remove(&id)?;
        self.turns.remove(&(job.turn, id));
        self.runs -= job.runs;
        Some(job)
    }

    /// The image whose turn it is: the one that has waited longest when that is long, so that clients that
    /// come anew cannot keep it waiting, else that of the smallest turn.
    fn next(&self, now: Instant, long: Duration) -> Option<u64> {
        let (&oldest, job) = self.waiting.first_key_value()?;
        if now - job.admitted >= long {
            return Some(oldest);
        }
        self.turns.first().map(|(_, id)| *id)
    }

    /// How long images are expected to wait that take these times to decode, behind `share` of those of
    /// others, 0..=1.
    pub(super) fn wait(&mut self, asks: &[Ask], share: f64, now: Instant) -> Duration {
        // Ordinary images are not behind dear ones.
        let behind = self.reserved_runs[Effort::Ordinary.index()] + self.runs;
        let behind = (behind as f64 * share).ceil() as usize;
        let to_run = self.drain_rate.wait(now, behind).unwrap_or_default();
        let to_decode = Effort::ALL.map(|effort| {
            let own = decode_time(asks, effort);
            if own.is_zero() { own } else { self.backlog.wait(effort, own, share) }
        });
        // Both go on side by side, but a dear image has all of its run still before it.
        to_run.max(to_decode[0]).max(to_run + to_decode[1])
    }

    /// How long images would take to decode, with `others` of the same client, if nothing else were to be
    /// done.
    pub(super) fn alone(&self, asks: &[Ask], others: Duration) -> Duration {
        let times = Effort::ALL.map(|effort| {
            let own = decode_time(asks, effort);
            if own.is_zero() { own } else { self.backlog.alone(effort, own + others) }
        });
        times[0].max(times[1])
    }

    /// An image is no longer one that has yet to join the queue.
    pub(super) fn joined(&mut self, ask: Ask) {
        let effort = Effort::of(ask.decode_time).index();
        self.reserved[effort] -= 1;
        self.reserved_runs[effort] -= ask.runs;
    }

    /// Runs of the network that are to be done, those of images being decoded included.
    pub(super) fn all_runs(&self) -> usize {
        self.runs + self.reserved_runs[0] + self.reserved_runs[1]
    }
}

impl Queue {
    pub(super) fn new(config: BatcherConfig, metrics: BatcherMetrics) -> Self {
        metrics.queue_capacity.set(config.queue_capacity as i64);
        metrics.workers.set(config.workers as i64);
        let state = Mutex::new(State::new(&config));
        Self { state, changed: Condvar::new(), config, metrics }
    }

    /// Begins with how this machine decodes, by the estimates: 2 is half as fast.
    pub fn calibrate_decoding(&self, slowness: f64) {
        self.lock().backlog.calibrate(slowness);
    }

    /// Runs of the network that a look takes, by what others took before.
    pub fn runs_of(&self, look: &Look) -> usize {
        match first_module(look) {
            Some(first) => self.lock().gradient_cost.runs(first),
            None => 1,
        }
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
        state.runs = 0;
        state.turns.clear();
        let left = std::mem::take(&mut state.waiting);
        let patient = state.patient.close();
        self.report(&state);
        drop(state);
        end_all(patient);
        for job in left.into_values() {
            // A client that has gone needs no answer.
            let _ = job.answer.send(Err(InferError::Closed));
        }
        self.changed.notify_all();
    }

    /// Waits for what is to be done next; `None` when the queue is closed.
    pub(super) fn next_work(&self) -> Option<NextWork> {
        let mut state = self.lock();
        state.free_workers += 1;
        // A gathering worker must see that another has come free.
        self.changed.notify_all();
        let mut was_idle = false;
        let work = loop {
            if state.closed {
                break None;
            }
            let view = View {
                queued: state.runs,
                oldest: state.waiting.first_key_value().map(|(_, job)| job.arrived),
                free_workers: state.free_workers,
                was_idle,
                now: Instant::now(),
            };
            match decide(view, self.config.max_batch_size, self.config.max_wait) {
                Decision::Run(runs) => {
                    let batch = take(&mut state, runs, self.config.max_expected_wait);
                    break Some(NextWork::Images(batch));
                }
                Decision::Wait => {
                    // Images that are being decoded are on their way: then decoding is what takes the
                    // time, and its rate is the queue's.
                    if state.depth() == 0 {
                        state.drain_rate.idle();
                    }
                    if let Some(job) = state.patient.take() {
                        break Some(NextWork::Patient(job));
                    }
                    was_idle = true;
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
        work
    }

    /// Whether an image waits for a worker.
    pub(super) fn has_images(&self) -> bool {
        self.lock().runs > 0
    }

    pub(super) fn report(&self, state: &State) {
        self.metrics.queue_depth.set(state.depth() as i64);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held, and the counts are whole between statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The module that a gradient goes back to, if a look asks for one.
pub(super) fn first_module(look: &Look) -> Option<usize> {
    look.gradient.as_ref()?.modules.iter().min().copied()
}

/// Takes the images whose turn it is: as many as fit into `runs` runs of the network, at least one.
fn take(state: &mut State, runs: usize, long: Duration) -> Vec<Job> {
    let now = Instant::now();
    let mut batch: Vec<Job> = Vec::new();
    let mut taken = 0;
    while let Some(id) = state.next(now, long) {
        let more = state.waiting.get(&id).map_or(0, |job| job.runs);
        if taken > 0 && taken + more > runs {
            break;
        }
        taken += more;
        if let Some(job) = state.remove(id) {
            state.clients.served(job.turn);
            state.clients.give_back(job.client, Duration::ZERO);
            batch.push(job);
        }
    }
    state.drain_rate.record(now, taken);
    batch
}

#[cfg(test)]
mod tests {
    use super::super::admit::tests::{admit, queue};
    use super::super::place::{Place, Stage};
    use super::*;

    /// The answers are never received: the order in which a worker takes the images is what counts.
    fn put(queue: &Arc<Queue>, place: &mut Place, admitted: Instant) {
        let mut state = queue.lock();
        state.joined(place.ask);
        state.runs += 1;
        state.turns.insert((place.turn, place.id));
        let job = Job {
            computation: Computation::Run(vec![Input::Tensor(Arc::new([]))]),
            runs: 1,
            client: place.client,
            turn: place.turn,
            admitted,
            arrived: admitted,
            answer: oneshot::channel().0,
            span: Span::none(),
        };
        state.waiting.insert(place.id, job);
        place.stage = Stage::Queued;
    }

    #[test]
    fn a_new_client_is_served_before_the_backlog_of_another_unless_that_has_waited_long() {
        for (waited, expected) in [(1, ClientKey(2)), (5, ClientKey(1))] {
            let queue = queue();
            let mut places = admit(&queue, 1, 20, 2).unwrap();
            let admitted = Instant::now() - Duration::from_secs(waited);
            for place in &mut places {
                put(&queue, place, admitted);
            }
            assert_eq!(take(&mut queue.lock(), 1, Duration::from_secs(5)).len(), 1);
            let mut new = admit(&queue, 2, 1, 2).unwrap();
            put(&queue, &mut new[0], Instant::now());
            let taken = take(&mut queue.lock(), 2, Duration::from_secs(5));
            let clients: Vec<_> = taken.iter().map(|job| job.client).collect();
            assert!(clients.contains(&expected), "{clients:?}");
            assert_eq!(clients.contains(&ClientKey(2)), waited == 1, "{clients:?}");
        }
    }

    /// A worker that waits for the decoder says nothing of how fast the queue could drain; one that waits
    /// for clients makes what is known obsolete.
    #[test]
    fn the_rate_is_forgotten_only_when_nothing_is_on_its_way() {
        for (decoding, known) in [(1, true), (0, false)] {
            let queue = queue();
            let now = Instant::now();
            queue.lock().drain_rate.record(now - Duration::from_secs(1), 1);
            queue.lock().drain_rate.record(now, 1);
            let places = admit(&queue, 1, decoding, 0).unwrap();
            std::thread::scope(|scope| {
                let worker = scope.spawn(|| queue.next_work());
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
