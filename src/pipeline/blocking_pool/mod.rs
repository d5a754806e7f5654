//! Runs everything that would block an async thread, in a bounded number of blocking threads and a bounded amount of
//! memory. An image or a tensor keeps its share of the memory until it is answered.
//!
//! Ordinary and dear work have separate threads, and each kind goes by the turns of the clients. Both take from the
//! same memory; work that has waited long for memory holds the other kind back. Brief work, such as a header or a JSON
//! body, takes almost no memory and waits for neither.

mod line;
mod work;

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio::time::timeout_at;
use tracing::Instrument;

use line::Line;

pub use line::KeptMemory;
pub use work::{MemoryNeed, Work, WorkError};

/// Bounds what runs at once, in threads and in bytes.
#[derive(Clone, Debug)]
pub struct BlockingPool {
    line: Arc<Line>,
    /// Brief work is done beside all other: who is refused by a header must not wait for decoding.
    brief: Arc<Semaphore>,
    /// Work that has its memory already never waits for those who want some: they may wait for what it holds.
    held: Arc<Semaphore>,
}

/// Threads of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockingThreads {
    /// For ordinary work and for dear work, at least one each.
    pub by_effort: [usize; 2],
    /// For brief work.
    pub brief: usize,
}

impl BlockingThreads {
    /// So many that `workers` are never idle for want of images, and one in two of them for dear work.
    pub fn for_workers(workers: usize) -> Self {
        let workers = workers.max(1);
        Self { by_effort: [workers, workers.div_ceil(2)], brief: workers }
    }

    /// For work that has its memory already.
    fn held(&self) -> usize {
        self.by_effort[0]
    }

    /// All of them.
    pub fn total(&self) -> usize {
        self.held() + self.by_effort[0] + self.by_effort[1] + self.brief
    }
}

impl BlockingPool {
    /// A pool of `memory_bytes` bytes.
    pub fn new(threads: BlockingThreads, memory_bytes: u64) -> Self {
        let line = Line::new(threads.by_effort, (memory_bytes / 1024).max(1));
        let brief = Arc::new(Semaphore::new(threads.brief.max(1)));
        let held = Arc::new(Semaphore::new(threads.held().max(1)));
        Self { line: Arc::new(line), brief, held }
    }

    /// Whether the pool ever has so much memory.
    ///
    /// # Errors
    /// [`WorkError::Memory`] when it does not.
    pub fn check(&self, need: MemoryNeed) -> Result<(), WorkError> {
        let needed_bytes = need.running_bytes.max(need.kept_bytes);
        let limit_bytes = self.line.memory_kib * 1024;
        if needed_bytes.div_ceil(1024) > self.line.memory_kib {
            return Err(WorkError::Memory { needed_bytes, limit_bytes });
        }
        Ok(())
    }

    /// Runs work that takes little time and no memory to speak of, beside all other.
    ///
    /// # Errors
    /// [`WorkError::Panicked`] when the work panics.
    pub async fn run_brief<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, WorkError> {
        let permit =
            Arc::clone(&self.brief).acquire_owned().await.map_err(|_| WorkError::Closed)?;
        run_blocking(move || {
            let _thread = permit;
            work()
        })
        .await
    }

    /// Runs work whose memory is held already: it waits for a thread until `begin_by`, never for memory.
    ///
    /// # Errors
    /// [`WorkError::NotBegun`] when it is too late, [`WorkError::Panicked`] when the work panics.
    pub async fn run_held<T: Send + 'static>(
        &self,
        begin_by: Instant,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, WorkError> {
        let permit = timeout_at(begin_by.into(), Arc::clone(&self.held).acquire_owned()).await;
        let permit = permit.map_err(|_| WorkError::NotBegun)?.map_err(|_| WorkError::Closed)?;
        run_blocking(move || {
            let _thread = permit;
            work()
        })
        .await
    }

    /// Waits for memory and a thread, then runs `work` there. Both are held until the work has ended,
    /// also when the caller has gone; what the result needs is held until its `KeptMemory` is dropped.
    ///
    /// # Errors
    /// [`WorkError::Memory`] when the pool never has so much, [`WorkError::NotBegun`] when it is too
    /// late, [`WorkError::Panicked`] when the work panics.
    pub async fn run<T: Send + 'static>(
        &self,
        work: Work,
        run: impl FnOnce() -> T + Send + 'static,
    ) -> Result<(T, KeptMemory), WorkError> {
        self.check(work.need)?;
        let mut granted = self.line.wait_for(work).await?;
        run_blocking(move || {
            let done = run();
            (done, granted.keep(work.need.kept_bytes))
        })
        .await
    }
}

