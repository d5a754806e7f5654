//! The one place where the service is wired: bind, load, serve, drain.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinSet;

use crate::batcher::{Batcher, BatcherConfig, StartError};
use crate::config::{MemorySettings, Settings};
use crate::decode::DecodeLimits;
use crate::http::{self, AppState, BodyMemory, ConnectionLimits, Service, Unanswered};
use crate::lifecycle::{Lifecycle, Phase};
use crate::machine::{self, MemoryBudget};
use crate::metrics::Metrics;
use crate::pipeline::{
    BlockingPool, BlockingThreads, Decoder, ImageDecoder, Pipeline, photo_to_measure,
};
use crate::preprocess::{PreprocessError, Preprocessor};
use googlenet_engine::loaded_model::{LoadedModel, ModelError};

/// Widest and highest image; what one format or another can state in its header.
const MAX_SIDE_PIXELS: u32 = 65_535;

/// The service with its addresses bound; [`App::run`] serves.
pub struct App {
    listener: TcpListener,
    admin_listener: Option<TcpListener>,
    state: AppState,
    decoder: Arc<dyn Decoder>,
    unanswered: Unanswered,
}

/// Why the service did not start, or did not end as it should.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// An address cannot be bound.
    #[error("cannot listen on {address}: {source}: choose another, such as 0.0.0.0:8081")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The field of [`Settings`] that has it.
        knob: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The model cannot serve.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The model's preprocessing cannot be done.
    #[error(transparent)]
    Preprocess(#[from] PreprocessError),
    /// The workers cannot run.
    #[error(transparent)]
    Workers(#[from] StartError),
    /// Loading the model panicked.
    #[error("loading the model panicked; this is a bug of the service")]
    LoadPanicked,
    /// Requests that had arrived whole had no answer when the drain timeout passed.
    #[error("{0} requests had no answer after --drain-timeout-ms; they were cut off")]
    DrainTimeout(usize),
}

impl App {
    /// Binds the addresses, within a runtime of tokio; nothing is served yet. The log counts in the same `metrics`.
    ///
    /// # Errors
    /// [`AppError::Bind`] names the address and its knob.
    pub fn bind(settings: Settings, metrics: Metrics) -> Result<Self, AppError> {
        let listener = bind(settings.listen, "listen")?;
        let admin_listener =
            settings.admin_listen.map(|address| bind(address, "admin_listen")).transpose()?;
        let state = AppState {
            settings: Arc::new(settings),
            metrics,
            lifecycle: Lifecycle::default(),
            service: Arc::new(OnceLock::new()),
        };
        let decoder = Arc::new(ImageDecoder);
        Ok(Self { listener, admin_listener, state, decoder, unanswered: Unanswered::default() })
    }

    /// Puts another decoder in place: tests put faults around the real one.
    #[must_use]
    pub fn with_decoder(mut self, decoder: Arc<dyn Decoder>) -> Self {
        self.decoder = decoder;
        self
    }

    /// The address that clients use.
    ///
    /// # Errors
    /// What the system says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The address that operators use, if it is another.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_listener.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// The page to open in a browser on this machine.
    fn page(&self) -> Option<String> {
        let mut address = self.admin_address().or_else(|| self.address().ok())?;
        match address.ip() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        let path = if self.state.settings.page { "" } else { "docs" };
        Some(format!("http://{address}/{path}"))
    }

    /// Serves until `shutdown`, then drains. `load` runs on a thread of its own, while probes are
    /// answered already.
    ///
    /// # Errors
    /// [`AppError`] when the model cannot be loaded, or the drain timeout passes.
    pub async fn run(
        self,
        load: impl FnOnce() -> Result<LoadedModel, ModelError> + Send + 'static,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), AppError> {
        let page = self.page();
        let Self { listener, admin_listener, state, decoder, unanswered } = self;
        let mut servers = serve(listener, admin_listener, &state, &unanswered);
        let started = Instant::now();
        tokio::pin!(shutdown);
        // Made while the model is loaded.
        let photo = tokio::task::spawn_blocking(photo_to_measure);
        let loaded = tokio::select! {
            loaded = tokio::task::spawn_blocking(load) => Some(loaded),
            () = shutdown.as_mut() => None,
        };
        let batcher = match loaded {
            Some(loaded) => {
                let model = loaded.map_err(|_| AppError::LoadPanicked)??;
                let photo = photo.await.unwrap_or_default();
                let batcher = start(&state, model, decoder, photo)?;
                state.lifecycle.enter(Phase::Ready);
                let milliseconds = started.elapsed().as_millis() as u64;
                tracing::info!(milliseconds, page, "ready");
                shutdown.await;
                Some(batcher)
            }
            None => None,
        };
        let drained = drain(&state, &mut servers, &unanswered).await;
        // The workers end with the batch in hand; joining them blocks.
        let ended = tokio::task::spawn_blocking(move || drop(batcher)).await;
        if ended.is_err() {
            tracing::error!("ending the workers panicked");
        }
        drained
    }
}

fn serve(
    listener: TcpListener,
    admin_listener: Option<TcpListener>,
    state: &AppState,
    unanswered: &Unanswered,
) -> JoinSet<()> {
    let settings = &state.settings;
    let limits = ConnectionLimits {
        max_connections: settings.max_connections,
        header_timeout: settings.header_timeout,
        write_timeout: settings.request_timeout,
        drain_timeout: settings.drain_timeout,
    };
    let routers = http::routers(state);
    let mut servers = JoinSet::new();
    let mut spawn = |listener, router| {
        let (lifecycle, metrics) = (state.lifecycle.clone(), state.metrics.clone());
        let unanswered = unanswered.clone();
        servers.spawn(http::serve(listener, router, limits, lifecycle, metrics, unanswered));
    };
    spawn(listener, routers.public);
    if let (Some(listener), Some(router)) = (admin_listener, routers.admin) {
        spawn(listener, router);
    }
    servers
}

/// Blocking threads that the service needs: to prepare images, to load the model, to make the photo by which decoding is
/// measured, and to join threads.
pub fn blocking_threads(workers: usize) -> usize {
    BlockingThreads::for_workers(workers).total() + 2
}

/// Connections that may wait to be accepted; the system caps it (`net.core.somaxconn`). When it is
/// full, Linux drops the last packet of a handshake, and the client of a half-open connection that
/// sends nothing is never told.
const BACKLOG: u32 = 4096;

fn bind(address: SocketAddr, knob: &'static str) -> Result<TcpListener, AppError> {
    let listen = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|source| AppError::Bind { address, knob, source })
}

