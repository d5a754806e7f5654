//! One download into a folder at a time, over all processes.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::{FetchError, Progress};

/// How often a lock that another holds is tried again.
const POLL: Duration = Duration::from_millis(100);

/// The lock, held until this is dropped or the process ends, however it ends.
///
/// The lock file itself stays: were it removed, a process that still waits on the removed file
/// and one that makes a new file would both hold "the" lock.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn acquire(
        path: &Path,
        timeout: Duration,
        progress: &mut dyn Progress,
    ) -> Result<Self, FetchError> {
        let write = |source| FetchError::Write { path: path.to_owned(), source };
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(write)?;
        let start = Instant::now();
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                // Some network file systems know no locks. The checksum of the whole file, read
                // back before the rename, then still keeps a spoilt one out.
                Err(TryLockError::Error(error)) => {
                    tracing::warn!(path = %path.display(), %error, "the cache folder has no locks");
                    return Ok(Self { _file: file });
                }
                Err(TryLockError::WouldBlock) if start.elapsed() >= timeout => {
                    return Err(FetchError::Locked { path: path.to_owned(), waited: timeout });
                }
                Err(TryLockError::WouldBlock) => {}
            }
            if !told {
                progress.note("another process is downloading the same file; waiting for it");
                told = true;
            }
            thread::sleep(POLL);
        }
    }
}
