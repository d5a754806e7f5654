//! Reads the command line and the environment, and reports what is wrong with them: exit status 2 for a wrong argument,
//! 64 for a wrong variable.
//!
//! The arguments are parsed first without the environment, so that it is certain where a wrong value comes from. Then
//! they are parsed again with the variables of the flags that are missing. An empty variable counts as not set, because
//! `${NAME:-}` in Compose and similar tools produces one.

use std::env;
use std::ffi::{OsStr, OsString};

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, CommandFactory, FromArgMatches};

use super::origins::Origins;
use super::{Cli, CliError};
use googlenet_engine::weights::without_credentials;

/// What the user asks for.
pub(super) enum Request {
    /// To run a command.
    Run(Cli, Origins),
    /// To see the help or the version.
    Help(clap::Error),
}

/// Reads the arguments and the variables of this process.
pub(super) fn read() -> Result<Request, CliError> {
    let arguments = arguments();
    let flags = match without_variables(|_| true).try_get_matches_from(&arguments) {
        Ok(flags) => flags,
        Err(error) => return help(error, &arguments),
    };
    let is_empty = |variable: &OsStr| env::var_os(variable).is_none_or(|value| value.is_empty());
    let command = without_variables(is_empty);
    let matches = match command.clone().try_get_matches_from(&arguments) {
        Ok(matches) => matches,
        // The arguments alone are right: it is a variable.
        Err(error) => return Err(wrong_variable(&flags).unwrap_or_else(|| error.into())),
    };
    let origins = matches.subcommand().and_then(|(name, matches)| {
        Some(Origins::of(command.find_subcommand(name)?.get_arguments(), matches))
    });
    Ok(Request::Run(Cli::from_arg_matches(&matches)?, origins.unwrap_or_default()))
}

/// The command line; without any argument it is `googlenet serve`.
fn arguments() -> Vec<OsString> {
    let mut arguments: Vec<OsString> = env::args_os().collect();
    if arguments.len() <= 1 {
        arguments.resize(1, "googlenet".into());
        arguments.push("serve".into());
    }
    arguments
}

/// The help as it is asked for, which shows the variables; any other `error` as it is.
fn help(error: clap::Error, arguments: &[OsString]) -> Result<Request, CliError> {
    if !matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return Err(error.into());
    }
    // It is printed as soon as its flag is met: no variable comes in between.
    Ok(Request::Help(Cli::command().try_get_matches_from(arguments).err().unwrap_or(error)))
}

/// The command line without the variables that `are_left_out`.
fn without_variables(are_left_out: impl Fn(&OsStr) -> bool) -> clap::Command {
    let strip = |argument: Arg| match argument.get_env() {
        Some(variable) if are_left_out(variable) => without_variable(argument),
        _ => argument,
    };
    Cli::command().mut_subcommands(|command| command.mut_args(strip))
}

fn without_variable(argument: Arg) -> Arg {
    argument.env(Resettable::Reset)
}

/// What is wrong with the first variable that cannot be read, of those whose flags were left out.
fn wrong_variable(flags: &ArgMatches) -> Option<CliError> {
    let (name, flags) = flags.subcommand()?;
    let command = Cli::command();
    let left_out = |argument: &&Arg| {
        flags.value_source(argument.get_id().as_str()) != Some(ValueSource::CommandLine)
    };
    let mut arguments = command.find_subcommand(name)?.get_arguments().filter(left_out);
    let message = arguments.find_map(|argument| {
        let variable = argument.get_env()?;
        let value = env::var_os(variable).filter(|value| !value.is_empty())?;
        let error = refusal(argument, &value)?;
        let (variable, value, expected) =
            (variable.to_string_lossy(), shown(&value), expectation(&error));
        Some(format!("the variable {variable} has the wrong value {value}: {expected}"))
    });
    message.map(CliError::Configuration)
}

/// Why `argument` cannot have `value`; none if it can.
fn refusal(argument: &Arg, value: &OsStr) -> Option<clap::Error> {
    let flag = format!("--{}=", argument.get_long()?);
    let read = |value: &OsStr| {
        let mut text = OsString::from(&flag);
        text.push(value);
        clap::Command::new("googlenet")
            .no_binary_name(true)
            .arg(without_variable(argument.clone()))
            .try_get_matches_from([text])
    };
    let error = read(value).err()?;
    if error.kind() == ErrorKind::InvalidUtf8 {
        // clap says only that; what is expected is said of the same value with its wrong bytes
        // replaced.
        return read(value.to_string_lossy().as_ref().as_ref()).err().or(Some(error));
    }
    Some(error)
}

/// The value in quotation marks on one line, without a user name and password.
fn shown(value: &OsStr) -> String {
    match value.to_str() {
        Some(text) => format!("{:?}", without_credentials(text)),
        None => format!("{value:?}"),
    }
}

/// What the value should have been.
fn expectation(error: &clap::Error) -> String {
    if let Some(ContextValue::Strings(values)) = error.get(ContextKind::ValidValue) {
        return format!("expected {}", values.join(" or "));
    }
    match std::error::Error::source(error) {
        Some(source) => source.to_string(),
        None => "expected text in UTF-8".into(),
    }
}
