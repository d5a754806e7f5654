//! `googlenet explain FILE -o PNG`.

use std::path::{Path, PathBuf};

use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};

use super::origins::Origins;
use super::untrained::warn_of_untrained;
use super::{CliError, log, messages, output, photo};
use crate::config::ModelConfig;
use crate::evidence::{Compared, Evidence, Grid, LastMap, overlay};
use crate::inside::{Covers, drops};
use crate::machine::Machine;
use crate::preprocess::Preprocessor;
use googlenet_engine::loaded_model::{LoadedModel, load_model};
use googlenet_engine::model::{Classifier, GradientOf, Input, Look, Seen, Session, Views};
use googlenet_engine::model_info::ModelInfo;
use googlenet_engine::weights::{ClassNameError, Label};

/// As over HTTP.
const SQUARES: usize = 8;

#[derive(Args)]
pub(super) struct ExplainArgs {
    /// Image file; `-` is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The PNG to write; `-` is standard output. It shows the part of the photo that the network read, in grey; orange
    /// squares speak for the class, blue ones against it.
    #[arg(short, long, value_name = "PNG")]
    output: PathBuf,

    /// The class to explain: its index, its id or its name [default: the most probable one].
    #[arg(long, value_name = "CLASS")]
    class: Option<String>,

    /// A second class: the picture then shows what speaks for the first rather than for this one.
    #[arg(long, value_name = "CLASS")]
    against: Option<String>,

    /// How: cam is what each square of the last map adds to the logit; gradient is gradient times map at a module;
    /// occlusion is what the logit loses when a part of the photo is covered.
    #[arg(long, value_enum, default_value_t = Method::Cam)]
    method: Method,

    /// The module of the gradient, as `googlenet summary` names it [default: the last of the finer maps, inception_4e].
    #[arg(long, value_name = "MODULE")]
    module: Option<String>,

    /// Parts on a side that occlusion covers, one after the other [default: 8].
    #[arg(long, value_name = "NUMBER", value_parser = RangedU64ValueParser::<usize>::new().range(2..=12))]
    squares: Option<usize>,

    /// Width and height of the picture in pixels.
    #[arg(long, value_name = "PIXELS", default_value_t = 448, value_parser = RangedU64ValueParser::<usize>::new().range(224..=1024))]
    size: usize,

    #[command(flatten)]
    model: ModelConfig,
}

/// How an answer is explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Method {
    Cam,
    Gradient,
    Occlusion,
}

/// Writes the picture, and prints what the logit consists of.
pub(super) fn explain(args: &ExplainArgs, origins: &Origins) -> Result<(), CliError> {
    log::warnings_only();
    if args.squares.is_some() && args.method != Method::Occlusion {
        return Err(CliError::Failed("--squares needs --method occlusion".into()));
    }
    let LoadedModel { engine, info } = load_model(&args.model.resolve(&Machine::of_this_process()))
        .map_err(|e| origins.model(e))?;
    warn_of_untrained(&info);
    let views = engine.views();
    let module = module(args, &views)?;
    if args.method == Method::Cam {
        classifier(&views)?;
    }
    let class = |flag, text: &Option<String>| {
        text.as_deref().map(|text| class(flag, text, &info)).transpose()
    };
    let (asked, against) = (class("--class", &args.class)?, class("--against", &args.against)?);
    let preprocessor = Preprocessor::new(info.preprocessing.clone()).map_err(CliError::failed)?;
    let bytes = photo::read_file(&args.file)
        .map_err(|e| CliError::Failed(format!("cannot read {}: {e}", args.file.display())))?;
    let (input, picture) = photo::read_with_picture(&bytes, &preprocessor, args.size)
        .map_err(|e| CliError::Failed(format!("{}: {e}", args.file.display())))?;
    let gradient = module.map(|module| GradientOf { class: asked, against, modules: vec![module] });
    let look = Look { last_map: args.method == Method::Cam, gradient, ..Look::default() };
    let mut session = engine.session().map_err(CliError::failed)?;
    let seen = session.look(&input, &look).map_err(CliError::failed)?;
    let compared = Compared { class: asked.unwrap_or_else(|| seen.probabilities.best()), against };
    if compared.against == Some(compared.class) {
        return Err(CliError::Failed(
            "--against is the class itself: compare it with another".into(),
        ));
    }
    let (grid, said) = match args.method {
        Method::Cam => cam(&views, &seen, compared, &info)?,
        Method::Gradient => gradient_grid(&seen, compared, &info)?,
        Method::Occlusion => {
            let covers = covers(&input, args.squares.unwrap_or(SQUARES), &info)?;
            occlusion(session.as_mut(), &covers, compared, &info)?
        }
    };
    let png = overlay(picture.as_bytes(), picture.side(), &grid);
    write(&args.output, &png.map_err(CliError::failed)?)?;
    // The picture is alone on standard output.
    if args.output == Path::new("-") {
        messages::say(&said);
        return Ok(());
    }
    Ok(output::print_line(said)?)
}

