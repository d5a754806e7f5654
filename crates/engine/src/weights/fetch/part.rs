//! The file that a download grows in.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::FetchError;
use crate::weights::Sha256;

/// What has arrived so far, on disk.
#[derive(Debug)]
pub(super) struct Part {
    path: PathBuf,
    file: File,
    len: u64,
}

impl Part {
    /// Opens what an earlier download left at `path`, or makes an empty one.
    pub(super) fn open(path: PathBuf) -> Result<Self, FetchError> {
        let open = || {
            let mut file =
                OpenOptions::new().write(true).create(true).truncate(false).open(&path)?;
            let len = file.seek(SeekFrom::End(0))?;
            Ok((file, len))
        };
        match open() {
            Ok((file, len)) => Ok(Self { path, file, len }),
            Err(source) => Err(FetchError::Write { path, source }),
        }
    }

    /// Bytes that are there.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn append(&mut self, data: &[u8]) -> Result<(), FetchError> {
        let written = self.file.write_all(data);
        self.check(written)?;
        self.len += data.len() as u64;
        Ok(())
    }

    /// Makes it empty.
    pub(super) fn clear(&mut self) -> Result<(), FetchError> {
        if self.len == 0 {
            return Ok(());
        }
        let cleared = self.file.set_len(0).and_then(|()| self.file.rewind());
        self.check(cleared)?;
        self.len = 0;
        Ok(())
    }

    /// The checksum of what is on disk, read back.
    pub(super) fn sha256(&self) -> Result<Sha256, FetchError> {
        self.check(Sha256::of_file(&self.path)).map(|(sha256, _)| sha256)
    }

    /// Gives it its final name, which either holds all of it or does not exist, also after a
    /// loss of power.
    pub(super) fn rename(self, destination: &Path) -> Result<(), FetchError> {
        self.check(self.file.sync_all())?;
        self.check(fs::rename(&self.path, destination))
    }

    /// Removes it from the disk, as far as the system lets us: it is of no use to anybody.
    pub(super) fn remove(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(path = %self.path.display(), %error, "cannot remove the part");
        }
    }

    fn check<T>(&self, result: io::Result<T>) -> Result<T, FetchError> {
        result.map_err(|source| FetchError::Write { path: self.path.clone(), source })
    }
}
