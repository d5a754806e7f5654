//! `googlenet classify FILE…`.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::origins::Origins;
use super::photo::Photo;
use super::{CliError, log, output, photo};
use crate::config::ModelConfig;
use crate::decode::Warning;
use crate::machine::Machine;
use crate::preprocess::{Crops, Preprocessor};
use crate::topk::{Prediction, TopK, top_k};
use googlenet_engine::loaded_model::{LoadedModel, load_model};
use googlenet_engine::model::{Probabilities, Session};

#[derive(Args)]
pub(super) struct ClassifyArgs {
    /// Image files; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// How many classes to list.
    #[arg(long, default_value_t = TopK::DEFAULT)]
    top_k: usize,

    /// Crops of each image whose probabilities are averaged: 1, 5 or 10.
    #[arg(long, default_value = "1", value_parser = parse_crops)]
    crops: Crops,

    /// Print one JSON object a line instead of a table.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    model: ModelConfig,
}

fn parse_crops(text: &str) -> Result<Crops, String> {
    let number: u32 = text.parse().map_err(|_| "must be 1, 5 or 10".to_owned())?;
    Crops::try_from(number).map_err(|e| e.to_string())
}

#[derive(Default, Serialize)]
struct Row<'a> {
    file: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    predictions: Vec<ClassRow<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
struct ClassRow<'a> {
    class: usize,
    id: &'a str,
    label: &'a str,
    probability: f32,
}

/// Prints the classes of each file; fails when one could not be classified.
pub(super) fn classify(args: ClassifyArgs, origins: &Origins) -> Result<(), CliError> {
    log::warnings_only();
    let model = load_model(&args.model.resolve(&Machine::of_this_process()))
        .map_err(|e| origins.model(e))?;
    let top_k = TopK::new(args.top_k, model.info.classes()).ok_or_else(|| {
        CliError::Failed(format!("--top-k must be from 1 to {}", model.info.classes()))
    })?;
    let preprocessor =
        Preprocessor::new(model.info.preprocessing.clone()).map_err(CliError::failed)?;
    let mut session = model.engine.session().map_err(CliError::failed)?;
    let mut failed = 0;
    for file in &args.files {
        let answer = classify_file(file, &preprocessor, args.crops, session.as_mut());
        let row = match answer {
            Ok((probabilities, warnings)) => {
                row(file, &self::top_k(&probabilities, top_k, 0.0), warnings, &model)
            }
            Err(error) => {
                failed += 1;
                let error = Some(error.to_string());
                Row { file: file.display().to_string(), error, ..Row::default() }
            }
        };
        print(&row, args.json)?;
    }
    match failed {
        0 => Ok(()),
        _ => Err(CliError::Failed(format!("{failed} of {} files failed", args.files.len()))),
    }
}

fn classify_file(
    file: &Path,
    preprocessor: &Preprocessor,
    crops: Crops,
    session: &mut dyn Session,
) -> Result<(Probabilities, Vec<Warning>), CliError> {
    let bytes = read(file).map_err(|e| CliError::Failed(format!("cannot read it: {e}")))?;
    let Photo { inputs, warnings } = photo::read(&bytes, preprocessor, crops)?;
    let answers = session.run(&inputs).map_err(CliError::failed)?;
    let mean = Probabilities::mean(&answers);
    let mean = mean.ok_or_else(|| CliError::Failed("the plan gave no answer".into()))?;
    Ok((mean, warnings))
}

fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    if file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    std::fs::read(file)
}

fn row<'a>(
    file: &Path,
    best: &[Prediction],
    warnings: Vec<Warning>,
    model: &'a LoadedModel,
) -> Row<'a> {
    let classes = best.iter().map(|prediction| {
        let label = model.info.labels.get(prediction.class);
        ClassRow {
            class: prediction.class,
            id: label.map_or("", |l| l.id.as_str()),
            label: label.map_or("", |l| l.name()),
            probability: prediction.probability,
        }
    });
    Row { file: file.display().to_string(), predictions: classes.collect(), warnings, error: None }
}

fn print(row: &Row<'_>, json: bool) -> Result<(), CliError> {
    let text = if json {
        serde_json::to_string(row).map_err(CliError::failed)?
    } else {
        row.lines().join("\n")
    };
    Ok(output::print_line(text)?)
}

impl Row<'_> {
    fn lines(&self) -> Vec<String> {
        let error = self.error.iter().map(|error| format!("  {error}"));
        let classes = self.predictions.iter().map(|class| {
            format!("  {:>6.2} %  {:<10} {}", class.probability * 100.0, class.id, class.label)
        });
        let warnings =
            self.warnings.iter().map(|w| format!("  warning: the file is {}", w.as_str()));
        std::iter::once(self.file.clone()).chain(error).chain(warnings).chain(classes).collect()
    }
}
