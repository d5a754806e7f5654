//! The file of groups that a TOML names.

use std::io;
use std::path::{Path, PathBuf};

use super::text_file;
use crate::groups::{GroupTree, MAX_BYTES, ParseGroupsError};

/// Reads a file of groups, see [`GroupTree::parse`].
///
/// # Errors
/// [`GroupsFileError`] names the file, and the line where there is one.
pub(super) fn read(path: &Path) -> Result<GroupTree, GroupsFileError> {
    let text = text_file::read(path, MAX_BYTES)
        .map_err(|source| GroupsFileError::Read { path: path.to_owned(), source })?;
    GroupTree::parse(&text)
        .map_err(|source| GroupsFileError::Parse { path: path.to_owned(), source })
}

/// Why a file of groups cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GroupsFileError {
    /// The file cannot be read, is no UTF-8 or is larger than any file of groups.
    #[error("groups file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file's content is no list of groups.
    #[error("groups file {}: {source}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ParseGroupsError,
    },
}
