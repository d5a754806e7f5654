//! The memory that all bodies take together: those of requests until their images are decoded, and those of answers until
//! they have been sent.
//!
//! An image takes its place in the queue only when its body is there. Without this bound, the bodies ahead of the queue
//! could take as much memory as all connections together can send.

use std::sync::Arc;

use bytes::Bytes;
use prometheus::IntGauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A permit of the semaphore stands for so many bytes: its permits are counted in 32 bits.
const UNIT: usize = 1024;

/// A form and JSON are held twice while their images are taken out of them: as they came, and as images.
pub const BODY_COPIES: usize = 2;

/// What all bodies may take together; a clone shares it.
#[derive(Clone, Debug)]
pub struct BodyMemory {
    units: Arc<Semaphore>,
    all_units: usize,
    taken_bytes: IntGauge,
}

/// What one body has of it; given back when it is dropped.
#[derive(Debug)]
pub struct BodyShare {
    memory: BodyMemory,
    taken: Option<OwnedSemaphorePermit>,
}

impl BodyMemory {
    /// At most `bytes`; `taken_bytes` says how many of them are taken.
    pub fn new(bytes: u64, taken_bytes: IntGauge) -> Self {
        let units = usize::try_from(bytes.div_ceil(UNIT as u64)).unwrap_or(usize::MAX);
        let all_units = units.min(Semaphore::MAX_PERMITS);
        Self { units: Arc::new(Semaphore::new(all_units)), all_units, taken_bytes }
    }

    /// A share of nothing yet.
    pub fn share(&self) -> BodyShare {
        BodyShare { memory: self.clone(), taken: None }
    }

    /// A share for `bytes`, or all there is for more; none when the others leave too little.
    pub fn share_of(&self, bytes: usize) -> Option<BodyShare> {
        let mut share = self.share();
        share.grow_to(bytes.min(self.all_units.saturating_mul(UNIT))).then_some(share)
    }
}

/// Bytes, and what is held as long as there are any of them.
struct Held {
    bytes: Bytes,
    _share: Arc<BodyShare>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// `bytes` with a part of `share`, which is given back when the last parts and copies have been dropped.
pub fn held_with(bytes: Bytes, share: &Arc<BodyShare>) -> Bytes {
    Bytes::from_owner(Held { bytes, _share: Arc::clone(share) })
}

impl BodyShare {
    /// `bytes` with the share, which is given back when the last part and copy of them has been dropped.
    pub fn held_with(self, bytes: Bytes) -> Bytes {
        held_with(bytes, &Arc::new(self))
    }

    /// Makes the share large enough for `bytes`; false, with the share as it was, when the others
    /// leave too little.
    #[must_use]
    pub fn grow_to(&mut self, bytes: usize) -> bool {
        let have = self.taken.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let Some(more) = bytes.div_ceil(UNIT).checked_sub(have).filter(|more| *more > 0) else {
            return true;
        };
        let units = Arc::clone(&self.memory.units);
        let Some(more) =
            u32::try_from(more).ok().and_then(|more| units.try_acquire_many_owned(more).ok())
        else {
            return false;
        };
        self.memory.taken_bytes.add(bytes_of(&more));
        match &mut self.taken {
            Some(taken) => taken.merge(more),
            None => self.taken = Some(more),
        }
        true
    }
}

impl Drop for BodyShare {
    fn drop(&mut self) {
        // Before the permit is given back: what is taken is never more than there is.
        self.memory.taken_bytes.sub(self.taken.as_ref().map_or(0, bytes_of));
    }
}

fn bytes_of(taken: &OwnedSemaphorePermit) -> i64 {
    i64::try_from(taken.num_permits().saturating_mul(UNIT)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory_of_10_kib() -> BodyMemory {
        BodyMemory::new(10 * 1024, IntGauge::new("taken", "taken").unwrap())
    }

    #[test]
    fn shares_are_bounded_together_and_given_back() {
        let memory = memory_of_10_kib();
        let (mut one, mut other) = (memory.share(), memory.share());
        assert!(one.grow_to(1) && one.grow_to(1024) && one.grow_to(6 * 1024));
        assert!(other.grow_to(4 * 1024));
        assert!(!other.grow_to(4 * 1024 + 1));
        assert!(!one.grow_to(7 * 1024));
        assert_eq!(memory.taken_bytes.get(), 10 * 1024);
        drop(one);
        assert_eq!(memory.taken_bytes.get(), 4 * 1024);
        assert!(other.grow_to(10 * 1024));
        assert!(other.grow_to(0), "a share does not shrink");
        assert!(!memory.share().grow_to(1));
    }

    #[test]
    fn bytes_hold_a_share_as_long_as_there_is_a_part_of_them() {
        let memory = memory_of_10_kib();
        let bytes = memory.share_of(8 * 1024).unwrap().held_with(Bytes::from(vec![7; 8 * 1024]));
        assert_eq!(bytes.len(), 8 * 1024);
        assert!(memory.share_of(4 * 1024).is_none());
        let part = bytes.slice(5..6);
        drop(bytes);
        assert!(memory.share_of(4 * 1024).is_none());
        drop(part);
        assert_eq!(memory.taken_bytes.get(), 0);
        assert!(memory.share_of(1 << 30).is_some(), "more than there is takes all there is");
    }
}