/// Starts the workers and opens the service.
fn start(
    state: &AppState,
    model: LoadedModel,
    decoder: Arc<dyn Decoder>,
    photo: Bytes,
) -> Result<Batcher, AppError> {
    let settings = &state.settings;
    let threads = BlockingThreads::for_workers(settings.workers);
    let batcher_config = batcher_config(settings, &threads);
    let (operators, views) = (model.engine.operators(), model.engine.views());
    let colour_filters = model.engine.colour_filters();
    let batcher = Batcher::start(model.engine, batcher_config, state.metrics.batcher.clone())?;
    machine::give_back_freed_memory();
    // All that stays is in memory now, except the weights for gradients, which the first request for one makes.
    let later = views.gradients.filter(|_| settings.explain).map_or(0, |views| views.weights_bytes);
    let resident = machine::resident_bytes() + later;
    let memory = memory_budget(settings.memory, resident, settings.max_body_bytes);
    let name = &model.info.identity;
    state.metrics.set_build_info(&name.name, &name.version, &name.precision);
    tracing::info!(
        model = name.name,
        version = name.version,
        precision = name.precision,
        trained = name.trained,
        classes = model.info.classes(),
        workers = settings.workers,
        "model loaded"
    );
    let pipeline = Pipeline {
        decoder,
        limits: DecodeLimits { max_pixels: settings.max_pixels, max_side_pixels: MAX_SIDE_PIXELS },
        preprocessor: Arc::new(Preprocessor::new(model.info.preprocessing.clone())?),
        pool: BlockingPool::new(threads, memory.decode_bytes),
        queue: batcher.queue(),
        views,
        reject_damaged: settings.reject_damaged,
        metrics: state.metrics.clone(),
    };
    let slowness = pipeline.measure_decoding(photo);
    pipeline.queue.calibrate_decoding(slowness);
    tracing::debug!(slowness, "decoding measured");
    machine::give_back_freed_memory();
    let service = Service {
        model: Arc::new(model.info),
        body_memory: BodyMemory::new(memory.body_bytes, state.metrics.body_memory.clone()),
        answer_memory: BodyMemory::new(memory.answer_bytes, state.metrics.answer_memory.clone()),
        operators,
        colour_filters,
        pipeline,
    };
    // Set once: this function runs once for each state.
    let _ = state.service.set(service);
    Ok(batcher)
}

