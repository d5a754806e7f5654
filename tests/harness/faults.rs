//! Faults around the real engine and decoder: panics on marked pictures, and a gate that holds the
//! workers until the test lets them go.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::Around;
use googlenet::decode::{DecodeError, Decoded, ImageFile};
use googlenet::pipeline::{Decoder, ImageDecoder};
use googlenet_engine::model::{
    Engine, EngineError, Input, Look, OperatorCount, Probabilities, Seen, Session, Views,
};

/// A picture of this colour makes the plan panic.
pub const PANICS_IN_PLAN: [u8; 3] = [1, 2, 3];
/// A picture of this colour makes the decoder panic.
pub const PANICS_IN_DECODER: [u8; 3] = [3, 2, 1];

/// Runs the real decoder, then panics on the marked picture.
pub struct PanickingDecoder;

impl Decoder for PanickingDecoder {
    fn decode(&self, file: &ImageFile, at_least: usize) -> Result<Decoded, DecodeError> {
        let decoded = ImageDecoder.decode(file, at_least)?;
        assert!(decoded.pixels.get_pixel(0, 0).0 != PANICS_IN_DECODER, "injected in the decoder");
        Ok(decoded)
    }
}

/// Counts inputs, waits at the gate, panics on the marked picture, and runs the real engine.
pub struct FaultyEngine {
    pub inner: Arc<dyn Engine>,
    pub gate: Arc<Gate>,
}

/// Holds the workers while it is shut.
#[derive(Default)]
pub struct Gate {
    shut: Mutex<bool>,
    changed: Condvar,
    /// Inputs that reached the engine.
    pub started: AtomicUsize,
}

impl Gate {
    pub fn shut(&self) {
        *self.shut.lock().unwrap() = true;
    }

    pub fn open(&self) {
        *self.shut.lock().unwrap() = false;
        self.changed.notify_all();
    }

    /// Waits until so many inputs have reached the engine; panics after 30 seconds.
    pub async fn until_started(&self, inputs: usize) {
        let reached = async {
            while self.started.load(Ordering::SeqCst) < inputs {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), reached).await.expect("a worker starts");
    }

    fn pass(&self) {
        let shut = self.shut.lock().unwrap();
        // A test that fails with the gate shut must still end.
        let limit = Duration::from_secs(60);
        let waited = self.changed.wait_timeout_while(shut, limit, |shut| *shut).unwrap();
        assert!(!*waited.0, "the gate stayed shut");
    }
}

/// A [`FaultyEngine`] around the real one, and its gate, which is open.
pub fn gated() -> (Around, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let engine = |inner| Arc::new(FaultyEngine { inner, gate: held }) as Arc<dyn Engine>;
    (Around { engine: Box::new(engine), ..Around::default() }, gate)
}

impl Engine for FaultyEngine {
    fn session(&self) -> Result<Box<dyn Session>, EngineError> {
        let inner = self.inner.session()?;
        Ok(Box::new(FaultySession { inner, gate: Arc::clone(&self.gate) }))
    }

    fn operators(&self) -> Vec<OperatorCount> {
        self.inner.operators()
    }

    fn views(&self) -> Views {
        self.inner.views()
    }
}

/// Runs the real engine, each run taking longer.
pub struct SlowEngine {
    pub inner: Arc<dyn Engine>,
    pub run: Duration,
}

impl Engine for SlowEngine {
    fn session(&self) -> Result<Box<dyn Session>, EngineError> {
        Ok(Box::new(SlowSession { inner: self.inner.session()?, run: self.run }))
    }

    fn operators(&self) -> Vec<OperatorCount> {
        self.inner.operators()
    }

    fn views(&self) -> Views {
        self.inner.views()
    }
}

struct SlowSession {
    inner: Box<dyn Session>,
    run: Duration,
}

impl Session for SlowSession {
    fn warm_up(&mut self) -> Result<(), EngineError> {
        self.inner.warm_up()
    }

    fn run(&mut self, batch: &[Input]) -> Result<Vec<Probabilities>, EngineError> {
        std::thread::sleep(self.run);
        self.inner.run(batch)
    }

    fn look(&mut self, input: &Input, look: &Look) -> Result<Seen, EngineError> {
        std::thread::sleep(self.run);
        self.inner.look(input, look)
    }
}

struct FaultySession {
    inner: Box<dyn Session>,
    gate: Arc<Gate>,
}

impl Session for FaultySession {
    fn warm_up(&mut self) -> Result<(), EngineError> {
        self.inner.warm_up()
    }

    fn run(&mut self, batch: &[Input]) -> Result<Vec<Probabilities>, EngineError> {
        self.gate.started.fetch_add(batch.len(), Ordering::SeqCst);
        self.gate.pass();
        let marked = |input: &Input| matches!(input, Input::Pixels(pixels) if pixels.as_bytes().starts_with(&PANICS_IN_PLAN));
        assert!(!batch.iter().any(marked), "injected in the plan");
        self.inner.run(batch)
    }

    fn look(&mut self, input: &Input, look: &Look) -> Result<Seen, EngineError> {
        self.gate.started.fetch_add(1, Ordering::SeqCst);
        self.gate.pass();
        self.inner.look(input, look)
    }
}
