//! `googlenet summary`.

use clap::Args;
use serde::Serialize;

use super::origins::Origins;
use super::{CliError, log, output};
use crate::config::ModelConfig;
use crate::machine::Machine;
use googlenet_engine::loaded_model::load_model;
use googlenet_engine::model::{InstructionSets, OperatorCount};
use googlenet_engine::network::report::ModelReport;
use googlenet_engine::network::summary;

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
    instruction_sets: InstructionSets,
}

/// Prints the report of the model's graph, and the operators of its plan.
pub(super) fn summary(args: &SummaryArgs, origins: &Origins) -> Result<(), CliError> {
    log::warnings_only();
    let model = load_model(&args.model.resolve(&Machine::of_this_process()))
        .map_err(|e| origins.model(e))?;
    let (report, operators) = (&model.info.report, model.engine.operators());
    let instruction_sets = model.info.instruction_sets;
    if args.json {
        let summary = Summary { report, operators, instruction_sets };
        let json = serde_json::to_string_pretty(&summary).map_err(CliError::failed)?;
        output::print_line(json)?;
    } else {
        output::print(summary::text(report, &operators, instruction_sets))?;
    }
    Ok(())
}
