//! Standard output of the commands: the one way to print there.

use std::fmt::Display;
use std::io::{self, BufWriter, Write, stdout};

/// Why nothing more can be printed.
#[derive(Debug, thiserror::Error)]
pub(super) enum OutputError {
    /// Who read has gone, as `head` does; there is nobody to tell.
    #[error("the reader of standard output has gone")]
    ReaderGone,
    /// The disk is full, or worse.
    #[error("cannot write to standard output: {0}")]
    Failed(io::Error),
}

impl From<io::Error> for OutputError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ReaderGone,
            _ => Self::Failed(error),
        }
    }
}

/// Prints `text` and a line's end.
pub(super) fn print_line(text: impl Display) -> Result<(), OutputError> {
    print(format_args!("{text}\n"))
}

/// Prints `text`. All of it has been written when this returns.
pub(super) fn print(text: impl Display) -> Result<(), OutputError> {
    let mut output = BufWriter::new(stdout().lock());
    write!(output, "{text}")?;
    Ok(output.flush()?)
}

/// Prints a file.
pub(super) fn print_bytes(bytes: &[u8]) -> Result<(), OutputError> {
    let mut output = stdout().lock();
    output.write_all(bytes)?;
    Ok(output.flush()?)
}

/// Prints the help or the version, in colours where the terminal has them.
pub(super) fn print_help(help: &clap::Error) -> Result<(), OutputError> {
    help.print()?;
    Ok(stdout().flush()?)
}
