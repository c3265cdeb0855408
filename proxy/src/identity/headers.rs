//! Protected header names: deleted at every entrance from headers and trailers, set only by us.
//!
//! Names are compared after folding: lower case, every byte that is neither letter nor digit becomes `-`.
//! Applications behind CGI, WSGI or PHP fold like that, so `X_Auth.User` would otherwise arrive as
//! `X-Auth-User`. Must not know: routes, peers, who may assert what.

use http::HeaderMap;
use http::header::HeaderName;
use smallvec::SmallVec;

/// Whole names, folded, sorted.
const NAMES: &[&str] = &[
    "forwarded",
    "l5d-client-id",
    "proxy",
    "remote-user",
    "txn-token",
    "workload-identity-token",
    "workload-proof-token",
    "x-cluster-client-ip",
    "x-client-cert",
    "x-client-ip",
    "x-forwarded-client-cert",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
    "true-client-ip",
];

/// Beginnings, folded.
const PREFIXES: &[&str] =
    &["x-auth-", "x-user-", "x-forwarded-", "x-portcullis-", "portcullis-", "x-envoy-", "ssl-client-"];

/// Longest name looked at; no protected name is longer, prefixes are shorter still.
const FOLDED_MAX: usize = 32;

/// Whether nobody outside may set `name`.
///
/// `X-Forwarded-*` and `Forwarded` are among them: what a trusted proxy said is read before they go.
pub fn is_protected(name: &str) -> bool {
    // Quick way out for nearly every header of a usual request.
    let Some([first, second]) = name.as_bytes().first_chunk().map(|start| start.map(fold)) else {
        return false;
    };
    let may_be = match first {
        b'x' => second == b'-',
        b'f' | b'w' => second == b'o',
        b'l' => second == b'5',
        b'p' => matches!(second, b'o' | b'r'),
        b'r' => second == b'e',
        b's' => second == b's',
        b't' => matches!(second, b'r' | b'x'),
        _ => false,
    };
    if !may_be {
        return false;
    }
    let mut folded = [0u8; FOLDED_MAX];
    for (to, from) in folded.iter_mut().zip(name.bytes()) {
        *to = fold(from);
    }
    let Some(folded) = folded.get(..name.len().min(FOLDED_MAX)) else { return false };
    let begins = |prefix: &&str| folded.starts_with(prefix.as_bytes());
    PREFIXES.iter().any(begins) || (name.len() <= FOLDED_MAX && NAMES.iter().any(|n| n.as_bytes() == folded))
}

const fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

/// Deletes every protected header.
pub fn strip(headers: &mut HeaderMap) {
    let doomed: SmallVec<[HeaderName; 4]> =
        headers.keys().filter(|name| is_protected(name.as_str())).cloned().collect();
    for name in doomed {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn identity_and_forwarding_names_are_protected_however_they_are_spelt() {
        let names =
            ["X-Auth-User", "x_auth_roles", "X.Auth.Scopes", "x-user-id", "X-Forwarded-For", "Forwarded"];
        let more = [
            "L5d_Client.Id",
            "x-forwarded-client-cert",
            "TXN_TOKEN",
            "Portcullis-Stamps",
            "x-envoy-retry-on",
            "X-Real-IP",
        ];

        assert!(names.iter().chain(&more).all(|name| is_protected(name)));
    }

    #[test]
    fn ordinary_names_are_not() {
        let names =
            ["host", "x-request-id", "traceparent", "authorization", "x-api-key", "user-agent", "x", ""];

        assert!(names.iter().all(|name| !is_protected(name)));
    }

    #[test]
    fn every_name_and_every_beginning_of_the_lists_is_protected() {
        let begun = PREFIXES.iter().map(|prefix| format!("{prefix}x"));

        assert!(NAMES.iter().map(ToString::to_string).chain(begun).all(|name| is_protected(&name)));
    }

    #[test]
    fn every_protected_name_fits_the_folding_buffer() {
        assert!(NAMES.iter().chain(PREFIXES).all(|name| name.len() <= FOLDED_MAX));
    }

    proptest! {
        #[test]
        fn after_stripping_no_protected_name_is_left(names in proptest::collection::vec("[xXfFtT][-_a-zA-Z.]{0,40}", 0..20)) {
            let mut headers = HeaderMap::new();
            for name in names {
                if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
                    headers.append(name, http::HeaderValue::from_static("v"));
                }
            }

            strip(&mut headers);

            prop_assert!(headers.keys().all(|name| !is_protected(name.as_str())));
        }
    }
}
