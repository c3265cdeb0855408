//! Conditions on headers and query parameters.

use super::*;
use http::{HeaderName, HeaderValue};

fn header(name: &'static str, value: ValueMatch) -> Predicate {
    Predicate::Header(HeaderName::from_static(name), value)
}

fn exact(value: &str) -> ValueMatch {
    ValueMatch::Exact(value.into())
}

fn query_has(query: &str, name: &str, value: &str) -> bool {
    holds(&Predicate::Query(name.into(), exact(value)), &HeaderMap::new(), Some(query))
}

#[test]
fn a_header_matches_by_any_of_its_values_byte_for_byte() {
    let mut headers = HeaderMap::new();
    headers.append("x-beta", HeaderValue::from_static("0"));
    headers.append("x-beta", HeaderValue::from_static("1"));

    assert!(holds(&header("x-beta", exact("1")), &headers, None));
    assert!(holds(&header("x-beta", exact("0")), &headers, None));
    assert!(holds(&header("x-beta", ValueMatch::Present), &headers, None));
    assert!(!holds(&header("x-beta", exact("01")), &headers, None));
    assert!(!holds(&header("x-beta", exact("0, 1")), &headers, None));
    assert!(!holds(&header("x-other", ValueMatch::Present), &headers, None));
}

#[test]
fn a_query_parameter_matches_by_its_first_occurrence() {
    assert!(query_has("v=1&v=2", "v", "1"));
    assert!(!query_has("v=1&v=2", "v", "2"));
    assert!(query_has("a=b&&v=1", "v", "1"));
    assert!(!query_has("V=1", "v", "1"));
    assert!(!query_has("vv=1", "v", "1"));
}

#[test]
fn a_query_parameter_is_compared_decoded() {
    assert!(query_has("q=a+b", "q", "a b"));
    assert!(query_has("q=a%20b", "q", "a b"));
    assert!(query_has("q=a%2Bb", "q", "a+b"));
    assert!(query_has("q=%c3%A9", "q", "é"));
    assert!(query_has("%71=1", "q", "1"));
    assert!(query_has("q=a=b", "q", "a=b"));
    assert!(!query_has("q=%2541", "q", "A"));
}

#[test]
fn an_invalid_escape_stands_for_itself() {
    assert!(query_has("q=100%", "q", "100%"));
    assert!(query_has("q=%zz", "q", "%zz"));
    assert!(query_has("q=%a", "q", "%a"));
    assert!(query_has("q=%%41", "q", "%A"));
}

#[test]
fn a_parameter_without_a_value_is_there_and_empty() {
    let present = Predicate::Query("debug".into(), ValueMatch::Present);

    assert!(query_has("debug", "debug", ""));
    assert!(holds(&present, &HeaderMap::new(), Some("a=1&debug")));
    assert!(!holds(&present, &HeaderMap::new(), Some("a=debug")));
    assert!(!holds(&present, &HeaderMap::new(), Some("")));
    assert!(!holds(&present, &HeaderMap::new(), None));
}

#[test]
fn only_different_values_of_one_name_exclude_each_other() {
    let one = [header("x-v", exact("1"))];

    assert!(!can_hold_together(&one, &[header("x-v", exact("2"))]));
    assert!(can_hold_together(&one, &[header("x-v", exact("1"))]));
    assert!(can_hold_together(&one, &[header("x-v", ValueMatch::Present)]));
    assert!(can_hold_together(&one, &[header("x-w", exact("2"))]));
    assert!(can_hold_together(&one, &[Predicate::Query("x-v".into(), exact("2"))]));
    assert!(can_hold_together(&one, &[]));
}
