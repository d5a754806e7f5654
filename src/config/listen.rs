//! The address that a service listens on, in every form that users write.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use super::forms::is_host_name;

/// An address and a port to listen on; the address may be a name that is resolved at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// An IP address, or all interfaces.
    Address(SocketAddr),
    /// A host's name.
    Name {
        /// The name.
        host: String,
        /// The port; 0 lets the system choose one.
        port: u16,
    },
}

/// The text is no address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an address and a port, such as 0.0.0.0:8080, localhost:8080 or :8080")]
pub struct ListenAddressError;

/// A host's name has no address.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot resolve {host}: {source}: expected a host that has an address, such as localhost:8080"
)]
pub struct ResolveError {
    /// The name.
    pub host: String,
    /// What the system says.
    pub source: io::Error,
}

impl ListenAddress {
    /// The address to bind. A name is looked up, which blocks the thread; of several addresses an
    /// IPv4 one is taken.
    ///
    /// # Errors
    /// [`ResolveError`] names the host.
    pub fn resolve(&self) -> Result<SocketAddr, ResolveError> {
        let (host, port) = match self {
            Self::Address(address) => return Ok(*address),
            Self::Name { host, port } => (host.as_str(), *port),
        };
        let found = (host, port).to_socket_addrs().map(preferred);
        let found = found.and_then(|found| found.ok_or(io::ErrorKind::AddrNotAvailable.into()));
        found.map_err(|source| ResolveError { host: host.to_owned(), source })
    }
}

/// The first IPv4 address, else the first: most clients try `127.0.0.1` for `localhost`.
fn preferred(addresses: impl Iterator<Item = SocketAddr>) -> Option<SocketAddr> {
    let addresses: Vec<SocketAddr> = addresses.collect();
    addresses.iter().find(|address| address.is_ipv4()).or(addresses.first()).copied()
}

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    /// `0.0.0.0:8080`, `[::]:8080`, `localhost:8080`; `:8080`, `*:8080` and `8080` mean all
    /// interfaces.
    fn from_str(text: &str) -> Result<Self, ListenAddressError> {
        let text = text.trim();
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
        let port = port_number(port).ok_or(ListenAddressError)?;
        match host {
            "" | "*" => Ok(Self::Address((Ipv4Addr::UNSPECIFIED, port).into())),
            _ if is_host_name(host) => Ok(Self::Name { host: host.to_owned(), port }),
            _ => Err(ListenAddressError),
        }
    }
}

/// Digits alone: `parse` would take a sign too.
fn port_number(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

impl From<SocketAddr> for ListenAddress {
    fn from(address: SocketAddr) -> Self {
        Self::Address(address)
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        for (text, read) in [
            ("0.0.0.0:8080", "0.0.0.0:8080"),
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("[::]:8080", "[::]:8080"),
            ("[::1]:80", "[::1]:80"),
            (":8080", "0.0.0.0:8080"),
            ("*:8080", "0.0.0.0:8080"),
            ("8080", "0.0.0.0:8080"),
            ("0", "0.0.0.0:0"),
            (" 8080\n", "0.0.0.0:8080"),
            ("localhost:8080", "localhost:8080"),
            ("api-1.example.com:65535", "api-1.example.com:65535"),
        ] {
            let address: ListenAddress = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(address.to_string(), read, "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_form() {
        for text in [
            "",
            ":",
            "*",
            "localhost",
            "localhost:",
            "0.0.0.0",
            "[::]",
            "::",
            "::1:8080",
            "[::1:8080",
            ":65536",
            ":+80",
            ":-1",
            "256.0.0.1:80",
            "1.2.3:80",
            "http://localhost:8080",
            "local host:80",
            "a..b:80",
            "user@host:80",
            "localhost:80/",
            "localhost:http",
        ] {
            let error = text.parse::<ListenAddress>().expect_err(text);
            assert!(error.to_string().contains("such as 0.0.0.0:8080, localhost:8080 or :8080"));
        }
    }

    #[test]
    fn a_name_is_resolved_to_ipv4_where_it_has_such_an_address() {
        let (four, six) = (([127, 0, 0, 1], 80).into(), "[::1]:80".parse().unwrap());
        assert_eq!(preferred([six, four].into_iter()), Some(four));
        assert_eq!(preferred([six].into_iter()), Some(six));
        assert_eq!(preferred([].into_iter()), None);
        let localhost: ListenAddress = "localhost:80".parse().unwrap();
        assert!(localhost.resolve().unwrap().ip().is_loopback());
    }
}
