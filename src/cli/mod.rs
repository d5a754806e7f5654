//! The command line: `serve`, `classify`, `summary`, `calibrate`, `bench`, `fetch`, `init`, `health`.

mod bench;
mod calibrate;
mod classify;
mod fetch;
mod health;
mod init;
mod log;
mod messages;
mod output;
mod photo;
mod serve;
mod summary;
mod usage;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use output::OutputError;

/// Classifies images with GoogLeNet (Inception v1), over HTTP or from the command line.
#[derive(Parser)]
#[command(
    name = "googlenet",
    version,
    after_help = "Exit status: 0 done, 1 failed, 2 wrong usage, 64 wrong configuration (an \
        environment variable or a combination of values), 141 when who read standard output has \
        gone, as a shell shows it of other programs."
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
    /// Print the network's layers, shapes, parameters and multiply-adds.
    Summary(summary::SummaryArgs),
    /// Run photos and write the calibration table that int8 needs.
    Calibrate(calibrate::CalibrateArgs),
    /// Measure this machine: milliseconds an image and images a second, in f32 and int8.
    Bench(bench::BenchArgs),
    /// Download the weights into the cache folder, unless they are at hand.
    Fetch(fetch::FetchArgs),
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
    /// Exit status 141 without a message when the reader has gone, else 1.
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// What a shell shows of a program that SIGPIPE ended.
const READER_GONE: u8 = 141;

impl CliError {
    fn failed(error: impl std::fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }

    /// Tells the user, and returns the exit status.
    fn report(&self) -> ExitCode {
        if !matches!(self, Self::Output(OutputError::ReaderGone)) {
            messages::say(&format!("error: {self}"));
        }
        self.status()
    }

    fn status(&self) -> ExitCode {
        match self {
            Self::Output(OutputError::ReaderGone) => ExitCode::from(READER_GONE),
            Self::Failed(_) | Self::Output(OutputError::Failed(_)) => ExitCode::from(1),
            Self::Configuration(_) => ExitCode::from(64),
        }
    }
}

/// Runs the command that the arguments name; returns the exit status.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage::report(&error),
    };
    let done = match cli.command {
        Command::Serve(config) => serve::serve(*config),
        Command::Classify(args) => classify::classify(args),
        Command::Summary(args) => summary::summary(&args),
        Command::Calibrate(args) => calibrate::calibrate(&args),
        Command::Bench(args) => bench::bench(&args),
        Command::Fetch(args) => fetch::fetch(&args),
        Command::Init(args) => init::init(&args),
        Command::Health(args) => health::health(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
