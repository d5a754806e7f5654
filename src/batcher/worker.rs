//! One worker: takes a batch, runs it, answers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::time::Instant;

use super::patient::PatientJob;
use super::queue::{Computation, InferError, Inference, Job, NextWork, Queue};
use googlenet_engine::model::{Engine, EngineError, Input, Look, Probabilities, Seen, Session};

/// Opens a session, says whether that worked, and runs until the queue is closed.
///
/// A panic in the plan costs the run that it happened in, and the session, which may be in any
/// state: the next run opens a new one.
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
    while let Some(work) = queue.next_work() {
        let busy = BusyWorker::new(queue);
        let batch = match work {
            NextWork::Images(batch) => batch,
            NextWork::Patient(mut job) => {
                let outcome = Runner { engine, session: &mut session, queue }.run_patient(&mut job);
                drop(busy);
                queue.return_patient(job, outcome);
                continue;
            }
        };
        let jobs: Vec<Job> = batch.into_iter().filter(|job| !job.answer.is_closed()).collect();
        if jobs.is_empty() {
            continue;
        }
        let started = Instant::now();
        let answers = Runner { engine, session: &mut session, queue }.run_batch(&jobs);
        // The gauge falls before the answers leave: who has an answer finds the worker free.
        drop(busy);
        answer(queue, jobs, answers, started);
    }
}

/// The probabilities of an image, and what was seen.
type Answer = Result<(Probabilities, Option<Arc<Seen>>), InferError>;

/// Runs batches in a session, and opens another one when it is lost.
struct Runner<'a> {
    engine: &'a dyn Engine,
    session: &'a mut Option<Box<dyn Session>>,
    queue: &'a Queue,
}

impl Runner<'_> {
    /// The answers for `jobs`, in their order. All crops are one batch; each look is a run of its own, and one that
    /// fails costs no other.
    fn run_batch(&mut self, jobs: &[Job]) -> Vec<Answer> {
        let size: usize = jobs.iter().map(|job| job.computation.inputs()).sum();
        self.queue.metrics.batch_size.observe(size as f64);
        let span = tracing::debug_span!("batch", images = jobs.len(), inputs = size);
        let _entered = span.enter();
        for job in jobs {
            span.follows_from(&job.span);
        }
        let inputs: Vec<Input> = jobs.iter().flat_map(|job| crops(job).iter().cloned()).collect();
        let images = jobs.iter().filter(|job| !crops(job).is_empty()).count();
        let probabilities = self.run(&inputs, images);
        let mut left = probabilities.as_deref();
        let answer = |job: &Job| match &job.computation {
            Computation::Look(input, look) => {
                let seen = Arc::new(self.guarded(1, |open| open.look(input, look))?);
                Ok((seen.probabilities.clone(), Some(seen)))
            }
            Computation::Run(inputs) => {
                let left = left.as_mut().map_err(|error| error.clone())?;
                let (own, others) = left.split_at(inputs.len().min(left.len()));
                *left = others;
                let mean = Probabilities::mean(own).filter(|_| own.len() == inputs.len());
                Ok((mean.ok_or(InferError::Panicked)?, None))
            }
        };
        jobs.iter().map(answer).collect()
    }

    /// Computes the next variants of a request, as many as a batch has, or until an image comes.
    fn run_patient(&mut self, job: &mut PatientJob) -> Result<(), InferError> {
        let end = job.count.min(job.done.len() + self.queue.config.max_batch_size);
        while job.done.len() < end && !job.is_abandoned() {
            let variant = || (job.make)(job.done.len());
            let seen = self.guarded(1, |open| open.look(&variant(), &Look::default()))?;
            let (class, against) = job.of;
            job.done.push(seen.score(class, against));
            if self.queue.has_images() {
                break;
            }
        }
        Ok(())
    }

    /// The probabilities of the crops of `images` images.
    fn run(&mut self, crops: &[Input], images: usize) -> Result<Vec<Probabilities>, InferError> {
        let mut probabilities = Vec::with_capacity(crops.len());
        let most = self.queue.config.max_batch_size;
        if crops.is_empty() {
            return Ok(probabilities);
        }
        self.guarded(images, |open| {
            // One image's crops may be more than a run takes.
            for part in crops.chunks(most) {
                let _inference = tracing::debug_span!("inference", inputs = part.len()).entered();
                probabilities.extend(open.run(part)?);
            }
            Ok(())
        })?;
        Ok(probabilities)
    }

    /// Runs `work` for `images` images in the session, where a panic is caught.
    fn guarded<T>(
        &mut self,
        images: usize,
        work: impl FnOnce(&mut dyn Session) -> Result<T, EngineError>,
    ) -> Result<T, InferError> {
        let (engine, session) = (self.engine, &mut *self.session);
        let run = AssertUnwindSafe(|| {
            let open = match session.take() {
                Some(open) => open,
                None => engine.session()?,
            };
            work(session.insert(open).as_mut())
        });
        match catch_unwind(run) {
            Ok(done) => done.map_err(|e| InferError::Engine(Arc::new(e))),
            Err(_) => {
                *self.session = None;
                self.queue.metrics.panics.inc();
                tracing::error!(images, "the plan panicked; the worker opens a new session");
                Err(InferError::Panicked)
            }
        }
    }
}

