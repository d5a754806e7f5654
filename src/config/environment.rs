//! What is read from the environment beside the variables of the knobs.

use std::env;
use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::settings::SettingsError;
use googlenet_engine::weights::fetch::Proxies;
use googlenet_engine::weights::{SearchPath, cache_folder};

/// The folders that are searched for weights.
pub fn search_path() -> SearchPath {
    let program = env::current_exe().ok();
    SearchPath::new(program.as_deref(), cache_folder(|name| env::var_os(name)))
}

/// How the server of a download is reached.
pub(super) fn proxies() -> Proxies {
    Proxies::of_environment(|name| env::var_os(name))
}

/// What RUST_LOG says; a level of `info` when it is empty or not set.
pub(super) fn log_filter() -> Result<String, SettingsError> {
    let Some(text) = env::var_os("RUST_LOG").filter(|text| !text.is_empty()) else {
        return Ok("info".into());
    };
    let filter = text.to_str().filter(|text| text.split(',').all(is_directive));
    let filter = filter.filter(|text| EnvFilter::try_new(text).is_ok());
    filter.map(str::to_owned).ok_or_else(|| SettingsError::LogFilter(text.clone()))
}

/// A word alone that is no level is the name of a target to the filter, and silences all others: more likely it
/// is a slip of the pen.
fn is_directive(text: &str) -> bool {
    let text = text.trim();
    let is_target = text.contains(['=', ':', '[']) || text.starts_with(env!("CARGO_PKG_NAME"));
    text.is_empty() || is_target || text.parse::<LevelFilter>().is_ok()
}

/// Whether lines on standard error have colours: on a terminal, unless NO_COLOR (<https://no-color.org>) is set and
/// not empty.
pub fn has_colours() -> bool {
    let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    stderr().is_terminal() && !unwanted
}
