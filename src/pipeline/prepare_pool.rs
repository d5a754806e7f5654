//! Where images and tensors are made ready for the network: a bounded number of blocking threads and a
//! bounded sum of memory, of which each keeps its part until it is answered.
//!
//! Ordinary work and dear work have threads of their own, and each is done by the turns of the clients. Both
//! take from the same memory; what has waited for it long holds the other kind back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout_at;
use tracing::Instrument;

use crate::batcher::{Effort, Turn};

/// Bounds what is prepared at once, in threads and in bytes.
#[derive(Clone, Debug)]
pub struct PreparePool {
    shared: Arc<Shared>,
    /// Headers are read beside all decoding: who is refused must not wait for it.
    headers: Arc<Semaphore>,
}

/// Threads of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrepareThreads {
    /// For ordinary work and for dear work, at least one each.
    pub by_effort: [usize; 2],
    /// For reading headers.
    pub headers: usize,
}

/// What work takes of the pool's memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryNeed {
    /// While it runs, its result included, in bytes.
    pub running_bytes: u64,
    /// Its result alone, in bytes.
    pub kept_bytes: u64,
}

/// What is to be done, and when.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// What it takes of the memory.
    pub need: MemoryNeed,
    /// Which threads it takes.
    pub effort: Effort,
    /// Its place in the order of its kind.
    pub turn: Turn,
    /// When it is too late to begin.
    pub begin_by: Instant,
}

/// The memory that a result takes; given back when it is dropped.
#[derive(Debug)]
pub struct KeptMemory {
    shared: Arc<Shared>,
    kib: u64,
}

/// Work in the pool has no result.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// One piece of work needs more than the whole pool has.
    #[error("it needs {needed_bytes} bytes, the limit is {limit_bytes}")]
    Memory {
        /// What it needs.
        needed_bytes: u64,
        /// What there is.
        limit_bytes: u64,
    },
    /// The threads and the memory that it waited for did not come free in time; it was never begun.
    #[error("it could not begin in time")]
    NotBegun,
    /// It panicked.
    #[error("the work panicked")]
    Panicked,
    /// The runtime is shutting down.
    #[error("the service is shutting down")]
    Closed,
}

impl PrepareThreads {
    /// So many that `workers` are never idle for want of images, and one in two of them for dear work.
    pub fn for_workers(workers: usize) -> Self {
        let workers = workers.max(1);
        Self { by_effort: [workers, workers.div_ceil(2)], headers: workers }
    }

    /// All of them.
    pub fn total(&self) -> usize {
        self.by_effort[0] + self.by_effort[1] + self.headers
    }
}

impl PreparePool {
    /// A pool of `memory_bytes` bytes.
    pub fn new(threads: PrepareThreads, memory_bytes: u64) -> Self {
        let memory_kib = (memory_bytes / 1024).max(1);
        let state = State {
            free_threads: threads.by_effort.map(|n| n.max(1)),
            free_kib: memory_kib,
            waiting: [BTreeMap::new(), BTreeMap::new()],
            next_id: 0,
        };
        let headers = Arc::new(Semaphore::new(threads.headers.max(1)));
        Self { shared: Arc::new(Shared { memory_kib, state: Mutex::new(state) }), headers }
    }

    /// Whether the pool ever has so much memory.
    ///
    /// # Errors
    /// [`PrepareError::Memory`] when it does not.
    pub fn check(&self, need: MemoryNeed) -> Result<(), PrepareError> {
        let needed_bytes = need.running_bytes.max(need.kept_bytes);
        let limit_bytes = self.shared.memory_kib * 1024;
        if needed_bytes.div_ceil(1024) > self.shared.memory_kib {
            return Err(PrepareError::Memory { needed_bytes, limit_bytes });
        }
        Ok(())
    }

    /// Runs work that takes little time and no memory to speak of, beside all other.
    ///
    /// # Errors
    /// [`PrepareError::Panicked`] when the work panics.
    pub async fn run_briefly<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PrepareError> {
        let headers = Arc::clone(&self.headers);
        let permit = headers.acquire_owned().await.map_err(|_| PrepareError::Closed)?;
        run_blocking(move || {
            let _thread = permit;
            work()
        })
        .await
    }

    /// Waits for memory and a thread, then runs `work` there. Both are held until the work has ended,
    /// also when the caller has gone; what the result needs is held until its [`KeptMemory`] is dropped.
    ///
    /// # Errors
    /// [`PrepareError::Memory`] when the pool never has so much, [`PrepareError::NotBegun`] when it is too
    /// late, [`PrepareError::Panicked`] when the work panics.
    pub async fn run<T: Send + 'static>(
        &self,
        work: Work,
        run: impl FnOnce() -> T + Send + 'static,
    ) -> Result<(T, KeptMemory), PrepareError> {
        self.check(work.need)?;
        let mut granted = self.shared.wait_for(work).await?;
        run_blocking(move || {
            let done = run();
            (done, granted.keep(work.need.kept_bytes))
        })
        .await
    }
}

