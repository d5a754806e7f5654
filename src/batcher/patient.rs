//! The lane of patient work: one picture in many variants, computed only while no image waits.
//!
//! It has few places of its own, and takes none of the queue's. At most one worker is in it; that worker takes as many
//! variants as a batch has, and then looks whether an image has come. One request is computed after another, in the order
//! in which they were admitted: by turns all would be late together. One that would be late is refused at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::admission::Bound;
use super::admit::AdmitError;
use super::clients::ClientKey;
use super::drain_rate::DrainRate;
use super::pace::Pace;
use super::queue::{InferError, Queue};
use googlenet_engine::model::{Input, Score};

/// Requests that may be in the lane.
const CAPACITY: usize = 4;

/// Makes a variant, by its number: they are not all in memory.
pub type MakeVariant = Arc<dyn Fn(usize) -> Input + Send + Sync>;

/// The class that is asked about, and the one that it is compared with.
pub type OfClass = (usize, Option<usize>);

/// A request in the lane.
pub(super) struct PatientJob {
    id: u64,
    pub(super) of: OfClass,
    pub(super) make: MakeVariant,
    /// How many variants there are.
    pub(super) count: usize,
    /// Those that are computed, the first ones.
    pub(super) done: Vec<Score>,
    answer: oneshot::Sender<Result<Vec<Score>, InferError>>,
}

impl PatientJob {
    /// Whether nobody waits for it any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }

    fn end(self, error: InferError) {
        // A client that has gone needs no answer.
        let _ = self.answer.send(Err(error));
    }
}

/// A request that has a place, from before its photo is decoded.
#[derive(Clone, Copy, Debug)]
struct Admitted {
    client: ClientKey,
    /// Variants that are yet to be computed.
    left: usize,
}

/// The requests of the lane, by their number: the smaller, the earlier.
#[derive(Default)]
pub(super) struct PatientLane {
    admitted: BTreeMap<u64, Admitted>,
    next_id: u64,
    /// Those whose photo is decoded.
    waiting: BTreeMap<u64, PatientJob>,
    pace: Pace,
    is_running: bool,
    is_closed: bool,
}

impl PatientLane {
    /// The request whose turn it is, if no other worker is in the lane.
    pub(super) fn take(&mut self) -> Option<PatientJob> {
        if self.is_running {
            return None;
        }
        let (_, job) = self.waiting.pop_first()?;
        self.is_running = true;
        Some(job)
    }

    /// Takes no more, and gives all that wait, to be ended.
    pub(super) fn close(&mut self) -> Vec<PatientJob> {
        self.is_closed = true;
        std::mem::take(&mut self.waiting).into_values().collect()
    }

    /// Whether a client gets a place for `count` variants that must be computed within `time_left`.
    fn decide(
        &self,
        client: ClientKey,
        count: usize,
        time_left: Duration,
        now: Instant,
    ) -> Result<(), AdmitError> {
        // The rest is for decoding, for the answer, and for the estimate's error.
        let time_left = time_left / 10 * 9;
        let ahead = self.admitted.values().map(|request| request.left).sum();
        let wait = self.pace.expected(ahead, now);
        let full = |bound, retry_after: Duration| {
            let seconds = retry_after.as_secs_f64().ceil().max(1.0);
            let retry_after = Duration::from_secs_f64(seconds).min(DrainRate::LONGEST);
            Err(AdmitError::Full { retry_after, bound })
        };
        if self.pace.alone(count) > time_left {
            return full(Bound::PatientWork, Duration::ZERO);
        }
        if self.admitted.len() >= CAPACITY {
            // A place comes free with the first of them.
            let first = self.admitted.values().next().map_or(0, |request| request.left);
            return full(Bound::Patience, self.pace.expected(first, now));
        }
        // Who is alone leaves half of the places, so that the next to come finds one.
        let held = self.admitted.values().filter(|request| request.client == client).count();
        let others = self.admitted.len() - held;
        let share = if others == 0 { CAPACITY / 2 } else { 1 };
        if held >= share {
            return full(Bound::PatientShare, wait);
        }
        // What would be late takes the time of those behind it.
        if ahead > 0 && self.pace.expected(ahead + count, now) > time_left {
            return full(Bound::Time, wait);
        }
        Ok(())
    }
}

/// Ends what waited in a lane that was closed.
pub(super) fn end_all(jobs: Vec<PatientJob>) {
    jobs.into_iter().for_each(|job| job.end(InferError::Closed));
}

/// One request's place in the lane. Dropping it means that the client has gone: what is not computed yet never is.
pub struct PatientPlace {
    queue: Arc<Queue>,
    id: u64,
    count: usize,
}

