//! The HTTP client: timeouts, proxies and trust.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;

use ureq::Agent;
use ureq::http::Uri;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use super::{Download, FetchError, proxy, without_credentials};

/// How the server is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Proxies {
    /// As the first of `ALL_PROXY`, `HTTPS_PROXY` and `HTTP_PROXY` says that is set and not empty,
    /// except for the hosts in `NO_PROXY`; small letters do as well.
    Variables(Vec<(&'static str, OsString)>),
    /// Directly.
    #[default]
    None,
    /// Through this one: `http://`, `https://`, `socks4://` or `socks5://`, then `HOST:PORT`.
    At(String),
}

impl Proxies {
    /// What the environment says, in which `variable` looks a name up. What is wrong with it is said when it is needed.
    pub fn of_environment(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let set = proxy::names().filter_map(|name| Some((name, variable(name)?)));
        Self::Variables(set.collect())
    }
}

/// Whether `url` is an address to download from: `https://HOST/…` or `http://HOST/…`.
pub fn can_download_from(url: &str) -> bool {
    url.parse::<Uri>()
        .is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
}

pub(super) fn build(download: &Download) -> Result<Agent, FetchError> {
    if !can_download_from(&download.url) {
        return Err(FetchError::Url { url: download.shown_url() });
    }
    let proxy = match &download.proxies {
        Proxies::Variables(set) => {
            let value = |name: &str| Some(set.iter().find(|(set, _)| *set == name)?.1.clone());
            proxy::from_environment(value)?
        }
        Proxies::None => None,
        Proxies::At(address) => {
            let proxy = proxy::read(address, OsStr::new(""));
            let wrong = || FetchError::Proxy { proxy: without_credentials(address).into_owned() };
            Some(proxy.ok_or_else(wrong)?)
        }
    };
    let roots = match &download.certificates {
        Some(path) => read_roots(path)?,
        None => RootCerts::WebPki,
    };
    Ok(Agent::config_builder()
        .http_status_as_error(false)
        .proxy(proxy)
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .user_agent(concat!("googlenet/", env!("CARGO_PKG_VERSION")))
        // The checksum is of the bytes as they are, so no server may recode them.
        .accept_encoding("identity")
        .timeout_resolve(Some(download.connect_timeout))
        .timeout_connect(Some(download.connect_timeout))
        .timeout_recv_response(Some(download.read_timeout))
        .timeout_per_read(Some(download.read_timeout))
        .timeout_per_write(Some(download.read_timeout))
        .timeout_global(Some(download.attempt_timeout))
        // A broken connection must not be met again in the next attempt.
        .max_idle_connections(0)
        .build()
        .new_agent())
}

fn read_roots(path: &Path) -> Result<RootCerts, FetchError> {
    let error = |reason: String| FetchError::Certificates { path: path.to_owned(), reason };
    let pem = fs::read(path).map_err(|source| error(source.to_string()))?;
    let mut roots = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(root) = item.map_err(|source| error(source.to_string()))? {
            roots.push(root);
        }
    }
    if roots.is_empty() {
        return Err(error("there is no certificate in it".to_owned()));
    }
    Ok(RootCerts::from(roots))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build_error(download: Download) -> String {
        build(&download).unwrap_err().to_string()
    }

    #[test]
    fn only_http_addresses_are_taken() {
        for url in ["", "googlenet.onnx", "ftp://host/a", "https://", "file:///a", "http://a b/"] {
            let message = build_error(Download { url: url.to_owned(), ..Download::default() });
            assert!(message.contains("https://HOST"), "{url}: {message}");
        }
    }

    #[test]
    fn bad_proxies_are_named() {
        let proxies = Proxies::At("gopher://host".to_owned());
        let message = build_error(Download { proxies, ..Download::default() });
        assert!(message.contains("gopher://host"), "{message}");
    }

    #[test]
    fn certificates_must_be_pem() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("roots.pem");
        let with = || Download { certificates: Some(path.clone()), ..Download::default() };
        assert!(build_error(with()).contains("roots.pem"));
        fs::write(&path, "no certificate").unwrap();
        assert!(build_error(with()).contains("no certificate in it"));
    }
}
