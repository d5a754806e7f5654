//! The log on standard error: text or JSON, filtered by RUST_LOG.

mod writer;

use std::io::stderr;

use prometheus::IntCounter;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt, registry};

use super::CliError;
use crate::config::{LogFormat, LogSettings, has_colours};
use googlenet_engine::PROGRESS_TARGET;
pub(super) use writer::Writer;

/// Starts the log of the service, and sends panics to it. Lines that cannot be written are counted
/// in `lost`; dropping the writer ends the log.
pub(super) fn start(settings: &LogSettings, lost: IntCounter) -> Result<Writer, CliError> {
    let writer = Writer::start(stderr(), lost).map_err(CliError::failed)?;
    let lines = fmt::layer()
        // It would tell of them on standard error, where a second failure is a panic.
        .log_internal_errors(false)
        .with_writer(writer.lines());
    let filtered = registry().with(settings.filter.clone());
    let started = match settings.format {
        LogFormat::Text => filtered.with(lines.with_ansi(settings.colours)).try_init(),
        // The span of a request is in its events once, not in a list as well.
        LogFormat::Json => filtered
            .with(lines.with_ansi(false).json().flatten_event(true).with_span_list(false))
            .try_init(),
    };
    started.map_err(CliError::failed)?;
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.payload_as_str().unwrap_or("no text");
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panic: {text}");
    }));
    Ok(writer)
}

/// Shows warnings of the commands that are no service, and how a slow load gets on.
pub(super) fn warnings_only() {
    let shown = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target(PROGRESS_TARGET, LevelFilter::INFO);
    let lines = fmt::layer()
        // Nobody reads them when standard error is closed; the command goes on.
        .log_internal_errors(false)
        .with_ansi(has_colours())
        .with_target(false)
        .without_time()
        .with_writer(stderr);
    // There is no other subscriber in the program; without one, warnings are only not shown.
    let _ = registry().with(lines.with_filter(shown)).try_init();
}