async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, WorkError> {
    let span = tracing::Span::current();
    tokio::task::spawn_blocking(move || span.in_scope(work))
        .in_current_span()
        .await
        .map_err(|e| if e.is_panic() { WorkError::Panicked } else { WorkError::Closed })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::batcher::{Effort, Turn};

    fn pool(ordinary: usize, dear: usize, memory_kib: u64) -> BlockingPool {
        let threads = BlockingThreads { by_effort: [ordinary, dear], brief: 1 };
        BlockingPool::new(threads, memory_kib * 1024)
    }

    fn work(effort: Effort, kib: u64) -> Work {
        let need = MemoryNeed { running_bytes: kib * 1024, kept_bytes: 0 };
        let begin_by = Instant::now() + Duration::from_secs(60);
        Work { need, effort, turn: Turn::default(), begin_by }
    }

    fn free_kib(pool: &BlockingPool) -> u64 {
        pool.line.lock().free_kib
    }

    /// What holds memory that another waits for must be able to end.
    #[tokio::test]
    async fn work_that_holds_its_memory_waits_for_none() {
        let pool = pool(1, 1, 100);
        let need = MemoryNeed { running_bytes: 100 << 10, kept_bytes: 100 << 10 };
        let whole = Work { need, ..work(Effort::Ordinary, 100) };
        let ((), kept) = pool.run(whole, || ()).await.unwrap();
        let waiting = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(whole, || ()).await.map(drop) }
        });
        while pool.line.lock().waiting[0].is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.run_held(whole.begin_by, || 7).await.unwrap(), 7);
        drop(kept);
        waiting.await.unwrap().unwrap();
    }

    /// How many of 12 pieces of work of 20 KiB run at once.
    async fn most_at_once(pool: &BlockingPool) -> usize {
        let running = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
        let all = (0..12).map(|_| {
            let running = Arc::clone(&running);
            pool.run(work(Effort::Ordinary, 20), move || {
                let now = running.0.fetch_add(1, Ordering::SeqCst) + 1;
                running.1.fetch_max(now, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(100));
                running.0.fetch_sub(1, Ordering::SeqCst);
            })
        });
        for done in futures_util::future::join_all(all).await {
            done.unwrap();
        }
        running.1.load(Ordering::SeqCst)
    }

    #[tokio::test]
    async fn holds_both_bounds() {
        assert!(most_at_once(&pool(2, 1, 1024)).await <= 2);
        let little_memory = pool(12, 1, 64);
        assert!(most_at_once(&little_memory).await <= 3);
        assert_eq!(free_kib(&little_memory), 64);
        let enough = most_at_once(&pool(12, 1, 1024)).await;
        assert!(enough > 3, "else the bounds above prove nothing");
    }

    #[tokio::test]
    async fn a_panic_and_a_giant_cost_only_themselves() {
        let pool = pool(1, 1, 1);
        let small = Work { need: MemoryNeed::default(), ..work(Effort::Ordinary, 0) };
        let panicked = pool.run(small, || panic!("injected")).await;
        assert!(matches!(panicked, Err(WorkError::Panicked)));
        let panicked = pool.run_brief(|| panic!("injected")).await;
        assert!(matches!(panicked, Err(WorkError::Panicked)));
        let giant = pool.run(work(Effort::Ordinary, 2), || ()).await;
        assert!(matches!(giant, Err(WorkError::Memory { limit_bytes: 1024, .. })));
        assert_eq!(pool.run(work(Effort::Ordinary, 1), || 7).await.unwrap().0, 7);
    }

    #[tokio::test]
    async fn a_result_keeps_its_memory_until_it_is_answered() {
        let pool = pool(1, 1, 64);
        let with = |running: u64, kept: u64| Work {
            need: MemoryNeed { running_bytes: running * 1024, kept_bytes: kept * 1024 },
            ..work(Effort::Ordinary, 0)
        };
        let (done, kept) = pool.run(with(30, 10), || 7).await.unwrap();
        assert_eq!((done, free_kib(&pool)), (7, 54));
        drop(kept);
        assert_eq!(free_kib(&pool), 64);
        // A result that is larger than the work: crops of a small picture.
        let (_, kept) = pool.run(with(1, 40), || ()).await.unwrap();
        assert_eq!(free_kib(&pool), 24);
        drop(kept);
        assert_eq!(free_kib(&pool), 64);
    }

    #[tokio::test]
    async fn who_goes_away_or_is_too_late_leaves_the_line() {
        let pool = pool(1, 1, 10);
        let (release, held) = std::sync::mpsc::channel::<()>();
        let first = pool.clone();
        let running = tokio::spawn(async move {
            first.run(work(Effort::Ordinary, 10), move || held.recv()).await.is_ok()
        });
        while free_kib(&pool) > 0 {
            tokio::task::yield_now().await;
        }
        let late = Work { begin_by: Instant::now(), ..work(Effort::Ordinary, 5) };
        assert!(matches!(pool.run(late, || ()).await, Err(WorkError::NotBegun)));
        assert!(pool.line.lock().waiting[0].is_empty());
        let gone = pool.run(work(Effort::Ordinary, 5), || ());
        assert!(tokio::time::timeout(Duration::from_millis(20), gone).await.is_err());
        assert!(pool.line.lock().waiting[0].is_empty());
        drop(release);
        assert!(running.await.unwrap());
        pool.run(work(Effort::Ordinary, 10), || ()).await.unwrap();
        assert_eq!(free_kib(&pool), 10);
    }
}
