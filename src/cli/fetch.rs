//! `googlenet fetch`.

use clap::Args;

use super::{CliError, log};
use crate::config::ModelConfig;
use crate::loaded_model::{download, search_path};
use crate::weights::fetch::progress_for_stderr;
use crate::weights::{ModelSource, Obtained, obtain};

#[derive(Args)]
pub(super) struct FetchArgs {
    #[command(flatten)]
    model: ModelConfig,
}

/// Downloads the weights unless they are at hand, and prints where they are.
pub(super) fn fetch(args: &FetchArgs) -> Result<(), CliError> {
    log::warnings_only();
    let mut progress = progress_for_stderr();
    let source = ModelSource::Default;
    let obtained = obtain(&source, &search_path(), &download(&args.model), progress.as_mut())
        .map_err(CliError::failed)?;
    if let Obtained::File(file) = obtained {
        println!("{}", file.path.display());
        println!("  {} bytes, SHA-256 {}", file.bytes, file.sha256);
    }
    Ok(())
}
