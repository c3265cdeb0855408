//! Who may ask for what: decides from the head of a request alone. Pure.
//!
//! | what is sent                                             | why it is dangerous                          | answer |
//! |----------------------------------------------------------|----------------------------------------------|--------|
//! | a Host that is not ours                                  | DNS rebinding: a web page reads the answers  | 403    |
//! | a change with `Origin`, or sent from another site        | a web page presses the buttons (CSRF)        | 403    |
//! | a wrong token or none, where one is set                  | anybody who reaches the port                 | 401    |

use super::bind::Reach;
use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, Uri};
use std::net::IpAddr;

/// Why a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("the Host of the request is not an address of this listener")]
    ForeignHost,
    #[error("requests that change something must not come from a web page")]
    CrossOrigin,
    #[error("a bearer token is needed")]
    Unauthorized,
}

/// Whether the host that was asked for is one this listener can be meant by.
pub(super) fn check_host(reach: Reach, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (None, None) => None,
        (Some(host), None) => Some(host.to_str().map_err(|_| Refusal::ForeignHost)?),
        _ => return Err(Refusal::ForeignHost),
    };
    let named = match host {
        None | Some("") => reach == Reach::Unix,
        Some(host) => is_ours(reach, host),
    };
    // An absolute target names a host too (RFC 9112 §3.2.2).
    let target = uri.authority().is_none_or(|authority| is_ours(reach, authority.as_str()));
    if named && target { Ok(()) } else { Err(Refusal::ForeignHost) }
}

fn is_ours(reach: Reach, authority: &str) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else { return false };
    if authority.as_str().contains('@') {
        return false;
    }
    let host = authority.host();
    if host.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let Ok(address) = bare.parse::<IpAddr>().map(|address| address.to_canonical()) else { return false };
    match reach {
        _ if address.is_loopback() => true,
        Reach::Unix => false,
        // Bound to every address: a name could be rebound, a literal address cannot.
        Reach::Tcp(bound) => bound.is_unspecified() || bound.to_canonical() == address,
    }
}

/// Whether a change was asked for by a program and not by a web page.
pub(super) fn check_origin(headers: &HeaderMap) -> Result<(), Refusal> {
    let site = headers.get("sec-fetch-site").map(http::HeaderValue::as_bytes);
    let from_a_page = headers.contains_key(ORIGIN) || site.is_some_and(|site| site != b"none");
    if from_a_page { Err(Refusal::CrossOrigin) } else { Ok(()) }
}

/// Whether the token is right, where one is set.
pub(super) fn check_token(token: Option<&str>, headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(token) = token else { return Ok(()) };
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let (Some(given), None) = (given.next(), given.next()) else { return Err(Refusal::Unauthorized) };
    let given = bearer(given.as_bytes()).ok_or(Refusal::Unauthorized)?;
    // An empty token would let everybody in.
    if !token.is_empty() && same(token.as_bytes(), given) { Ok(()) } else { Err(Refusal::Unauthorized) }
}

/// The token of `Bearer TOKEN` (RFC 6750 §2.1); the scheme's case does not matter (RFC 9110 §11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii_start())
}

/// Compares without telling by its time how much was right; the length may be known.
fn same(one: &[u8], two: &[u8]) -> bool {
    let differing = one.iter().zip(two).fold(0, |all, (a, b)| std::hint::black_box(all | (a ^ b)));
    one.len() == two.len() && differing == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    fn host_is_fine(reach: Reach, host: &str) -> bool {
        check_host(reach, &Uri::from_static("/"), &headers(&[("host", host)])).is_ok()
    }

    const LOOPBACK: Reach = Reach::Tcp(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));
    const ANY: Reach = Reach::Tcp(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED));

    #[test]
    fn loopback_names_and_addresses_are_ours() {
        for host in
            ["localhost", "LocalHost:9901", "127.0.0.1:9901", "127.8.8.8", "[::1]:9901", "[::ffff:127.0.0.1]"]
        {
            assert!(host_is_fine(LOOPBACK, host), "{host}");
            assert!(host_is_fine(Reach::Unix, host), "{host}");
        }
    }

    #[test]
    fn other_names_are_not() {
        for host in [
            "evil.test",
            "localhost.evil.test",
            "127.0.0.1.evil.test",
            "evil.test:9901",
            "localhost@evil.test",
            "evil.test@localhost",
            "10.0.0.1",
            "127.1",
            "2130706433",
            "",
            "a b",
        ] {
            assert!(!host_is_fine(LOOPBACK, host), "{host}");
        }
    }

    #[test]
    fn the_bound_address_is_ours_and_any_literal_when_bound_to_all() {
        let bound = Reach::Tcp("10.0.0.1".parse().unwrap());

        assert!(host_is_fine(bound, "10.0.0.1:9901"));
        assert!(!host_is_fine(bound, "10.0.0.2:9901"));
        assert!(host_is_fine(ANY, "10.0.0.2:9901"));
        assert!(!host_is_fine(ANY, "pod.evil.test"));
    }

    #[test]
    fn only_a_unix_socket_takes_a_request_without_host() {
        let root = Uri::from_static("/");

        assert!(check_host(Reach::Unix, &root, &HeaderMap::new()).is_ok());
        assert!(check_host(LOOPBACK, &root, &HeaderMap::new()).is_err());
    }

    #[test]
    fn two_hosts_or_a_foreign_target_are_refused() {
        let two = headers(&[("host", "localhost"), ("host", "localhost")]);
        let one = headers(&[("host", "localhost")]);

        assert!(check_host(LOOPBACK, &Uri::from_static("/"), &two).is_err());
        assert!(check_host(LOOPBACK, &Uri::from_static("http://evil.test/"), &one).is_err());
        assert!(check_host(LOOPBACK, &Uri::from_static("http://localhost:1/"), &one).is_ok());
    }

    #[test]
    fn a_web_page_cannot_change_anything() {
        assert!(check_origin(&headers(&[("origin", "http://evil.test")])).is_err());
        assert!(check_origin(&headers(&[("origin", "null")])).is_err());
        assert!(check_origin(&headers(&[("sec-fetch-site", "cross-site")])).is_err());
        assert!(check_origin(&headers(&[("sec-fetch-site", "none")])).is_ok());
        assert!(check_origin(&HeaderMap::new()).is_ok());
    }

    #[test]
    fn only_the_whole_token_opens() {
        let given = |value| check_token(Some("s3cret"), &headers(&[("authorization", value)])).is_ok();

        assert!(given("Bearer s3cret"));
        assert!(given("bearer s3cret"));
        for wrong in
            ["Bearer s3cre", "Bearer s3cretx", "Bearer S3cret", "Bearer ", "Basic s3cret", "s3cret", ""]
        {
            assert!(!given(wrong), "{wrong}");
        }
        assert!(check_token(Some("s3cret"), &HeaderMap::new()).is_err());
        assert!(check_token(Some(""), &headers(&[("authorization", "Bearer ")])).is_err());
        assert!(check_token(None, &HeaderMap::new()).is_ok());
    }
}
