//! `googlenet serve`.

use tokio::signal::unix::{SignalKind, signal};

use super::{CliError, log};
use crate::app::{App, AppError, blocking_threads};
use crate::config::ServeConfig;
use crate::loaded_model::load_model;
use crate::machine;
use crate::metrics::Metrics;

pub(super) const EXAMPLES: &str = "Try it:\n  \
    googlenet serve &\n  \
    curl -H 'Content-Type: image/jpeg' --data-binary @photo.jpg http://127.0.0.1:8080/classify\n\n\
    The page http://127.0.0.1:8080/docs shows all paths.";

/// Runs the service until SIGTERM or SIGINT.
pub(super) fn serve(config: ServeConfig) -> Result<(), CliError> {
    let metrics = Metrics::new().map_err(CliError::failed)?;
    let _log = log::start(config.log_format, metrics.log_lines_lost.clone())?;
    check(&config)?;
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
    let served = runtime.block_on(run(config, metrics));
    // All requests are answered; a decode whose client has gone is not waited for.
    runtime.shutdown_background();
    served
}

async fn run(config: ServeConfig, metrics: Metrics) -> Result<(), CliError> {
    // Before the model is loaded, so that a signal during the load is heard.
    let mut terminate = signal(SignalKind::terminate()).map_err(CliError::failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CliError::failed)?;
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let model = config.model.clone();
    let app = App::bind(config, metrics).await.map_err(start_error)?;
    let address = app.address().map_err(CliError::failed)?;
    tracing::info!(%address, admin_address = app.admin_address().map(tracing::field::display), "listening");
    app.run(move || load_model(&model, machine::cores()), shutdown).await.map_err(start_error)
}

fn start_error(error: AppError) -> CliError {
    match error {
        AppError::Bind { .. } => CliError::Configuration(error.to_string()),
        other => CliError::failed(other),
    }
}

/// Combinations of values that cannot be meant.
fn check(config: &ServeConfig) -> Result<(), CliError> {
    if config.admin_listen == Some(config.listen) && config.listen.port() != 0 {
        return Err(CliError::Configuration(
            "--admin-listen (GOOGLENET_ADMIN_LISTEN) is the address of --listen: choose another"
                .into(),
        ));
    }
    for origin in &config.cors_origins {
        if axum::http::HeaderValue::from_str(origin).is_err() {
            return Err(CliError::Configuration(format!(
                "--cors-origins (GOOGLENET_CORS_ORIGINS) has {origin:?}, which is no origin"
            )));
        }
    }
    Ok(())
}
