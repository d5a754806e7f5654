//! Weights in files beside the model (ONNX, external data): only in the model's own folder.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use tract_onnx::pb::{ModelProto, TensorProto, tensor_proto::DataLocation};

use super::{bounds, short};

/// Why weights could not be read from another file.
#[derive(Debug, thiserror::Error)]
pub enum ExternalDataError {
    /// The model names a place that is not its own folder.
    #[error(
        "the weights `{tensor}` lie in `{location}`: only files in the model's own folder are read; save the model \
         with its weights inside or beside it"
    )]
    Location {
        /// The tensor.
        tensor: String,
        /// What the model says.
        location: String,
    },
    /// The file is a link that leads out of the folder.
    #[error(
        "the weights `{tensor}` lie in {path}, which is a link to another folder, and links are not followed there: copy \
         the file itself beside the model"
    )]
    Link {
        /// The tensor.
        tensor: String,
        /// The link.
        path: PathBuf,
    },
    /// The file is missing or cannot be read.
    #[error(
        "the weights `{tensor}` lie in {path}, which cannot be read: {source}; copy it into the model's folder, \
         under the name that it had when the model was exported"
    )]
    Read {
        /// The tensor.
        tensor: String,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file ends before the weights do.
    #[error(
        "the weights `{tensor}` are bytes {offset} to {end} of {path}, which has {bytes}: it is not the file that \
         was written with the model, or was not copied whole"
    )]
    Short {
        /// The tensor.
        tensor: String,
        /// The file.
        path: PathBuf,
        /// Where they begin.
        offset: u64,
        /// Where they end.
        end: u64,
        /// The file's length.
        bytes: u64,
    },
    /// All together are more than `--max-model-bytes`.
    #[error(
        "the weights are more than {most} bytes (--max-model-bytes): raise it if this is the right model"
    )]
    TooLarge {
        /// The bound.
        most: u64,
    },
}

/// Where a tensor's bytes are.
struct Place {
    location: String,
    offset: u64,
    /// What the tensor's shape takes if left out.
    length: Option<u64>,
}

/// Reads the weights that lie in other files, all of them in `folder`, into `model`; returns the files. `bytes` is from
/// what has been read to what may be read altogether.
///
/// # Errors
/// [`ExternalDataError`] names the tensor and the file.
pub fn read_external_data(
    model: &mut ModelProto,
    folder: &Path,
    bytes: Range<u64>,
) -> Result<Vec<PathBuf>, ExternalDataError> {
    let mut files: BTreeMap<PathBuf, File> = BTreeMap::new();
    let (most, mut left) = (bytes.end, bytes.end.saturating_sub(bytes.start));
    for tensor in tensors(model) {
        if tensor.data_location != Some(DataLocation::External.into()) {
            continue;
        }
        let place = place(tensor)?;
        let path = path(tensor, &place, folder)?;
        let failed = |source| ExternalDataError::Read {
            tensor: tensor.name.clone(),
            path: path.clone(),
            source,
        };
        let file = match files.entry(path.clone()) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(File::open(&path).map_err(failed)?)
            }
        };
        let bytes = file.metadata().map_err(failed)?.len();
        let length = place.length.or_else(|| bounds::bytes(tensor));
        let end = length.map_or(Some(bytes), |length| place.offset.checked_add(length));
        let end = end.filter(|end| (place.offset..=bytes).contains(end)).ok_or_else(|| {
            ExternalDataError::Short {
                tensor: tensor.name.clone(),
                path: path.clone(),
                offset: place.offset,
                end: place.offset.saturating_add(place.length.unwrap_or(0)),
                bytes,
            }
        })?;
        left = left.checked_sub(end - place.offset).ok_or(ExternalDataError::TooLarge { most })?;
        let mut data = vec![0; (end - place.offset) as usize];
        file.seek(SeekFrom::Start(place.offset)).map_err(failed)?;
        file.read_exact(&mut data).map_err(failed)?;
        tensor.raw_data = data;
        tensor.data_location = None;
        tensor.external_data.clear();
    }
    Ok(files.into_keys().collect())
}

/// All tensors of weights, those of `Constant` nodes included.
fn tensors(model: &mut ModelProto) -> impl Iterator<Item = &mut TensorProto> {
    let functions = model.functions.iter_mut().flat_map(|function| &mut function.node);
    let (initializers, nodes) = match &mut model.graph {
        Some(graph) => (Some(&mut graph.initializer), Some(&mut graph.node)),
        None => (None, None),
    };
    let nodes = nodes.into_iter().flatten().chain(functions);
    let attributes =
        nodes.flat_map(|node| &mut node.attribute).filter_map(|attribute| attribute.t.as_mut());
    initializers.into_iter().flatten().chain(attributes)
}

fn place(tensor: &TensorProto) -> Result<Place, ExternalDataError> {
    let entry = |key: &str| {
        tensor.external_data.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str())
    };
    let location = entry("location").unwrap_or_default().to_owned();
    let refused =
        || ExternalDataError::Location { tensor: tensor.name.clone(), location: location.clone() };
    let number = |key: &str| {
        entry(key).map(|text| text.trim().parse::<u64>().map_err(|_| refused())).transpose()
    };
    let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
    Ok(Place { location, offset, length })
}

/// The file, if it is a regular one that lies in `folder` itself: not elsewhere by its name, nor by a link.
fn path(tensor: &TensorProto, place: &Place, folder: &Path) -> Result<PathBuf, ExternalDataError> {
    let refused = || ExternalDataError::Location {
        tensor: tensor.name.clone(),
        location: short(&place.location, 200),
    };
    let parts = Path::new(&place.location).components();
    let mut parts = parts.filter(|part| *part != Component::CurDir);
    let (Some(Component::Normal(name)), None) = (parts.next(), parts.next()) else {
        return Err(refused());
    };
    let path = folder.join(name);
    let failed = |source| ExternalDataError::Read {
        tensor: tensor.name.clone(),
        path: path.clone(),
        source,
    };
    let (real, home) =
        (path.canonicalize().map_err(failed)?, folder.canonicalize().map_err(failed)?);
    if real.parent() != Some(&home) {
        return Err(ExternalDataError::Link { tensor: tensor.name.clone(), path });
    }
    if !real.is_file() {
        return Err(refused());
    }
    Ok(path)
}
