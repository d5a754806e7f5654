//! `googlenet classify FILE…`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::origins::Origins;
use super::photo::Photo;
use super::untrained::warn_of_untrained;
use super::{CliError, log, output, photo};
use crate::config::ModelConfig;
use crate::decode::Warning;
use crate::machine::Machine;
use crate::preprocess::{Crops, Preprocessor};
use crate::topk::{TopK, top_k};
use googlenet_engine::groups::{ClassSet, Groups, SureAt, WithinError};
use googlenet_engine::loaded_model::load_model;
use googlenet_engine::model::{Probabilities, Session};
use googlenet_engine::model_info::{ModelInfo, SureAnswer};

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

    /// Say what the network is sure of: the narrowest class or group, such as "dog", of at least this
    /// probability (0.5 to 0.999; 0.9 if none is given).
    #[arg(long, value_name = "PROBABILITY", num_args = 0..=1, require_equals = true,
        default_missing_value = "0.9", value_parser = parse_sure_at)]
    sure: Option<SureAt>,

    /// List only classes under these groups and classes: ids, or names of groups, separated by commas (dog,n02121808).
    #[arg(long, value_name = "GROUPS")]
    within: Option<String>,

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

fn parse_sure_at(text: &str) -> Result<SureAt, String> {
    let at = text.parse().ok().and_then(SureAt::new);
    at.ok_or_else(|| "must be a number from 0.5 to 0.999".to_owned())
}

/// What is asked about each image.
struct Question {
    top_k: TopK,
    crops: Crops,
    sure: Option<SureAt>,
    within: Option<ClassSet>,
}

impl Question {
    fn of(args: &ClassifyArgs, model: &ModelInfo) -> Result<Self, CliError> {
        let top_k = TopK::new(args.top_k, model.classes()).ok_or_else(|| {
            CliError::Failed(format!("--top-k must be from 1 to {}", model.classes()))
        })?;
        let within = args.within.as_deref().map(|names| within(names, model)).transpose()?;
        Ok(Self { top_k, crops: args.crops, sure: args.sure, within })
    }
}

fn within(names: &str, model: &ModelInfo) -> Result<ClassSet, CliError> {
    model.groups.within(names).map_err(|error| {
        CliError::Failed(match error {
            WithinError::Count => format!(
                "--within takes 1 to {} ids or names of groups, separated by commas, such as dog,n02121808",
                Groups::MOST_NAMES
            ),
            WithinError::Unknown(name) => format!(
                "--within has `{}`, which is neither an id nor the name of a shown group of this network's classes: \
                 GET /model/groups of the service lists them",
                name.escape_debug()
            ),
        })
    })
}

#[derive(Default, Serialize)]
struct Row<'a> {
    file: String,
    /// `false`, or left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    trained: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    predictions: Vec<ClassRow<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sure: Option<SureAnswer<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    elsewhere: Option<f32>,
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
    warn_of_untrained(&model.info);
    let question = Question::of(&args, &model.info)?;
    let preprocessor =
        Preprocessor::new(model.info.preprocessing.clone()).map_err(CliError::failed)?;
    let mut session = model.engine.session().map_err(CliError::failed)?;
    let mut failed = 0;
    for file in &args.files {
        let answer = classify_file(file, &preprocessor, question.crops, session.as_mut());
        let row = match answer {
            Ok((probabilities, warnings)) => {
                Row { warnings, ..row(file, &probabilities, &question, &model.info) }
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
    let bytes =
        photo::read_file(file).map_err(|e| CliError::Failed(format!("cannot read it: {e}")))?;
    let Photo { inputs, warnings } = photo::read(&bytes, preprocessor, crops)?;
    let answers = session.run(&inputs).map_err(CliError::failed)?;
    let mean = Probabilities::mean(&answers);
    let mean = mean.ok_or_else(|| CliError::Failed("the plan gave no answer".into()))?;
    Ok((mean, warnings))
}

fn row<'a>(
    file: &Path,
    probabilities: &Probabilities,
    question: &Question,
    model: &'a ModelInfo,
) -> Row<'a> {
    let within = question.within.as_ref();
    let best = top_k(probabilities, question.top_k, 0.0, within);
    let classes = best.iter().map(|prediction| {
        let label = model.labels.get(prediction.class);
        ClassRow {
            class: prediction.class,
            id: label.map_or("", |l| l.id.as_str()),
            label: label.map_or("", |l| l.name()),
            probability: prediction.probability,
        }
    });
    Row {
        file: file.display().to_string(),
        trained: (!model.identity.trained).then_some(false),
        predictions: classes.collect(),
        sure: question.sure.map(|at| model.sure(probabilities, at, within)),
        elsewhere: within.map(|set| set.elsewhere(probabilities)),
        ..Row::default()
    }
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
        let sure = self.sure.iter().map(|sure| match (sure.probability, sure.label) {
            (Some(probability), Some(label)) => {
                format!("  sure of {label}: {:.2} %", probability * 100.0)
            }
            _ => "  sure of nothing".to_owned(),
        });
        let elsewhere = self.elsewhere.map(|rest| format!("  {:>6.2} %  elsewhere", rest * 100.0));
        let warnings =
            self.warnings.iter().map(|w| format!("  warning: the file is {}", w.as_str()));
        let lines = std::iter::once(self.file.clone()).chain(error).chain(warnings);
        lines.chain(sure).chain(classes).chain(elsewhere).collect()
    }
}
