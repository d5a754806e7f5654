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
    /// Where the turn of its next image begins.
    next: Turn,
    asked: Instant,
}

impl Clients {
    const REMEMBERED: Duration = Duration::from_secs(10);
    /// More are not remembered when they have no place: each takes memory.
    const MOST: usize = 10_000;

    /// Notes that a client asks; returns how many clients there are, and how many places it has.
    pub(super) fn ask(&mut self, key: ClientKey, now: Instant) -> (usize, usize) {
        self.forget(now);
        let new = || Client { held: 0, next: Turn::default(), asked: now };
        let client = self.by_key.entry(key).or_insert_with(new);
        client.asked = now;
        let held = client.held;
        (self.by_key.len(), held)
    }

    /// Gives a client the turn for an image that is expected to take `cost`.
    pub(super) fn take_turn(&mut self, key: ClientKey, cost: Duration, now: Instant) -> Turn {
        let current = self.now;
        let new = || Client { held: 0, next: Turn::default(), asked: now };
        let client = self.by_key.entry(key).or_insert_with(new);
        let turn = client.next.max(current);
        let cost = u64::try_from(cost.as_nanos()).unwrap_or(u64::MAX);
        client.next = Turn(turn.0.saturating_add(cost));
        client.held += 1;
        turn
    }

    /// An image gave its place back.
    pub(super) fn give_back(&mut self, key: ClientKey) {
        if let Some(client) = self.by_key.get_mut(&key) {
            client.held = client.held.saturating_sub(1);
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

    const COST: Duration = Duration::from_millis(10);

    #[test]
    fn a_new_client_comes_before_the_backlog_of_another() {
        let now = Instant::now();
        let mut clients = Clients::default();
        let (busy, new) = (ClientKey(1), ClientKey(2));
        let backlog: Vec<Turn> = (0..100).map(|_| clients.take_turn(busy, COST, now)).collect();
        clients.served(backlog[3]);
        let turn = clients.take_turn(new, COST, now);
        assert!(backlog[2] < turn && turn <= backlog[3], "{turn:?}");
        assert!(clients.take_turn(new, COST, now) <= backlog[4], "and then by turns");
    }

    #[test]
    fn dear_images_use_up_more_of_a_share() {
        let now = Instant::now();
        let mut clients = Clients::default();
        let dear: Vec<Turn> =
            (0..3).map(|_| clients.take_turn(ClientKey(1), 100 * COST, now)).collect();
        let cheap: Vec<Turn> =
            (0..150).map(|_| clients.take_turn(ClientKey(2), COST, now)).collect();
        assert_eq!(cheap.iter().filter(|turn| **turn < dear[1]).count(), 100);
    }

    #[test]
    fn who_asks_no_more_is_forgotten() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut clients = Clients::default();
        assert_eq!(clients.ask(ClientKey(1), at(0)), (1, 0));
        clients.take_turn(ClientKey(1), COST, at(0));
        assert_eq!(clients.ask(ClientKey(2), at(1)), (2, 0));
        assert_eq!(clients.ask(ClientKey(1), at(20)), (1, 1), "the second has gone");
        clients.give_back(ClientKey(1));
        assert_eq!(clients.ask(ClientKey(3), at(40)), (1, 0));
        for key in 0..3 * Clients::MOST as u128 {
            clients.ask(ClientKey(key), at(40));
        }
        assert!(clients.by_key.len() <= Clients::MOST + 1);
    }
}
