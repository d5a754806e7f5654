//! Gives places in the queue to clients that ask for them, as `admission` decides.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::admission::{self, Bound};
use super::ask::{Ask, run_time};
use super::clients::{Asking, ClientKey, Turn};
use super::drain_rate::DrainRate;
use super::effort::Effort;
use super::place::{Decoding, Place, Stage};
use super::queue::{Queue, State};

/// There is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdmitError {
    /// As many images wait as may, of all clients or of this one, or as can be answered in time.
    #[error("the queue is full")]
    Full {
        /// How long the queue will take to drain.
        retry_after: Duration,
        /// What it is full by.
        bound: Bound,
    },
    /// The batcher is shutting down.
    #[error("the queue is closed")]
    Closed,
}

impl Queue {
    /// Takes a place for each image of a client, all or none. `time_left` is how soon the client wants its
    /// answer.
    ///
    /// # Errors
    /// [`AdmitError`] when the queue is full, the client has its share of it, or the images would be too
    /// late, or when it is closed; nothing is taken then.
    pub fn admit(
        self: &Arc<Self>,
        client: ClientKey,
        asks: &[Ask],
        time_left: Duration,
    ) -> Result<Vec<Place>, AdmitError> {
        let mut state = self.lock();
        if state.closed {
            return Err(AdmitError::Closed);
        }
        let now = Instant::now();
        let view = self.view(&mut state, client, asks, time_left, now);
        if let Err(bound) = admission::decide(view) {
            let runs = state.all_runs();
            let retry_after = state.drain_rate.retry_after(now, runs);
            let retry_after = retry_after.max(view.wait_of_all / 2).min(DrainRate::LONGEST);
            return Err(AdmitError::Full { retry_after, bound });
        }
        let mut turns = Vec::with_capacity(asks.len());
        for ask in asks {
            let cost = (ask.decode_time, run_time(*ask));
            turns.push((state.next_id, state.clients.take_turn(client, cost, now)));
            state.next_id += 1;
            let effort = Effort::of(ask.decode_time).index();
            state.reserved[effort] += 1;
            state.reserved_runs[effort] += ask.runs;
            state.backlog.add(ask.decode_time);
        }
        self.report(&state);
        drop(state);
        let place = |((id, turn), &ask): ((u64, Turn), &Ask)| Place {
            decoding: Some(Decoding { queue: Arc::clone(self), client, time: ask.decode_time }),
            queue: Arc::clone(self),
            client,
            id,
            turn,
            ask,
            spent: Duration::ZERO,
            admitted: now,
            begin_by: now + time_left / 10 * 6,
            stage: Stage::Reserved,
        };
        Ok(turns.into_iter().zip(asks).map(place).collect())
    }

    fn view(
        &self,
        state: &mut State,
        client: ClientKey,
        asks: &[Ask],
        time_left: Duration,
        now: Instant,
    ) -> admission::View {
        let Asking { clients, held, decoding } = state.clients.ask(client, now);
        let (images, depth) = (asks.len(), state.depth());
        // By turns with the others, it waits for as many of each as it has itself.
        let before = depth.min((held + images).saturating_mul(clients));
        let share = before as f64 / depth.max(1) as f64;
        admission::View {
            images,
            depth,
            capacity: self.config.queue_capacity,
            held,
            clients,
            alone: state.alone(asks, Duration::ZERO),
            own: state.alone(asks, decoding),
            wait: state.wait(asks, share, now),
            wait_of_all: state.wait(asks, 1.0, now),
            longest_wait: self.config.max_expected_wait.min(time_left / 2),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::BatcherConfig;
    use super::*;
    use crate::metrics::Metrics;

    pub(in crate::batcher) fn queue() -> Arc<Queue> {
        let config = BatcherConfig {
            workers: 1,
            max_batch_size: 8,
            max_wait: Duration::ZERO,
            queue_capacity: 100,
            max_expected_wait: Duration::from_secs(5),
            decode_threads: [1, 1],
        };
        Arc::new(Queue::new(config, Metrics::new().unwrap().batcher))
    }

    pub(in crate::batcher) fn admit(
        queue: &Arc<Queue>,
        client: u128,
        images: usize,
        decode_ms: u64,
    ) -> Result<Vec<Place>, AdmitError> {
        let ask = Ask { decode_time: Duration::from_millis(decode_ms), runs: 1 };
        queue.admit(ClientKey(client), &vec![ask; images], Duration::from_secs(60))
    }

    fn bound(admitted: Result<Vec<Place>, AdmitError>) -> Option<Bound> {
        match admitted.err()? {
            AdmitError::Full { bound, .. } => Some(bound),
            AdmitError::Closed => None,
        }
    }

    #[test]
    fn admits_no_image_that_would_be_answered_too_late() {
        let queue = queue();
        // 10 images a second recently.
        let now = Instant::now();
        for batch in 0..=20 {
            let then = now - Duration::from_millis(100 * (20 - batch));
            queue.lock().drain_rate.record(then, 1);
        }
        let first = admit(&queue, 1, 45, 0).unwrap();
        let second = admit(&queue, 2, 20, 0).unwrap();
        let refused = admit(&queue, 2, 1, 0).err();
        let Some(AdmitError::Full { retry_after, bound: Bound::Time }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(retry_after.as_secs(), 7);
        drop(second);
        assert!(admit(&queue, 3, 1, 0).is_ok(), "there are 45 again");
        queue.lock().drain_rate.idle();
        let third = admit(&queue, 4, 20, 0).unwrap();
        let others: Vec<_> =
            (5..40).filter_map(|client| admit(&queue, client, 1, 0).ok()).collect();
        assert_eq!(others.len(), 35);
        assert_eq!(bound(admit(&queue, 50, 1, 0)), Some(Bound::Places));
        for place in first.into_iter().chain(third).chain(others.into_iter().flatten()) {
            place.give_back();
        }
        assert_eq!(queue.depth(), 0);
    }

    #[test]
    fn what_would_not_be_decoded_in_time_is_refused_at_once_and_is_not_in_the_way() {
        let queue = queue();
        let dear: Vec<_> =
            (0..20).filter_map(|client| admit(&queue, client, 1, 300).ok()).collect();
        assert_eq!(dear.len(), 5, "of 0.3 s each, each counted for three");
        assert_eq!(bound(admit(&queue, 30, 1, 300)), Some(Bound::Time));
        assert!(admit(&queue, 30, 1, 2).is_ok());
        let soon = Duration::from_millis(30);
        let ask = Ask { decode_time: Duration::from_millis(20), runs: 1 };
        let hurried = queue.admit(ClientKey(31), &[ask], soon);
        assert_eq!(bound(hurried), Some(Bound::Work), "20 ms of decoding in half of 30 ms");
        queue.calibrate_decoding(0.25);
        assert!(admit(&queue, 32, 1, 300).is_ok(), "a machine that is four times as fast");
    }
}
