//! From the user's choice to an opened file of weights.

use std::fmt;
use std::path::{self, Path, PathBuf};

use super::fetch::Progress;
use super::locate::check_file;
use super::{Download, FetchError, ModelFile, ModelFileError, ModelSource, SearchPath, Sha256};

/// What [`obtain`] gives.
#[derive(Clone, Debug)]
pub enum Obtained {
    /// A file with trained weights, or with what the user took for them, and its bytes.
    File(Box<ModelFile>, Vec<u8>),
    /// The user wants seeded random weights.
    Untrained,
}

/// Finds the weights that `source` means, downloading them if they lie nowhere, and reads at most `most_bytes` of them.
///
/// # Errors
/// [`ObtainError`] says what was looked for and what to do.
pub fn obtain(
    source: &ModelSource,
    search: &SearchPath,
    download: &Download,
    most_bytes: u64,
    progress: &mut dyn Progress,
) -> Result<Obtained, ObtainError> {
    let path = match source {
        ModelSource::Untrained => return Ok(Obtained::Untrained),
        ModelSource::File(path) => path.clone(),
        ModelSource::Default => match search.find() {
            Some(path) => path,
            None => fetch(search, download, progress).map_err(|cause| match cause {
                DownloadFailure::Fetch(error) if error.is_of_a_setting() => error.into(),
                cause => ObtainError::from(Unavailable::new(search, download, cause)),
            })?,
        },
    };
    tracing::debug!(model = %path.display(), "weights found");
    let (file, content) = ModelFile::open(&path, most_bytes)?;
    Ok(Obtained::File(Box::new(file), content))
}

/// Checks what can be checked of a choice at once: that a file that is named is there, and, if
/// there is none, that the download's settings can be read.
///
/// # Errors
/// [`ObtainError`] as [`obtain`] would give it; never [`ObtainError::Unavailable`].
pub fn check(
    source: &ModelSource,
    search: &SearchPath,
    download: &Download,
) -> Result<(), ObtainError> {
    match source {
        ModelSource::Untrained => Ok(()),
        ModelSource::File(path) => Ok(check_file(path).map_err(ModelFileError::from)?),
        ModelSource::Default if search.find().is_some() => Ok(()),
        ModelSource::Default => Ok(download.check()?),
    }
}

fn fetch(
    search: &SearchPath,
    download: &Download,
    progress: &mut dyn Progress,
) -> Result<PathBuf, DownloadFailure> {
    let cache = search.cache().ok_or(DownloadFailure::NoCache)?;
    Ok(download.fetch(cache, progress)?)
}

/// Why there are no weights to serve.
#[derive(Debug, thiserror::Error)]
pub enum ObtainError {
    /// There is a file, but it cannot be used.
    #[error(transparent)]
    File(#[from] ModelFileError),
    /// There is none, and the download's settings are wrong.
    #[error(transparent)]
    Settings(#[from] FetchError),
    /// There is none, and none could be downloaded.
    #[error(transparent)]
    Unavailable(#[from] Box<Unavailable>),
}

/// No weights are at hand and none could be downloaded. Its message, of several lines, is all
/// that a user needs to go on.
#[derive(Debug)]
pub struct Unavailable {
    searched: Vec<PathBuf>,
    url: String,
    sha256: Sha256,
    bytes: u64,
    cause: DownloadFailure,
}

impl Unavailable {
    fn new(search: &SearchPath, download: &Download, cause: DownloadFailure) -> Box<Self> {
        Box::new(Self {
            searched: search.candidates().map(|path| shown(&path)).collect(),
            url: download.shown_url(),
            sha256: download.sha256,
            bytes: download.bytes,
            cause,
        })
    }
}

/// The absolute path, since the user may not know the service's current directory.
fn shown(path: &Path) -> PathBuf {
    path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "there are no weights to load. Looked for:")?;
        for path in &self.searched {
            writeln!(f, "  {}", path.display())?;
        }
        writeln!(f, "The download failed: {}", self.cause)?;
        writeln!(f, "Do one of these:")?;
        writeln!(f, "- Download {}", self.url)?;
        writeln!(f, "  ({} bytes, SHA-256 {})", self.bytes, self.sha256)?;
        // The last one searched is the cache folder, where a download would have gone.
        match self.searched.last() {
            Some(path) => writeln!(f, "  on any machine and save it as {}", path.display())?,
            None => writeln!(f, "  on any machine and name the file with --model")?,
        }
        writeln!(f, "- Name a file that you have: --model PATH, or the variable GOOGLENET_MODEL")?;
        write!(
            f,
            "- Try the interface with --model untrained: a network of the same architecture \
             with seeded random weights, whose answers mean nothing"
        )
    }
}

impl std::error::Error for Unavailable {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

#[derive(Debug, thiserror::Error)]
enum DownloadFailure {
    #[error("there is no cache folder to download into: set XDG_CACHE_HOME or HOME")]
    NoCache,
    #[error(transparent)]
    Fetch(#[from] FetchError),
}
