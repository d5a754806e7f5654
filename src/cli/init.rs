//! `googlenet init`.

use std::path::PathBuf;

use clap::Args;

use super::{CliError, output};
use crate::network::seeded::seeded_model;
use crate::network::{GoogLeNet, onnx};

#[derive(Args)]
pub(super) struct InitArgs {
    /// Classes of the last layer.
    #[arg(long, default_value_t = 1000)]
    classes: usize,

    /// Width and height of the input in pixels.
    #[arg(long, default_value_t = 224)]
    side: usize,

    /// The same seed gives the same file, byte for byte.
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// The file to write; it is replaced if it is there.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// Writes the seeded network.
pub(super) fn init(args: &InitArgs) -> Result<(), CliError> {
    let network = GoogLeNet::new(args.side, args.classes).map_err(CliError::failed)?;
    let model = seeded_model(&network, args.seed);
    onnx::write(&model, &args.output)
        .map_err(|e| CliError::Failed(format!("cannot write {}: {e}", args.output.display())))?;
    Ok(output::print_line(args.output.display())?)
}
