//! One image's place in the queue, and its share of the decoding that is still to be done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tracing::Span;

use super::ask::{Ask, run_time};
use super::clients::{ClientKey, Turn};
use super::effort::Effort;
use super::queue::{Computation, InferError, Inference, Job, Queue};

/// An image's part of the decoding that is to be done. It goes with the work: who drops a place leaves it to
/// a decoder that has begun.
pub struct Decoding {
    pub(super) queue: Arc<Queue>,
    pub(super) client: ClientKey,
    pub(super) time: Duration,
}

impl Drop for Decoding {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.backlog.remove(self.time);
        state.clients.decoded(self.client, self.time);
    }
}

/// One image's place in the queue. Dropping it means that the client has gone, and counts as
/// cancelled.
pub struct Place {
    pub(super) queue: Arc<Queue>,
    pub(super) client: ClientKey,
    pub(super) id: u64,
    pub(super) turn: Turn,
    pub(super) ask: Ask,
    /// There until the image is being decoded.
    pub(super) decoding: Option<Decoding>,
    /// What it took.
    pub(super) spent: Duration,
    pub(super) admitted: Instant,
    pub(super) begin_by: Instant,
    pub(super) stage: Stage,
}

#[derive(Clone, Copy)]
pub(super) enum Stage {
    /// The place is taken, the image is being decoded.
    Reserved,
    /// The image waits, or a worker has it.
    Queued,
    /// There is an answer, or there will be none.
    Settled,
}

impl Place {
    /// When the image is served, among all: also the order in which images are decoded.
    pub fn turn(&self) -> Turn {
        self.turn
    }

    /// When it is too late to begin with the image: its client would not have the answer in time.
    pub fn begin_by(&self) -> Instant {
        self.begin_by
    }

    /// What it takes to decode the image.
    pub fn effort(&self) -> Effort {
        Effort::of(self.ask.decode_time)
    }

    /// The image's part of the decoding, to be held while it is decoded; there once.
    pub fn begin_decoding(&mut self) -> Option<Decoding> {
        self.decoding.take()
    }

    /// Takes note of how long the image took to decode, or to be found broken.
    pub fn decoded_in(&mut self, taken: Duration, is_whole: bool) {
        self.spent = taken;
        if is_whole {
            self.queue.lock().backlog.record(self.ask.decode_time, taken);
        }
    }

    /// Frees the place of an image that cannot join the queue: it is broken.
    pub fn give_back(mut self) {
        let unspent = (self.ask.decode_time + run_time(self.ask)).saturating_sub(self.spent);
        self.leave_decoding(unspent);
    }

    fn leave_decoding(&mut self, unspent: Duration) {
        self.stage = Stage::Settled;
        drop(self.decoding.take());
        let mut state = self.queue.lock();
        state.joined(self.ask);
        state.clients.give_back(self.client, unspent);
        self.queue.report(&state);
    }

    /// Joins the queue with what is to be computed for an image and waits for the answer.
    ///
    /// # Errors
    /// [`InferError`] when the plan fails or the batcher is shut down.
    pub async fn infer(mut self, computation: Computation) -> Result<Inference, InferError> {
        let (answer, receive) = oneshot::channel();
        let job = Job {
            computation,
            runs: self.ask.runs,
            client: self.client,
            turn: self.turn,
            admitted: self.admitted,
            arrived: Instant::now(),
            answer,
            span: Span::current(),
        };
        drop(self.decoding.take());
        {
            let mut state = self.queue.lock();
            if state.closed {
                drop(state);
                self.give_back();
                return Err(InferError::Closed);
            }
            state.joined(self.ask);
            state.runs += job.runs;
            state.turns.insert((job.turn, self.id));
            state.waiting.insert(self.id, job);
            self.stage = Stage::Queued;
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
                self.queue.metrics.cancelled.inc();
                // A decoder that has begun goes on to the end.
                let never_decoded = self.decoding.as_ref().map_or(Duration::ZERO, |d| d.time);
                self.leave_decoding(run_time(self.ask) + never_decoded);
            }
            Stage::Queued => {
                let mut state = self.queue.lock();
                if state.remove(self.id).is_some() {
                    state.clients.give_back(self.client, run_time(self.ask));
                    self.queue.metrics.cancelled.inc();
                }
                self.queue.report(&state);
            }
        }
    }
}
