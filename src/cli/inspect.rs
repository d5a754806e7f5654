//! `googlenet inspect FILE`.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::origins::Origins;
use super::{CliError, log, output};
use crate::config::ModelConfig;
use crate::machine::Machine;
use googlenet_engine::loaded_model::{
    Inspected, LoadedModel, ModelSettings, check, inspect as read,
};
use googlenet_engine::model::{OperatorPath, OutputKind, Preprocessing, Resize};
use googlenet_engine::network::facts::Declared;
use googlenet_engine::weights::manifest::proposal::{Proposal, Training};
use googlenet_engine::weights::{Labels, ModelSource, Origin};

#[derive(Args)]
// The file is named without a flag, and nothing is downloaded.
#[command(
    mut_arg("model", |argument| argument.hide(true)),
    mut_arg("model_url", |argument| argument.hide(true)),
    mut_arg("tls_certificates", |argument| argument.hide(true))
)]
pub(super) struct InspectArgs {
    /// The ONNX file.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Write a commented TOML beside the file, and labels if it has none; what is there already is kept.
    #[arg(long)]
    write_toml: bool,

    #[command(flatten)]
    model: ModelConfig,
}

/// Prints what a file is, and whether it can be served; fails when it cannot.
pub(super) fn inspect(args: &InspectArgs, origins: &Origins) -> Result<(), CliError> {
    log::warnings_only();
    let source = ModelSource::File(args.file.clone());
    let model = ModelSettings { source, ..args.model.resolve(&Machine::of_this_process()) };
    check(&model).map_err(|e| origins.model(e))?;
    let inspected = read(&model).map_err(|e| origins.model(e))?;
    let mut rows = file_rows(&inspected);
    if let Ok(loaded) = &inspected.loaded {
        rows.extend(model_rows(loaded, &inspected));
    }
    output::print(table(&args.file, &rows))?;
    match &inspected.loaded {
        Ok(loaded) if args.write_toml => write_toml(&args.file, loaded, &inspected),
        Ok(_) => Ok(output::print_line("It can be served: googlenet serve --model FILE")?),
        Err(error) => Err(CliError::Failed(format!("it cannot be served: {error}"))),
    }
}

type Row = (&'static str, String);

fn file_rows(inspected: &Inspected) -> Vec<Row> {
    let Inspected { file, facts, .. } = inspected;
    let values = |values: &[Declared]| {
        let value =
            |value: &Declared| format!("{} {} {}", value.name, value.data_type, value.shape);
        values.iter().map(value).collect::<Vec<_>>().join("; ")
    };
    vec![
        ("bytes", file.bytes.to_string()),
        ("SHA-256", file.sha256.to_string()),
        (
            "producer",
            if facts.producer.is_empty() { "not named".into() } else { facts.producer.clone() },
        ),
        ("operator set", facts.opset.to_string()),
        ("nodes", facts.nodes.to_string()),
        ("inputs", values(&facts.inputs)),
        ("outputs", values(&facts.outputs)),
    ]
}

fn model_rows(loaded: &LoadedModel, inspected: &Inspected) -> Vec<Row> {
    let LoadedModel { engine, info } = loaded;
    let operators = engine.operators();
    let on = |path: OperatorPath| {
        let rows = operators.iter().filter(|row| row.path == path);
        let names = rows.map(|row| format!("{} {}", row.count, row.operator));
        let names: Vec<String> = names.collect();
        if names.is_empty() { "none".into() } else { names.join(", ") }
    };
    let origin = match &inspected.file.origin {
        Origin::Toml(path) => path.display().to_string(),
        Origin::Known => "the checksum, which is known".into(),
        Origin::Assumed => "nowhere: assumed to be BVLC's; --write-toml proposes another".into(),
    };
    vec![
        ("output", format!("{}, {}", info.output_name, kind(info.output_kind))),
        ("classes", info.classes().to_string()),
        ("parameters", info.report.totals.parameters.to_string()),
        ("inception modules", info.report.inceptions().count().to_string()),
        ("fast operators", on(OperatorPath::Fast)),
        ("tract's operators", on(OperatorPath::Tract)),
        ("instruction sets", info.instruction_sets.to_string()),
        ("preprocessing", preprocessing(&info.preprocessing)),
        ("  from", origin),
    ]
}

fn kind(kind: OutputKind) -> &'static str {
    match kind {
        OutputKind::Logits => "logits: a softmax is added",
        OutputKind::Probabilities => "probabilities",
        OutputKind::LogProbabilities => "logarithms of probabilities: they are exponentiated",
    }
}

fn preprocessing(of: &Preprocessing) -> String {
    let resize = match of.resize {
        Resize::Stretch { size } => format!("stretched to {size} x {size}"),
        Resize::ShortSide { size } => format!("short side to {size}"),
    };
    let Preprocessing { side, channels, mean, scale, .. } = of;
    format!("{resize}, centre {side} x {side}, {channels:?}, minus {mean:?}, times {scale:?}")
}

fn table(file: &Path, rows: &[Row]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines = rows.iter().map(|(name, value)| format!("  {name:width$}  {value}\n"));
    format!("{}\n{}", file.display(), lines.collect::<String>())
}

fn write_toml(model: &Path, loaded: &LoadedModel, inspected: &Inspected) -> Result<(), CliError> {
    let (path, labels) = (model.with_extension("toml"), model.with_extension("txt"));
    let takes_bytes = inspected.facts.inputs.iter().any(|input| input.data_type == "UINT8");
    let training = Training::guess(&inspected.facts.producer, takes_bytes);
    let info = &loaded.info;
    let proposed = training.preprocessing(info.preprocessing.side);
    let fits = !labels.exists() || line_count(&labels) == Some(info.classes());
    let name = labels.file_name().and_then(|name| name.to_str()).filter(|_| fits);
    let proposal = Proposal {
        preprocessing: &proposed,
        training,
        kind: info.output_kind,
        output: (inspected.facts.outputs.len() > 1).then_some(info.output_name.as_str()),
        labels: name,
    };
    create(&path, &proposal.toml())?;
    output::print_line(format_args!("wrote {}: compare it with the training", path.display()))?;
    if name.is_some() && !labels.exists() {
        create(&labels, &label_lines(info.classes()))?;
        output::print_line(format_args!("wrote {}: put your names there", labels.display()))?;
    }
    Ok(())
}

fn line_count(path: &Path) -> Option<usize> {
    Some(std::fs::read_to_string(path).ok()?.lines().filter(|line| !line.trim().is_empty()).count())
}

/// ImageNet's labels where their number fits, else numbers to be replaced.
fn label_lines(classes: usize) -> String {
    let imagenet = Labels::imagenet();
    if imagenet.classes() == classes {
        let line = |label: &googlenet_engine::weights::Label| {
            format!("{} {}\n", label.id, label.names.join(", "))
        };
        return imagenet.as_slice().iter().map(line).collect();
    }
    (0..classes).map(|class| format!("class {class}\n")).collect()
}

/// Writes a file that is not there yet.
fn create(path: &Path, text: &str) -> Result<(), CliError> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            CliError::Failed(format!("{} is there already and was not changed", path.display()))
        }
        _ => CliError::Failed(format!("cannot write {}: {error}", path.display())),
    };
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}
