//! `googlenet summary`.

use clap::Args;
use serde::Serialize;

use super::origins::Origins;
use super::{CliError, log, output};
use crate::config::ModelConfig;
use crate::machine::Machine;
use googlenet_engine::loaded_model::{LoadedModel, load_model};
use googlenet_engine::model::{Input, InstructionSets, Look, OperatorCount, Pixels};
use googlenet_engine::network::module_times::{ModuleTime, module_times};
use googlenet_engine::network::report::ModelReport;
use googlenet_engine::network::summary;

#[derive(Args)]
pub(super) struct SummaryArgs {
    /// Print every layer as JSON instead of a table.
    #[arg(long)]
    json: bool,

    /// Measure how long each module takes on this machine, and how many multiply-adds per second that is.
    #[arg(long)]
    time: bool,

    #[command(flatten)]
    model: ModelConfig,
}

#[derive(Serialize)]
struct Summary<'a> {
    #[serde(flatten)]
    report: &'a ModelReport,
    operators: Vec<OperatorCount>,
    instruction_sets: InstructionSets,
    /// With `--time`.
    #[serde(skip_serializing_if = "Option::is_none")]
    times: Option<Vec<ModuleTime>>,
}

/// Runs that are measured, and those before them: then the memory is there and the processor at its speed.
const RUNS: usize = 15;
const WARM_UP_RUNS: usize = 3;

/// Prints the report of the model's graph, the operators of its plan, and how long they take.
pub(super) fn summary(args: &SummaryArgs, origins: &Origins) -> Result<(), CliError> {
    log::warnings_only();
    let model = load_model(&args.model.resolve(&Machine::of_this_process()))
        .map_err(|e| origins.model(e))?;
    let (report, operators) = (&model.info.report, model.engine.operators());
    let instruction_sets = model.info.instruction_sets;
    let times = args.time.then(|| measure(&model)).transpose()?;
    if args.json {
        let summary = Summary { report, operators, instruction_sets, times };
        let json = serde_json::to_string_pretty(&summary).map_err(CliError::failed)?;
        output::print_line(json)?;
    } else {
        output::print(summary::text(report, &operators, instruction_sets))?;
        if let Some(times) = times {
            output::print(format!("\n{}", summary::times_text(&times)))?;
            let cores = args.model.resolve(&Machine::of_this_process()).plan.cores;
            output::print_line(format!("Median of {RUNS} runs of one photo on {cores} cores."))?;
        }
    }
    Ok(())
}

/// Runs a made picture, whose bytes are as good as any: the arithmetic does not depend on them.
fn measure(model: &LoadedModel) -> Result<Vec<ModuleTime>, CliError> {
    let side = model.info.preprocessing.side;
    let bytes: Vec<u8> = (0..3 * side * side).map(|index| (index * 31 % 251) as u8).collect();
    let input = Input::Pixels(Pixels::new(side, bytes).map_err(CliError::failed)?);
    let look = Look { times: true, ..Look::default() };
    let mut session = model.engine.session().map_err(CliError::failed)?;
    let mut run = || session.look(&input, &look).map(|seen| seen.times).map_err(CliError::failed);
    for _ in 0..WARM_UP_RUNS {
        run()?;
    }
    let runs = (0..RUNS).map(|_| run()).collect::<Result<Vec<_>, _>>()?;
    Ok(module_times(&model.info.report, &runs))
}