async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, PrepareError> {
    let span = tracing::Span::current();
    tokio::task::spawn_blocking(move || span.in_scope(work))
        .in_current_span()
        .await
        .map_err(|e| if e.is_panic() { PrepareError::Panicked } else { PrepareError::Closed })
}

#[derive(Debug)]
struct Shared {
    memory_kib: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// By effort.
    free_threads: [usize; 2],
    free_kib: u64,
    /// By effort, in the order of their turns.
    waiting: [BTreeMap<(Turn, u64), Waiting>; 2],
    next_id: u64,
}

#[derive(Debug)]
struct Waiting {
    kib: u64,
    since: Instant,
    granted: oneshot::Sender<Granted>,
}

/// A thread and memory, given back when it is dropped.
#[derive(Debug)]
struct Granted {
    shared: Arc<Shared>,
    effort: Effort,
    kib: u64,
}

impl Granted {
    /// Leaves what the result takes to the result.
    fn keep(&mut self, bytes: u64) -> KeptMemory {
        let kib = bytes.div_ceil(1024).min(self.kib);
        self.kib -= kib;
        KeptMemory { shared: Arc::clone(&self.shared), kib }
    }
}

impl Drop for Granted {
    fn drop(&mut self) {
        self.shared.give_back(self.kib, Some(self.effort));
    }
}

impl Drop for KeptMemory {
    fn drop(&mut self) {
        self.shared.give_back(self.kib, None);
    }
}

/// Takes the work of a caller that has gone out of the line.
struct InLine<'a> {
    shared: &'a Arc<Shared>,
    effort: Effort,
    key: (Turn, u64),
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        let removed = self.shared.lock().waiting[self.effort.index()].remove(&self.key);
        // The one behind it may fit.
        if removed.is_some() {
            self.shared.dispatch();
        }
    }
}

impl Shared {
    async fn wait_for(self: &Arc<Self>, work: Work) -> Result<Granted, PrepareError> {
        let (granted, receive) = oneshot::channel();
        let bytes = work.need.running_bytes.max(work.need.kept_bytes);
        let waiting = Waiting { kib: bytes.div_ceil(1024), since: Instant::now(), granted };
        let in_line = {
            let mut state = self.lock();
            let key = (work.turn, state.next_id);
            state.next_id += 1;
            state.waiting[work.effort.index()].insert(key, waiting);
            InLine { shared: self, effort: work.effort, key }
        };
        self.dispatch();
        let granted = timeout_at(work.begin_by.into(), receive).await;
        drop(in_line);
        granted.map_err(|_| PrepareError::NotBegun)?.map_err(|_| PrepareError::Closed)
    }

    /// Lets as much begin as there are threads and memory for.
    fn dispatch(self: &Arc<Self>) {
        loop {
            let next = self.lock().next(Instant::now());
            let Some((effort, waiting)) = next else { return };
            let granted = Granted { shared: Arc::clone(self), effort, kib: waiting.kib };
            // When its caller has just gone, it comes back and is dropped: the loop goes on.
            drop(waiting.granted.send(granted));
        }
    }

