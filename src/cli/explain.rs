//! `googlenet explain FILE -o PNG`.

use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::RangedU64ValueParser;

use super::origins::Origins;
use super::{CliError, log, output, photo};
use crate::config::ModelConfig;
use crate::evidence::{Compared, Evidence, LastMap, overlay};
use crate::machine::Machine;
use crate::preprocess::Preprocessor;
use crate::topk::{TopK, top_k};
use googlenet_engine::loaded_model::{LoadedModel, load_model};
use googlenet_engine::model::{Look, Probabilities};
use googlenet_engine::model_info::ModelInfo;
use googlenet_engine::weights::{ClassNameError, Label};

#[derive(Args)]
pub(super) struct ExplainArgs {
    /// Image file; `-` is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The PNG to write: the part of the photo that the network read, in grey; orange squares speak for the class, blue
    /// ones against it.
    #[arg(short, long, value_name = "PNG")]
    output: PathBuf,

    /// The class to explain: its index, its id or its name [default: the most probable one].
    #[arg(long, value_name = "CLASS")]
    class: Option<String>,

    /// A second class: the picture then shows what speaks for the first rather than for this one.
    #[arg(long, value_name = "CLASS")]
    against: Option<String>,

    /// Width and height of the picture in pixels.
    #[arg(long, value_name = "PIXELS", default_value_t = 448, value_parser = RangedU64ValueParser::<usize>::new().range(224..=1024))]
    size: usize,

    #[command(flatten)]
    model: ModelConfig,
}

/// Writes the picture, and prints what the logit consists of.
pub(super) fn explain(args: &ExplainArgs, origins: &Origins) -> Result<(), CliError> {
    log::warnings_only();
    let LoadedModel { engine, info } = load_model(&args.model.resolve(&Machine::of_this_process()))
        .map_err(|e| origins.model(e))?;
    let classifier = engine.views().classifier.ok_or_else(|| {
        CliError::Failed(
            "the answers of this network cannot be explained: it does not end in the average pooling of a map and one \
             fully connected layer"
                .into(),
        )
    })?;
    let class = |flag, text: &Option<String>| {
        text.as_deref().map(|text| class(flag, text, &info)).transpose()
    };
    let (asked, against) = (class("--class", &args.class)?, class("--against", &args.against)?);
    let preprocessor = Preprocessor::new(info.preprocessing.clone()).map_err(CliError::failed)?;
    let bytes = photo::read_file(&args.file)
        .map_err(|e| CliError::Failed(format!("cannot read {}: {e}", args.file.display())))?;
    let (input, picture) = photo::read_with_picture(&bytes, &preprocessor, args.size)
        .map_err(|e| CliError::Failed(format!("{}: {e}", args.file.display())))?;
    let look = Look { last_map: true, ..Look::default() };
    let mut session = engine.session().map_err(CliError::failed)?;
    let seen = session.look(&input, &look).map_err(CliError::failed)?;
    let class = asked.unwrap_or_else(|| best(&seen.probabilities));
    let compared = Compared { class, against };
    let last = LastMap::of(&classifier, &seen);
    let last = last.ok_or_else(|| CliError::Failed("the last map was not seen".into()))?;
    let evidence = last.evidence(compared);
    let png = overlay(picture.as_bytes(), picture.side(), &evidence.grid);
    write(&args.output, &png.map_err(CliError::failed)?)?;
    Ok(output::print_line(told(&evidence, compared, &info))?)
}

fn best(probabilities: &Probabilities) -> usize {
    top_k(probabilities, TopK::default_for(1), 0.0, None).first().map_or(0, |best| best.class)
}

fn class(flag: &str, text: &str, info: &ModelInfo) -> Result<usize, CliError> {
    let index = text.parse().ok().filter(|&class: &usize| class < info.classes());
    index.map_or_else(|| info.labels.find(text), Ok).map_err(|error| {
        let advice = match error {
            ClassNameError::Unknown => "give an index, an id or a name of the network's classes",
            ClassNameError::Several(..) => "give an index",
        };
        CliError::Failed(format!("{flag} has `{text}`: {error}; {advice}"))
    })
}

fn write(path: &Path, png: &[u8]) -> Result<(), CliError> {
    std::fs::write(path, png)
        .map_err(|e| CliError::Failed(format!("cannot write {}: {e}", path.display())))
}

/// `guenon: 18.42 = bias -0.11 + squares 18.53`.
fn told(evidence: &Evidence, Compared { class, against }: Compared, info: &ModelInfo) -> String {
    let name = |class| info.labels.get(class).map_or("", Label::name);
    let against = against.map(|other| format!(" rather than {}", name(other))).unwrap_or_default();
    let Evidence { logit, bias, residual, grid } = evidence;
    let sum = grid.sum();
    format!(
        "{}{against}: logit {logit:.2} = bias {bias:+.2} + squares {sum:+.2} + rounding {residual:+.2}",
        name(class)
    )
}
