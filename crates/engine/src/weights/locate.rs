//! Which weights are meant, and where they may lie.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::FILE_NAME;

/// Which weights to serve, as `--model` names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ModelSource {
    /// This ONNX file and no other.
    File(PathBuf),
    /// Seeded random weights in GoogLeNet's architecture: for trying the interface.
    Untrained,
    /// The first that the [`SearchPath`] finds, else the download.
    #[default]
    Default,
}

impl From<OsString> for ModelSource {
    /// `untrained`, `default` (so is the empty text), or a path, which need not be UTF-8. A file of
    /// such a name is reached as `./untrained`.
    fn from(text: OsString) -> Self {
        match text.to_str() {
            Some("" | "default") => Self::Default,
            Some("untrained") => Self::Untrained,
            _ => Self::File(text.into()),
        }
    }
}

impl FromStr for ModelSource {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(OsString::from(text).into())
    }
}

impl fmt::Display for ModelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Untrained => f.write_str("untrained"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// The folders that are searched for [`FILE_NAME`], in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchPath {
    folders: Vec<PathBuf>,
    cache: Option<PathBuf>,
}

impl SearchPath {
    /// `models/` and `../shared/models/` in the current directory, `models/` beside the program,
    /// and the cache folder (see [`cache_folder`](super::cache_folder)).
    ///
    /// The first two stay relative, so that messages show them as the user knows them.
    pub fn new(program: Option<&Path>, cache: Option<PathBuf>) -> Self {
        let mut folders = vec![PathBuf::from("models"), PathBuf::from("../shared/models")];
        folders.extend(program.and_then(Path::parent).map(|folder| folder.join("models")));
        Self::of(folders, cache)
    }

    /// Searches `folders`, then `cache`, which is also where a download goes.
    pub fn of(folders: Vec<PathBuf>, cache: Option<PathBuf>) -> Self {
        Self { folders, cache }
    }

    /// Where a download goes; `None` when the system names no cache folder.
    pub fn cache(&self) -> Option<&Path> {
        self.cache.as_deref()
    }

    /// The files that are looked for, in order.
    pub fn candidates(&self) -> impl Iterator<Item = PathBuf> {
        self.folders.iter().chain(&self.cache).map(|folder| folder.join(FILE_NAME))
    }

    /// The first candidate that is a file.
    pub fn find(&self) -> Option<PathBuf> {
        self.candidates().find(|path| path.is_file())
    }
}

/// Checks that `path` is a regular file, so that reading it comes to an end.
///
/// # Errors
/// [`LocateError`] says what is there instead.
pub fn check_file(path: &Path) -> Result<(), LocateError> {
    let metadata = match path.metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(LocateError::Missing(path.to_owned()));
        }
        Err(source) => return Err(LocateError::Access { path: path.to_owned(), source }),
    };
    if metadata.is_dir() {
        return Err(LocateError::Folder(path.to_owned()));
    }
    if !metadata.is_file() {
        return Err(LocateError::Special(path.to_owned()));
    }
    if metadata.len() == 0 {
        return Err(LocateError::Empty(path.to_owned()));
    }
    Ok(())
}

/// The file that was asked for cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LocateError {
    /// Nothing has this name.
    #[error(
        "model file {} does not exist: give the path of an ONNX file, leave --model out \
         for the default, or take --model untrained to try the interface",
        .0.display()
    )]
    Missing(PathBuf),
    /// It is a folder.
    #[error("model file {} is a folder: give the path of an ONNX file in it", .0.display())]
    Folder(PathBuf),
    /// It is a pipe, a socket or a device.
    #[error("model file {} is not a regular file: give the path of an ONNX file", .0.display())]
    Special(PathBuf),
    /// It has no bytes.
    #[error("model file {} is empty: copy or download it again", .0.display())]
    Empty(PathBuf),
    /// The system refuses.
    #[error("model file {}: {source}", path.display())]
    Access {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::fs;

    #[test]
    fn sources_are_read_and_written() {
        for (text, source) in [
            ("default", ModelSource::Default),
            ("untrained", ModelSource::Untrained),
            ("./untrained", ModelSource::File("./untrained".into())),
            ("a/b.onnx", ModelSource::File("a/b.onnx".into())),
        ] {
            assert_eq!(text.parse(), Ok(source.clone()));
            assert_eq!(source.to_string(), text);
        }
        assert_eq!("".parse(), Ok(ModelSource::Default));
    }

    #[test]
    fn the_first_folder_that_holds_the_file_wins() {
        let root = tempfile::tempdir().unwrap();
        let folders = ["a", "b", "cache"].map(|name| root.path().join(name));
        let [a, b, cache] = &folders;
        let search = SearchPath::of(vec![a.clone(), b.clone()], Some(cache.clone()));
        assert_eq!(search.find(), None);
        folders.iter().for_each(|folder| fs::create_dir(folder).unwrap());
        for folder in [cache, b] {
            fs::write(folder.join(FILE_NAME), "x").unwrap();
            assert_eq!(search.find(), Some(folder.join(FILE_NAME)));
        }
        fs::create_dir(a.join(FILE_NAME)).unwrap();
        assert_eq!(search.find(), Some(b.join(FILE_NAME)), "a folder is no file");
        assert_eq!(search.candidates().count(), 3);
    }

    #[test]
    fn the_default_places() {
        let search = SearchPath::new(Some(Path::new("/opt/bin/googlenet")), Some("/c".into()));
        let places: Vec<_> = search.candidates().map(|path| path.display().to_string()).collect();
        let expected = ["models", "../shared/models", "/opt/bin/models", "/c"];
        assert_eq!(places, expected.map(|folder| format!("{folder}/googlenet.onnx")));
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let root = tempfile::tempdir().unwrap();
        assert!(matches!(check_file(root.path()), Err(LocateError::Folder(_))));
        let path = root.path().join("x.onnx");
        let message = check_file(&path).unwrap_err().to_string();
        assert!(message.contains("x.onnx does not exist"), "{message}");
        fs::write(&path, "").unwrap();
        assert!(matches!(check_file(&path), Err(LocateError::Empty(_))));
        fs::write(&path, "x").unwrap();
        check_file(&path).unwrap();
        assert!(matches!(check_file(Path::new("/dev/zero")), Err(LocateError::Special(_))));
    }
}
