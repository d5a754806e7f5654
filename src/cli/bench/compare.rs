//! `googlenet bench --compare`: f32 beside int8, with each instruction set.

use indicatif::ProgressBar;
use serde::Serialize;

use super::BenchArgs;
use super::case::{load, run};
use super::stopwatch;
use crate::cli::CliError;
use googlenet_engine::loaded_model::{ModelSettings, PlanSettings};
use googlenet_engine::model::{Input, Precision};
use googlenet_kernels::isa::{Isa, IsaChoice, IsaName};

const PRECISIONS: [Precision; 2] = [Precision::F32, Precision::Int8];

/// One image after another: medians.
#[derive(Serialize)]
struct Row {
    isa: &'static str,
    cores: usize,
    f32_milliseconds: f64,
    int8_milliseconds: f64,
    /// The time in int8 by that in f32.
    int8_by_f32: f64,
}

/// The table.
#[derive(Serialize)]
pub(super) struct Comparison {
    images: u32,
    rows: Vec<Row>,
}

impl Comparison {
    /// Measures the instruction sets that the machine has, or the one that was asked for, on one core and then on all.
    pub(super) fn measure(args: &BenchArgs, model: &ModelSettings) -> Result<Self, CliError> {
        let isas: Vec<IsaName> = match model.plan.isa {
            IsaChoice::Auto => Isa::available().into_iter().map(Isa::name).collect(),
            IsaChoice::Only(isa) => vec![isa],
        };
        let mut cores = vec![1, model.plan.cores];
        cores.dedup();
        let progress = ProgressBar::new((cores.len() * isas.len() * PRECISIONS.len()) as u64);
        let mut rows = Vec::new();
        for cores in cores {
            rows.extend(measured(args, model, &isas, cores, &progress)?);
        }
        progress.finish_and_clear();
        Ok(Self { images: args.images, rows })
    }

    pub(super) fn text(&self) -> String {
        let [isa, cores] = ["instruction set", "cores"];
        let mut text =
            format!("{isa:<15} {cores:>5} {:>10} {:>10} {:>10}\n", "f32 ms", "int8 ms", "int8/f32");
        for Row { isa, cores, f32_milliseconds, int8_milliseconds, int8_by_f32 } in &self.rows {
            text += &format!(
                "{isa:<15} {cores:>5} {f32_milliseconds:>10.2} {int8_milliseconds:>10.2} {int8_by_f32:>10.2}\n"
            );
        }
        let images = self.images;
        text + &format!(
            "Medians of {images} images, one after another, all rows of a number of cores in turns. Below 1, int8 is faster.\n"
        )
    }
}

/// The rows of so many cores.
fn measured(
    args: &BenchArgs,
    model: &ModelSettings,
    isas: &[IsaName],
    cores: usize,
    progress: &ProgressBar,
) -> Result<Vec<Row>, CliError> {
    let mut models = Vec::new();
    for &isa in isas {
        let plan = PlanSettings { isa: IsaChoice::Only(isa), ..model.plan.clone() };
        let model = ModelSettings { plan, ..model.clone() };
        for precision in PRECISIONS {
            models.push(load(&args.files, &model, precision, cores)?);
            progress.inc(1);
        }
    }
    let mut works = Vec::new();
    for (model, _) in &models {
        let mut session = model.engine.session().map_err(CliError::failed)?;
        works.push(move |input: &Input| run(session.as_mut(), input));
    }
    // They are the same for all: the network's inputs follow from the file, not from how it is run.
    let inputs = models.first().map_or(&[][..], |(_, inputs)| inputs);
    let medians = stopwatch::in_turns(inputs, args.images as usize, &mut works)?;
    let (of_isas, _) = medians.as_chunks();
    let rows = isas.iter().zip(of_isas).map(|(isa, &[f32_milliseconds, int8_milliseconds])| Row {
        isa: isa.as_str(),
        cores,
        f32_milliseconds,
        int8_milliseconds,
        int8_by_f32: int8_milliseconds / f32_milliseconds,
    });
    Ok(rows.collect())
}
