//! Why a download fails, and whether it is worth another attempt.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::weights::Sha256;

/// Why a file could not be downloaded.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The address is no address.
    #[error("{url} is not an address to download from: it must be https://HOST/… or http://HOST/…")]
    Url {
        /// What was given.
        url: String,
    },
    /// The proxy that was asked for cannot be used.
    #[error(
        "{proxy} is not the address of a proxy: it must be http://HOST:PORT or socks5://HOST:PORT"
    )]
    Proxy {
        /// What was given, without a user name and password.
        proxy: String,
    },
    /// The proxy that the environment names cannot be used.
    #[error(
        "the variable {variable} has the wrong value {value:?}: expected the address of a proxy, \
         such as http://proxy.example:3128 or socks5://proxy.example:1080"
    )]
    ProxyVariable {
        /// The variable.
        variable: &'static str,
        /// Its value, without a user name and password.
        value: String,
    },
    /// The certificates to trust cannot be read.
    #[error("cannot read certificates from {}: {reason}: expected a PEM file, such as \
         /etc/ssl/certs/ca-certificates.crt", path.display())]
    Certificates {
        /// The PEM file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The folder or a file in it cannot be written: read-only, full, or not ours.
    #[error(
        "cannot write {}: {source}: make room or give the rights, choose another cache folder \
         with XDG_CACHE_HOME, or name a file elsewhere with --model",
        path.display()
    )]
    Write {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another process downloads the same file and does not come to an end.
    #[error(
        "another process has been downloading for {} s (it holds {}): \
         wait for it or stop it, then try again",
        waited.as_secs(),
        path.display()
    )]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The server cannot be reached, or the exchange broke off.
    #[error(
        "{url}: {source} (a proxy is taken from ALL_PROXY, HTTPS_PROXY or HTTP_PROXY, except for the hosts in NO_PROXY)"
    )]
    Exchange {
        /// The address.
        url: String,
        /// What the client says.
        source: Box<ureq::Error>,
    },
    /// The server is not who it says it is, as far as the trusted certificates tell.
    #[error(
        "{url}: {source}: if a proxy of your network signs anew, \
         name its certificate with SSL_CERT_FILE"
    )]
    Untrusted {
        /// The address.
        url: String,
        /// What the client says.
        source: Box<ureq::Error>,
    },
    /// The server ended early.
    #[error("{url}: the connection ended after {received} of {expected} bytes")]
    Short {
        /// The address.
        url: String,
        /// Bytes that are there now, earlier ones included.
        received: u64,
        /// Bytes of the whole file.
        expected: u64,
    },
    /// The server's answer to the wish to resume makes no sense.
    #[error("{url}: the server cannot resume at byte {offset}")]
    Range {
        /// The address.
        url: String,
        /// Where it should have resumed.
        offset: u64,
    },
    /// The server refuses.
    #[error("{url}: the server answered {status}{}", status_advice(*status))]
    Status {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The server offers a file of another length.
    #[error(
        "{url}: the server offers {actual} bytes, expected are {expected}: \
         it is another file, or a page in its place"
    )]
    Length {
        /// The address.
        url: String,
        /// Bytes of the pinned file.
        expected: u64,
        /// Bytes that the server announces.
        actual: u64,
    },
    /// The server sends more than the file has.
    #[error("{url}: the server sends more than the expected {expected} bytes: it is another file")]
    TooLong {
        /// The address.
        url: String,
        /// Bytes of the pinned file.
        expected: u64,
    },
    /// What arrived is not the pinned file; it was removed.
    #[error(
        "{url}: the file has the SHA-256 {actual}, expected is {expected}: \
         it was damaged on the way or is another file, and was removed"
    )]
    Checksum {
        /// The address.
        url: String,
        /// That of the pinned file.
        expected: Sha256,
        /// That of what arrived.
        actual: Sha256,
    },
}

impl FetchError {
    /// Whether a setting is wrong: nothing was tried.
    pub fn is_of_a_setting(&self) -> bool {
        match self {
            Self::Url { .. }
            | Self::Proxy { .. }
            | Self::ProxyVariable { .. }
            | Self::Certificates { .. } => true,
            Self::Write { .. }
            | Self::Locked { .. }
            | Self::Exchange { .. }
            | Self::Untrusted { .. }
            | Self::Short { .. }
            | Self::Range { .. }
            | Self::Status { .. }
            | Self::Length { .. }
            | Self::TooLong { .. }
            | Self::Checksum { .. } => false,
        }
    }
}

fn status_advice(status: u16) -> &'static str {
    match status {
        404 | 410 => ": the file has moved; give another address with GOOGLENET_MODEL_URL",
        401 | 403 => ": it wants a login; give another address with GOOGLENET_MODEL_URL",
        407 => ": the proxy wants a login; write it as http://USER:PASSWORD@HOST:PORT",
        _ => "",
    }
}

/// How one attempt failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The next attempt may go better, after `pause` if the server asks for one.
    Passing { error: FetchError, pause: Option<Duration> },
    /// The next attempt would fail as well.
    Lasting(FetchError),
    /// As lasting, and what was received is worth nothing.
    WrongFile(FetchError),
}

impl Failure {
    pub(super) fn passing(error: FetchError) -> Self {
        Self::Passing { error, pause: None }
    }

    /// Sorts an error of the client.
    pub(super) fn of_exchange(url: String, error: ureq::Error) -> Self {
        use ureq::Error;
        let source = Box::new(error);
        match &*source {
            // rustls reports a bad certificate as invalid data of the stream.
            Error::Io(io) if io.kind() == io::ErrorKind::InvalidData => {
                Self::Lasting(FetchError::Untrusted { url, source })
            }
            Error::Rustls(_) | Error::Tls(_) | Error::Pem(_) => {
                Self::Lasting(FetchError::Untrusted { url, source })
            }
            Error::Io(_)
            | Error::Timeout(_)
            | Error::HostNotFound
            | Error::ConnectionFailed
            | Error::ConnectProxyFailed(_)
            | Error::Protocol(_)
            | Error::BodyStalled => Self::passing(FetchError::Exchange { url, source }),
            _ => Self::Lasting(FetchError::Exchange { url, source }),
        }
    }
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        Self::Lasting(error)
    }
}