impl Queue {
    /// Takes a place in the lane of patient work for a client that has `count` variants and `time_left`.
    ///
    /// # Errors
    /// [`AdmitError`] when the lane is full, the client has its share of it, or the request would be too late, or when
    /// it is closed.
    pub fn admit_patient(
        self: &Arc<Self>,
        client: ClientKey,
        count: usize,
        time_left: Duration,
    ) -> Result<PatientPlace, AdmitError> {
        let mut state = self.lock();
        let lane = &mut state.patient;
        if lane.is_closed {
            return Err(AdmitError::Closed);
        }
        let now = Instant::now();
        lane.decide(client, count, time_left, now)?;
        if lane.admitted.is_empty() {
            lane.pace.begins(now);
        }
        lane.next_id += 1;
        let id = lane.next_id;
        lane.admitted.insert(id, Admitted { client, left: count });
        drop(state);
        Ok(PatientPlace { queue: Arc::clone(self), id, count })
    }

    /// Ends the patient work: a service that stops has no idle time left for it.
    pub fn close_patient(&self) {
        let left = self.lock().patient.close();
        end_all(left);
    }

    /// Takes a request back after a turn, in which a worker was busy for `busy`: it is answered if all is computed or
    /// something failed, else it goes on before those that came later.
    pub(super) fn return_patient(
        &self,
        job: PatientJob,
        busy: Duration,
        outcome: Result<(), InferError>,
    ) {
        let mut state = self.lock();
        let lane = &mut state.patient;
        lane.is_running = false;
        let left = job.count.saturating_sub(job.done.len());
        if let Some(request) = lane.admitted.get_mut(&job.id) {
            lane.pace.record(request.left.saturating_sub(left), busy, Instant::now());
            request.left = left;
        }
        let is_whole = left == 0;
        let closed = lane.is_closed;
        match outcome {
            Ok(()) if !is_whole && !closed && !job.is_abandoned() => {
                lane.waiting.insert(job.id, job);
                drop(state);
            }
            Ok(()) => {
                drop(state);
                let PatientJob { done, answer, .. } = job;
                // A client that has gone needs no answer.
                let _ = answer.send(if is_whole { Ok(done) } else { Err(InferError::Closed) });
            }
            Err(error) => {
                drop(state);
                job.end(error);
            }
        }
        self.changed.notify_all();
    }
}

impl PatientPlace {
    /// What the network gives for a class of each of the variants, in their order.
    ///
    /// # Errors
    /// [`InferError`] when the plan fails or the batcher is shut down.
    pub async fn infer(self, of: OfClass, make: MakeVariant) -> Result<Vec<Score>, InferError> {
        let (answer, receive) = oneshot::channel();
        let (id, count) = (self.id, self.count);
        let done = Vec::with_capacity(count);
        let job = PatientJob { id, of, make, count, done, answer };
        {
            let mut state = self.queue.lock();
            if state.patient.is_closed {
                return Err(InferError::Closed);
            }
            state.patient.waiting.insert(id, job);
        }
        self.queue.changed.notify_all();
        // The sender is dropped unsent only when a worker's thread ends with the request in hand.
        receive.await.unwrap_or(Err(InferError::Closed))
    }
}

impl Drop for PatientPlace {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.patient.admitted.remove(&self.id);
        state.patient.waiting.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::super::admit::tests::{admit, queue};
    use super::super::place::Place;
    use super::super::queue::NextWork;
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const RUN: Duration = Duration::from_millis(100);

    fn make() -> MakeVariant {
        Arc::new(|_| Input::Tensor(Arc::new([])))
    }

    fn variant() -> Score {
        Score { value: 0.5, is_logit: true }
    }

    fn place(queue: &Arc<Queue>, client: u128, count: usize) -> Result<PatientPlace, AdmitError> {
        queue.admit_patient(ClientKey(client), count, MINUTE)
    }

    fn bound(admitted: Result<PatientPlace, AdmitError>) -> Option<(Bound, u64)> {
        match admitted.err()? {
            AdmitError::Full { bound, retry_after } => Some((bound, retry_after.as_secs())),
            AdmitError::Closed => None,
        }
    }

    /// The pace of a lane whose variants take 100 ms each.
    fn measured(queue: &Arc<Queue>) {
        let mut state = queue.lock();
        let now = Instant::now();
        state.patient.pace.begins(now - 10 * RUN);
        state.patient.pace.record(10, 10 * RUN, now);
    }

