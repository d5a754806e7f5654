//! Downloads a pinned file over HTTP, resumable, and keeps it only when its checksum is right.

mod agent;
mod attempt;
mod error;
mod lock;
mod part;
mod progress;
mod proxy;

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

pub use agent::{Proxies, can_download_from};
pub use error::FetchError;
pub use progress::{Bar, LogLines, Progress, progress_for_stderr};

use super::{FILE_NAME, Manifest, Sha256};
use attempt::Exchange;
use error::Failure;
use lock::Lock;
use part::Part;

/// So much new data pays for one more failure, so that a line that breaks again and again still
/// brings the whole file, and one that brings nothing is given up.
const REDEEMING_BYTES: u64 = 256 * 1024;
/// The longest pause between two attempts, whatever a server asks for.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// What to download, and with how much patience.
#[derive(Clone, Debug)]
pub struct Download {
    /// The address, `https://` or `http://`; a mirror's, if need be.
    pub url: String,
    /// The checksum that the file must have, whatever the address.
    pub sha256: Sha256,
    /// The length that the file must have, in bytes.
    pub bytes: u64,
    /// How the server is reached.
    pub proxies: Proxies,
    /// A PEM file with the certificates to trust in place of the built-in roots
    /// (`SSL_CERT_FILE` by custom), for networks whose proxy signs anew.
    pub certificates: Option<PathBuf>,
    /// The time to resolve the name, and again to connect.
    pub connect_timeout: Duration,
    /// The longest silence of a server while data is awaited.
    pub read_timeout: Duration,
    /// The longest time of one attempt; the next takes up where it ended.
    pub attempt_timeout: Duration,
    /// Failed attempts in a row after which it is tried anew; 0 tries once.
    pub retries: u32,
    /// The pause after the first failure; doubled after each further one, up to 30 s.
    pub first_pause: Duration,
    /// How long another process that downloads the same file is waited for.
    pub lock_timeout: Duration,
}

impl Default for Download {
    /// The file that `models/googlenet.toml` gives an address for, without a proxy.
    fn default() -> Self {
        let (file, url) = Manifest::builtin()
            .files
            .iter()
            .find_map(|file| Some((file, file.url.clone()?)))
            .expect("the file is built in, and a test finds the address in it");
        Self {
            url,
            sha256: file.sha256,
            bytes: file.bytes,
            proxies: Proxies::None,
            certificates: None,
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(30),
            attempt_timeout: Duration::from_secs(30 * 60),
            retries: 4,
            first_pause: Duration::from_millis(500),
            lock_timeout: Duration::from_secs(60 * 60),
        }
    }
}

impl Download {
    /// Makes sure that `folder` holds the file under the name `googlenet.onnx`, and gives its path.
    ///
    /// Nothing is sent when it is there already. What arrives is written to `googlenet.onnx.part`,
    /// which survives a break, also of the process, and is renamed when it is whole and its
    /// checksum is right. One process at a time downloads into a folder; others wait for it.
    ///
    /// # Errors
    /// [`FetchError`] says what to do. A part with a wrong checksum, or that would become too
    /// long, is removed; after any other error it stays for the next time.
    pub fn fetch(&self, folder: &Path, progress: &mut dyn Progress) -> Result<PathBuf, FetchError> {
        let destination = folder.join(FILE_NAME);
        if self.is_at(&destination) {
            return Ok(destination);
        }
        let agent = agent::build(self)?;
        fs::create_dir_all(folder)
            .map_err(|source| FetchError::Write { path: folder.to_owned(), source })?;
        let _lock =
            Lock::acquire(&folder.join(format!("{FILE_NAME}.lock")), self.lock_timeout, progress)?;
        // Whoever held the lock may have brought it.
        if self.is_at(&destination) {
            return Ok(destination);
        }
        let mut part = Part::open(folder.join(format!("{FILE_NAME}.part")))?;
        progress.begin(&self.shown_url(), part.len().min(self.bytes), self.bytes);
        let filled = self.fill(&agent, &mut part, progress);
        if filled.is_err() && part.len() == 0 {
            part.remove();
        }
        filled?;
        part.rename(&destination)?;
        progress.end();
        Ok(destination)
    }