/// The module of the gradient, if that is the method.
fn module(args: &ExplainArgs, views: &Views) -> Result<Option<usize>, CliError> {
    let none = || CliError::Failed("this network has no gradient: use --method occlusion".into());
    match (args.method, &args.module) {
        (Method::Gradient, name) => {
            let first = views.gradients.ok_or_else(none)?.first_module;
            let Some(name) = name else {
                return views.finest_behind(first).map(Some).ok_or_else(none);
            };
            let modules = views.modules.iter().enumerate().skip(first);
            let found = modules.clone().find(|(_, module)| module.name == *name);
            found.map(|(index, _)| Some(index)).ok_or_else(|| {
                let names: Vec<&str> = modules.map(|(_, module)| module.name.as_str()).collect();
                CliError::Failed(format!("--module has `{name}`: use {}", names.join(", ")))
            })
        }
        (_, Some(_)) => Err(CliError::Failed("--module needs --method gradient".into())),
        (_, None) => Ok(None),
    }
}

fn classifier(views: &Views) -> Result<&Classifier, CliError> {
    views.classifier.as_deref().ok_or_else(|| {
        CliError::Failed(
            "the answers of this network cannot be explained by cam: it does not end in the average pooling of a map and \
             one fully connected layer; use --method occlusion"
                .into(),
        )
    })
}

fn cam(
    views: &Views,
    seen: &Seen,
    compared: Compared,
    info: &ModelInfo,
) -> Result<(Grid, String), CliError> {
    let last = LastMap::of(classifier(views)?, seen);
    let last = last.ok_or_else(|| CliError::Failed("the last map was not seen".into()))?;
    let evidence = last.evidence(compared);
    let said = told(&evidence, compared, info);
    Ok((evidence.grid, said))
}

fn gradient_grid(
    seen: &Seen,
    compared: Compared,
    info: &ModelInfo,
) -> Result<(Grid, String), CliError> {
    let map = seen.gradients.first();
    let map = map.ok_or_else(|| CliError::Failed("the gradient was not seen".into()))?;
    let grid = Grid { columns: map.width, values: map.values.to_vec() };
    let score = seen.score(compared.class, compared.against);
    let said = format!(
        "{}: {} {:.2}, gradient times map {:+.2}",
        named(compared, info),
        score.measure(),
        score.value,
        grid.sum()
    );
    Ok((grid, said))
}

fn covers(input: &Input, squares: usize, info: &ModelInfo) -> Result<Covers, CliError> {
    let Input::Pixels(crop) = input else {
        return Err(CliError::Failed("only photos can be covered".into()));
    };
    Ok(Covers::new(crop.clone(), squares, &info.preprocessing))
}

fn occlusion(
    session: &mut dyn Session,
    covers: &Covers,
    compared: Compared,
    info: &ModelInfo,
) -> Result<(Grid, String), CliError> {
    let mut scores = Vec::with_capacity(covers.count());
    for number in 0..covers.count() {
        let seen = session.look(&covers.variant(number), &Look::default());
        scores.push(seen.map_err(CliError::failed)?.score(compared.class, compared.against));
    }
    let (score, values) =
        drops(&scores).ok_or_else(|| CliError::Failed("there is no variant".into()))?;
    let most = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let said = format!(
        "{}: {} {:.2}, at most {most:.2} less with a part covered",
        named(compared, info),
        score.measure(),
        score.value
    );
    Ok((Grid { columns: covers.squares(), values }, said))
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
    if path == Path::new("-") {
        return Ok(output::print_bytes(png)?);
    }
    std::fs::write(path, png)
        .map_err(|e| CliError::Failed(format!("cannot write {}: {e}", path.display())))
}

/// `guenon rather than patas`.
fn named(Compared { class, against }: Compared, info: &ModelInfo) -> String {
    let name = |class| info.labels.get(class).map_or("", Label::name);
    let against = against.map(|other| format!(" rather than {}", name(other))).unwrap_or_default();
    format!("{}{against}", name(class))
}

/// `guenon: logit 18.42 = bias -0.11 + squares 18.53 + rounding +0.00`.
fn told(evidence: &Evidence, compared: Compared, info: &ModelInfo) -> String {
    let Evidence { logit, bias, residual, grid } = evidence;
    let (name, sum) = (named(compared, info), grid.sum());
    format!(
        "{name}: logit {logit:.2} = bias {bias:+.2} + squares {sum:+.2} + rounding {residual:+.2}"
    )
}
