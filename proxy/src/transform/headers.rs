//! Header edits of routes, and the headers that announce the end of one.
//!
//! Must not decide which names may be edited: protected names are refused when the file is read.

use crate::config::route::{Deprecation, HeaderEdits};
use http::header::{HeaderMap, HeaderName, LINK};

/// Takes out, then writes. A name under both ends up written.
pub fn apply(edits: &HeaderEdits, headers: &mut HeaderMap) {
    for name in &edits.remove {
        headers.remove(name);
    }
    for (name, value) in &edits.set {
        headers.insert(name.clone(), value.clone());
    }
}

/// Announces the end of a route on a response: `Deprecation` (RFC 9745), `Sunset` (RFC 8594), `Link`.
///
/// What the upstream said about its own end is replaced; its links stay.
pub fn deprecation(deprecation: &Deprecation, headers: &mut HeaderMap) {
    headers.insert(DEPRECATION, deprecation.deprecation.clone());
    if let Some(sunset) = &deprecation.sunset {
        headers.insert(SUNSET, sunset.clone());
    }
    if let Some(link) = &deprecation.link {
        headers.append(LINK, link.clone());
    }
}

const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
const SUNSET: HeaderName = HeaderName::from_static("sunset");

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn edits_remove_before_they_set() {
        let mut headers = HeaderMap::new();
        headers.append("server", HeaderValue::from_static("nginx"));
        headers.append("x-a", HeaderValue::from_static("1"));
        headers.append("x-a", HeaderValue::from_static("2"));
        headers.append("x-b", HeaderValue::from_static("theirs"));
        let edits = HeaderEdits {
            remove: vec![HeaderName::from_static("server"), HeaderName::from_static("x-b")],
            set: vec![
                (HeaderName::from_static("x-a"), HeaderValue::from_static("3")),
                (HeaderName::from_static("x-b"), HeaderValue::from_static("ours")),
            ],
        };

        apply(&edits, &mut headers);

        assert!(!headers.contains_key("server"));
        assert_eq!(headers.get_all("x-a").iter().collect::<Vec<_>>(), ["3"]);
        assert_eq!(headers.get_all("x-b").iter().collect::<Vec<_>>(), ["ours"]);
    }

    #[test]
    fn the_end_of_a_route_is_announced_and_links_of_the_upstream_stay() {
        let mut headers = HeaderMap::new();
        headers.append(LINK, HeaderValue::from_static("</next>; rel=\"next\""));
        headers.append("deprecation", HeaderValue::from_static("@1"));
        let announced = Deprecation {
            deprecation: HeaderValue::from_static("@1790812800"),
            sunset: Some(HeaderValue::from_static("Thu, 01 Apr 2027 00:00:00 GMT")),
            link: Some(HeaderValue::from_static("<https://shop.example/v2>; rel=\"deprecation\"")),
        };

        deprecation(&announced, &mut headers);

        assert_eq!(headers.get_all("deprecation").iter().collect::<Vec<_>>(), ["@1790812800"]);
        assert_eq!(headers["sunset"], "Thu, 01 Apr 2027 00:00:00 GMT");
        assert_eq!(headers.get_all(LINK).iter().count(), 2);
    }

    #[test]
    fn what_is_not_announced_is_not_written() {
        let mut headers = HeaderMap::new();
        let announced = Deprecation { deprecation: HeaderValue::from_static("@1"), sunset: None, link: None };

        deprecation(&announced, &mut headers);

        assert_eq!(headers.len(), 1);
    }
}
