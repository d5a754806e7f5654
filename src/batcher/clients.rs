//! Who has places in the queue, and whose turn it is: start-time fair queueing (Goyal, Vin and Cheng, 1996)
//! over the time that images are expected to take.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Stands for one client, whatever tells it from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientKey(pub u128);

/// An image's place in the order of service: the smaller, the sooner. In nanoseconds of virtual time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn(u64);

/// The clients that have places, or have asked for some within [`Clients::REMEMBERED`].
#[derive(Debug, Default)]
pub(super) struct Clients {
    by_key: HashMap<ClientKey, Client>,
    /// The turn of the image that was taken last.
    now: Turn,
    forgotten: Option<Instant>,
}

#[derive(Debug)]
struct Client {
    held: usize,
    /// What its images are estimated to take until they are decoded.
    decoding: Duration,
    /// Where the turn of its next image begins.
    next: Turn,
    asked: Instant,
}

/// What is known of a client that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asking {
    /// Clients there are, this one included.
    pub(super) clients: usize,
    /// Places that it has.
    pub(super) held: usize,
    /// What its images are estimated to take until they are decoded.
    pub(super) decoding: Duration,
}

impl Client {
    fn new(now: Instant) -> Self {
        Self { held: 0, decoding: Duration::ZERO, next: Turn::default(), asked: now }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Clients {
    const REMEMBERED: Duration = Duration::from_secs(10);
    /// More are not remembered when they have no place: each takes memory.
    const MOST: usize = 10_000;

    /// Notes that a client asks.
    pub(super) fn ask(&mut self, key: ClientKey, now: Instant) -> Asking {
        self.forget(now);
        let client = self.by_key.entry(key).or_insert_with(|| Client::new(now));
        client.asked = now;
        let (held, decoding) = (client.held, client.decoding);
        Asking { clients: self.by_key.len(), held, decoding }
    }

    /// Gives a client the turn for an image that is expected to take `decode` and `run`.
    pub(super) fn take_turn(
        &mut self,
        key: ClientKey,
        (decode, run): (Duration, Duration),
        now: Instant,
    ) -> Turn {
        let current = self.now;
        let client = self.by_key.entry(key).or_insert_with(|| Client::new(now));
        let turn = client.next.max(current);
        client.next = Turn(turn.0.saturating_add(nanoseconds(decode + run)));
        client.held += 1;
        client.decoding += decode;
        turn
    }

    /// An image is decoded, or never will be.
    pub(super) fn decoded(&mut self, key: ClientKey, decode: Duration) {
        if let Some(client) = self.by_key.get_mut(&key) {
            client.decoding = client.decoding.saturating_sub(decode);
        }
    }

    /// An image gave its place back, and did not take `unspent` of what its turn was counted as.
    pub(super) fn give_back(&mut self, key: ClientKey, unspent: Duration) {
        let now = self.now;
        if let Some(client) = self.by_key.get_mut(&key) {
            client.held = client.held.saturating_sub(1);
            client.next = Turn(client.next.0.saturating_sub(nanoseconds(unspent))).max(now);
        }
    }

    /// An image's turn has come.
    pub(super) fn served(&mut self, turn: Turn) {
        self.now = self.now.max(turn);
    }

    /// Drops clients without places, at most once a second unless they are too many.
    fn forget(&mut self, now: Instant) {
        let too_many = self.by_key.len() >= Self::MOST;
        let due = self.forgotten.is_none_or(|then| now - then >= Duration::from_secs(1));
        if due || too_many {
            self.forgotten = Some(now);
            self.by_key.retain(|_, client| {
                client.held > 0 || (!too_many && now - client.asked < Self::REMEMBERED)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: Duration = Duration::from_millis(10);

    fn turns(clients: &mut Clients, key: u128, decode: Duration, count: usize) -> Vec<Turn> {
        let now = Instant::now();
        (0..count).map(|_| clients.take_turn(ClientKey(key), (decode, RUN), now)).collect()
    }

    #[test]
    fn a_new_client_comes_before_the_backlog_of_another() {
        let mut clients = Clients::default();
        let backlog = turns(&mut clients, 1, Duration::ZERO, 100);
        clients.served(backlog[3]);
        let new = turns(&mut clients, 2, Duration::ZERO, 2);
        assert!(backlog[2] < new[0] && new[0] <= backlog[3], "{new:?}");
        assert!(new[1] <= backlog[4], "and then by turns");
    }

    #[test]
    fn dear_images_use_up_more_of_a_share() {
        let mut clients = Clients::default();
        let dear = turns(&mut clients, 1, 99 * RUN, 3);
        let cheap = turns(&mut clients, 2, Duration::ZERO, 150);
        assert_eq!(cheap.iter().filter(|turn| **turn < dear[1]).count(), 100);
    }

    #[test]
    fn what_was_not_spent_is_given_back() {
        let mut clients = Clients::default();
        let first = turns(&mut clients, 1, 99 * RUN, 1);
        clients.decoded(ClientKey(1), 99 * RUN);
        clients.give_back(ClientKey(1), 99 * RUN);
        let next = turns(&mut clients, 1, Duration::ZERO, 1);
        assert_eq!(next[0].0 - first[0].0, nanoseconds(RUN));
        clients.served(next[0]);
        clients.give_back(ClientKey(1), 99 * RUN);
        assert_eq!(turns(&mut clients, 1, RUN, 1), next, "not before what is served now");
    }

    #[test]
    fn who_asks_no_more_is_forgotten() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let asking = |clients, held, decoding| Asking { clients, held, decoding };
        let mut clients = Clients::default();
        assert_eq!(clients.ask(ClientKey(1), at(0)), asking(1, 0, Duration::ZERO));
        clients.take_turn(ClientKey(1), (RUN, RUN), at(0));
        assert_eq!(clients.ask(ClientKey(2), at(1)), asking(2, 0, Duration::ZERO));
        assert_eq!(clients.ask(ClientKey(1), at(20)), asking(1, 1, RUN), "the second has gone");
        clients.decoded(ClientKey(1), RUN);
        clients.give_back(ClientKey(1), Duration::ZERO);
        assert_eq!(clients.ask(ClientKey(3), at(40)), asking(1, 0, Duration::ZERO));
        for key in 0..3 * Clients::MOST as u128 {
            clients.ask(ClientKey(key), at(40));
        }
        assert!(clients.by_key.len() <= Clients::MOST + 1);
    }
}
