//! The proxy that a download goes through, as the environment or the caller names it.

use std::ffi::{OsStr, OsString};

use ureq::Proxy;

use super::{FetchError, without_credentials};

/// The first of these that is set names the proxy. The order is that of ureq, whose own reading
/// passes over what it cannot read, and would go past the proxy in silence.
const VARIABLES: [&str; 6] =
    ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];
/// The first of these that is set names the hosts that are reached directly.
const EXCEPTIONS: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// All of these variables.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    VARIABLES.into_iter().chain(EXCEPTIONS)
}

/// The proxy that the variables name, which `variable` looks up; an empty one is as one that is
/// not set.
pub(super) fn from_environment(
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<Proxy>, FetchError> {
    let set = |name: &'static str| {
        variable(name).filter(|value| !value.is_empty()).map(|value| (name, value))
    };
    let Some((name, value)) = VARIABLES.into_iter().find_map(set) else { return Ok(None) };
    let hosts = EXCEPTIONS.into_iter().find_map(set).map(|(_, hosts)| hosts).unwrap_or_default();
    let proxy = value.to_str().and_then(|text| read(text, &hosts));
    let wrong = || {
        let value = without_credentials(&value.to_string_lossy()).into_owned();
        FetchError::ProxyVariable { variable: name, value }
    };
    proxy.map(Some).ok_or_else(wrong)
}

/// The proxy at `address`, for all hosts but those in `except`, which commas separate.
pub(super) fn read(address: &str, except: &OsStr) -> Option<Proxy> {
    let read = Proxy::new(address.trim()).ok().filter(has_a_port_or_none)?;
    let mut builder = Proxy::builder(read.protocol())
        .host(read.host())
        .port(read.port())
        .resolve_target(read.resolve_target());
    if let Some(name) = read.username() {
        builder = builder.username(name);
    }
    if let Some(password) = read.password() {
        builder = builder.password(password);
    }
    let except = except.to_string_lossy();
    let hosts = except.split(',').map(str::trim).filter(|host| !host.is_empty());
    hosts.fold(builder, |builder, host| builder.no_proxy(host)).build().ok()
}

/// ureq takes the default port in place of one that is no number.
fn has_a_port_or_none(proxy: &Proxy) -> bool {
    let Some(authority) = proxy.uri().authority() else { return false };
    let place = authority.as_str().rsplit('@').next().unwrap_or_default();
    place == authority.host() || authority.port_u16().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    use ureq::ProxyProtocol;

    fn proxy(environment: &[(&str, &str)]) -> Result<Option<Proxy>, FetchError> {
        from_environment(|name| {
            environment.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
        })
    }

    fn host(environment: &[(&str, &str)]) -> Option<String> {
        proxy(environment).unwrap().map(|proxy| proxy.host().to_owned())
    }

    #[test]
    fn the_first_that_is_set_names_it() {
        assert_eq!(host(&[]), None);
        for (place, name) in VARIABLES.into_iter().enumerate() {
            let later = VARIABLES[place..].iter().map(|later| (*later, "http://other"));
            let mut environment: Vec<_> = later.collect();
            environment[0] = (name, "http://first:3128");
            assert_eq!(host(&environment).as_deref(), Some("first"), "{name}");
            environment[0] = (name, "");
            let other = if place + 1 < VARIABLES.len() { Some("other") } else { None };
            assert_eq!(host(&environment).as_deref(), other, "{name} is empty");
        }
    }

    #[test]
    fn what_the_address_says_is_kept() {
        let address = "socks5://ada:p%40ss@host.example:1081";
        let proxy = proxy(&[("https_proxy", address)]).unwrap().unwrap();
        assert_eq!(proxy.protocol(), ProxyProtocol::Socks5);
        assert_eq!((proxy.host(), proxy.port()), ("host.example", 1081));
        assert_eq!((proxy.username(), proxy.password()), (Some("ada"), Some("p@ss")));
        let socks4 = read("socks4://host", OsStr::new("")).unwrap();
        assert_eq!((socks4.port(), socks4.resolve_target()), (1080, true));
        let [bare, ip_v6] = ["proxy.example:8080", "http://[::1]:3128/"]
            .map(|address| read(address, OsStr::new("")).unwrap());
        assert_eq!((bare.protocol(), bare.port()), (ProxyProtocol::Http, 8080));
        assert_eq!((ip_v6.host(), ip_v6.port()), ("[::1]", 3128));
    }

    #[test]
    fn some_hosts_are_reached_directly() {
        let except = |environment: &[(&str, &str)], url: &str| {
            let all = [&[("ALL_PROXY", "http://proxy")], environment].concat();
            proxy(&all).unwrap().unwrap().is_no_proxy(&url.parse().unwrap())
        };
        let hosts = [("NO_PROXY", "localhost, .example.com")];
        assert!(except(&hosts, "http://localhost/"));
        assert!(except(&hosts, "http://a.example.com/"));
        assert!(!except(&hosts, "http://example.org/"));
        // An empty one hides neither the other nor a host.
        assert!(except(&[("NO_PROXY", ""), ("no_proxy", "*")], "http://example.org/"));
        assert!(!except(&[("NO_PROXY", "")], "http://example.org/"));
    }

    #[test]
    fn what_cannot_be_read_is_named_without_credentials() {
        for (value, shown) in [
            ("gopher://x", "gopher://x"),
            ("not a proxy", "not a proxy"),
            ("http://", "http://"),
            ("http://host:port", "http://host:port"),
            ("http://host:", "http://host:"),
            ("http://host:65536", "http://host:65536"),
            ("gopher://ada:secret@x:70", "gopher://x:70"),
            ("http://ada:sec/ret@host:1", "http://host:1"),
            ("ada:sec ret@host", "host"),
        ] {
            let message = proxy(&[("HTTPS_PROXY", value)]).unwrap_err().to_string();
            assert!(message.contains(&format!("HTTPS_PROXY has the wrong value {shown:?}")));
            assert!(message.contains("http://proxy.example:3128"), "{message}");
        }
        // One that is not used does not matter.
        let both = [("ALL_PROXY", "http://proxy"), ("HTTPS_PROXY", "gopher://x")];
        assert_eq!(host(&both).as_deref(), Some("proxy"));
    }
}
