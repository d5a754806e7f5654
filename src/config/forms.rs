//! The forms of values: how each is read, and what is said of a value that has another form.

use axum::http::uri::Authority;
use ipnet::IpNet;

use googlenet_engine::weights::fetch::can_download_from;
use googlenet_kernels::isa::IsaChoice;

/// A value does not have the form that its knob needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// It is no whole number, or out of bounds.
    #[error("expected a whole number {}", bounds(*least, *most))]
    Number {
        /// The least that may be.
        least: u64,
        /// The most.
        most: u64,
    },
    /// It is no instruction set.
    #[error("expected auto, portable, avx2, avxvnni, avx512 or avx512vnni")]
    Isa,
    /// It is no network.
    #[error("expected networks separated by commas, such as 10.0.0.0/8,fd00::/8")]
    Network,
    /// It is no origin.
    #[error(
        "expected origins separated by commas, such as https://example.com,http://localhost:3000, \
         or * for any"
    )]
    Origin,
    /// Nothing can be downloaded from it.
    #[error("expected an address to download from, such as https://example.com/googlenet.onnx")]
    Url,
}

fn bounds(least: u64, most: u64) -> String {
    if most == u64::MAX {
        format!("that is at least {least}")
    } else {
        format!("from {least} to {most}")
    }
}

/// Reads a whole number within bounds.
pub(super) fn number(least: u64, most: u64) -> impl Fn(&str) -> Result<u64, FormError> + Clone {
    move |text| {
        let number = text.trim().parse().ok().filter(|number| (least..=most).contains(number));
        number.ok_or(FormError::Number { least, most })
    }
}

/// Reads how many there are of something, within bounds.
pub(super) fn count(least: u64, most: u64) -> impl Fn(&str) -> Result<usize, FormError> + Clone {
    let number = number(least, most);
    move |text| {
        let count = number(text)?;
        usize::try_from(count).map_err(|_| FormError::Number { least, most })
    }
}

/// Reads the name of an instruction set, or `auto`.
pub(super) fn isa(text: &str) -> Result<IsaChoice, FormError> {
    text.trim().parse().map_err(|_| FormError::Isa)
}

/// Reads a network.
pub(super) fn network(text: &str) -> Result<IpNet, FormError> {
    text.trim().parse().map_err(|_| FormError::Network)
}

/// Reads an origin (RFC 6454), or `*`. Browsers send origins in small letters, so those it gives.
pub(super) fn origin(text: &str) -> Result<String, FormError> {
    let text = text.trim().to_ascii_lowercase();
    if text == "*" || is_origin(&text) { Ok(text) } else { Err(FormError::Origin) }
}

fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else { return false };
    let scheme_is_one = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let Ok(authority) = authority.parse::<Authority>() else { return false };
    let host = authority.host();
    // What remains beside the host is a port or what no origin has.
    let port = authority.as_str().strip_prefix(host);
    let port_is_one = port == Some("") || authority.port_u16().is_some() && port.is_some();
    scheme_is_one && port_is_one && is_host(host)
}

/// A name or an IP address, the latter in brackets if it is of IPv6.
fn is_host(text: &str) -> bool {
    let ip_v6 = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    match ip_v6 {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => text.parse::<std::net::Ipv4Addr>().is_ok() || is_host_name(text),
    }
}

/// Whether `text` can be a host's name: labels of letters, digits, `-` and `_`, not numbers alone,
/// which are an IP address, or a wrong one.
pub(super) fn is_host_name(text: &str) -> bool {
    let labels = text.strip_suffix('.').unwrap_or(text).split('.');
    let is_label = |label: &str| {
        !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
    };
    labels.clone().all(is_label) && !labels.clone().all(|l| l.chars().all(|c| c.is_ascii_digit()))
}

/// Reads an address to download from.
pub(super) fn url(text: &str) -> Result<String, FormError> {
    let text = text.trim();
    if can_download_from(text) { Ok(text.to_owned()) } else { Err(FormError::Url) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_within_bounds() {
        let few = count(1, 10);
        assert_eq!((few("1"), few(" 10 ")), (Ok(1), Ok(10)));
        for text in ["0", "11", "-1", "1.5", "1e1", "many", "", "99999999999999999999"] {
            assert_eq!(few(text), Err(FormError::Number { least: 1, most: 10 }), "{text}");
        }
        let message = |error: Result<u64, FormError>| error.unwrap_err().to_string();
        assert_eq!(message(number(1, 10)("x")), "expected a whole number from 1 to 10");
        assert_eq!(message(number(5, u64::MAX)("4")), "expected a whole number that is at least 5");
        assert_eq!(number(0, u64::MAX)("18446744073709551615"), Ok(u64::MAX));
    }

    #[test]
    fn origins_are_scheme_host_and_port() {
        for (text, read) in [
            ("*", "*"),
            ("https://example.com", "https://example.com"),
            (" http://localhost:3000", "http://localhost:3000"),
            ("https://Example.COM", "https://example.com"),
            ("http://127.0.0.1:80", "http://127.0.0.1:80"),
            ("http://[::1]:80", "http://[::1]:80"),
            ("capacitor://localhost", "capacitor://localhost"),
        ] {
            assert_eq!(origin(text).as_deref(), Ok(read), "{text}");
        }
        for text in [
            "",
            "not an origin",
            "example.com",
            "https://",
            "https://a/",
            "https://a/b",
            "https://a?b",
            "https://u@a",
            "https://a:",
            "https://a:port",
            "https://*.a",
            "https://1.2.3",
            "://a",
        ] {
            assert_eq!(origin(text), Err(FormError::Origin), "{text}");
        }
    }

    #[test]
    fn networks_and_addresses_are_read() {
        assert_eq!(network(" 10.0.0.0/8").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(network("10.0.0.1"), Err(FormError::Network));
        assert_eq!(url(" https://a/b ").as_deref(), Ok("https://a/b"));
        assert_eq!(url("ftp://a/b"), Err(FormError::Url));
    }

    #[test]
    fn the_instruction_sets_are_all_told() {
        let message = FormError::Isa.to_string();
        assert!(isa("auto") == Ok(IsaChoice::Auto) && message.contains("auto"));
        for name in googlenet_kernels::isa::IsaName::ALL {
            assert_eq!(isa(name.as_str()), Ok(IsaChoice::Only(name)));
            assert!(message.contains(name.as_str()), "{message}");
        }
        assert_eq!(isa("sse9"), Err(FormError::Isa));
    }
}
