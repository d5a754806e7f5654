//! The log on standard error: text or JSON, filtered by RUST_LOG.

mod writer;

use std::io::{IsTerminal, stderr};

use prometheus::IntCounter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::CliError;
use crate::config::LogFormat;
pub(super) use writer::Writer;

/// Starts the log of the service, and sends panics to it. Lines that cannot be written are counted
/// in `lost`; dropping the writer ends the log.
pub(super) fn start(format: LogFormat, lost: IntCounter) -> Result<Writer, CliError> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(text) if !text.is_empty() => EnvFilter::try_new(&text)
            .map_err(|e| CliError::Configuration(format!("RUST_LOG={text}: {e}")))?,
        _ => EnvFilter::default().add_directive(LevelFilter::INFO.into()),
    };
    let writer = Writer::start(stderr(), lost).map_err(CliError::failed)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // It would tell of them on standard error, where a second failure is a panic.
        .log_internal_errors(false)
        .with_writer(writer.lines());
    let started = match format {
        LogFormat::Text => builder.with_ansi(stderr().is_terminal()).try_init(),
        // The span of a request is in its events once, not in a list as well.
        LogFormat::Json => builder.json().flatten_event(true).with_span_list(false).try_init(),
    };
    started.map_err(CliError::failed)?;
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.payload_as_str().unwrap_or("no text");
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panic: {text}");
    }));
    Ok(writer)
}

/// Shows warnings of the commands that are no service.
pub(super) fn warnings_only() {
    let builder = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        // Nobody reads them when standard error is closed; the command goes on.
        .log_internal_errors(false)
        .with_ansi(stderr().is_terminal())
        .with_writer(stderr);
    // There is no other subscriber in the program; without one, warnings are only not shown.
    let _ = builder.with_target(false).without_time().try_init();
}
