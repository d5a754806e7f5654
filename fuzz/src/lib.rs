//! What the targets share: the service without its sockets, and which panics are findings.

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeSet;
use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use clap::Parser;
use googlenet::batcher::{Batcher, BatcherConfig};
use googlenet::config::ServeConfig;
use googlenet::decode::DecodeLimits;
use googlenet::http::{AppState, BodyMemory, Service, routers};
use googlenet::lifecycle::{Lifecycle, Phase};
use googlenet::machine::Machine;
use googlenet::metrics::Metrics;
use googlenet_engine::groups::{GroupTree, Groups};
use googlenet_engine::model::{
    ChannelOrder, Engine, EngineError, Input, OperatorCount, OutputKind, Preprocessing,
    Probabilities, Resize, Session, Views,
};
use googlenet_engine::model_info::{ModelInfo, ModelIdentity};
use googlenet_engine::network::ModelReport;
use googlenet_engine::network::report::Totals;
use googlenet::pipeline::{BlockingPool, BlockingThreads, ImageDecoder, Pipeline};
use googlenet::preprocess::Preprocessor;
use googlenet_engine::weights::Labels;
use serde_json::Value;
use tokio::runtime::Runtime;
use tower::ServiceExt;

/// Width and height of the network's input: a tensor fits into a small body.
const SIDE: usize = 8;
const CLASSES: usize = 5;
const MEMORY_BYTES: u64 = 256 << 20;

/// The service, handed requests one at a time.
pub struct InProcess {
    runtime: Runtime,
    router: Router,
    _batcher: Batcher,
}

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    config: ServeConfig,
}

impl InProcess {
    /// Starts it, with limits that keep a request short.
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .max_blocking_threads(4)
            .build()
            .unwrap();
        let flags = ["fuzz", "--max-pixels=65536", "--max-images=4", "--request-timeout-ms=30000"];
        let config = Arguments::parse_from(flags).config;
        let settings = config.resolve(&Machine::of_this_process()).unwrap();
        let metrics = Metrics::new().unwrap();
        let threads = BlockingThreads::for_workers(1);
        let batcher_config = BatcherConfig {
            workers: 1,
            max_batch_size: settings.max_batch_size,
            max_wait: Duration::ZERO,
            queue_capacity: settings.queue_capacity,
            max_expected_wait: settings.request_timeout,
            decode_threads: threads.by_effort,
        };
        let engine = Arc::new(EvenEngine);
        let batcher = Batcher::start(engine, batcher_config, metrics.batcher.clone()).unwrap();
        let model = model();
        let pipeline = Pipeline {
            decoder: Arc::new(ImageDecoder),
            limits: DecodeLimits { max_pixels: settings.max_pixels, max_side_pixels: 65_535 },
            preprocessor: Arc::new(Preprocessor::new(model.preprocessing.clone()).unwrap()),
            pool: BlockingPool::new(threads, MEMORY_BYTES),
            queue: batcher.queue(),
            views: Views::default(),
            reject_damaged: false,
            metrics: metrics.clone(),
        };
        let service = Service {
            model: Arc::new(model),
            body_memory: BodyMemory::new(MEMORY_BYTES),
            operators: Vec::new(),
            pipeline,
        };
        let state = AppState {
            settings: Arc::new(settings),
            metrics,
            lifecycle: Lifecycle::default(),
            service: Arc::new(OnceLock::from(service)),
        };
        state.lifecycle.enter(Phase::Ready);
        Self { router: routers(&state).public, runtime, _batcher: batcher }
    }

    /// Posts `body`, and checks what every answer has to be: no failure inside the service, and an error
    /// in the form that is documented. Path or headers that HTTP does not allow are passed over.
    pub fn post(&self, path: &str, headers: &[(&str, &[u8])], body: &[u8]) {
        let mut request = Request::post(path).header("host", "fuzz");
        for &(name, value) in headers {
            request = request.header(name, value);
        }
        let Ok(request) = request.body(Body::from(body.to_vec())) else { return };
        let (status, body) = self.runtime.block_on(async {
            let Ok(answer) = self.router.clone().oneshot(request).await;
            let status = answer.status();
            (status, to_bytes(answer.into_body(), usize::MAX).await.unwrap())
        });
        assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{}", String::from_utf8_lossy(&body));
        if status != StatusCode::OK {
            let answer: Value = serde_json::from_slice(&body).unwrap();
            for member in ["error", "code", "request_id"] {
                assert!(answer[member].as_str().is_some_and(|text| !text.is_empty()), "{answer}");
            }
        }
    }
}

