//! The memory that all bodies being received or answered take together.
//!
//! An image takes its place in the queue only when its body is there. Without this bound, the bodies ahead of the queue
//! could take as much memory as all connections together can send.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A permit of the semaphore stands for so many bytes: its permits are counted in 32 bits.
const UNIT: usize = 1024;

/// A form and JSON are held twice while their images are taken out of them: as they came, and as images.
pub const BODY_COPIES: usize = 2;

/// What all bodies may take together; a clone shares it.
#[derive(Clone, Debug)]
pub struct BodyMemory {
    units: Arc<Semaphore>,
}

/// What one body has of it; given back when it is dropped.
#[derive(Debug)]
pub struct BodyShare {
    memory: BodyMemory,
    taken: Option<OwnedSemaphorePermit>,
}

impl BodyMemory {
    /// At most `bytes`.
    pub fn new(bytes: u64) -> Self {
        let units = usize::try_from(bytes.div_ceil(UNIT as u64)).unwrap_or(usize::MAX);
        Self { units: Arc::new(Semaphore::new(units.min(Semaphore::MAX_PERMITS))) }
    }

    /// A share of nothing yet.
    pub fn share(&self) -> BodyShare {
        BodyShare { memory: self.clone(), taken: None }
    }
}

impl BodyShare {
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
        match &mut self.taken {
            Some(taken) => taken.merge(more),
            None => self.taken = Some(more),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_bounded_together_and_given_back() {
        let memory = BodyMemory::new(10 * 1024);
        let (mut one, mut other) = (memory.share(), memory.share());
        assert!(one.grow_to(1) && one.grow_to(1024) && one.grow_to(6 * 1024));
        assert!(other.grow_to(4 * 1024));
        assert!(!other.grow_to(4 * 1024 + 1));
        assert!(!one.grow_to(7 * 1024));
        drop(one);
        assert!(other.grow_to(10 * 1024));
        assert!(other.grow_to(0), "a share does not shrink");
        assert!(!memory.share().grow_to(1));
    }
}