fn batcher_config(settings: &Settings, threads: &BlockingThreads) -> BatcherConfig {
    BatcherConfig {
        workers: settings.workers,
        max_batch_size: settings.max_batch_size,
        max_wait: settings.batch_max_wait,
        queue_capacity: settings.queue_capacity,
        // The other half is for decoding, for computing, and for the estimate's error.
        max_expected_wait: settings.request_timeout / 2,
        decode_threads: threads.by_effort,
    }
}

/// What images may take, as the memory limit and the user say.
fn memory_budget(settings: MemorySettings, resident: u64, max_body_bytes: usize) -> MemoryBudget {
    let limit = settings.limit_bytes;
    // A larger share is what the largest body may need: it would never be taken otherwise.
    let one_body = (http::BODY_COPIES * max_body_bytes) as u64;
    let default = MemoryBudget::new(limit, resident, one_body);
    let body_bytes = settings.body_bytes.unwrap_or(default.body_bytes).max(one_body);
    let budget = MemoryBudget {
        body_bytes,
        answer_bytes: MemoryBudget::answer_bytes(body_bytes),
        decode_bytes: settings.decode_bytes.unwrap_or(default.decode_bytes),
    };
    tracing::info!(
        limit_bytes = limit,
        resident_bytes = resident,
        body_memory_bytes = budget.body_bytes,
        answer_memory_bytes = budget.answer_bytes,
        decode_memory_bytes = budget.decode_bytes,
        "memory"
    );
    if !budget.fits(limit, resident) {
        tracing::warn!(
            "the memory limit is too low for these knobs: raise it, or lower --max-body-bytes, \
             --decode-memory-bytes or --workers, or use --precision int8"
        );
    }
    budget
}

/// Readiness off, a while of serving on, then no new connection, then the end of those there are.
///
/// Clients that have not sent a whole request, or do not read their answer, are cut off at the drain
/// timeout like the others, but the service owes them nothing: that is no failure.
async fn drain(
    state: &AppState,
    servers: &mut JoinSet<()>,
    unanswered: &Unanswered,
) -> Result<(), AppError> {
    let (delay, timeout) = (state.settings.drain_delay, state.settings.drain_timeout);
    state.lifecycle.enter(Phase::Draining);
    tracing::info!(delay_ms = delay.as_millis() as u64, "draining: /readyz says 503");
    tokio::time::sleep(delay).await;
    state.lifecycle.enter(Phase::Stopping);
    tracing::info!(timeout_ms = timeout.as_millis() as u64, "stopping: no new connections");
    if let Ok(service) = state.service() {
        service.pipeline.queue.close_patient();
    }
    let all_ended = async { while servers.join_next().await.is_some() {} };
    if tokio::time::timeout(timeout, all_ended).await.is_ok() {
        return Ok(());
    }
    let cut_off = unanswered.count();
    servers.abort_all();
    match cut_off {
        0 => Ok(()),
        requests => Err(AppError::DrainTimeout(requests)),
    }
}