    /// The address without a user name and password.
    pub fn shown_url(&self) -> String {
        let Some((scheme, rest)) = self.url.split_once("://") else { return self.url.clone() };
        let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        match rest[..authority].rfind('@') {
            Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
            None => self.url.clone(),
        }
    }

    /// Checks the settings, without a download.
    ///
    /// # Errors
    /// Those for which [`FetchError::is_of_a_setting`] holds.
    pub fn check(&self) -> Result<(), FetchError> {
        agent::build(self).map(drop)
    }

    fn is_at(&self, path: &Path) -> bool {
        path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == self.bytes)
            && Sha256::of_file(path).is_ok_and(|(sha256, _)| sha256 == self.sha256)
    }

    /// Completes `part` and checks it.
    fn fill(
        &self,
        agent: &ureq::Agent,
        part: &mut Part,
        progress: &mut dyn Progress,
    ) -> Result<(), FetchError> {
        if part.len() > self.bytes {
            part.clear()?;
        }
        // What an earlier run left may be of another file; then all of it is brought anew, once.
        let mut inherited = part.len() > 0;
        loop {
            self.receive(agent, part, progress)?;
            let actual = part.sha256()?;
            if actual == self.sha256 {
                return Ok(());
            }
            part.clear()?;
            if !inherited {
                let expected = self.sha256;
                return Err(FetchError::Checksum { url: self.shown_url(), expected, actual });
            }
            inherited = false;
            progress.note("what an earlier download left does not fit; all of it is brought anew");
        }
    }

    /// Brings `part` to its length, over as many attempts as that takes and `retries` allows.
    fn receive(
        &self,
        agent: &ureq::Agent,
        part: &mut Part,
        progress: &mut dyn Progress,
    ) -> Result<(), FetchError> {
        let mut exchange = Exchange::new(agent, self);
        let mut failures = 0;
        let mut high_water = part.len();
        while part.len() < self.bytes {
            let (error, asked_pause) = match exchange.run(part, progress) {
                Ok(()) => return Ok(()),
                Err(Failure::Passing { error, pause }) => (error, pause),
                Err(Failure::Lasting(error)) => return Err(error),
                Err(Failure::WrongFile(error)) => {
                    part.clear()?;
                    return Err(error);
                }
            };
            if part.len() >= high_water + REDEEMING_BYTES {
                high_water = part.len();
                failures = 0;
            }
            failures += 1;
            if failures > self.retries {
                return Err(error);
            }
            let pause = self.pause(failures).max(asked_pause.unwrap_or_default()).min(MAX_PAUSE);
            progress.note(&format!("{error}; next attempt in {:.1} s", pause.as_secs_f32()));
            thread::sleep(pause);
        }
        Ok(())
    }

    fn pause(&self, failures: u32) -> Duration {
        self.first_pause.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)))
    }
}

/// `text`, which is no address that could be taken apart, without what may be a user name and a
/// password: what stands in front of the last `@`.
pub fn without_credentials(text: &str) -> Cow<'_, str> {
    let Some((_, place)) = text.rsplit_once('@') else { return text.into() };
    match text.split_once("://") {
        Some((scheme, _)) => format!("{scheme}://{place}").into(),
        None => place.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_the_published_file() {
        let download = Download::default();
        assert!(download.url.starts_with("https://"));
        assert_eq!(
            (download.sha256.version().as_str(), download.bytes),
            ("c99c507058ea", 28_021_836)
        );
    }

    #[test]
    fn credentials_are_not_shown() {
        for (url, shown) in [
            ("https://ada:se@cret@host:8/a@b?c", "https://host:8/a@b?c"),
            ("https://host/a@b", "https://host/a@b"),
            ("http://ada@host", "http://host"),
            ("nonsense", "nonsense"),
        ] {
            let download = Download { url: url.to_owned(), ..Download::default() };
            assert_eq!(download.shown_url(), shown);
        }
    }

    #[test]
    fn pauses_double() {
        let download = Download::default();
        let pauses = [1, 2, 3].map(|failures| download.pause(failures).as_millis());
        assert_eq!(pauses, [500, 1000, 2000]);
        assert!(download.pause(u32::MAX) > MAX_PAUSE);
    }
}
