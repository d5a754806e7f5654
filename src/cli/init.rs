//! `googlenet init`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{CliError, output};
use googlenet_engine::model::OutputKind;
use googlenet_engine::network::seeded::seeded_model;
use googlenet_engine::network::{GoogLeNet, onnx};
use googlenet_engine::weights::manifest::proposal::{Proposal, Training};

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

    /// The file to write, with a TOML beside it if there is none; it is replaced if it is there.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// Writes the seeded network.
pub(super) fn init(args: &InitArgs) -> Result<(), CliError> {
    let network = GoogLeNet::new(args.side, args.classes).map_err(CliError::failed)?;
    let model = seeded_model(&network, args.seed);
    let failed = |path: &Path, error: std::io::Error| {
        CliError::Failed(format!("cannot write {}: {error}", path.display()))
    };
    onnx::write(&model, &args.output).map_err(|e| failed(&args.output, e))?;
    let description = args.output.with_extension("toml");
    if description != args.output && !description.exists() {
        let training = Training::Caffe;
        let preprocessing = training.preprocessing(args.side);
        let (kind, output, labels) = (OutputKind::Probabilities, None, None);
        let text =
            Proposal { preprocessing: &preprocessing, training, kind, output, labels }.toml();
        std::fs::write(&description, text).map_err(|e| failed(&description, e))?;
    }
    Ok(output::print_line(args.output.display())?)
}
