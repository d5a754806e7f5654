//! `googlenet summary`.

use clap::Args;
use serde::Serialize;

use super::origins::Origins;
use super::{CliError, log, output};
use crate::config::ModelConfig;
use crate::loaded_model::load_model;
use crate::machine;
use crate::model::OperatorCount;
use crate::network::report::ModelReport;
use crate::network::summary;

#[derive(Args)]
pub(super) struct SummaryArgs {
    /// Print every layer as JSON instead of a table.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    model: ModelConfig,
}

#[derive(Serialize)]
struct Summary<'a> {
    #[serde(flatten)]
    report: &'a ModelReport,
    operators: Vec<OperatorCount>,
}

/// Prints the report of the model's graph, and the operators of its plan.
pub(super) fn summary(args: &SummaryArgs, origins: &Origins) -> Result<(), CliError> {
    log::warnings_only();
    let model = load_model(&args.model, machine::cores()).map_err(|e| origins.model(e))?;
    let (report, operators) = (&model.info.report, model.engine.operators());
    if args.json {
        let summary = Summary { report, operators };
        let json = serde_json::to_string_pretty(&summary).map_err(CliError::failed)?;
        output::print_line(json)?;
    } else {
        output::print(summary::text(report, &operators))?;
    }
    Ok(())
}
