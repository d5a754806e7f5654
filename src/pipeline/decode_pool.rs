//! Where images are decoded: a bounded number of blocking threads and a bounded sum of memory, of which
//! an image keeps its part until it is answered.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;

/// Bounds what is decoded at once, in threads and in bytes.
#[derive(Clone, Debug)]
pub struct DecodePool {
    threads: Arc<Semaphore>,
    memory: Arc<Semaphore>,
    memory_kib: u32,
}

/// What work takes of the pool's memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryNeed {
    /// While it runs, its result included, in bytes.
    pub running_bytes: u64,
    /// Its result alone, in bytes.
    pub kept_bytes: u64,
}

/// The memory that a result takes; given back when it is dropped.
#[derive(Debug)]
pub struct KeptMemory {
    _permit: Option<OwnedSemaphorePermit>,
}

/// Work in the pool has no result.
#[derive(Debug, thiserror::Error)]
pub enum DecodePoolError {
    /// One piece of work needs more than the whole pool has.
    #[error("decoding needs {needed_bytes} bytes, the limit is {limit_bytes}")]
    Memory {
        /// What it needs.
        needed_bytes: u64,
        /// What there is.
        limit_bytes: u64,
    },
    /// It panicked.
    #[error("the decoder panicked")]
    Panicked,
    /// The runtime is shutting down.
    #[error("the service is shutting down")]
    Closed,
}

impl DecodePool {
    /// A pool of `threads` threads and `memory_bytes` bytes.
    pub fn new(threads: usize, memory_bytes: u64) -> Self {
        let most = u64::from(u32::MAX).min(Semaphore::MAX_PERMITS as u64);
        // At most `u32::MAX`, by the line above.
        let memory_kib = (memory_bytes / 1024).clamp(1, most) as u32;
        Self {
            threads: Arc::new(Semaphore::new(threads.max(1))),
            memory: Arc::new(Semaphore::new(memory_kib as usize)),
            memory_kib,
        }
    }

    /// Waits for memory and a thread, then runs `work` there. Both are held until the work has ended,
    /// also when the caller has gone; what the result needs is held until its [`KeptMemory`] is dropped.
    ///
    /// # Errors
    /// [`DecodePoolError::Memory`] when the pool never has so much, [`DecodePoolError::Panicked`]
    /// when the work panics.
    pub async fn run<T: Send + 'static>(
        &self,
        need: MemoryNeed,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<(T, KeptMemory), DecodePoolError> {
        let needed_bytes = need.running_bytes.max(need.kept_bytes);
        let limit_bytes = u64::from(self.memory_kib) * 1024;
        let needed_kib = u32::try_from(needed_bytes.div_ceil(1024))
            .ok()
            .filter(|kib| *kib <= self.memory_kib)
            .ok_or(DecodePoolError::Memory { needed_bytes, limit_bytes })?;
        let mut memory = Arc::clone(&self.memory)
            .acquire_many_owned(needed_kib)
            .await
            .map_err(|_| DecodePoolError::Closed)?;
        let thread =
            Arc::clone(&self.threads).acquire_owned().await.map_err(|_| DecodePoolError::Closed)?;
        let span = tracing::Span::current();
        tokio::task::spawn_blocking(move || {
            let _thread = thread;
            let done = span.in_scope(work);
            let kept = memory.split(need.kept_bytes.div_ceil(1024) as usize);
            (done, KeptMemory { _permit: kept })
        })
        .in_current_span()
        .await
        .map_err(|e| if e.is_panic() { DecodePoolError::Panicked } else { DecodePoolError::Closed })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    /// How many of 12 pieces of work of 20 KiB run at once.
    async fn most_at_once(pool: &DecodePool) -> usize {
        let running = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
        let work = (0..12).map(|_| {
            let running = Arc::clone(&running);
            let need = MemoryNeed { running_bytes: 20 * 1024, kept_bytes: 0 };
            pool.run(need, move || {
                let now = running.0.fetch_add(1, Ordering::SeqCst) + 1;
                running.1.fetch_max(now, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(20));
                running.0.fetch_sub(1, Ordering::SeqCst);
            })
        });
        for done in futures_util::future::join_all(work).await {
            done.unwrap();
        }
        running.1.load(Ordering::SeqCst)
    }

    #[tokio::test]
    async fn holds_both_bounds() {
        let few_threads = DecodePool::new(2, 1 << 20);
        assert!(most_at_once(&few_threads).await <= 2);
        let little_memory = DecodePool::new(12, 64 * 1024);
        assert!(most_at_once(&little_memory).await <= 3);
        assert_eq!(little_memory.memory.available_permits(), 64);
        let enough = DecodePool::new(12, 1 << 20);
        assert!(most_at_once(&enough).await > 3, "else the bounds above prove nothing");
    }

    #[tokio::test]
    async fn a_panic_and_a_giant_cost_only_themselves() {
        let pool = DecodePool::new(1, 1024);
        let need = |running_bytes| MemoryNeed { running_bytes, kept_bytes: 0 };
        let panicked = pool.run(need(1), || panic!("injected")).await;
        assert!(matches!(panicked, Err(DecodePoolError::Panicked)));
        let giant = pool.run(need(1025), || ()).await;
        assert!(matches!(giant, Err(DecodePoolError::Memory { limit_bytes: 1024, .. })));
        assert_eq!(pool.run(need(1024), || 7).await.unwrap().0, 7);
    }

    #[tokio::test]
    async fn a_result_keeps_its_memory_until_it_is_answered() {
        let pool = DecodePool::new(1, 64 * 1024);
        let need = MemoryNeed { running_bytes: 30 * 1024, kept_bytes: 10 * 1024 };
        let (done, kept) = pool.run(need, || 7).await.unwrap();
        assert_eq!((done, pool.memory.available_permits()), (7, 54));
        drop(kept);
        assert_eq!(pool.memory.available_permits(), 64);
        // A result that is larger than the work: crops of a small picture.
        let need = MemoryNeed { running_bytes: 1024, kept_bytes: 40 * 1024 };
        let (_, kept) = pool.run(need, || ()).await.unwrap();
        assert_eq!(pool.memory.available_permits(), 24);
        drop(kept);
        assert_eq!(pool.memory.available_permits(), 64);
    }
}
