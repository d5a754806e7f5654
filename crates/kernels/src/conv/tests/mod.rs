//! Every instruction set against the textbook's loops.

pub(crate) mod float;
mod int8;

use crate::threads::Threads;

/// Three threads, made for each kernel.
pub(crate) struct Three;

impl Threads for Three {
    fn count(&self) -> usize {
        3
    }

    fn share(&self, parts: usize, work: &(dyn Fn(usize) + Sync)) {
        std::thread::scope(|scope| {
            for thread in 0..3 {
                scope.spawn(move || (thread..parts).step_by(3).for_each(work));
            }
        });
    }
}
