//! Errors of the command line: 2 for a wrong argument, 64 for a wrong environment variable.

use std::process::ExitCode;

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::{CliError, messages, output};

/// Prints `error` and returns its exit status.
pub(super) fn report(error: &clap::Error) -> ExitCode {
    if let ErrorKind::DisplayHelp | ErrorKind::DisplayVersion = error.kind() {
        return match output::print_help(error) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => CliError::from(error).report(),
        };
    }
    // Nothing can be done when standard error is closed.
    let _ = error.print();
    match variable_at_fault(error) {
        Some(variable) => {
            messages::say(&format!("The value comes from the environment variable {variable}."));
            ExitCode::from(64)
        }
        None => ExitCode::from(2),
    }
}

/// The environment variable that the wrong value came from: its flag is not among the arguments.
fn variable_at_fault(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let flag = argument.split([' ', '=']).next()?.trim_start_matches('-');
    let given = |arg: String| {
        arg.strip_prefix("--")
            .is_some_and(|arg| arg == flag || arg.starts_with(&format!("{flag}=")))
    };
    if std::env::args().any(given) {
        return None;
    }
    let command = super::Cli::command();
    let arguments = command.get_subcommands().flat_map(clap::Command::get_arguments);
    let mut variables =
        arguments.filter(|a| a.get_long() == Some(flag)).filter_map(clap::Arg::get_env);
    let variable = variables.next()?;
    std::env::var_os(variable).map(|_| variable.to_string_lossy().into_owned())
}
