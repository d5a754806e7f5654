//! `googlenet bench`.

mod case;
mod compare;
mod stopwatch;

use std::path::PathBuf;

use clap::Args;
use indicatif::ProgressBar;
use serde::Serialize;

use super::origins::Origins;
use super::{CliError, log, output};
use crate::config::ModelConfig;
use crate::machine::Machine;
use case::Case;
use compare::Comparison;
use googlenet_engine::loaded_model::check;
use googlenet_engine::model::InstructionSets;

#[derive(Args)]
// Both precisions are measured.
#[command(mut_arg("precision", |argument| argument.hide(true)))]
pub(super) struct BenchArgs {
    /// Image files to run [default: pictures made for it].
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Images that each row of the table is measured with, after a few to warm up.
    #[arg(long, default_value = "50", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    images: u32,

    /// Measure only the rows whose name contains this.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    only: String,

    /// Measure f32 beside int8 with each instruction set of the machine (or the one of --isa), in
    /// turns: on one core, and one image on all cores.
    #[arg(long, conflicts_with = "only")]
    compare: bool,

    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    model: ModelConfig,
}

/// A measured row.
#[derive(Serialize)]
struct Row {
    name: String,
    cores: usize,
    /// One image alone, in milliseconds: the median.
    milliseconds: f64,
    images_per_second: f64,
}

#[derive(Serialize)]
struct Report {
    instruction_sets: InstructionSets,
    images: u32,
    rows: Vec<Row>,
}

/// Measures the rows and prints them.
pub(super) fn bench(args: &BenchArgs, origins: &Origins) -> Result<(), CliError> {
    log::warnings_only();
    let model = args.model.resolve(&Machine::of_this_process());
    check(&model).map_err(|e| origins.model(e))?;
    if args.compare {
        let comparison = Comparison::measure(args, &model)?;
        return print(args.json, &comparison, Comparison::text);
    }
    let cases = chosen(Case::all(model.plan.cores, !args.files.is_empty()), &args.only)?;
    let mut rows = Vec::new();
    let progress = ProgressBar::new(cases.len() as u64);
    for case in cases {
        progress.inc(1);
        let times = case.measure(args, &model)?;
        rows.push(Row {
            name: case.name(),
            cores: case.cores(),
            milliseconds: times.milliseconds,
            images_per_second: times.images_per_second,
        });
    }
    progress.finish_and_clear();
    let instruction_sets = model.plan.instruction_sets().map_err(CliError::failed)?;
    let report = Report { instruction_sets, images: args.images, rows };
    print(args.json, &report, Report::text)
}

fn print<T: Serialize>(
    json: bool,
    report: &T,
    text: impl FnOnce(&T) -> String,
) -> Result<(), CliError> {
    if json {
        let json = serde_json::to_string_pretty(report).map_err(CliError::failed)?;
        output::print_line(json)?;
    } else {
        output::print(text(report))?;
    }
    Ok(())
}

fn chosen(cases: Vec<Case>, only: &str) -> Result<Vec<Case>, CliError> {
    let (chosen, others): (Vec<_>, Vec<_>) =
        cases.into_iter().partition(|case| case.name().contains(only));
    if chosen.is_empty() {
        let names: Vec<String> = others.into_iter().map(Case::name).collect();
        let names = names.join(", ");
        return Err(CliError::Failed(format!(
            "no row's name contains {only:?}: there are {names}"
        )));
    }
    Ok(chosen)
}

impl Report {
    fn text(&self) -> String {
        let mut text =
            format!("{:<18} {:>5} {:>12} {:>12}\n", "row", "cores", "ms an image", "images/s");
        for Row { name, cores, milliseconds, images_per_second } in &self.rows {
            text +=
                &format!("{name:<18} {cores:>5} {milliseconds:>12.2} {images_per_second:>12.1}\n");
        }
        let Self { instruction_sets, images, .. } = self;
        text + &format!(
            "Medians of {images} images, {instruction_sets}.\ninput: from the file's bytes to the network's \
             input. lone: one image after another, shared by the cores.\nloaded: an image on each core.\n"
        )
    }
}
