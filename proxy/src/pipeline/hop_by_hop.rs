//! Fields that are meant for one connection only (RFC 9110 §7.6.1). Pure.
//!
//! The known ones always go. What `Connection` names goes too, except end-to-end fields that must not be removed
//! by the very client they speak about.

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};
use smallvec::SmallVec;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// Gone at every hop. `te: trailers` is put back for gRPC by whoever sends the request.
static KNOWN: [HeaderName; 10] = [
    header::CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HTTP2_SETTINGS,
];

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
    "expect",
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

/// Removes them.
pub fn remove(headers: &mut HeaderMap) {
    let named: SmallVec<[HeaderName; 2]> = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(tokens)
        .filter_map(|token| HeaderName::from_bytes(token).ok())
        .filter(|name| !IMMUNE.contains(&name.as_str()))
        .collect();
    for name in named.iter().chain(&KNOWN) {
        headers.remove(name);
    }
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
        remove(&mut headers);
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
    fn connection_cannot_remove_what_speaks_about_the_client() {
        let sent = [
            ("connection", "Authorization, HOST, x-request-id, :path"),
            ("authorization", "x"),
            ("host", "a"),
        ];

        assert_eq!(left_of(&sent), ["authorization", "host"]);
    }
}