    fn give_back(self: &Arc<Self>, kib: u64, thread: Option<Effort>) {
        {
            let mut state = self.lock();
            state.free_kib += kib;
            if let Some(effort) = thread {
                state.free_threads[effort.index()] += 1;
            }
        }
        self.dispatch();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held, and the counts are whole between statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Work that has waited for memory this long holds the other kind back until there is enough.
    const PATIENCE: Duration = Duration::from_secs(1);

    /// Takes the work that begins next, and what it needs.
    fn next(&mut self, now: Instant) -> Option<(Effort, Waiting)> {
        let first = |effort: &Effort| {
            let has_thread = self.free_threads[effort.index()] > 0;
            let first = self.waiting[effort.index()].first_key_value().map(|(_, first)| first);
            first.filter(|_| has_thread)
        };
        let overdue = |effort: &Effort| {
            first(effort)
                .filter(|first| now - first.since > Self::PATIENCE)
                .map(|first| first.since)
        };
        let longest_overdue = Effort::ALL
            .into_iter()
            .filter_map(|effort| Some((overdue(&effort)?, effort)))
            .min_by_key(|(since, _)| *since);
        let begins =
            |effort: &Effort| first(effort).is_some_and(|first| first.kib <= self.free_kib);
        let effort = match longest_overdue {
            Some((_, effort)) => Some(effort).filter(begins)?,
            None => Effort::ALL.into_iter().find(begins)?,
        };
        let (_, waiting) = self.waiting[effort.index()].pop_first()?;
        self.free_threads[effort.index()] -= 1;
        self.free_kib -= waiting.kib;
        Some((effort, waiting))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn pool(ordinary: usize, dear: usize, memory_kib: u64) -> PreparePool {
        let threads = PrepareThreads { by_effort: [ordinary, dear], headers: 1 };
        PreparePool::new(threads, memory_kib * 1024)
    }

    fn work(effort: Effort, kib: u64) -> Work {
        let need = MemoryNeed { running_bytes: kib * 1024, kept_bytes: 0 };
        let begin_by = Instant::now() + Duration::from_secs(60);
        Work { need, effort, turn: Turn::default(), begin_by }
    }

    fn free_kib(pool: &PreparePool) -> u64 {
        pool.shared.lock().free_kib
    }

    /// How many of 12 pieces of work of 20 KiB run at once.
    async fn most_at_once(pool: &PreparePool) -> usize {
        let running = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
        let all = (0..12).map(|_| {
            let running = Arc::clone(&running);
            pool.run(work(Effort::Ordinary, 20), move || {
                let now = running.0.fetch_add(1, Ordering::SeqCst) + 1;
                running.1.fetch_max(now, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(20));
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
        assert!(matches!(panicked, Err(PrepareError::Panicked)));
        let panicked = pool.run_briefly(|| panic!("injected")).await;
        assert!(matches!(panicked, Err(PrepareError::Panicked)));
        let giant = pool.run(work(Effort::Ordinary, 2), || ()).await;
        assert!(matches!(giant, Err(PrepareError::Memory { limit_bytes: 1024, .. })));
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

    fn waiting(kib: u64, since: Instant) -> (Waiting, oneshot::Receiver<Granted>) {
        let (granted, receive) = oneshot::channel();
        (Waiting { kib, since, granted }, receive)
    }

    /// Ordinary work begins though dear work has waited longer, and dear work though there is no end of
    /// ordinary work.
    #[test]
    fn each_kind_has_its_threads_and_memory_goes_to_who_has_waited_long() {
        let start = Instant::now();
        let pool = pool(2, 1, 100);
        let mut state = pool.shared.lock();
        let put = |state: &mut State, effort: Effort, kib| {
            let id = state.next_id;
            state.next_id += 1;
            // The dear ones come a second before the others.
            let later = Duration::from_secs((effort == Effort::Ordinary).into());
            let (waiting, _) = waiting(kib, start + later);
            state.waiting[effort.index()].insert((Turn::default(), id), waiting);
        };
        let begins = |state: &mut State, after: u64| {
            state
                .next(start + Duration::from_millis(after))
                .map(|(effort, work)| (effort, work.kib))
        };
        put(&mut state, Effort::Dear, 60);
        put(&mut state, Effort::Dear, 10);
        for _ in 0..4 {
            put(&mut state, Effort::Ordinary, 20);
        }
        assert_eq!(begins(&mut state, 0), Some((Effort::Ordinary, 20)));
        assert_eq!(begins(&mut state, 0), Some((Effort::Ordinary, 20)));
        assert_eq!(begins(&mut state, 0), Some((Effort::Dear, 60)));
        assert_eq!(begins(&mut state, 0), None, "no thread is free");
        // The dear one has ended and another of its size waits; ordinary ones go on.
        state.free_threads = [1, 1];
        state.free_kib = 40;
        state.waiting[Effort::Dear.index()].clear();
        put(&mut state, Effort::Dear, 60);
        assert_eq!(begins(&mut state, 0), Some((Effort::Ordinary, 20)));
        state.free_threads = [1, 1];
        assert_eq!(begins(&mut state, 1001), None, "the dear one has waited long");
        state.free_kib = 60;
        assert_eq!(begins(&mut state, 1001), Some((Effort::Dear, 60)));
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
        assert!(matches!(pool.run(late, || ()).await, Err(PrepareError::NotBegun)));
        assert!(pool.shared.lock().waiting[0].is_empty());
        let gone = pool.run(work(Effort::Ordinary, 5), || ());
        assert!(tokio::time::timeout(Duration::from_millis(20), gone).await.is_err());
        assert!(pool.shared.lock().waiting[0].is_empty());
        drop(release);
        assert!(running.await.unwrap());
        pool.run(work(Effort::Ordinary, 10), || ()).await.unwrap();
        assert_eq!(free_kib(&pool), 10);
    }
}
