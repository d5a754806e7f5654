//! `googlenet calibrate DIR`.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::ProgressBar;

use super::origins::Origins;
use super::{CliError, log, messages, output, photo};
use crate::config::ModelConfig;
use crate::machine::Machine;
use crate::preprocess::{Crops, Preprocessor};
use googlenet_engine::loaded_model::{calibration_path, load_calibrator};
use googlenet_engine::model::Input;

#[derive(Args)]
pub(super) struct CalibrateArgs {
    /// Folder of photos like those that will be classified, with those in folders within it; a hundred
    /// of different classes are enough.
    #[arg(value_name = "DIR")]
    folder: PathBuf,

    /// The table to write [default: beside the ONNX file, with `.int8.toml` in place of `.onnx`].
    #[arg(long, value_name = "TOML")]
    output: Option<PathBuf>,

    /// Replace the table if there is one.
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    model: ModelConfig,
}

/// Fewer photos than this may miss what others make large.
const FEW_PHOTOS: usize = 50;
/// Folders within folders.
const DEEPEST: usize = 16;

/// Writes the table; photos that cannot be read are named and left out.
pub(super) fn calibrate(args: &CalibrateArgs, origins: &Origins) -> Result<(), CliError> {
    log::warnings_only();
    let files = files(&args.folder)?;
    let (mut calibrator, info) = load_calibrator(&args.model.resolve(&Machine::of_this_process()))
        .map_err(|e| origins.model(e))?;
    let table = args.output.clone().or_else(|| info.path.as_deref().map(calibration_path));
    let table = table.ok_or_else(|| {
        CliError::Configuration(
            "seeded weights lie in no file: name the table with --output".into(),
        )
    })?;
    check_place(&table, args.force)?;
    let preprocessor = Preprocessor::new(info.preprocessing.clone()).map_err(CliError::failed)?;
    let progress = ProgressBar::new(files.len() as u64);
    for file in &files {
        match crop(file, &preprocessor) {
            Ok(photo) => calibrator.observe(&photo).map_err(CliError::failed)?,
            Err(error) => {
                let warning = format!("warning: {} is left out: {error}", file.display());
                progress.suspend(|| messages::say(&warning));
            }
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    let photos = calibrator.photos();
    if photos == 0 {
        let folder = args.folder.display();
        return Err(CliError::Failed(format!("{folder} has no photo that can be read")));
    }
    if photos < FEW_PHOTOS {
        messages::say(&format!(
            "warning: {photos} photos are few: what they do not show may be cut off in int8. A hundred of different \
             classes are better"
        ));
    }
    write_whole(&table, &calibrator.finish().to_toml())
        .map_err(|e| CliError::Failed(format!("cannot write {}: {e}", table.display())))?;
    Ok(output::print_line(format_args!("{}: from {photos} photos", table.display()))?)
}

/// Refuses to write where something else would be lost, before any photo has run.
fn check_place(table: &Path, force: bool) -> Result<(), CliError> {
    let refused = |reason: &str| CliError::Failed(format!("{} {reason}", table.display()));
    if table.extension().is_none_or(|extension| extension != "toml") {
        return Err(refused(
            "does not end in .toml, as a calibration table does: name another with --output",
        ));
    }
    let folder =
        table.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(refused("cannot be written: there is no such folder"));
    }
    match table.symlink_metadata() {
        Err(_) => Ok(()),
        Ok(metadata) if !metadata.is_file() => {
            Err(refused("is a link or no file, which is not replaced: name another with --output"))
        }
        Ok(_) if !force => {
            Err(refused("is there already: --force replaces it, --output names another"))
        }
        Ok(_) => Ok(()),
    }
}

/// Writes a file that is there whole or not at all.
fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let part = path.with_extension(format!("toml.{}.part", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).open(&part)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    let moved = written.and_then(|()| std::fs::rename(&part, path));
    if moved.is_err() {
        // What is left of it is of no use; that it cannot be removed changes nothing.
        let _ = std::fs::remove_file(&part);
    }
    moved
}

/// The files of a folder and of those within it, by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>, CliError> {
    let mut files = Vec::new();
    let mut folders = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let failed =
            |e: std::io::Error| CliError::Failed(format!("cannot read {}: {e}", folder.display()));
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            // A link to a folder may lead back to one that it lies in.
            if entry.file_type().map_err(failed)?.is_dir() && depth < DEEPEST {
                folders.push((path, depth + 1));
            } else if path.is_file() {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn crop(file: &Path, preprocessor: &Preprocessor) -> Result<Input, CliError> {
    let bytes = std::fs::read(file).map_err(CliError::failed)?.into();
    let one = Crops::try_from(1).map_err(CliError::failed)?;
    let input = photo::read(&bytes, preprocessor, one)?.inputs.into_iter().next();
    input.ok_or_else(|| CliError::Failed("it has no crop".into()))
}
