//! The log on standard error: text or JSON, filtered by RUST_LOG.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::CliError;
use crate::config::LogFormat;

/// Starts the log of the service, and sends panics to it.
pub(super) fn start(format: LogFormat) -> Result<(), CliError> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(text) if !text.is_empty() => EnvFilter::try_new(&text)
            .map_err(|e| CliError::Configuration(format!("RUST_LOG={text}: {e}")))?,
        _ => EnvFilter::default().add_directive(LevelFilter::INFO.into()),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    let started = match format {
        LogFormat::Text => builder.with_ansi(stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(CliError::failed)?;
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.payload_as_str().unwrap_or("no text");
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panic: {text}");
    }));
    Ok(())
}

/// Shows warnings of the commands that are no service.
pub(super) fn warnings_only() {
    let builder = tracing_subscriber::fmt().with_max_level(tracing::Level::WARN);
    // There is no other subscriber in the program; without one, warnings are only not shown.
    let _ = builder.with_writer(stderr).with_target(false).without_time().try_init();
}
