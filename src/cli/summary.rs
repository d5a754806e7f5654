//! `googlenet summary`.

use clap::Args;

use super::{CliError, log};
use crate::config::ModelConfig;
use crate::loaded_model::read_model;
use crate::network::summary;

#[derive(Args)]
pub(super) struct SummaryArgs {
    /// Print every layer as JSON instead of a table.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    model: ModelConfig,
}

/// Prints the report of the model's graph.
pub(super) fn summary(args: &SummaryArgs) -> Result<(), CliError> {
    log::warnings_only();
    let (_, info) = read_model(&args.model).map_err(CliError::failed)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&info.report).map_err(CliError::failed)?);
    } else {
        print!("{}", summary::text(&info.report));
    }
    Ok(())
}
