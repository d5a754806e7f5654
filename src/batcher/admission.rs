//! Whether images get places in the queue. Pure: time is an argument.

use std::time::Duration;

/// What is known when a client asks for places.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    /// Places that are asked for.
    pub images: usize,
    /// Places that are taken.
    pub depth: usize,
    /// Places there are.
    pub capacity: usize,
    /// Places that this client has.
    pub held: usize,
    /// Clients that have places or have asked for some recently, this one included.
    pub clients: usize,
    /// How long these images would take to decode if nothing else were to be done.
    pub alone: Duration,
    /// How long they and those that this client has being decoded would take, the same way.
    pub own: Duration,
    /// How long these images are expected to wait, their own decoding included.
    pub wait: Duration,
    /// How long all that waits is expected to take.
    pub wait_of_all: Duration,
    /// How long they may wait.
    pub longest_wait: Duration,
}

/// Which bound a refusal met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// All places are taken.
    Places,
    /// The client has its share of the places, and the queue is filling.
    Share,
    /// The images would not be answered in time.
    Time,
    /// The images would not be answered in time even if nothing else were to be done.
    Work,
    /// All places for patient work are taken.
    Patience,
    /// The client has its share of those.
    PatientShare,
    /// Patient work would not be done in time even if nothing else were to be done.
    PatientWork,
}

/// Grants places, or says which bound is met.
///
/// While the queue is less than half full, anyone gets what there is. Past that, no client gets more than
/// its share, and one that is alone leaves an eighth: the next to come must find a place. The same eighth
/// is kept of the time. Who finds the queue empty gets all that fits into it, and into the time.
pub(super) fn decide(view: View) -> Result<(), Bound> {
    let taken = view.depth + view.images;
    if view.alone > view.longest_wait {
        return Err(Bound::Work);
    }
    if taken > view.capacity {
        return Err(Bound::Places);
    }
    if view.depth == 0 {
        return Ok(());
    }
    // A client without images goes first in line, and so may make those that wait this much later.
    let longest_wait_of_all = view.longest_wait + view.longest_wait / 4;
    let too_late = view.held > 0 && view.wait_of_all > longest_wait_of_all;
    if view.wait > view.longest_wait || too_late {
        return Err(Bound::Time);
    }
    let (share, share_of_time) = match view.clients {
        0 | 1 => (view.capacity - view.capacity / 8, view.longest_wait),
        clients => {
            let of_time = view.longest_wait / u32::try_from(clients).unwrap_or(u32::MAX);
            ((view.capacity / clients).max(1), of_time)
        }
    };
    let filling = taken > view.capacity / 2 || view.wait_of_all > view.longest_wait / 2;
    let alone_at_the_end = view.clients <= 1 && view.wait > view.longest_wait / 8 * 7;
    let too_much_time = view.held > 0 && view.own > share_of_time;
    if filling && (view.held + view.images > share || too_much_time || alone_at_the_end) {
        return Err(Bound::Share);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn view(images: usize, held: usize, others: usize, clients: usize) -> View {
        View {
            images,
            depth: held + others,
            capacity: 128,
            held,
            clients,
            alone: Duration::ZERO,
            own: Duration::ZERO,
            wait: Duration::ZERO,
            wait_of_all: Duration::ZERO,
            longest_wait: Duration::from_secs(5),
        }
    }

    #[test]
    fn one_client_alone_leaves_an_eighth() {
        assert_eq!(decide(view(1, 111, 0, 1)), Ok(()));
        assert_eq!(decide(view(1, 112, 0, 1)), Err(Bound::Share));
        assert_eq!(decide(view(1, 0, 112, 2)), Ok(()), "the next to come");
        assert_eq!(decide(view(1, 0, 128, 2)), Err(Bound::Places));
        assert_eq!(decide(view(128, 0, 0, 1)), Ok(()), "nobody else waits");
        assert_eq!(decide(view(127, 0, 1, 2)), Err(Bound::Share));
        assert_eq!(decide(View { capacity: 1, ..view(1, 0, 0, 1) }), Ok(()));
        assert_eq!(decide(View { capacity: 8, ..view(1, 6, 0, 1) }), Ok(()));
    }

    #[test]
    fn shares_are_equal_once_the_queue_fills() {
        assert_eq!(decide(view(1, 60, 3, 4)), Ok(()), "half of the places are free");
        assert_eq!(decide(view(1, 60, 4, 4)), Err(Bound::Share));
        assert_eq!(decide(view(1, 31, 60, 4)), Ok(()));
        assert_eq!(decide(view(1, 0, 100, 5000)), Ok(()), "a share is at least one place");
        assert_eq!(decide(view(1, 1, 100, 5000)), Err(Bound::Share));
    }

    #[test]
    fn what_would_be_late_is_refused() {
        let late = |wait, of_all, clients| {
            let (wait, wait_of_all) = (Duration::from_millis(wait), Duration::from_millis(of_all));
            decide(View { wait, wait_of_all, ..view(1, 0, 10, clients) })
        };
        assert_eq!(late(4000, 4000, 1), Ok(()));
        assert_eq!(late(4500, 4500, 1), Err(Bound::Share), "the last eighth is for others");
        assert_eq!(late(4500, 4500, 2), Ok(()));
        assert_eq!(late(5001, 5001, 2), Err(Bound::Time));
        assert_eq!(late(100, 6200, 2), Ok(()), "a new client goes first");
        assert_eq!(late(100, 6300, 2), Ok(()), "also then");
        let second = View { wait_of_all: Duration::from_millis(6300), ..view(1, 1, 9, 2) };
        assert_eq!(decide(second), Err(Bound::Time));
        for depth in [0, 10] {
            let never = View { alone: Duration::from_secs(6), ..view(1, 0, depth, 1) };
            assert_eq!(decide(never), Err(Bound::Work), "it will never do");
        }
    }

    #[test]
    fn shares_are_of_time_as_well_as_of_places() {
        let with = |held, own_ms| {
            let own = Duration::from_millis(own_ms);
            decide(View { own, wait_of_all: Duration::from_secs(3), ..view(1, held, 10, 5) })
        };
        assert_eq!(with(2, 900), Ok(()));
        assert_eq!(with(2, 1100), Err(Bound::Share), "more than a fifth of 5 s");
        assert_eq!(with(0, 1100), Ok(()), "its first image");
    }

    proptest! {
        #[test]
        fn the_places_are_never_exceeded_and_an_idle_queue_takes_one(
            images in 1_usize..40, held in 0_usize..200, others in 0_usize..200,
            clients in 1_usize..300, capacity in 1_usize..200,
        ) {
            let view = View { capacity, ..view(images, held, others, clients) };
            if decide(view).is_ok() {
                prop_assert!(view.depth + images <= capacity);
            }
            let idle = View { images: 1, depth: 0, held: 0, ..view };
            prop_assert_eq!(decide(idle), Ok(()));
        }
    }
}
