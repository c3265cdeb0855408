//! What routes make of their services: `timeout:`, `retry:`, `upgrade:`, `on_open:` and `critical:`.

use super::*;
use crate::config::Config;
use crate::config::route::{Fallback, Upgrade};
use crate::config::service::ServiceId;
use http::{HeaderValue, StatusCode};
use std::time::Duration;

/// Services: `a` with a breaker, `b` without one, `c` that speaks h2.
const SERVICES: &str = "version: 1\nlisteners: [{ bind: 127.0.0.1:8080 }]\nservices:
  a: { endpoints: [\"127.0.0.1:1\"], breaker: { failures: 3 } }
  b: { endpoints: [\"127.0.0.1:2\"] }
  c: { endpoints: [\"127.0.0.1:3\"], protocol: h2 }
";
/// Uses all of them.
const OTHERS: &str = "{ name: o, match: GET /o, auth: public, split: [{ to: a }, { to: b }, { to: c }] }";

fn text(fields: &str) -> String {
    format!("{SERVICES}routes: [{OTHERS}, {{ name: r, match: GET /, auth: public, {fields} }}]\n")
}

/// A route `r` with these fields; see [`expect_marked`].
#[track_caller]
fn expect_of_route(fields: &str, problems: &[&str]) {
    expect_marked(&text(fields), problems);
}

#[track_caller]
fn config(text: &str) -> Config {
    load(text).unwrap_or_else(|problems| panic!("{problems}\n{text}")).config
}

#[track_caller]
fn on_open(fields: &str) -> Fallback {
    config(&text(&format!("to: a, on_open: {fields}"))).routes[1].on_open.clone().unwrap()
}

#[test]
fn an_open_breaker_is_answered_in_one_of_three_ways() {
    let refuse = |status, code: Option<&str>| Fallback::Refuse { status, code: code.map(Into::into) };
    let body = |status, content_type, bytes: &'static str| Fallback::Body {
        status,
        content_type: HeaderValue::from_static(content_type),
        bytes: bytes::Bytes::from_static(bytes.as_bytes()),
    };

    assert_eq!(on_open("{ code: A_B }"), refuse(StatusCode::SERVICE_UNAVAILABLE, Some("A_B")));
    assert_eq!(on_open("{ status: 429 }"), refuse(StatusCode::TOO_MANY_REQUESTS, None));
    assert_eq!(on_open("{ body: later }"), body(StatusCode::OK, "text/plain; charset=utf-8", "later"));
    assert_eq!(
        on_open("{ status: 503, body: \"{}\", type: application/json }"),
        body(StatusCode::SERVICE_UNAVAILABLE, "application/json", "{}")
    );
    assert_eq!(on_open("{ to: b }"), Fallback::Service(ServiceId(1)));
}

#[test]
fn what_is_answered_is_said_in_one_way() {
    let cases: [(&str, &[&str]); 13] = [
        (
            "«{»}",
            &[
                "missing-key: `on_open:` does not say what is answered | write `{ status: 503, code: NAME }`, `{ status: 200, body: TEXT }` or `{ to: SERVICE }`",
            ],
        ),
        (
            "{ to: b, status: «200», body: «x» }",
            &[
                "conflict: `status` does not go with `to`: that service answers | keep `to`, or what is answered here",
                "conflict: `body` does not go with `to`: that service answers | keep `to`, or what is answered here",
            ],
        ),
        (
            "{ body: x, code: «A» }",
            &["conflict: `code` does not go with `body`: only a refusal of ours has one | keep one of them"],
        ),
        (
            "{ status: 503, type: «text/plain» }",
            &["conflict: `type` says what `body` is, but there is none | add `body`, or remove it"],
        ),
        (
            "{ status: «200» }",
            &[
                "bad-value: 200 is out of range | a refusal is from 400 to 599; to answer something else, add `body`",
            ],
        ),
        (
            "{ status: «600» }",
            &[
                "bad-value: 600 is out of range | a refusal is from 400 to 599; to answer something else, add `body`",
            ],
        ),
        ("{ status: «100», body: x }", &["bad-value: 100 is out of range | from 200 to 599"]),
        (
            "{ status: «204», body: x }",
            &["conflict: an answer of status 204 has no body | write another status, or remove `body`"],
        ),
        (
            "{ code: «\"A B\"» }",
            &[
                "bad-value: `A B` cannot be a code | use 1 to 64 letters, digits, `_`, `-` and `.`, as in `PAYMENT_UNAVAILABLE`",
            ],
        ),
        (
            "{ body: x, type: «json» }",
            &["bad-value: `json` is not a content type | write it as `text/plain` or `application/json`"],
        ),
        ("{ to: «a» }", &["conflict: the route goes to service `a` already | name another one"]),
        ("{ to: «d» }", &["unknown-name: there is no service `d` | did you mean `a`?"]),
        (
            "{ status: 503, «bdoy»: x }",
            &["unknown-key: unknown key `bdoy` in `on_open:` | did you mean `body`?"],
        ),
    ];

    for (open, problems) in cases {
        expect_of_route(&format!("to: a, on_open: {open}"), problems);
    }
    let long = "x".repeat((64 << 10) + 1);
    let said = said(&text(&format!("to: a, on_open: {{ body: {long} }}")));
    assert!(said.len() == 1 && said[0].contains("this text has 65537 bytes"), "{}", said.len());
}

#[test]
fn without_a_breaker_nothing_is_ever_open() {
    let told = "service `b` has no breaker, so `on_open` never answers for it | add `breaker: { failures: 50% }` to the service, or remove `on_open`";

    expect_of_route("to: b, on_open: «{» status: 503 }", &[&format!("conflict: {told}")]);
    expect_of_route(
        "split: [{ to: a }, { to: b }], on_open: «{» status: 503 }",
        &[&format!("suspicious: {told}")],
    );
}

#[test]
fn nothing_answers_instead_of_what_is_critical() {
    let help = "a refusal is all there can be: `{ status: 503, code: NAME }`; or remove `critical` at line 7";

    expect_of_route(
        "to: a, critical: true, on_open: { to: «b» }",
        &[&format!("conflict: `to` would answer for the service, but route `r` is `critical` | {help}")],
    );
    expect_of_route(
        "to: a, critical: true, on_open: { body: «x» }",
        &[&format!("conflict: `body` would answer for the service, but route `r` is `critical` | {help}")],
    );
    expect_of_route("to: a, critical: true, on_open: { status: 503 }", &[]);
    expect_of_route("to: a, critical: false, on_open: { to: b }", &[]);
}

#[test]
fn who_answers_instead_is_used() {
    let text = "version: 1\nlisteners: [{ bind: 127.0.0.1:8080 }]\nservices: { a: { endpoints: [\"127.0.0.1:1\"], breaker: { failures: 3 } }, b: { endpoints: [\"127.0.0.1:2\"] } }\nroutes: [{ name: r, match: GET /, auth: public, to: a, on_open: { to: b } }]\n";

    expect(text, &[]);
}

#[test]
fn clients_leave_http_where_the_route_says_so() {
    expect_of_route("split: [{ to: b }, { to: c }], upgrade: websocket", &[]);
    expect_of_route(
        "to: a, upgrade: «spdy»",
        &["bad-value: `upgrade` cannot be `spdy` | it can be: websocket"],
    );
    let posted = text("to: a, upgrade: «websocket»").replace("GET /,", "POST /,");
    let help = "add `GET` to `match`, or remove `upgrade`";
    expect_marked(
        &posted,
        &[&format!("conflict: route `r` has no GET, and every WebSocket begins with one | {help}")],
    );
    let route = &config(&text("to: a, upgrade: websocket")).routes[1];
    assert_eq!(route.upgrade, Some(Upgrade::WebSocket));
}

#[test]
fn a_route_has_times_of_its_own() {
    let route = &config(&text("to: a, timeout: { request: 4s, per_try: 2s }")).routes[1];
    assert_eq!(route.request_timeout, Some(Some(Duration::from_secs(4))));
    assert_eq!(route.per_try_timeout, Some(Duration::from_secs(2)));

    expect_of_route(
        "to: a, timeout: { request: 1s, per_try: «2s» }",
        &["conflict: `per_try` (2s) is longer than `request` (1s) | one attempt is a part of the request"],
    );
    expect_of_route(
        "to: a, timeout: { per_try: «16s» }",
        &[
            "conflict: `per_try` (16s) is longer than `request` of service `a` (15s) | one attempt is a part of the request",
        ],
    );
    expect_of_route(
        "to: a, timeout: { per_try: «8s» }",
        &[
            "suspicious: 2 attempts of 8s do not fit into `request` (15s) | the last one is cut short; make `per_try` shorter or `request` longer",
        ],
    );
    expect_of_route("to: a, timeout: { per_try: 8s }, retry: none", &[]);
    expect_of_route("to: a, timeout: { request: none, idle: 1m, per_try: 8m }", &[]);
}

#[test]
fn times_and_retry_of_the_defaults_are_folded_in() {
    let text = |defaults: &str, fields: &str| {
        format!(
            "{SERVED}defaults: {{ {defaults} }}\nroutes: [{{ name: r, match: GET /, auth: public, to: a, {fields} }}]\n"
        )
    };
    let times = |text: &str| {
        let route = config(text).routes[0].clone();
        (route.request_timeout, route.per_try_timeout, route.idle_timeout, route.retries)
    };
    let secs = Duration::from_secs;

    let defaults = "timeout: { request: 9s, per_try: 2s, idle: 7s }, retry: none";
    assert_eq!(times(&text(defaults, "")), (Some(Some(secs(9))), Some(secs(2)), Some(secs(7)), false));
    assert_eq!(
        times(&text(defaults, "timeout: { request: none, per_try: 1s }")),
        (Some(None), Some(secs(1)), Some(secs(7)), false)
    );
    assert_eq!(times(&text("", "retry: none")), (None, None, None, false));
    assert_eq!(times(&text("", "")), (None, None, None, true));
    expect_of_route(
        "to: a, retry: { «attempts»: 2 }",
        &["bad-value: `retry` cannot be `attempts` | it can be: none"],
    );
}
