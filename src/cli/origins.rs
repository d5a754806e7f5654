//! Where the values of a command's knobs come from: a message about one names its variable or flag.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Display;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches};

use super::CliError;
use googlenet_engine::loaded_model::ModelError;
use googlenet_engine::weights::{FetchError, ObtainError};

/// The knobs that the user gave a value.
#[derive(Default)]
pub(super) struct Origins(BTreeMap<String, Origin>);

enum Origin {
    /// The variable's name.
    Variable(String),
    /// The flag, with its hyphens.
    Flag(String),
}

impl Origins {
    /// Those of a command's `arguments`, which were read as `matches`.
    pub(super) fn of<'a>(arguments: impl Iterator<Item = &'a Arg>, matches: &ArgMatches) -> Self {
        let origin = |argument: &Arg| {
            let id = argument.get_id().as_str();
            let origin = match matches.value_source(id)? {
                ValueSource::EnvVariable => {
                    Origin::Variable(argument.get_env().map(OsStr::to_string_lossy)?.into_owned())
                }
                ValueSource::CommandLine => Origin::Flag(format!("--{}", argument.get_long()?)),
                _ => return None,
            };
            Some((id.to_owned(), origin))
        };
        Self(arguments.filter_map(origin).collect())
    }

    /// What the user calls a knob: the variable if its value comes from there, else the flag.
    pub(super) fn name(&self, knob: &str) -> String {
        match self.0.get(knob) {
            Some(Origin::Variable(name) | Origin::Flag(name)) => name.clone(),
            None => format!("--{}", knob.replace('_', "-")),
        }
    }

    /// A value that could be read but not used: of a variable it is a wrong configuration.
    pub(super) fn wrong(&self, knob: &str, error: impl Display) -> CliError {
        match self.0.get(knob) {
            Some(Origin::Variable(name)) => CliError::Configuration(format!("{name}: {error}")),
            Some(Origin::Flag(name)) => CliError::Failed(format!("{name}: {error}")),
            None => CliError::failed(error),
        }
    }

    /// Why a model cannot be had, with the name of the knob that is at fault.
    pub(super) fn model(&self, error: ModelError) -> CliError {
        match (error.knob(), &error) {
            (Some(knob), _) => self.wrong(knob, error),
            (None, ModelError::Obtain(ObtainError::Settings(FetchError::ProxyVariable { .. }))) => {
                CliError::Configuration(error.to_string())
            }
            (None, _) => CliError::failed(error),
        }
    }
}
