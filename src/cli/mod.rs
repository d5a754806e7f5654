//! The command line: `serve`, `classify`, `explain`, `summary`, `calibrate`, `bench`, `fetch`, `inspect`, `init`, `health`.

mod bench;
mod calibrate;
mod classify;
mod explain;
mod fetch;
mod health;
mod init;
mod inspect;
mod log;
mod messages;
mod origins;
mod output;
mod photo;
mod serve;
mod stop_signal;
mod summary;
mod untrained;
mod usage;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use origins::Origins;
use output::OutputError;
use stop_signal::StopSignal;
use usage::Request;

/// Classifies images with GoogLeNet (Inception v1), over HTTP or from the command line.
#[derive(Parser)]
#[command(
    name = "googlenet",
    version,
    after_help = "Without a command: serve.\n\nExit status: 0 done, 1 failed, 2 wrong usage, 64 wrong configuration (an \
        environment variable or a combination of values), 130 or 143 when a second SIGINT or \
        SIGTERM ended the service at once, 141 when the reader of standard output has gone, as \
        shells report it for other programs. A variable that is empty counts as not set."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the HTTP service.
    #[command(after_help = serve::EXAMPLES)]
    Serve(Box<crate::config::ServeConfig>),
    /// Classify image files and print the most probable classes.
    Classify(classify::ClassifyArgs),
    /// Draw where in a photo the network found evidence for a class.
    Explain(Box<explain::ExplainArgs>),
    /// Print the network's layers, shapes, parameters and multiply-adds.
    Summary(summary::SummaryArgs),
    /// Run photos and write the calibration table that int8 needs.
    Calibrate(calibrate::CalibrateArgs),
    /// Measure this machine: milliseconds an image and images a second, in f32 and int8; with
    /// --compare both beside each other, for each instruction set.
    Bench(bench::BenchArgs),
    /// Download the weights into the cache folder, unless they are at hand.
    Fetch(fetch::FetchArgs),
    /// Tell what an ONNX file is, whether it can be served, and what a TOML beside it should say.
    Inspect(Box<inspect::InspectArgs>),
    /// Write a network with seeded random weights as an ONNX file.
    Init(init::InitArgs),
    /// Ask a running service whether it is ready (or alive); for container health checks.
    Health(health::HealthArgs),
}

/// What a command ends with; the exit status follows from it.
#[derive(Debug, thiserror::Error)]
enum CliError {
    /// Exit status 1.
    #[error("{0}")]
    Failed(String),
    /// Exit status 64.
    #[error("{0}")]
    Configuration(String),
    /// Exit status 2, with a message of clap's.
    #[error(transparent)]
    Usage(#[from] clap::Error),
    /// Exit status 141 without a message when the reader has gone, else 1.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// Exit status 128 and the signal's number, without a message: the log has it.
    #[error("a second {0} ended the service")]
    Stopped(StopSignal),
}

/// What a shell shows of a program that SIGPIPE ended.
const READER_GONE: u8 = 141;

impl CliError {
    fn failed(error: impl std::fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }

    /// Tells the user, and returns the exit status.
    fn report(&self) -> ExitCode {
        match self {
            Self::Output(OutputError::ReaderGone) | Self::Stopped(_) => {}
            // Nothing can be done when standard error is closed.
            Self::Usage(error) => drop(error.print()),
            Self::Failed(_) | Self::Configuration(_) | Self::Output(OutputError::Failed(_)) => {
                messages::say(&format!("error: {self}"));
            }
        }
        self.status()
    }

    fn status(&self) -> ExitCode {
        match self {
            Self::Output(OutputError::ReaderGone) => ExitCode::from(READER_GONE),
            Self::Failed(_) | Self::Output(OutputError::Failed(_)) => ExitCode::from(1),
            Self::Usage(_) => ExitCode::from(2),
            Self::Configuration(_) => ExitCode::from(64),
            Self::Stopped(signal) => ExitCode::from(signal.exit_status()),
        }
    }
}

/// Does what the arguments ask for; returns the exit status.
pub fn run() -> ExitCode {
    let done = usage::read().and_then(|request| match request {
        Request::Run(cli, origins) => cli.command.run(&origins),
        Request::Help(help) => Ok(output::print_help(&help)?),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}

impl Command {
    fn run(self, origins: &Origins) -> Result<(), CliError> {
        match self {
            Self::Serve(config) => serve::serve(*config, origins),
            Self::Classify(args) => classify::classify(args, origins),
            Self::Explain(args) => explain::explain(&args, origins),
            Self::Summary(args) => summary::summary(&args, origins),
            Self::Calibrate(args) => calibrate::calibrate(&args, origins),
            Self::Bench(args) => bench::bench(&args, origins),
            Self::Fetch(args) => fetch::fetch(&args, origins),
            Self::Inspect(args) => inspect::inspect(&args, origins),
            Self::Init(args) => init::init(&args),
            Self::Health(args) => health::health(&args, origins),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }

    /// As `ModelError::knob` and the commands name them.
    #[test]
    fn knobs_that_messages_name_are_there() {
        let command = super::Cli::command();
        let serve = command.find_subcommand("serve").unwrap();
        for knob in [
            "model",
            "model_url",
            "tls_certificates",
            "calibration",
            "isa",
            "listen",
            "admin_listen",
        ] {
            assert!(serve.get_arguments().any(|argument| argument.get_id() == knob), "{knob}");
        }
    }
}
