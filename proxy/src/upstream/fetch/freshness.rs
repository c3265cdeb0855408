//! How long an answer may be used, by its `Cache-Control`. Pure.
//!
//! | field | answer |
//! |--|--|
//! | none, or nothing about it | `None` |
//! | `max-age=N`, also quoted | N seconds |
//! | `no-store`, `no-cache`, a `max-age` that is no number | zero |
//! | several of these | the shortest |
//!
//! Source: RFC 9111 §4.2.1 (invalid counts as stale), §5.2.2, §1.2.2 (numbers too large are very large).

use http::HeaderMap;
use http::header::CACHE_CONTROL;
use std::time::Duration;

/// What stands for every larger number.
const LONGEST: u64 = 1 << 31;

/// How long; `None` = the answer does not say.
pub(super) fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let fields = headers.get_all(CACHE_CONTROL).iter();
    fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b',')).filter_map(directive).min()
}

fn directive(text: &[u8]) -> Option<Duration> {
    let mut sides = text.splitn(2, |byte| *byte == b'=');
    let name = sides.next()?.trim_ascii();
    if [&b"no-store"[..], b"no-cache"].iter().any(|never| name.eq_ignore_ascii_case(never)) {
        return Some(Duration::ZERO);
    }
    name.eq_ignore_ascii_case(b"max-age").then(|| seconds(sides.next().unwrap_or_default()))
}

fn seconds(text: &[u8]) -> Duration {
    let text = text.trim_ascii();
    let bare = text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text);
    if bare.is_empty() || !bare.iter().all(u8::is_ascii_digit) {
        return Duration::ZERO;
    }
    let number = std::str::from_utf8(bare).ok().and_then(|digits| digits.parse().ok()).unwrap_or(LONGEST);
    Duration::from_secs(number.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fields: &[&'static str]) -> Option<u64> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(CACHE_CONTROL, field.parse().unwrap());
        }
        max_age(&headers).map(|age| age.as_secs())
    }

    #[test]
    fn an_age_is_read_in_every_form_it_has() {
        assert_eq!(of(&["max-age=600"]), Some(600));
        assert_eq!(of(&["public, Max-Age=\"60\" , must-revalidate"]), Some(60));
        assert_eq!(of(&["max-age=99999999999999999999999"]), Some(1 << 31));
    }

    #[test]
    fn silence_is_not_an_age() {
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["public", "s-maxage=5", "x-max-age=5"]), None);
    }

    #[test]
    fn what_must_not_be_kept_or_cannot_be_read_is_stale_at_once() {
        for field in [
            "no-store",
            "NO-CACHE",
            "no-cache=\"set-cookie\"",
            "max-age",
            "max-age=",
            "max-age=-1",
            "max-age=1.5",
        ] {
            assert_eq!(of(&[field]), Some(0), "{field}");
        }
    }

    #[test]
    fn the_shortest_counts() {
        assert_eq!(of(&["max-age=600, max-age=30"]), Some(30));
        assert_eq!(of(&["max-age=600", "no-store"]), Some(0));
    }
}
