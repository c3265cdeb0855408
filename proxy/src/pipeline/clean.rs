//! Taking out what must not go on: fields meant for one connection only (RFC 9110 §7.6.1), protected names,
//! names with `_` where the file says so. Pure.
//!
//! The known hop-by-hop fields always go. What `Connection` names goes too, except end-to-end fields that must
//! not be removed by the very client they speak about. One pass over the names: most requests carry little of
//! all this, and looking each field up by name would cost more than the rest of the decision.

use crate::identity::headers::is_protected;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};
use smallvec::SmallVec;

/// What `Connection` may name in vain.
const IMMUNE: &[&str] = &[
    "accept",
    "authorization",
    "cache-control",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "host",
    "origin",
    "set-cookie",
    "traceparent",
    "tracestate",
    "vary",
    "via",
    "x-api-key",
    "x-request-id",
];

/// Cleans the head of a request or an answer. `underscores_go` = names with `_` are taken out as well.
pub fn clean(headers: &mut HeaderMap, underscores_go: bool) {
    let mut doomed: SmallVec<[HeaderName; 4]> = SmallVec::new();
    for name in headers.keys() {
        let text = name.as_str();
        if is_hop_by_hop(text) || is_protected(text) || (underscores_go && text.contains('_')) {
            doomed.push(name.clone());
        }
    }
    if doomed.contains(&header::CONNECTION) {
        doomed.extend(named_by_connection(headers));
    }
    for name in doomed {
        headers.remove(name);
    }
}

/// Gone at every hop. `te: trailers` is put back for gRPC by whoever sends the request; `expect` is answered by
/// us, upstream a body is sent without waiting.
fn is_hop_by_hop(name: &str) -> bool {
    match name.len() {
        2 => name == "te",
        6 => name == "expect",
        7 => name == "upgrade" || name == "trailer",
        10 => name == "connection" || name == "keep-alive",
        14 => name == "http2-settings",
        16 => name == "proxy-connection",
        17 => name == "transfer-encoding",
        18 => name == "proxy-authenticate",
        19 => name == "proxy-authorization",
        _ => false,
    }
}

/// Whether `Connection` names a field that only we set: it would make the next hop delete what we write.
pub fn unnames_protected(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::CONNECTION).iter();
    let mut names = values.flat_map(tokens).filter_map(|token| std::str::from_utf8(token).ok());
    names.any(is_protected)
}

fn named_by_connection(headers: &HeaderMap) -> SmallVec<[HeaderName; 2]> {
    let values = headers.get_all(header::CONNECTION).iter();
    let names = values.flat_map(tokens).filter_map(|token| HeaderName::from_bytes(token).ok());
    names.filter(|name| !IMMUNE.contains(&name.as_str())).collect()
}

fn tokens(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_of(pairs: &[(&'static str, &'static str)]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        clean(&mut headers, false);
        let mut left: Vec<_> = headers.keys().map(ToString::to_string).collect();
        left.sort();
        left
    }

    #[test]
    fn known_fields_and_named_ones_are_removed() {
        let sent = [
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("upgrade", "h2c"),
            ("te", "gzip"),
            ("accept", "*"),
        ];

        assert_eq!(left_of(&sent), ["accept"]);
    }

    #[test]
    fn every_hop_by_hop_field_is_known() {
        let names =
            ["connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization"];
        let more = ["te", "trailer", "transfer-encoding", "upgrade", "http2-settings", "expect"];

        assert!(names.iter().chain(&more).all(|name| is_hop_by_hop(name)));
    }

    #[test]
    fn connection_cannot_remove_what_speaks_about_the_client() {
        let sent = [
            ("connection", "Authorization, HOST, x-request-id, :path"),
            ("authorization", "x"),
            ("host", "a"),
        ];

        assert_eq!(left_of(&sent), ["authorization", "host"]);
    }

    #[test]
    fn protected_names_go_and_names_with_underscores_only_when_told() {
        assert_eq!(left_of(&[("x-auth-user", "root"), ("x_auth_user", "root"), ("a_b", "1")]), ["a_b"]);

        let mut headers = HeaderMap::new();
        headers.insert("a_b", HeaderValue::from_static("1"));
        clean(&mut headers, true);
        assert!(headers.is_empty());
    }
}