    #[tokio::test]
    async fn one_is_computed_after_another_in_the_order_of_their_admission() {
        let queue = queue();
        let places: Vec<_> = (0..4).map(|client| place(&queue, client, 2).unwrap()).collect();
        // The photo of the first is decoded last.
        let requests: Vec<_> = places
            .into_iter()
            .rev()
            .map(|place| tokio::spawn(place.infer((0, None), make())))
            .collect();
        while queue.lock().patient.waiting.len() < CAPACITY {
            tokio::task::yield_now().await;
        }
        let mut order = Vec::new();
        for _ in 0..2 * CAPACITY {
            let mut job = queue.lock().patient.take().unwrap();
            assert!(queue.lock().patient.take().is_none(), "one worker at most");
            order.push(job.id);
            job.done.push(variant());
            queue.return_patient(job, RUN, Ok(()));
        }
        assert_eq!(order, [1, 1, 2, 2, 3, 3, 4, 4]);
        for request in requests {
            assert_eq!(request.await.unwrap().unwrap().len(), 2);
        }
        assert!(place(&queue, 0, 2).is_ok(), "the places are free again");
    }

    #[test]
    fn no_client_gets_all_places() {
        let queue = queue();
        let _both = [place(&queue, 1, 2).unwrap(), place(&queue, 1, 2).unwrap()];
        assert_eq!(bound(place(&queue, 1, 2)), Some((Bound::PatientShare, 1)));
        let other = place(&queue, 2, 2).unwrap();
        assert_eq!(
            bound(place(&queue, 2, 2)),
            Some((Bound::PatientShare, 1)),
            "not where others wait"
        );
        let _third = place(&queue, 3, 2).unwrap();
        assert_eq!(bound(place(&queue, 4, 2)), Some((Bound::Patience, 1)));
        drop(other);
        assert!(place(&queue, 4, 2).is_ok());
    }

    /// Requests of 12 x 12 squares, 14.5 s each: those are admitted that will be in time.
    #[test]
    fn what_would_be_late_is_refused_at_once() {
        let queue = queue();
        let ask = |client, seconds| {
            queue.admit_patient(ClientKey(client), 145, Duration::from_secs(seconds))
        };
        assert!(ask(1, 1).is_ok(), "nothing is known yet");
        measured(&queue);
        assert_eq!(bound(ask(1, 14)), Some((Bound::PatientWork, 1)), "14.5 s at the least");
        let _first = ask(1, 35).unwrap();
        let _second = ask(2, 35).unwrap();
        assert_eq!(bound(ask(3, 35)), Some((Bound::Time, 29)));
        let _patient = ask(3, 60).unwrap();
    }

    #[tokio::test]
    async fn a_client_that_goes_takes_the_rest_along() {
        let queue = queue();
        let gone = tokio::spawn(place(&queue, 1, 2).unwrap().infer((0, None), make()));
        while queue.lock().patient.waiting.is_empty() {
            tokio::task::yield_now().await;
        }
        let job = queue.lock().patient.take().unwrap();
        gone.abort();
        assert!(gone.await.is_err());
        assert!(job.is_abandoned());
        queue.return_patient(job, RUN, Ok(()));
        let mut state = queue.lock();
        assert_eq!((state.patient.admitted.len(), state.patient.waiting.len()), (0, 0));
        assert!(state.patient.take().is_none());
    }

    /// A worker with nothing else to do takes patient work, and an image first.
    #[tokio::test(flavor = "multi_thread")]
    async fn an_image_goes_first() {
        let queue = queue();
        let patient = tokio::spawn(place(&queue, 1, 1).unwrap().infer((0, None), make()));
        let place: Place = admit(&queue, 1, 1, 0).unwrap().remove(0);
        let computation = super::super::Computation::Run(vec![Input::Tensor(Arc::new([]))]);
        let image = tokio::spawn(place.infer(computation));
        while queue.lock().patient.waiting.is_empty() || queue.lock().waiting.is_empty() {
            tokio::task::yield_now().await;
        }
        let first = queue.next_work();
        assert!(matches!(first, Some(NextWork::Images(ref jobs)) if jobs.len() == 1));
        drop(first);
        let second = queue.next_work();
        let Some(NextWork::Patient(mut job)) = second else { panic!("patient work") };
        job.done.push(variant());
        queue.return_patient(job, RUN, Ok(()));
        assert_eq!(patient.await.unwrap().unwrap().len(), 1);
        assert!(image.await.unwrap().is_err(), "its worker dropped it");
    }

    #[tokio::test]
    async fn a_failure_and_the_end_are_told() {
        let queue = queue();
        let failing = tokio::spawn(place(&queue, 1, 1).unwrap().infer((0, None), make()));
        let waiting = tokio::spawn(place(&queue, 1, 1).unwrap().infer((0, None), make()));
        while queue.lock().patient.waiting.len() < 2 {
            tokio::task::yield_now().await;
        }
        let job = queue.lock().patient.take().unwrap();
        queue.return_patient(job, RUN, Err(InferError::Panicked));
        queue.close();
        assert!(matches!(failing.await.unwrap(), Err(InferError::Panicked)));
        assert!(matches!(waiting.await.unwrap(), Err(InferError::Closed)));
        assert!(matches!(place(&queue, 1, 1).err(), Some(AdmitError::Closed)));
    }
}
