//! Who the client is and what upstreams are told about it: X-Forwarded-For, -Proto, -Host. Pure.
//!
//! A header about the client counts only when the connection comes from a trusted proxy, and then it is read
//! from the right: each trusted hop vouches for the entry it added, nobody for what stands further left.
//! `Forwarded` (RFC 7239) is never believed and never passed on.

use crate::config::Trust;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::net::{IpAddr, SocketAddr};

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// What a trusted proxy said; empty for everybody else.
#[derive(Debug, Default)]
pub struct Said {
    /// All `X-Forwarded-For` values, joined.
    chain: Option<HeaderValue>,
    proto: Option<HeaderValue>,
    host: Option<HeaderValue>,
}

impl Said {
    /// Reads the headers; they must still be there, so before protected names are deleted.
    pub fn read(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(FOR).iter();
        let first = values.next().cloned();
        let chain = values.fold(first, |chain, more| join(chain?.as_bytes(), more.as_bytes()));
        let known = |value: &&HeaderValue| matches!(value.as_bytes(), b"http" | b"https");
        Self { chain, proto: headers.get(PROTO).filter(known).cloned(), host: headers.get(HOST).cloned() }
    }

    /// The client: going left from the trusted `nearest`, the first address nobody trusted vouches beyond, at
    /// most `trust.hops` entries away.
    pub fn client(&self, nearest: SocketAddr, trust: &Trust) -> SocketAddr {
        let Some(chain) = self.chain.as_ref().and_then(|chain| chain.to_str().ok()) else { return nearest };
        let mut client = nearest;
        for entry in chain.rsplit(',').take(trust.hops) {
            let Some(address) = parse(entry.trim()) else { break };
            client = SocketAddr::new(address, 0);
            if !trust.trusts(address) {
                break;
            }
        }
        client
    }
}

/// An entry: an address, perhaps with a port, IPv6 perhaps in brackets.
fn parse(entry: &str) -> Option<IpAddr> {
    if let Ok(address) = entry.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    if let Ok(address) = entry.parse::<SocketAddr>() {
        return Some(address.ip().to_canonical());
    }
    let inner = entry.strip_prefix('[')?.strip_suffix(']')?;
    inner.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// Writes what upstreams are told. `nearest` is the address that connected (or its PROXY header's client).
pub fn write(
    headers: &mut HeaderMap,
    said: Said,
    nearest: &HeaderValue,
    scheme: &'static str,
    host: HeaderValue,
) {
    let chain = said.chain.and_then(|chain| join(chain.as_bytes(), nearest.as_bytes()));
    headers.insert(FOR, chain.unwrap_or_else(|| nearest.clone()));
    headers.insert(PROTO, said.proto.unwrap_or_else(|| HeaderValue::from_static(scheme)));
    headers.insert(HOST, said.host.unwrap_or(host));
}

fn join(left: &[u8], right: &[u8]) -> Option<HeaderValue> {
    HeaderValue::from_bytes(&[left, right].join(&b", "[..])).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(chain: &str, hops: usize) -> String {
        let mut headers = HeaderMap::new();
        for line in chain.split('|') {
            headers.append(FOR, line.parse().unwrap());
        }
        let trust = Trust { proxies: vec!["10.0.0.0/8".parse().unwrap()], hops };
        Said::read(&headers).client("10.0.0.1:999".parse().unwrap(), &trust).ip().to_string()
    }

    #[test]
    fn the_client_is_counted_from_the_right_as_far_as_trust_goes() {
        assert_eq!(client("198.51.100.9, 192.0.2.7", 1), "192.0.2.7");
        assert_eq!(client("198.51.100.9, 192.0.2.7, 10.0.0.2", 2), "192.0.2.7");
        assert_eq!(client("198.51.100.9, 192.0.2.7", 2), "192.0.2.7", "192.0.2.7 vouches for nobody");
        assert_eq!(client("198.51.100.9|192.0.2.7", 1), "192.0.2.7", "several lines are one list");
        assert_eq!(client("10.0.0.3", 5), "10.0.0.3");
    }

    #[test]
    fn an_entry_that_is_no_address_ends_the_count() {
        assert_eq!(client("198.51.100.9, unknown", 1), "10.0.0.1");
        assert_eq!(client("evil, 10.0.0.9", 5), "10.0.0.9");
        assert_eq!(client("[2001:db8::1]:443", 1), "2001:db8::1");
        assert_eq!(client("::ffff:192.0.2.1", 1), "192.0.2.1");
        assert_eq!(client("192.0.2.1:80", 1), "192.0.2.1");
    }

    #[test]
    fn nobody_is_believed_with_zero_hops() {
        assert_eq!(client("192.0.2.7", 0), "10.0.0.1");
    }

    #[test]
    fn a_trusted_chain_is_extended_and_an_untrusted_one_replaced() {
        let nearest = HeaderValue::from_static("10.0.0.1");
        let host = HeaderValue::from_static("shop.example");
        let mut headers = HeaderMap::new();
        headers.insert(FOR, "192.0.2.7".parse().unwrap());
        headers.insert(PROTO, "https".parse().unwrap());
        let said = Said::read(&headers);

        write(&mut headers, said, &nearest, "http", host.clone());
        assert_eq!(headers[FOR], "192.0.2.7, 10.0.0.1");
        assert_eq!(headers[PROTO], "https");

        write(&mut headers, Said::default(), &nearest, "http", host);
        assert_eq!(headers[FOR], "10.0.0.1");
        assert_eq!(headers[PROTO], "http");
        assert_eq!(headers[HOST], "shop.example");
    }
}
