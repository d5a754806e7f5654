//! Threads that share the parts of one kernel.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// What shares work out. How a kernel is divided never changes a bit of what it writes.
pub trait Threads: Sync {
    /// How many threads would share work now.
    fn count(&self) -> usize;

    /// Calls `work` once for each of `0..parts`, on any threads, and returns when all are done.
    fn share(&self, parts: usize, work: &(dyn Fn(usize) + Sync));
}

/// The thread that calls, alone.
#[derive(Clone, Copy, Debug)]
pub struct CallingThread;

impl Threads for CallingThread {
    fn count(&self) -> usize {
        1
    }

    fn share(&self, parts: usize, work: &(dyn Fn(usize) + Sync)) {
        (0..parts).for_each(work);
    }
}

/// Shares out work that must not be done twice: whatever the threads do, a part is run once at most.
///
/// # Panics
/// When they run a part a second time.
pub(super) fn share_once(threads: &dyn Threads, parts: usize, work: &(dyn Fn(usize) + Sync)) {
    let begun: Vec<AtomicBool> = (0..parts).map(|_| AtomicBool::new(false)).collect();
    threads.share(parts, &|part| {
        assert!(!begun[part].swap(true, Ordering::Relaxed), "part {part} is run once");
        work(part);
    });
}

/// Parts for each thread: one that is late delays the others by little.
const PARTS_A_THREAD: usize = 6;

/// How the blocks of channels and the rows of a product are divided.
///
/// By channels first: then each thread reads its own weights, once, and all read the same input. By rows too where
/// there are few channels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts {
    blocks: usize,
    rows: usize,
    /// Into how many parts each is divided.
    by_blocks: usize,
    by_rows: usize,
}

impl Parts {
    pub(super) fn new(blocks: usize, rows: usize, threads: usize) -> Self {
        if threads <= 1 {
            return Self { blocks, rows, by_blocks: 1, by_rows: 1 };
        }
        let wanted = threads * PARTS_A_THREAD;
        let by_blocks = blocks.min(wanted).max(1);
        let by_rows = wanted.div_ceil(by_blocks).min(rows).max(1);
        Self { blocks, rows, by_blocks, by_rows }
    }

    pub(super) fn count(self) -> usize {
        self.by_blocks * self.by_rows
    }

    /// The blocks and the rows of a part.
    pub(super) fn part(self, part: usize) -> (Range<usize>, Range<usize>) {
        let of = |count: usize, parts: usize, part: usize| {
            count * part / parts..count * (part + 1) / parts
        };
        let (by_blocks, by_rows) = (part / self.by_rows, part % self.by_rows);
        (of(self.blocks, self.by_blocks, by_blocks), of(self.rows, self.by_rows, by_rows))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Parts;

    proptest! {
        /// Every row of every block is in one part.
        #[test]
        fn parts_are_the_whole(
            blocks in 0_usize..40, rows in 0_usize..120, threads in 1_usize..20,
        ) {
            let parts = Parts::new(blocks, rows, threads);
            let mut seen = vec![0; blocks * rows];
            for part in 0..parts.count() {
                let (of_blocks, of_rows) = parts.part(part);
                for block in of_blocks {
                    for row in of_rows.clone() {
                        seen[block * rows + row] += 1;
                    }
                }
            }
            prop_assert!(seen.iter().all(|&times| times == 1));
        }
    }
}
