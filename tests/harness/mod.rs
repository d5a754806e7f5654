//! A service over a real socket, on a small seeded network that is made here, and a plain client.
#![allow(dead_code)] // each test file uses its part

pub mod client;
pub mod faults;
pub mod images;
pub mod process;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use googlenet::app::{App, AppError};
use googlenet::config::ServeConfig;
use googlenet::machine::Machine;
use googlenet::metrics::Metrics;
use googlenet::pipeline::{Decoder, ImageDecoder};
use googlenet_engine::loaded_model::{LoadedModel, load_model};
use googlenet_engine::model::Engine;
use googlenet_engine::network::seeded::seeded_model;
use googlenet_engine::network::{GoogLeNet, onnx};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Classes of the small network.
pub const CLASSES: usize = 10;
/// Width and height of its input.
pub const SIDE: usize = 32;

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    config: ServeConfig,
}

/// Writes the small network and its TOML into `folder`.
pub fn small_model(folder: &Path) -> PathBuf {
    let path = folder.join("small.onnx");
    let network = GoogLeNet::new(SIDE, CLASSES).unwrap();
    onnx::write(&seeded_model(&network, 7), &path).unwrap();
    let toml = format!(
        "source = \"seeded\"\nlicence = \"none\"\n[input]\nside = {SIDE}\nchannels = \"BGR\"\n\
         mean = [104.0, 117.0, 123.0]\nscale = 1.0\nresize = {{ mode = \"stretch\", size = 36 }}\n"
    );
    std::fs::write(folder.join("small.toml"), toml).unwrap();
    path
}

/// A running service.
pub struct TestService {
    pub address: SocketAddr,
    pub admin_address: Option<SocketAddr>,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<(), AppError>>,
    _folder: TempDir,
}

/// Puts something around an engine.
pub type WrapEngine = Box<dyn FnOnce(Arc<dyn Engine>) -> Arc<dyn Engine> + Send>;

/// What a test puts around the real engine and decoder.
pub struct Around {
    pub engine: WrapEngine,
    pub decoder: Arc<dyn Decoder>,
}

impl Default for Around {
    fn default() -> Self {
        Self { engine: Box::new(|engine| engine), decoder: Arc::new(ImageDecoder) }
    }
}

impl TestService {
    /// Starts with `flags` and waits until it is ready.
    pub async fn start(flags: &[&str]) -> Self {
        Self::start_around(flags, Around::default()).await
    }

    /// The same with faults around the engine and the decoder.
    pub async fn start_around(flags: &[&str], around: Around) -> Self {
        let service = Self::start_with(flags, around, || {}).await;
        while client::get(service.address, "/readyz").await.status != 200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        service
    }

    /// Starts without waiting; `before_load` runs before the model is loaded.
    pub async fn start_with(
        flags: &[&str],
        around: Around,
        before_load: impl FnOnce() + Send + 'static,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let model = small_model(folder.path());
        let defaults = ["test", "--listen=127.0.0.1:0"];
        let model_flag = format!("--model={}", model.display());
        let arguments = defaults.iter().copied().chain([model_flag.as_str()]);
        let mut config = Arguments::parse_from(arguments.chain(flags.iter().copied())).config;
        if !flags.iter().any(|flag| flag.starts_with("--drain-delay-ms")) {
            config.drain_delay_ms = 0;
        }
        // A busy machine makes no test fail that is not about time.
        if !flags.iter().any(|flag| flag.starts_with("--request-timeout-ms")) {
            config.request_timeout_ms = 60_000;
        }
        let settings = config.resolve(&Machine::of_this_process()).unwrap();
        let mut model = settings.model.clone();
        model.plan.cores = 2;
        let app =
            App::bind(settings, Metrics::new().unwrap()).unwrap().with_decoder(around.decoder);
        let (address, admin_address) = (app.address().unwrap(), app.admin_address());
        let load = move || {
            before_load();
            let LoadedModel { engine, info } = load_model(&model)?;
            Ok(LoadedModel { engine: (around.engine)(engine), info })
        };
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(app.run(load, async {
            // A dropped sender stops the service too.
            let _ = stopped.await;
        }));
        Self { address, admin_address, stop, running, _folder: folder }
    }

    /// Begins the drain.
    pub fn begin_stop(self) -> JoinHandle<Result<(), AppError>> {
        let _ = self.stop.send(());
        self.running
    }

    /// Drains and waits for the end. Until then the folder stays: the model may still be loading from it.
    pub async fn stop(self) {
        let Self { stop, running, _folder, .. } = self;
        let _ = stop.send(());
        running.await.unwrap().unwrap();
    }

    /// Waits until `metric` is `value`.
    pub async fn until(&self, metric: &str, value: f64) {
        self.until_that(metric, |actual| actual == value).await;
    }

    /// Waits until `condition` holds for `metric`; panics after 30 seconds.
    pub async fn until_that(&self, metric: &str, condition: impl Fn(f64) -> bool) {
        client::until_that(self.metrics_address(), metric, condition).await;
    }

    /// One metric's value, 0 when it is not there.
    pub async fn metric(&self, name: &str) -> f64 {
        client::metric(self.metrics_address(), name).await
    }

    fn metrics_address(&self) -> SocketAddr {
        self.admin_address.unwrap_or(self.address)
    }
}
