//! What is read from the environment beside the variables of the knobs.

use std::env;
use std::io::{IsTerminal, stderr};

use tracing_subscriber::filter::{LevelFilter, Targets};

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
pub(super) fn log_filter() -> Result<Targets, SettingsError> {
    let Some(text) = env::var_os("RUST_LOG").filter(|text| !text.is_empty()) else {
        return Ok(everything_at_info());
    };
    text.to_str().and_then(filter).ok_or_else(|| SettingsError::LogFilter(text.clone()))
}

/// A filter of directives with commas between them, if all can be read; a level of `info` when there are none.
fn filter(text: &str) -> Option<Targets> {
    let directives = text.split(',').map(str::trim).filter(|directive| !directive.is_empty());
    let filter = directives.clone().try_fold(Targets::new(), with_directive)?;
    Some(if directives.count() == 0 { everything_at_info() } else { filter })
}

fn everything_at_info() -> Targets {
    Targets::new().with_default(LevelFilter::INFO)
}

/// The filter with one directive more: a level, a target with a level, or a target of this program. Another word alone
/// would be the name of a target, and silence all others: more likely it is a slip of the pen. Spans and fields
/// (`target[span{field}]=level`) are no part of a filter here.
fn with_directive(filter: Targets, text: &str) -> Option<Targets> {
    // Nothing would be read as a level too.
    let level = |text: &str| text.parse::<LevelFilter>().ok().filter(|_| !text.is_empty());
    if let Some(level) = level(text) {
        return Some(filter.with_default(level));
    }
    let is_ours = text.contains(':') || text.starts_with(env!("CARGO_PKG_NAME"));
    let (target, level) = match text.split_once('=') {
        Some((target, text)) => (target, level(text)?),
        None => (text, is_ours.then_some(LevelFilter::TRACE)?),
    };
    is_target(target).then(|| filter.with_target(target, level))
}

/// Whether it can be the path of a module.
fn is_target(text: &str) -> bool {
    let is_of_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ':');
    !text.is_empty() && text.chars().all(is_of_path)
}

/// Whether lines on standard error have colours: on a terminal, unless NO_COLOR (<https://no-color.org>) is set and
/// not empty.
pub fn has_colours() -> bool {
    let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    stderr().is_terminal() && !unwanted
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn levels_and_targets_are_a_filter() {
        let writes = |text: &str, target: &str, level: Level| {
            filter(text).unwrap().would_enable(target, &level)
        };
        assert!(writes("debug", "tract_core", Level::DEBUG));
        assert!(writes(" info , googlenet=DEBUG,", "googlenet::http", Level::DEBUG));
        assert!(!writes("info,googlenet=debug", "tract_core", Level::DEBUG));
        assert!(!writes("off", "googlenet", Level::ERROR));
        assert!(writes("googlenet", "googlenet", Level::TRACE));
        assert!(writes(" , ", "googlenet", Level::INFO) && !writes(",", "googlenet", Level::DEBUG));
    }

    #[test]
    fn what_is_no_directive_is_refused() {
        for text in [
            "loud",
            "info,loud",
            "a=b=c",
            "googlenet=loud",
            "googlenet=",
            "=debug",
            "=",
            "*=debug",
            "\"googlenet=debug\"",
            "googlenet[request]=debug",
            "[{id}]",
        ] {
            assert_eq!(filter(text), None, "{text}");
        }
    }
}
