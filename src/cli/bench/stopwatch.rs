//! Times of many images.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::cli::CliError;

/// Images before the first that counts.
const WARM_UP: usize = 3;

/// What was measured.
pub(super) struct Times {
    /// One image, in milliseconds: the median.
    pub(super) milliseconds: f64,
    /// From the first image's start to the last one's end.
    pub(super) images_per_second: f64,
}

/// Does `work` on `images` of `inputs`, in turn.
pub(super) fn one_after_another<T>(
    inputs: &[T],
    images: usize,
    mut work: impl FnMut(&T) -> Result<(), CliError>,
) -> Result<Times, CliError> {
    let mut turn = inputs.iter().cycle();
    for input in turn.by_ref().take(WARM_UP) {
        work(input)?;
    }
    let mut milliseconds = Vec::with_capacity(images);
    let started = Instant::now();
    for input in turn.take(images) {
        let before = Instant::now();
        work(input)?;
        milliseconds.push(before.elapsed().as_secs_f64() * 1e3);
    }
    let seconds = started.elapsed().as_secs_f64();
    Ok(Times { milliseconds: median(milliseconds), images_per_second: images as f64 / seconds })
}

/// Does `images` on `threads` threads, each with the work that `prepare` gives it; each takes the
/// next image when it has done one.
pub(super) fn on_each_core<W>(
    threads: usize,
    images: usize,
    prepare: impl Fn() -> Result<W, CliError> + Sync,
) -> Result<Times, CliError>
where
    W: FnMut(usize) -> Result<(), CliError>,
{
    let (next, start) = (AtomicUsize::new(0), Barrier::new(threads + 1));
    let thread = || -> Result<Vec<f64>, CliError> {
        // All meet at the barrier, also those that failed.
        let ready =
            prepare().and_then(|mut work| (0..WARM_UP).try_for_each(&mut work).map(|()| work));
        start.wait();
        let mut work = ready?;
        let mut milliseconds = Vec::new();
        loop {
            let image = next.fetch_add(1, Ordering::Relaxed);
            if image >= images {
                return Ok(milliseconds);
            }
            let before = Instant::now();
            work(image)?;
            milliseconds.push(before.elapsed().as_secs_f64() * 1e3);
        }
    };
    let (milliseconds, seconds) = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(thread)).collect();
        start.wait();
        let started = Instant::now();
        let mut milliseconds = Vec::with_capacity(images);
        for thread in threads {
            let times = thread.join().map_err(|_| CliError::Failed("a thread panicked".into()))?;
            milliseconds.extend(times?);
        }
        Ok::<_, CliError>((milliseconds, started.elapsed().as_secs_f64()))
    })?;
    Ok(Times { milliseconds: median(milliseconds), images_per_second: images as f64 / seconds })
}

/// Images that a contender is measured with in a turn.
const TURN: usize = 5;

/// Does each of `works` on `images` of `inputs`, in turns of a few images, so that a slow minute of the machine is
/// everyone's; the medians in milliseconds. The first image of a turn does not count: others have had the caches.
pub(super) fn in_turns<T>(
    inputs: &[T],
    images: usize,
    works: &mut [impl FnMut(&T) -> Result<(), CliError>],
) -> Result<Vec<f64>, CliError> {
    let mut milliseconds = vec![Vec::with_capacity(images); works.len()];
    for done in (0..images).step_by(TURN) {
        let of_turn = inputs.iter().cycle().skip(done % inputs.len().max(1));
        for (work, milliseconds) in works.iter_mut().zip(&mut milliseconds) {
            let mut of_turn = of_turn.clone().take(1 + TURN.min(images - done));
            of_turn.next().map_or(Ok(()), &mut *work)?;
            for input in of_turn {
                let before = Instant::now();
                work(input)?;
                milliseconds.push(before.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    Ok(milliseconds.into_iter().map(median).collect())
}

/// 0 of none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
