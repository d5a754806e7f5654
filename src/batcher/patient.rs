//! The lane of patient work: one picture in many variants, computed only while no image waits.
//!
//! It has few places of its own, and takes none of the queue's. At most one worker is in it; that worker takes as many
//! variants as a batch has, and then looks whether an image has come. Several requests take turns.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::admission::Bound;
use super::admit::AdmitError;
use super::queue::{InferError, Queue};
use googlenet_engine::model::{Input, Score};

/// Requests that may be in the lane.
const CAPACITY: usize = 4;
/// What a client is told that finds it full: about what a request takes on one core.
const RETRY_AFTER: Duration = Duration::from_secs(2);

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

/// The requests of the lane.
#[derive(Default)]
pub(super) struct PatientLane {
    /// Places taken.
    taken: usize,
    next_id: u64,
    waiting: VecDeque<PatientJob>,
    is_running: bool,
    is_closed: bool,
}

impl PatientLane {
    /// The request whose turn it is, if no other worker is in the lane.
    pub(super) fn take(&mut self) -> Option<PatientJob> {
        if self.is_running {
            return None;
        }
        let job = self.waiting.pop_front()?;
        self.is_running = true;
        Some(job)
    }

    /// Takes no more, and gives all that wait, to be ended.
    pub(super) fn close(&mut self) -> Vec<PatientJob> {
        self.is_closed = true;
        std::mem::take(&mut self.waiting).into()
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
}

impl Queue {
    /// Takes a place in the lane of patient work.
    ///
    /// # Errors
    /// [`AdmitError`] when it is full, or closed.
    pub fn admit_patient(self: &Arc<Self>) -> Result<PatientPlace, AdmitError> {
        let mut state = self.lock();
        let lane = &mut state.patient;
        if lane.is_closed {
            return Err(AdmitError::Closed);
        }
        if lane.taken == CAPACITY {
            return Err(AdmitError::Full { retry_after: RETRY_AFTER, bound: Bound::Patience });
        }
        lane.taken += 1;
        lane.next_id += 1;
        let id = lane.next_id;
        drop(state);
        Ok(PatientPlace { queue: Arc::clone(self), id })
    }

    /// Ends the patient work: a service that stops has no idle time left for it.
    pub fn close_patient(&self) {
        let left = self.lock().patient.close();
        end_all(left);
    }

    /// Takes a request back after a turn: it is answered if all is computed or something failed, else it goes to the end.
    pub(super) fn return_patient(&self, job: PatientJob, outcome: Result<(), InferError>) {
        let mut state = self.lock();
        state.patient.is_running = false;
        let is_whole = job.done.len() >= job.count;
        let closed = state.patient.is_closed;
        match outcome {
            Ok(()) if !is_whole && !closed && !job.is_abandoned() => {
                state.patient.waiting.push_back(job);
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
    /// What the network gives for a class of each of `count` variants, in their order.
    ///
    /// # Errors
    /// [`InferError`] when the plan fails or the batcher is shut down.
    pub async fn infer(
        self,
        of: OfClass,
        count: usize,
        make: MakeVariant,
    ) -> Result<Vec<Score>, InferError> {
        let (answer, receive) = oneshot::channel();
        let done = Vec::with_capacity(count);
        let job = PatientJob { id: self.id, of, make, count, done, answer };
        {
            let mut state = self.queue.lock();
            if state.patient.is_closed {
                return Err(InferError::Closed);
            }
            state.patient.waiting.push_back(job);
        }
        self.queue.changed.notify_all();
        // The sender is dropped unsent only when a worker's thread ends with the request in hand.
        receive.await.unwrap_or(Err(InferError::Closed))
    }
}

impl Drop for PatientPlace {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.patient.taken -= 1;
        let id = self.id;
        state.patient.waiting.retain(|job| job.id != id);
    }
}

#[cfg(test)]
mod tests {
    use super::super::admit::tests::{admit, queue};
    use super::super::place::Place;
    use super::super::queue::NextWork;
    use super::*;

    fn make() -> MakeVariant {
        Arc::new(|_| Input::Tensor(Arc::new([])))
    }

    fn variant() -> Score {
        Score { value: 0.5, is_logit: true }
    }

    #[tokio::test]
    async fn requests_take_turns_and_give_back_their_places() {
        let queue = queue();
        let places: Vec<_> = (0..CAPACITY).map(|_| queue.admit_patient().unwrap()).collect();
        let refused = queue.admit_patient().err();
        assert!(matches!(refused, Some(AdmitError::Full { bound: Bound::Patience, .. })));
        let requests: Vec<_> = places
            .into_iter()
            .map(|place| tokio::spawn(place.infer((0, None), 2, make())))
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
            queue.return_patient(job, Ok(()));
        }
        assert_eq!(order[..CAPACITY], order[CAPACITY..], "by turns");
        for request in requests {
            assert_eq!(request.await.unwrap().unwrap().len(), 2);
        }
        assert!(queue.admit_patient().is_ok(), "the places are free again");
    }

    #[tokio::test]
    async fn a_client_that_goes_takes_the_rest_along() {
        let queue = queue();
        let gone = tokio::spawn(queue.admit_patient().unwrap().infer((0, None), 2, make()));
        while queue.lock().patient.waiting.is_empty() {
            tokio::task::yield_now().await;
        }
        let job = queue.lock().patient.take().unwrap();
        gone.abort();
        assert!(gone.await.is_err());
        assert!(job.is_abandoned());
        queue.return_patient(job, Ok(()));
        let mut state = queue.lock();
        assert_eq!((state.patient.taken, state.patient.waiting.len()), (0, 0));
        assert!(state.patient.take().is_none());
    }

    /// A worker with nothing else to do takes patient work, and an image first.
    #[tokio::test(flavor = "multi_thread")]
    async fn an_image_goes_first() {
        let queue = queue();
        let patient = tokio::spawn(queue.admit_patient().unwrap().infer((0, None), 1, make()));
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
        queue.return_patient(job, Ok(()));
        assert_eq!(patient.await.unwrap().unwrap().len(), 1);
        assert!(image.await.unwrap().is_err(), "its worker dropped it");
    }

    #[tokio::test]
    async fn a_failure_and_the_end_are_told() {
        let queue = queue();
        let failing = tokio::spawn(queue.admit_patient().unwrap().infer((0, None), 1, make()));
        let waiting = tokio::spawn(queue.admit_patient().unwrap().infer((0, None), 1, make()));
        while queue.lock().patient.waiting.len() < 2 {
            tokio::task::yield_now().await;
        }
        let job = queue.lock().patient.take().unwrap();
        queue.return_patient(job, Err(InferError::Panicked));
        queue.close();
        assert!(matches!(failing.await.unwrap(), Err(InferError::Panicked)));
        assert!(matches!(waiting.await.unwrap(), Err(InferError::Closed)));
        assert!(matches!(queue.admit_patient().err(), Some(AdmitError::Closed)));
    }
}
