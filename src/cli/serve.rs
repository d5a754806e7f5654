//! `googlenet serve`.

use tokio::sync::oneshot;

use super::origins::Origins;
use super::stop_signal::StopSignals;
use super::{CliError, log};
use crate::app::{App, AppError, blocking_threads};
use crate::config::{ListenAddress, ServeConfig};
use crate::machine;
use crate::metrics::Metrics;
use googlenet_engine::loaded_model::{self, load_model};

pub(super) const EXAMPLES: &str = "Try it:\n  \
    googlenet serve &\n  \
    curl -H 'Content-Type: image/jpeg' --data-binary @photo.jpg http://127.0.0.1:8080/classify\n\n\
    The page http://127.0.0.1:8080/docs shows all paths.";

/// Runs the service until SIGTERM or SIGINT, and a second one ends it at once.
pub(super) fn serve(mut config: ServeConfig, origins: &Origins) -> Result<(), CliError> {
    let metrics = Metrics::new().map_err(CliError::failed)?;
    let _log = log::start(config.log_format, metrics.log_lines_lost.clone())?;
    check(&mut config, origins)?;
    let open_files = machine::raise_open_files();
    let cores = machine::cores();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        cores,
        cpu_quota_cores = machine::cpu_quota_cores(),
        memory_limit_bytes = machine::memory_limit_bytes(),
        open_files,
        "starting"
    );
    let workers = config.workers.unwrap_or(cores);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores)
        .max_blocking_threads(blocking_threads(workers))
        .enable_all()
        .build()
        .map_err(CliError::failed)?;
    let served = runtime.block_on(run(config, metrics, origins));
    // All requests are answered, or a second signal ended it: neither a decode whose client has
    // gone nor the load of the model is waited for.
    runtime.shutdown_background();
    served
}

async fn run(config: ServeConfig, metrics: Metrics, origins: &Origins) -> Result<(), CliError> {
    // Before the model is loaded, so that a signal during the load is heard.
    let mut signals = StopSignals::hear().map_err(CliError::failed)?;
    let model = config.model.settings();
    let start_error = |error| start_error(error, origins);
    let app = App::bind(config, metrics).await.map_err(start_error)?;
    let address = app.address().map_err(CliError::failed)?;
    tracing::info!(%address, admin_address = app.admin_address().map(tracing::field::display), "listening");
    let (stop, stopped) = oneshot::channel();
    let shutdown = async {
        // The sender lives until it has sent, or until nobody waits any more.
        let _ = stopped.await;
    };
    // A task of its own: what it does at a stretch, such as starting the workers, does not keep this
    // one from hearing a signal.
    let load = move || load_model(&model, machine::cores());
    let mut service = tokio::spawn(app.run(load, shutdown));
    let ended = |ended: Result<Result<(), AppError>, tokio::task::JoinError>| {
        ended.map_err(CliError::failed)?.map_err(start_error)
    };
    tokio::select! {
        end = &mut service => return ended(end),
        signal = signals.next() => {
            tracing::info!(%signal, "shutting down; a second SIGINT or SIGTERM ends the service at once");
        }
    }
    // Nobody hears it when the service has just ended by itself.
    let _ = stop.send(());
    tokio::select! {
        end = &mut service => ended(end),
        signal = signals.another() => {
            tracing::warn!(%signal, "a second signal: ending at once");
            Err(CliError::Stopped(signal))
        }
    }
}

fn start_error(error: AppError, origins: &Origins) -> CliError {
    match error {
        AppError::Bind { knob, .. } => {
            CliError::Configuration(format!("{}: {error}", origins.name(knob)))
        }
        AppError::Resolve { knob, source } => origins.wrong(knob, source),
        AppError::Model(error) => origins.model(error),
        other => CliError::failed(other),
    }
}

/// Finds what is wrong with values that could be read, alone and together, before anything starts.
/// The names of hosts are resolved here, where nothing waits for it.
fn check(config: &mut ServeConfig, origins: &Origins) -> Result<(), CliError> {
    let resolve = |address: &mut ListenAddress, knob: &str| {
        let resolved = address.resolve().map_err(|e| origins.wrong(knob, e))?;
        *address = resolved.into();
        Ok::<_, CliError>(resolved)
    };
    let address = resolve(&mut config.listen, "listen")?;
    if let Some(admin) = &mut config.admin_listen {
        let admin = resolve(admin, "admin_listen")?;
        if admin == address && address.port() != 0 {
            return Err(CliError::Configuration(format!(
                "{}: {admin} is the address of {} already: expected another, such as 127.0.0.1:9090",
                origins.name("admin_listen"),
                origins.name("listen")
            )));
        }
    }
    loaded_model::check(&config.model.settings()).map_err(|e| origins.model(e))
}
