//! One worker: takes a batch, runs it, answers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::time::Instant;

use super::patient::PatientJob;
use super::queue::{Computation, InferError, Inference, Job, NextWork, Queue, first_module};
use googlenet_engine::model::{Engine, EngineError, Input, Look, Probabilities, Seen, Session};

/// Opens a session and warms it up, so that the first client waits for nothing; says whether that worked, and runs until
/// the queue is closed.
///
/// A panic in the plan costs the run that it happened in, and the session, which may be in any
/// state: the next run opens a new one, and warms it up by its work.
pub(super) fn run(
    engine: &dyn Engine,
    queue: &Queue,
    opened: mpsc::Sender<Result<(), EngineError>>,
) {
    let open = || {
        let mut open = engine.session()?;
        open.warm_up()?;
        Ok(open)
    };
    let mut session: Option<Box<dyn Session>> = match open() {
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
        let mut runner = Runner { engine, session: &mut session, queue };
        match work {
            NextWork::Images(batch) => runner.answer_batch(batch, busy),
            NextWork::Patient(mut job) => {
                let started = Instant::now();
                let outcome = runner.run_patient(&mut job);
                drop(busy);
                queue.return_patient(job, started.elapsed(), outcome);
            }
        }
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
    /// Answers the images of a batch. All crops are run together; then each look is a run of its own, and one that fails
    /// costs no other. Nobody waits for a look of somebody else.
    fn answer_batch(&mut self, batch: Vec<Job>, busy: BusyWorker<'_>) {
        let jobs: Vec<Job> = batch.into_iter().filter(|job| !job.answer.is_closed()).collect();
        if jobs.is_empty() {
            return;
        }
        let size: usize = jobs.iter().map(|job| job.computation.inputs()).sum();
        self.queue.metrics.batch_size.observe(size as f64);
        let span = tracing::debug_span!("batch", images = jobs.len(), inputs = size);
        let _entered = span.enter();
        for job in &jobs {
            span.follows_from(&job.span);
        }
        let (runs, looks): (Vec<Job>, Vec<Job>) =
            jobs.into_iter().partition(|job| matches!(job.computation, Computation::Run(_)));
        // The gauge falls before the last answers leave: who has an answer finds the worker free.
        let mut busy = Some(busy);
        if !runs.is_empty() {
            let started = Instant::now();
            let answers = self.run_together(&runs);
            if looks.is_empty() {
                busy = None;
            }
            answer(self.queue, runs, answers, started);
        }
        let mut looks = looks.into_iter().peekable();
        while let Some(job) = looks.next() {
            // Its client may have gone while those before it were run.
            let started = Instant::now();
            let seen = (!job.answer.is_closed()).then(|| self.look_at(&job));
            if looks.peek().is_none() {
                busy = None;
            }
            if let Some(seen) = seen {
                answer(self.queue, vec![job], vec![seen], started);
            }
        }
        drop(busy);
    }

    /// The answers for images whose crops are one batch, in their order.
    fn run_together(&mut self, jobs: &[Job]) -> Vec<Answer> {
        let inputs: Vec<Input> = jobs.iter().flat_map(|job| crops(job).iter().cloned()).collect();
        let started = Instant::now();
        let probabilities = self.run(&inputs, jobs.len());
        if probabilities.is_ok() {
            self.queue.lock().gradient_cost.record_run(inputs.len(), started.elapsed());
        }
        let mut left = probabilities.as_deref();
        let answer = |job: &Job| {
            let count = crops(job).len();
            let left = left.as_mut().map_err(|error| error.clone())?;
            let (own, others) = left.split_at(count.min(left.len()));
            *left = others;
            let mean = Probabilities::mean(own).filter(|_| own.len() == count);
            Ok((mean.ok_or(InferError::Panicked)?, None))
        };
        jobs.iter().map(answer).collect()
    }

    /// The answer for an image that is looked at.
    fn look_at(&mut self, job: &Job) -> Answer {
        let Computation::Look(input, look) = &job.computation else {
            return Err(InferError::Panicked);
        };
        let started = Instant::now();
        let seen = Arc::new(self.guarded(1, |open| open.look(input, look))?);
        let (taken, cost) = (started.elapsed(), &mut self.queue.lock().gradient_cost);
        match first_module(look) {
            Some(first) => cost.record_gradient(first, taken),
            None => cost.record_run(1, taken),
        }
        Ok((seen.probabilities.clone(), Some(seen)))
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

    type Answered = oneshot::Receiver<Result<Inference, InferError>>;

    fn job(computation: Computation) -> (Job, Answered) {
        let (answer, answered) = oneshot::channel();
        let job = Job {
            runs: computation.inputs(),
            computation,
            client: ClientKey(1),
            turn: Turn::default(),
            admitted: Instant::now(),
            arrived: Instant::now(),
            answer,
            span: tracing::Span::none(),
        };
        (job, answered)
    }

    fn look(byte: u8) -> (Job, Answered) {
        job(Computation::Look(input(byte), Look::default()))
    }

    fn run(bytes: &[u8]) -> (Job, Answered) {
        job(Computation::Run(bytes.iter().map(|&byte| input(byte)).collect()))
    }

    #[test]
    fn a_look_that_fails_costs_only_itself() {
        let queue = queue();
        let jobs = [look(2), run(&[10, 30]), look(1), look(50), run(&[2])];
        let (jobs, answered): (Vec<_>, Vec<_>) = jobs.into_iter().unzip();
        let mut session: Option<Box<dyn Session>> = Some(Box::new(FirstByte));
        let mut runner = Runner { engine: &FirstByte, session: &mut session, queue: &queue };
        runner.answer_batch(jobs, BusyWorker::new(&queue));
        let answers: Vec<_> =
            answered.into_iter().map(|mut answered| answered.try_recv().unwrap()).collect();
        let [panicked, mean, failed, seen, alone] = &answers[..] else { panic!("{answers:?}") };
        assert!(matches!(panicked, Err(InferError::Panicked)));
        assert!(matches!(failed, Err(InferError::Engine(_))));
        let value = |answer: &Result<Inference, InferError>| {
            let inference = answer.as_ref().unwrap();
            (inference.probabilities.as_slice()[0], inference.seen.is_some())
        };
        assert_eq!(
            (value(mean), value(seen), value(alone)),
            ((0.2, false), (0.5, true), (0.02, false))
        );
        assert_eq!(queue.metrics.panics.get(), 1);
        assert_eq!(queue.metrics.workers_busy.get(), 0);
        assert!(session.is_some(), "another was opened");
    }

    /// Looks when it is told to.
    struct SlowLook(mpsc::Receiver<()>);

    impl Session for SlowLook {
        fn run(&mut self, batch: &[Input]) -> Result<Vec<Probabilities>, EngineError> {
            FirstByte.run(batch)
        }

        fn look(&mut self, input: &Input, look: &Look) -> Result<Seen, EngineError> {
            let _ = self.0.recv();
            FirstByte.look(input, look)
        }
    }

    #[test]
    fn nobody_waits_for_the_look_of_another() {
        let queue = queue();
        let jobs = [look(10), look(20), run(&[30])];
        let (jobs, answered): (Vec<_>, Vec<_>) = jobs.into_iter().unzip();
        let (go, told) = mpsc::channel();
        std::thread::scope(|scope| {
            let queue = &queue;
            scope.spawn(move || {
                let mut session: Option<Box<dyn Session>> = Some(Box::new(SlowLook(told)));
                let mut runner = Runner { engine: &FirstByte, session: &mut session, queue };
                runner.answer_batch(jobs, BusyWorker::new(queue));
            });
            let [first, second, ordinary] = <[_; 3]>::try_from(answered).unwrap();
            assert!(ordinary.blocking_recv().unwrap().is_ok());
            assert_eq!(queue.metrics.workers_busy.get(), 1);
            go.send(()).unwrap();
            assert!(first.blocking_recv().unwrap().is_ok());
            go.send(()).unwrap();
            assert!(second.blocking_recv().unwrap().is_ok());
            assert_eq!(queue.metrics.workers_busy.get(), 0);
        });
    }
}