/// The crops of an image whose probabilities are computed; none of one that is looked at.
fn crops(job: &Job) -> &[Input] {
    match &job.computation {
        Computation::Run(inputs) => inputs,
        Computation::Look(..) => &[],
    }
}

fn answer(queue: &Queue, jobs: Vec<Job>, answers: Vec<Answer>, started: Instant) {
    let inference = started.elapsed();
    queue.metrics.inference_seconds.observe(inference.as_secs_f64());
    for (job, answer) in jobs.into_iter().zip(answers) {
        let answer = answer.map(|(probabilities, seen)| {
            let queue_time = started - job.arrived;
            queue.metrics.queue_seconds.observe(queue_time.as_secs_f64());
            Inference { probabilities, seen, queue: queue_time, inference }
        });
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

#[cfg(test)]
mod tests {
    use googlenet_engine::model::{Look, OperatorCount, Pixels};
    use tokio::sync::oneshot;

    use super::super::admit::tests::queue;
    use super::super::clients::{ClientKey, Turn};
    use super::*;

    /// Gives an input's first byte as the probability in percent; looks fail at 1 and panic at 2.
    struct FirstByte;

    fn first_byte(input: &Input) -> u8 {
        match input {
            Input::Pixels(pixels) => pixels.as_bytes()[0],
            Input::Tensor(_) => unreachable!("the test sends pixels"),
        }
    }

    impl Session for FirstByte {
        fn run(&mut self, batch: &[Input]) -> Result<Vec<Probabilities>, EngineError> {
            let percent = batch.iter().map(|input| f32::from(first_byte(input)) / 100.0);
            Ok(percent.map(|value| Probabilities::new(vec![value]).unwrap()).collect())
        }

        fn look(&mut self, input: &Input, _: &Look) -> Result<Seen, EngineError> {
            match first_byte(input) {
                1 => Err(EngineError::NothingToSee),
                2 => panic!("injected"),
                _ => Ok(Seen {
                    probabilities: self.run(std::slice::from_ref(input))?.remove(0),
                    logits: None,
                    last_map: None,
                    maps: Vec::new(),
                    times: Vec::new(),
                    gradients: Vec::new(),
                }),
            }
        }
    }

    impl Engine for FirstByte {
        fn session(&self) -> Result<Box<dyn Session>, EngineError> {
            Ok(Box::new(Self))
        }

        fn operators(&self) -> Vec<OperatorCount> {
            Vec::new()
        }
    }

    fn input(byte: u8) -> Input {
        Input::Pixels(Pixels::new(1, vec![byte; 3]).unwrap())
    }

    fn job(computation: Computation) -> Job {
        Job {
            computation,
            client: ClientKey(1),
            turn: Turn::default(),
            admitted: Instant::now(),
            arrived: Instant::now(),
            answer: oneshot::channel().0,
            span: tracing::Span::none(),
        }
    }

    #[test]
    fn a_look_that_fails_costs_only_itself() {
        let queue = queue();
        let look = |byte| job(Computation::Look(input(byte), Look::default()));
        let run =
            |bytes: &[u8]| job(Computation::Run(bytes.iter().map(|&byte| input(byte)).collect()));
        let jobs = [look(2), run(&[10, 30]), look(1), look(50), run(&[2])];
        let mut session: Option<Box<dyn Session>> = Some(Box::new(FirstByte));
        let mut runner = Runner { engine: &FirstByte, session: &mut session, queue: &queue };
        let answers = runner.run_batch(&jobs);
        let [panicked, mean, failed, seen, alone] = &answers[..] else { panic!("{answers:?}") };
        assert!(matches!(panicked, Err(InferError::Panicked)));
        assert!(matches!(failed, Err(InferError::Engine(_))));
        let value = |answer: &Answer| {
            let (probabilities, seen) = answer.as_ref().unwrap();
            (probabilities.as_slice()[0], seen.is_some())
        };
        assert_eq!(
            (value(mean), value(seen), value(alone)),
            ((0.2, false), (0.5, true), (0.02, false))
        );
        assert_eq!(queue.metrics.panics.get(), 1);
        assert!(session.is_some(), "another was opened");
    }
}
