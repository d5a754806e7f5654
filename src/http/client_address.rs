//! Who sends a request: the address of its connection, or what trusted proxies say of it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;

use crate::pipeline::ClientKey;

/// The other end of the connection; in the extensions of each request.
#[derive(Clone, Copy, Debug)]
pub struct PeerAddress(pub SocketAddr);

/// Entries of `X-Forwarded-For` that are looked at, from its end.
const MOST_HOPS: usize = 32;

/// The client's address: the peer's, unless that is a trusted proxy; then, from the end of
/// `X-Forwarded-For`, the first that is not one. What stands before it was written by the client itself and
/// is not believed.
pub fn client_address(headers: &HeaderMap, peer: IpAddr, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|net| net.contains(&address));
    let mut client = peer.to_canonical();
    let values = headers.get_all("x-forwarded-for").iter();
    let mut hops = values
        .rev()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.rsplit(','))
        .take(MOST_HOPS);
    while is_trusted(client) {
        let Some(before) = hops.next().and_then(parse_hop) else { break };
        client = before;
    }
    client
}

/// An address, with or without a port, as proxies write it.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim().trim_matches('"');
    let bare = hop.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(hop);
    let address = bare.parse().ok().or_else(|| Some(hop.parse::<SocketAddr>().ok()?.ip()))?;
    Some(IpAddr::to_canonical(&address))
}

/// Tells clients apart: by the address, of IPv6 by the 64 bits that one subscriber has (RFC 6177).
pub fn client_key(address: IpAddr) -> ClientKey {
    const SUBNET: u128 = !0 << 64;
    match address {
        IpAddr::V4(address) => ClientKey(address.to_bits().into()),
        IpAddr::V6(address) => ClientKey(Ipv6Addr::to_bits(address) & SUBNET),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn client(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_str(value).unwrap());
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|net| net.parse().unwrap()).collect();
        client_address(&headers, peer.parse().unwrap(), &trusted).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let proxies = ["10.0.0.0/8", "fd00::/8"];
        assert_eq!(client("192.0.2.1", &["198.51.100.7"], &proxies), "192.0.2.1");
        assert_eq!(client("10.1.1.1", &["198.51.100.7"], &[]), "10.1.1.1");
        assert_eq!(client("10.1.1.1", &["198.51.100.7"], &proxies), "198.51.100.7");
        assert_eq!(client("::ffff:10.1.1.1", &["198.51.100.7"], &proxies), "198.51.100.7");
        assert_eq!(
            client("10.1.1.1", &["1.2.3.4, 198.51.100.7, 10.2.2.2"], &proxies),
            "198.51.100.7"
        );
        assert_eq!(
            client("10.1.1.1", &["1.2.3.4", "198.51.100.7", "10.2.2.2"], &proxies),
            "198.51.100.7"
        );
        assert_eq!(client("fd00::1", &["[2001:db8::5]:443"], &proxies), "2001:db8::5");
        assert_eq!(client("10.1.1.1", &["198.51.100.7:5555"], &proxies), "198.51.100.7");
        assert_eq!(client("10.1.1.1", &["unknown"], &proxies), "10.1.1.1");
        assert_eq!(client("10.1.1.1", &[], &proxies), "10.1.1.1");
        let endless = vec!["10.2.2.2"; 1000].join(",");
        assert_eq!(client("10.1.1.1", &[&endless], &proxies), "10.2.2.2");
    }

    #[test]
    fn a_subscriber_of_ipv6_is_one_client() {
        let key = |address: &str| client_key(address.parse().unwrap());
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:3:4:5:6"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }
}
