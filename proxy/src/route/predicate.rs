//! `when:`: conditions on headers and query parameters.

use crate::config::route::{Predicate, ValueMatch};
use http::HeaderMap;

/// Whether a condition holds. `query` is the text after the `?`.
pub(super) fn holds(predicate: &Predicate, headers: &HeaderMap, query: Option<&str>) -> bool {
    match predicate {
        Predicate::Header(name, ValueMatch::Present) => headers.contains_key(name),
        Predicate::Header(name, ValueMatch::Exact(want)) => {
            headers.get_all(name).iter().any(|value| value.as_bytes() == want.as_bytes())
        }
        Predicate::Query(name, want) => match (first(query.unwrap_or_default(), name), want) {
            (None, _) => false,
            (Some(_), ValueMatch::Present) => true,
            (Some(value), ValueMatch::Exact(want)) => decoded(value).eq(want.bytes()),
        },
    }
}

/// Whether two lists of conditions could hold for one request.
pub(super) fn can_hold_together(one: &[Predicate], other: &[Predicate]) -> bool {
    !one.iter().any(|left| other.iter().any(|right| exclude_each_other(left, right)))
}

/// The same header or parameter with two different values.
fn exclude_each_other(left: &Predicate, right: &Predicate) -> bool {
    let (left, right) = match (left, right) {
        (Predicate::Header(a, left), Predicate::Header(b, right)) if a == b => (left, right),
        (Predicate::Query(a, left), Predicate::Query(b, right)) if a == b => (left, right),
        _ => return false,
    };
    matches!((left, right), (ValueMatch::Exact(left), ValueMatch::Exact(right)) if left != right)
}

/// The raw value of the first parameter of this name; empty for one without `=`.
fn first<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    let mut parameters = query.split('&').filter(|parameter| !parameter.is_empty());
    parameters.find_map(|parameter| {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        decoded(key).eq(name.bytes()).then_some(value)
    })
}

/// Form decoding (WHATWG URL §5.1): `+` is a space, escapes are bytes, a `%` without two digits stands for itself.
fn decoded(raw: &str) -> impl Iterator<Item = u8> {
    let mut rest = raw.as_bytes();
    std::iter::from_fn(move || {
        let (byte, left) = match rest {
            [] => return None,
            [b'%', high, low, left @ ..] => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => ((high << 4) | low, left),
                _ => (b'%', rest.get(1..).unwrap_or_default()),
            },
            [b'+', left @ ..] => (b' ', left),
            [byte, left @ ..] => (*byte, left),
        };
        rest = left;
        Some(byte)
    })
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
#[path = "predicate_tests.rs"]
mod tests;
