//! Who waits for a thread and for memory, and who starts next.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::timeout_at;

use super::work::{Work, WorkError};
use crate::batcher::{Effort, Turn};

/// Who waits, and what is free.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) memory_kib: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    /// By effort.
    free_threads: [usize; 2],
    pub(super) free_kib: u64,
    /// By effort, in the order of their turns.
    pub(super) waiting: [BTreeMap<(Turn, u64), Waiting>; 2],
    next_id: u64,
}

#[derive(Debug)]
pub(super) struct Waiting {
    kib: u64,
    since: Instant,
    granted: oneshot::Sender<Granted>,
}

/// A thread and memory, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Granted {
    line: Arc<Line>,
    effort: Effort,
    kib: u64,
}

impl Granted {
    /// Leaves what the result takes to the result.
    pub(super) fn keep(&mut self, bytes: u64) -> KeptMemory {
        let kib = bytes.div_ceil(1024).min(self.kib);
        self.kib -= kib;
        KeptMemory { line: Arc::clone(&self.line), kib }
    }
}

impl Drop for Granted {
    fn drop(&mut self) {
        self.line.give_back(self.kib, Some(self.effort));
    }
}

impl Drop for KeptMemory {
    fn drop(&mut self) {
        self.line.give_back(self.kib, None);
    }
}

/// The memory that a result takes; given back when it is dropped.
#[derive(Debug)]
pub struct KeptMemory {
    line: Arc<Line>,
    kib: u64,
}

/// Takes the work of a caller that has gone out of the line.
struct InLine<'a> {
    line: &'a Arc<Line>,
    effort: Effort,
    key: (Turn, u64),
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        let removed = self.line.lock().waiting[self.effort.index()].remove(&self.key);
        // The one behind it may fit.
        if removed.is_some() {
            self.line.dispatch();
        }
    }
}

impl Line {
    pub(super) fn new(threads_by_effort: [usize; 2], memory_kib: u64) -> Self {
        let state = State {
            free_threads: threads_by_effort.map(|n| n.max(1)),
            free_kib: memory_kib,
            waiting: [BTreeMap::new(), BTreeMap::new()],
            next_id: 0,
        };
        Self { memory_kib, state: Mutex::new(state) }
    }

    pub(super) async fn wait_for(self: &Arc<Self>, work: Work) -> Result<Granted, WorkError> {
        let (granted, receive) = oneshot::channel();
        let bytes = work.need.running_bytes.max(work.need.kept_bytes);
        let waiting = Waiting { kib: bytes.div_ceil(1024), since: Instant::now(), granted };
        let in_line = {
            let mut state = self.lock();
            let key = (work.turn, state.next_id);
            state.next_id += 1;
            state.waiting[work.effort.index()].insert(key, waiting);
            InLine { line: self, effort: work.effort, key }
        };
        self.dispatch();
        let granted = timeout_at(work.begin_by.into(), receive).await;
        drop(in_line);
        granted.map_err(|_| WorkError::NotBegun)?.map_err(|_| WorkError::Closed)
    }

    /// Lets as much begin as there are threads and memory for.
    fn dispatch(self: &Arc<Self>) {
        loop {
            let next = self.lock().next(Instant::now());
            let Some((effort, waiting)) = next else { return };
            let granted = Granted { line: Arc::clone(self), effort, kib: waiting.kib };
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

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
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
    use super::*;

    fn waiting(kib: u64, since: Instant) -> (Waiting, oneshot::Receiver<Granted>) {
        let (granted, receive) = oneshot::channel();
        (Waiting { kib, since, granted }, receive)
    }

    /// Ordinary work begins though dear work has waited longer, and dear work though there is no end of
    /// ordinary work.
    #[test]
    fn each_kind_has_its_threads_and_memory_goes_to_who_has_waited_long() {
        let start = Instant::now();
        let line = Line::new([2, 1], 100);
        let mut state = line.lock();
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
}
