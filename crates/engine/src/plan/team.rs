//! The threads that one inference may use.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::{ThreadPool, ThreadPoolBuilder};

/// As many threads as the container has cores, shared by all workers.
///
/// A loaded server runs an image on each core and never splits an operator. When only one image is
/// being run, the other cores are idle, and the operators split their rows over all of them. The
/// threads sleep while there is nothing to split, so no more of them run than there are cores.
#[derive(Debug)]
pub struct Team {
    /// None where there is but one core.
    pool: Option<ThreadPool>,
    /// Inferences that run now.
    running: AtomicUsize,
}

impl Team {
    /// A team of `threads`.
    ///
    /// # Errors
    /// [`TeamError`] when the system gives no threads.
    pub fn new(threads: usize) -> Result<Self, TeamError> {
        let pool = (threads > 1)
            .then(|| {
                let name = |index| format!("team-{index}");
                ThreadPoolBuilder::new().num_threads(threads).thread_name(name).build()
            })
            .transpose()
            .map_err(|e| TeamError(e.to_string()))?;
        Ok(Self { pool, running: AtomicUsize::new(0) })
    }

    /// Runs one inference: with the team when no other runs, else on the caller's thread alone.
    pub(super) fn infer<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        let (_running, others) = Running::enter(&self.running);
        match &self.pool {
            Some(pool) if others == 0 => pool.install(work),
            _ => work(),
        }
    }

    /// Into how many parts an operator splits its rows now: one as soon as another inference has
    /// begun.
    pub(super) fn parts(&self) -> usize {
        match &self.pool {
            Some(pool)
                if pool.current_thread_index().is_some()
                    && self.running.load(Ordering::Relaxed) == 1 =>
            {
                pool.current_num_threads()
            }
            _ => 1,
        }
    }

    /// Does `work` on every part, on as many threads as there are parts; returns when all are done.
    pub(super) fn for_each<T: Send>(&self, parts: Vec<T>, work: impl Fn(T) + Sync) {
        let mut parts = parts.into_iter();
        let Some(own) = parts.next() else { return };
        if parts.len() == 0 {
            return work(own);
        }
        rayon::in_place_scope(|scope| {
            for part in parts {
                scope.spawn(|_| work(part));
            }
            work(own);
        });
    }
}

/// Counts an inference while it runs, also when it panics.
struct Running<'a>(&'a AtomicUsize);

impl<'a> Running<'a> {
    /// Also says how many ran before.
    fn enter(running: &'a AtomicUsize) -> (Self, usize) {
        let others = running.fetch_add(1, Ordering::Relaxed);
        (Self(running), others)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The team has no threads.
#[derive(Debug, thiserror::Error)]
#[error("cannot start the threads of the plan: {0}")]
pub struct TeamError(String);