fn model() -> ModelInfo {
    ModelInfo {
        identity: ModelIdentity {
            name: "googlenet".into(),
            version: "1".into(),
            precision: "f32".into(),
            trained: true,
        },
        path: None,
        input_name: "data_0".into(),
        output_name: "prob_1".into(),
        output_kind: OutputKind::Probabilities,
        instruction_sets: googlenet_engine::model::InstructionSets { f32: "portable", int8: "portable" },
        preprocessing: Preprocessing {
            side: SIDE,
            resize: Resize::Stretch { size: SIDE },
            channels: ChannelOrder::Rgb,
            mean: [0.0; 3],
            scale: [1.0; 3],
        },
        labels: Labels::numbered(CLASSES),
        groups: Groups::new(GroupTree::wordnet(), Labels::numbered(CLASSES).ids()).unwrap(),
        report: ModelReport { layers: Vec::new(), modules: Vec::new(), totals: Totals::default() },
    }
}

/// Checks what it is given, as the real one does, and finds all classes equally likely.
struct EvenEngine;

impl Engine for EvenEngine {
    fn session(&self) -> Result<Box<dyn Session>, EngineError> {
        Ok(Box::new(Self))
    }

    fn operators(&self) -> Vec<OperatorCount> {
        Vec::new()
    }
}

impl Session for EvenEngine {
    fn run(&mut self, batch: &[Input]) -> Result<Vec<Probabilities>, EngineError> {
        let even = |input: &Input| {
            match input {
                Input::Pixels(pixels) => assert_eq!(pixels.side(), SIDE),
                Input::Tensor(values) => {
                    assert_eq!(values.len(), 3 * SIDE * SIDE);
                    assert!(values.iter().all(|value| value.is_finite()));
                }
            }
            Ok(Probabilities::new(vec![1.0 / CLASSES as f32; CLASSES])?)
        };
        batch.iter().map(even).collect()
    }
}

/// The first line, without its end, and the rest.
pub fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
    (&bytes[..end], bytes.get(end + 1..).unwrap_or_default())
}

/// Lets the panics of dependencies unwind, which the service survives, and names each place once; those of
/// our own code stay findings. To be called once, when the target is set up.
pub fn forgive_dependencies() {
    static SEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let abort = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        if !place.contains("/registry/src/") {
            abort(info);
        } else if SEEN.lock().unwrap_or_else(PoisonError::into_inner).insert(place.clone()) {
            eprintln!("a dependency panicked at {place}");
        }
    }));
}

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, and a count of what it has given out. What C libraries take is not in it.
pub struct CountingAllocator;

impl CountingAllocator {
    /// Runs `work`; says too how many bytes it had allocated at its peak.
    pub fn peak_of<T>(work: impl FnOnce() -> T) -> (T, u64) {
        let before = ALLOCATED.load(Ordering::Relaxed);
        PEAK.store(before, Ordering::Relaxed);
        let done = work();
        let peak = PEAK.load(Ordering::Relaxed);
        (done, peak.saturating_sub(before) as u64)
    }

    fn add(bytes: usize) {
        let allocated = ALLOCATED.fetch_add(bytes, Ordering::Relaxed) + bytes;
        PEAK.fetch_max(allocated, Ordering::Relaxed);
    }
}

// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::add(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::add(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // The new one is there before the old one goes, unless it grows in place.
        Self::add(new_size);
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(memory, layout, new_size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }
}
