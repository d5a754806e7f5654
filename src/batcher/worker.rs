//! One worker: takes a batch, runs it, answers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::time::Instant;

use super::queue::{InferError, Inference, Job, Queue};
use googlenet_engine::model::{Engine, EngineError, Input, Probabilities, Session};

/// Opens a session, says whether that worked, and runs until the queue is closed.
///
/// A panic in the plan costs the batch that it happened in, and the session, which may be in any
/// state: the next batch opens a new one.
pub(super) fn run(
    engine: &dyn Engine,
    queue: &Queue,
    opened: mpsc::Sender<Result<(), EngineError>>,
) {
    let mut session: Option<Box<dyn Session>> = match engine.session() {
        Ok(open) => {
            // Who started the workers waits for all of them.
            let _ = opened.send(Ok(()));
            Some(open)
        }
        Err(error) => {
            let _ = opened.send(Err(error));
            return;
        }
    };
    drop(opened);
    while let Some(batch) = queue.next_batch() {
        let busy = BusyWorker::new(queue);
        let jobs: Vec<Job> = batch.into_iter().filter(|job| !job.answer.is_closed()).collect();
        if jobs.is_empty() {
            continue;
        }
        let started = Instant::now();
        let outcome =
            catch_unwind(AssertUnwindSafe(|| run_batch(engine, &mut session, queue, &jobs)));
        let answers = outcome.unwrap_or_else(|_| {
            session = None;
            queue.metrics.panics.inc();
            tracing::error!(
                images = jobs.len(),
                "the plan panicked; the worker opens a new session"
            );
            Err(InferError::Panicked)
        });
        // The gauge falls before the answers leave: who has an answer finds the worker free.
        drop(busy);
        answer(queue, jobs, answers, started);
    }
}

fn run_batch(
    engine: &dyn Engine,
    session: &mut Option<Box<dyn Session>>,
    queue: &Queue,
    jobs: &[Job],
) -> Result<Vec<Probabilities>, InferError> {
    let inputs: Vec<Input> = jobs.iter().flat_map(|job| job.inputs.iter().cloned()).collect();
    queue.metrics.batch_size.observe(inputs.len() as f64);
    let span = tracing::debug_span!("batch", images = jobs.len(), inputs = inputs.len());
    let _entered = span.enter();
    for job in jobs {
        span.follows_from(&job.span);
    }
    let engine_error = |e| InferError::Engine(Arc::new(e));
    let open = match session.take() {
        Some(open) => open,
        None => engine.session().map_err(engine_error)?,
    };
    let open = session.insert(open);
    let mut probabilities = Vec::with_capacity(inputs.len());
    // One image's crops may be more than a run takes.
    for part in inputs.chunks(queue.config.max_batch_size) {
        let _inference = tracing::debug_span!("inference", inputs = part.len()).entered();
        probabilities.extend(open.run(part).map_err(engine_error)?);
    }
    Ok(probabilities)
}

fn answer(
    queue: &Queue,
    jobs: Vec<Job>,
    answers: Result<Vec<Probabilities>, InferError>,
    started: Instant,
) {
    let inference = started.elapsed();
    queue.metrics.inference_seconds.observe(inference.as_secs_f64());
    let mut rest = answers.as_deref();
    for job in jobs {
        let answer = match &mut rest {
            Err(error) => Err((*error).clone()),
            Ok(left) => {
                let (own, others) = left.split_at(job.inputs.len().min(left.len()));
                *left = others;
                let queue_time = started - job.arrived;
                queue.metrics.queue_seconds.observe(queue_time.as_secs_f64());
                Probabilities::mean(own)
                    .filter(|_| own.len() == job.inputs.len())
                    .map_or(Err(InferError::Panicked), |probabilities| {
                        Ok(Inference { probabilities, queue: queue_time, inference })
                    })
            }
        };
        // A client that has gone needs no answer.
        let _ = job.answer.send(answer);
    }
}

/// Counts a worker as busy while it lives.
struct BusyWorker<'a>(&'a Queue);

impl<'a> BusyWorker<'a> {
    fn new(queue: &'a Queue) -> Self {
        queue.metrics.workers_busy.inc();
        Self(queue)
    }
}

impl Drop for BusyWorker<'_> {
    fn drop(&mut self) {
        self.0.metrics.workers_busy.dec();
    }
}
