//! The threads that one inference may use.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use googlenet_kernels::threads::Threads;
use rayon::{ThreadPool, ThreadPoolBuilder, Yield};

/// As many threads as the container has cores, shared by all workers.
///
/// A loaded server runs an image on each core and never divides an operator. When only one image is
/// being run, the other cores are idle, and the operators are divided among all of them. There are some
/// seventy of them in an image, so between two operators nobody sleeps: while a lone image runs, the
/// other threads look for parts without a pause, and they stop when it is done or another begins.
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
            Some(pool) if others == 0 => pool.install(|| self.keep_awake(work)),
            _ => work(),
        }
    }

    /// Does `work` on this thread of the pool, while the others look for parts of it.
    fn keep_awake<R>(&self, work: impl FnOnce() -> R) -> R {
        let own = rayon::current_thread_index();
        let done = Done(AtomicBool::new(false));
        rayon::in_place_scope(|scope| {
            scope.spawn_broadcast(|_, context| {
                if Some(context.index()) == own {
                    return;
                }
                let mut idle = 0;
                while !done.0.load(Ordering::Relaxed) && self.is_alone() {
                    if rayon::yield_now() == Some(Yield::Executed) {
                        idle = 0;
                    } else {
                        idle += 1;
                        pause(idle);
                    }
                }
            });
            let _done = done.when_dropped();
            work()
        })
    }

    fn is_alone(&self) -> bool {
        self.running.load(Ordering::Relaxed) == 1
    }
}

impl Threads for Team {
    /// One as soon as another inference has begun.
    fn count(&self) -> usize {
        match &self.pool {
            Some(pool) if pool.current_thread_index().is_some() && self.is_alone() => {
                pool.current_num_threads()
            }
            _ => 1,
        }
    }

    fn share(&self, parts: usize, work: &(dyn Fn(usize) + Sync)) {
        let threads = self.count().min(parts);
        let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let take = || {
            loop {
                let part = next.fetch_add(1, Ordering::Relaxed);
                if part >= parts {
                    break;
                }
                work(part);
                done.fetch_add(1, Ordering::Relaxed);
            }
        };
        if threads <= 1 {
            return take();
        }
        rayon::in_place_scope(|scope| {
            for _ in 1..threads {
                scope.spawn(|_| take());
            }
            take();
            // The scope waits too, but lets others go first at once.
            for idle in 0..SPINS {
                if done.load(Ordering::Relaxed) == parts {
                    break;
                }
                pause(idle);
            }
        });
    }
}

/// How often a thread looks again for what others are about to give it before it lets others on the same core go
/// first: some 0.1 ms. They keep the core for milliseconds, and an operator takes a fraction of one.
const SPINS: usize = 2_000;

/// Waits a moment, the longer the oftener there was nothing to do.
fn pause(idle: usize) {
    if idle < SPINS {
        std::hint::spin_loop();
    } else {
        std::thread::yield_now();
    }
}

/// Whether the work is done that the team's threads look for parts of.
struct Done(AtomicBool);

impl Done {
    /// Says so, also when the work panics.
    fn when_dropped(&self) -> impl Drop {
        struct Say<'a>(&'a AtomicBool);
        impl Drop for Say<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        Say(&self.0)
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
