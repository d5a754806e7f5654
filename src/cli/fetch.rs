//! `googlenet fetch`.

use clap::Args;

use super::origins::Origins;
use super::{CliError, log, output};
use crate::config::{DownloadConfig, MAX_MODEL_BYTES, search_path};
use googlenet_engine::weights::fetch::progress_for_stderr;
use googlenet_engine::weights::{ModelSource, Obtained, obtain};

#[derive(Args)]
pub(super) struct FetchArgs {
    #[command(flatten)]
    download: DownloadConfig,
}

/// Downloads the weights unless they are at hand, and prints where they are.
pub(super) fn fetch(args: &FetchArgs, origins: &Origins) -> Result<(), CliError> {
    log::warnings_only();
    let mut progress = progress_for_stderr();
    let source = ModelSource::Default;
    let (search, download) = (search_path(), args.download.resolve());
    let obtained = obtain(&source, &search, &download, MAX_MODEL_BYTES, progress.as_mut())
        .map_err(|e| origins.model(e.into()))?;
    if let Obtained::File(file, _) = obtained {
        let (path, bytes, sha256) = (file.path.display(), file.bytes, file.sha256);
        output::print_line(format_args!("{path}\n  {bytes} bytes, SHA-256 {sha256}"))?;
    }
    Ok(())
}
