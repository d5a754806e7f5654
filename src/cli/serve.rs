//! `googlenet serve`.

use std::time::Duration;

use tokio::sync::oneshot;

use super::origins::Origins;
use super::stop_signal::StopSignals;
use super::{CliError, log};
use crate::app::{App, AppError, blocking_threads};
use crate::config::{ServeConfig, Settings, SettingsError};
use crate::machine::{self, Machine};
use crate::metrics::Metrics;
use googlenet_engine::loaded_model::{self, PlanSettings, load_model};
use googlenet_engine::model::Precision;

pub(super) const EXAMPLES: &str = "Try it:\n  \
    googlenet serve &\n  \
    curl -H 'Content-Type: image/jpeg' --data-binary @photo.jpg http://127.0.0.1:8080/classify\n\n\
    The page http://127.0.0.1:8080/ classifies photos; /docs shows all paths.";

/// How long the runtime waits at the end for decodes whose clients have gone, and for a load that nobody needs any more.
/// Neither can be stopped; what then still runs ends with the process.
const LAST_WAIT: Duration = Duration::from_millis(500);

/// Runs the service until SIGTERM or SIGINT, and a second one ends it at once.
pub(super) fn serve(config: ServeConfig, origins: &Origins) -> Result<(), CliError> {
    let machine = Machine::of_this_process();
    let settings = config.resolve(&machine).map_err(|e| wrong_setting(e, origins))?;
    let metrics = Metrics::new().map_err(CliError::failed)?;
    let _log = log::start(&settings.log, metrics.log_lines_lost.clone())?;
    loaded_model::check(&settings.model).map_err(|e| origins.model(e))?;
    warn_of_slow_int8(&settings.model.plan);
    let open_files = machine::raise_open_files();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        cores = machine.cores,
        cpu_quota_cores = machine.cpu_quota_cores,
        memory_limit_bytes = machine.memory_limit_bytes,
        open_files,
        "starting"
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(machine.cores)
        .max_blocking_threads(blocking_threads(settings.workers))
        .enable_all()
        .build()
        .map_err(CliError::failed)?;
    let served = runtime.block_on(run(settings, metrics, origins));
    // After a second signal nothing is waited for.
    let at_once = matches!(served, Err(CliError::Stopped(_)));
    runtime.shutdown_timeout(if at_once { Duration::ZERO } else { LAST_WAIT });
    served
}

/// int8 is chosen for its speed: who would lose by it should know. A machine that cannot do what was asked for has been
/// refused before.
fn warn_of_slow_int8(plan: &PlanSettings) {
    let Ok(isa) = plan.isa() else { return };
    if plan.precision == Precision::Int8 && !isa.int8_is_faster() {
        tracing::warn!(
            isa = isa.name().as_str(),
            "int8 is slower than f32 with this instruction set: use --precision f32, unless memory matters more; \
             `googlenet bench --compare` measures both"
        );
    }
}

async fn run(settings: Settings, metrics: Metrics, origins: &Origins) -> Result<(), CliError> {
    // Before the model is loaded, so that a signal during the load is heard.
    let mut signals = StopSignals::hear().map_err(CliError::failed)?;
    let model = settings.model.clone();
    let start_error = |error| start_error(error, origins);
    let app = App::bind(settings, metrics).map_err(start_error)?;
    let address = app.address().map_err(CliError::failed)?;
    tracing::info!(%address, admin_address = app.admin_address().map(tracing::field::display), "listening");
    let (stop, stopped) = oneshot::channel();
    let shutdown = async {
        // The sender lives until it has sent, or until nobody waits any more.
        let _ = stopped.await;
    };
    // A task of its own: what it does at a stretch, such as starting the workers, does not keep this
    // one from hearing a signal.
    let load = move || load_model(&model);
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
        AppError::Model(error) => origins.model(error),
        other => CliError::failed(other),
    }
}

fn wrong_setting(error: SettingsError, origins: &Origins) -> CliError {
    match error {
        SettingsError::LogFilter(_) => CliError::Configuration(error.to_string()),
        SettingsError::Resolve { knob, source } => origins.wrong(knob, source),
        SettingsError::SameAddress(address) => CliError::Configuration(format!(
            "{}: {address} is the address of {} already: expected another, such as 127.0.0.1:9090",
            origins.name("admin_listen"),
            origins.name("listen")
        )),
    }
}
