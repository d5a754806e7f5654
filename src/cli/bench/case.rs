//! What is measured.

use std::path::PathBuf;

use bytes::Bytes;

use super::BenchArgs;
use super::stopwatch::{self, Times};
use crate::cli::{CliError, photo};
use crate::decode::made_photo;
use crate::preprocess::{Crops, Preprocessor};
use googlenet_engine::loaded_model::{
    LoadedModel, ModelSettings, PlanSettings, load_model, read_model,
};
use googlenet_engine::model::{Input, Precision, Session};

/// As ILSVRC's photos, and as a phone's.
const PICTURES: [Picture; 2] =
    [Picture::Made { width: 500, height: 375 }, Picture::Made { width: 4000, height: 3000 }];

/// A row of the table.
#[derive(Clone, Copy)]
pub(super) enum Case {
    /// From an image file's bytes to the network's input, on one core.
    Input(Picture),
    /// One image after another.
    Lone { precision: Precision, cores: usize },
    /// An image on each core.
    Loaded { precision: Precision, cores: usize },
}

/// Which pictures become inputs.
#[derive(Clone, Copy)]
pub(super) enum Picture {
    /// Those that the user named.
    Files,
    /// One made for the measurement, of this size.
    Made { width: u32, height: u32 },
}

impl Case {
    /// As the table names it.
    pub(super) fn name(self) -> String {
        match self {
            Self::Input(Picture::Files) => "input/files".into(),
            Self::Input(Picture::Made { width, height }) => format!("input/{width}x{height}"),
            Self::Lone { precision, cores: 1 } => format!("{}/one-core", precision.as_str()),
            Self::Lone { precision, .. } => format!("{}/lone", precision.as_str()),
            Self::Loaded { precision, .. } => format!("{}/loaded", precision.as_str()),
        }
    }

    /// The rows of a machine of `cores`.
    pub(super) fn all(cores: usize, files: bool) -> Vec<Self> {
        let pictures: &[Picture] = if files { &[Picture::Files] } else { &PICTURES };
        let mut cases: Vec<Self> = pictures.iter().copied().map(Self::Input).collect();
        for precision in [Precision::F32, Precision::Int8] {
            cases.push(Self::Lone { precision, cores: 1 });
            if cores > 1 {
                cases.push(Self::Lone { precision, cores });
            }
            cases.push(Self::Loaded { precision, cores });
        }
        cases
    }

    /// Cores that it may use.
    pub(super) fn cores(self) -> usize {
        match self {
            Self::Input(_) => 1,
            Self::Lone { cores, .. } | Self::Loaded { cores, .. } => cores,
        }
    }

    /// Measures it.
    pub(super) fn measure(
        self,
        args: &BenchArgs,
        model: &ModelSettings,
    ) -> Result<Times, CliError> {
        let images = args.images as usize;
        match self {
            Self::Input(picture) => {
                let (_, info) = read_model(model).map_err(CliError::failed)?;
                let preprocessor =
                    Preprocessor::new(info.preprocessing).map_err(CliError::failed)?;
                let one = one_crop()?;
                let decode = |file: &Encoded| file.inputs(&preprocessor, one).map(drop);
                stopwatch::one_after_another(&encoded(&args.files, picture)?, images, decode)
            }
            Self::Lone { precision, cores } => {
                let (model, inputs) = load(&args.files, model, precision, cores)?;
                let mut session = model.engine.session().map_err(CliError::failed)?;
                stopwatch::one_after_another(&inputs, images, |input| run(session.as_mut(), input))
            }
            Self::Loaded { precision, cores } => {
                let (model, inputs) = load(&args.files, model, precision, cores)?;
                stopwatch::on_each_core(cores, images, || {
                    let mut session = model.engine.session().map_err(CliError::failed)?;
                    let inputs = &inputs;
                    Ok(move |image: usize| run(session.as_mut(), &inputs[image % inputs.len()]))
                })
            }
        }
    }
}

pub(super) fn run(session: &mut dyn Session, input: &Input) -> Result<(), CliError> {
    session.run(std::slice::from_ref(input)).map(drop).map_err(CliError::failed)
}

/// The model with this number format and so many cores, and what it runs.
pub(super) fn load(
    files: &[PathBuf],
    model: &ModelSettings,
    precision: Precision,
    cores: usize,
) -> Result<(LoadedModel, Vec<Input>), CliError> {
    let plan = PlanSettings { precision, cores, ..model.plan.clone() };
    let model = load_model(&ModelSettings { plan, ..model.clone() }).map_err(CliError::failed)?;
    let preprocessing = model.info.preprocessing.clone();
    let preprocessor = Preprocessor::new(preprocessing).map_err(CliError::failed)?;
    let picture = if files.is_empty() { PICTURES[0] } else { Picture::Files };
    let mut inputs = Vec::new();
    for file in encoded(files, picture)? {
        inputs.extend(file.inputs(&preprocessor, one_crop()?)?);
    }
    Ok((model, inputs))
}

fn one_crop() -> Result<Crops, CliError> {
    Crops::try_from(1).map_err(CliError::failed)
}

/// An image file.
struct Encoded {
    name: String,
    bytes: Bytes,
}

impl Encoded {
    fn inputs(&self, preprocessor: &Preprocessor, crops: Crops) -> Result<Vec<Input>, CliError> {
        photo::read(&self.bytes, preprocessor, crops)
            .map(|photo| photo.inputs)
            .map_err(|e| CliError::Failed(format!("{}: {e}", self.name)))
    }
}

/// The image files, at least one.
fn encoded(files: &[PathBuf], picture: Picture) -> Result<Vec<Encoded>, CliError> {
    let read = |file: &PathBuf| {
        let name = file.display().to_string();
        match std::fs::read(file) {
            Ok(bytes) => Ok(Encoded { name, bytes: bytes.into() }),
            Err(e) => Err(CliError::Failed(format!("cannot read {name}: {e}"))),
        }
    };
    match picture {
        Picture::Files => files.iter().map(read).collect(),
        Picture::Made { width, height } => {
            let bytes = made_photo(width, height).map_err(CliError::failed)?.into();
            Ok(vec![Encoded { name: format!("the picture of {width}x{height}"), bytes }])
        }
    }
}
