//! Which origins are taken for which; what a preflight says; what answers say.

use super::*;
use http::Request;
use proptest::prelude::*;
use std::time::Duration;

fn exact(origin: &str) -> OriginPattern {
    OriginPattern::Exact(origin.into())
}

fn one_label(scheme: &str, rest: &str) -> OriginPattern {
    OriginPattern::OneLabel { scheme: scheme.into(), rest: rest.into() }
}

fn policy(origins: Origins) -> Cors {
    Cors {
        origins,
        methods: vec![Method::GET, Method::PUT],
        headers: vec![HeaderName::from_static("authorization"), HeaderName::from_static("x-trace")],
        expose: vec![HeaderName::from_static("x-request-id"), HeaderName::from_static("retry-after")],
        credentials: false,
        max_age: Duration::from_secs(600),
    }
}

fn shop() -> Cors {
    let origins = vec![exact("https://shop.example"), one_label("https://", ".shop.example")];
    Cors { credentials: true, ..policy(Origins::These(origins)) }
}

fn any() -> Cors {
    policy(Origins::Any)
}

fn request(headers: &[(&str, &str)]) -> Request<()> {
    let start = Request::builder().method("OPTIONS").uri("/orders");
    headers.iter().fold(start, |all, (name, value)| all.header(*name, *value)).body(()).unwrap()
}

fn asks(origin: &str, method: &str) -> Request<()> {
    request(&[("origin", origin), ("access-control-request-method", method)])
}

fn asked(request: &Request<()>) -> Option<Method> {
    requested_method(request.method(), request.headers())
}

fn answered(cors: &Cors, request: &Request<()>) -> Preflight {
    preflight(cors, &Methods::Any, (&asked(request).unwrap(), request.headers()))
}

fn shown(headers: &HeaderMap) -> Vec<String> {
    let mut all: Vec<String> =
        headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    all.sort();
    all
}

fn decorated(cors: &Cors, origin: Option<&str>, upstream: &[(&str, &str)]) -> Vec<String> {
    let mut headers = HeaderMap::new();
    for (name, value) in upstream {
        headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    let origin = origin.map(|origin| HeaderValue::from_str(origin).unwrap());

    decorate(cors, origin.as_ref(), &mut headers);

    shown(&headers)
}

#[test]
fn an_origin_is_taken_only_as_it_is_listed() {
    let cors = shop();
    let is_taken = |origin: &str| answered(&cors, &asks(origin, "GET")).refused.is_none();

    for origin in ["https://shop.example", "https://www.shop.example", "https://a-1_b.shop.example"] {
        assert!(is_taken(origin), "{origin}");
    }
    for origin in [
        "null",
        "*",
        "http://shop.example",
        "https://evilshop.example",
        "https://shop.example.evil",
        "https://shop.example:8443",
        "https://shop.example/",
        "https://shop.example.",
        "https://SHOP.example",
        "HTTPS://shop.example",
        "https://.shop.example",
        "https://a.b.shop.example",
        "https://evil.example/.shop.example",
        "https://evil.example?.shop.example",
        "https://evil.example#.shop.example",
        "https://user@.shop.example",
        "https://evil.example:1.shop.example",
        "https://www.shop.example:8443",
        "http://www.shop.example",
        "https://A.shop.example",
        "https://shop.example https://evil.example",
        "https://shop.example, https://evil.example",
    ] {
        assert!(!is_taken(origin), "{origin}");
    }
}

#[test]
fn a_wildcard_stands_for_one_label_on_its_own_port() {
    let pattern = one_label("http://", ".localhost:3000");

    assert!(pattern.matches(b"http://app.localhost:3000"));
    assert!(!pattern.matches(b"http://app.localhost") && !pattern.matches(b"http://app.localhost:30000"));
    assert!(!pattern.matches(format!("http://{}.localhost:3000", "a".repeat(64)).as_bytes()));
}

#[test]
fn a_scheme_and_a_rest_that_overlap_in_a_short_origin_are_no_match() {
    let pattern = one_label("https://", "//x");

    assert!(!pattern.matches(b"https://x") && !pattern.matches(b"https://"));
}

#[test]
fn a_preflight_is_options_with_both_of_its_fields() {
    let full = asks("https://shop.example", "PUT");
    let mut post = asks("https://shop.example", "PUT");
    *post.method_mut() = Method::POST;
    let without_method = request(&[("origin", "https://shop.example")]);
    let without_origin = request(&[("access-control-request-method", "PUT")]);
    let twice = request(&[
        ("origin", "https://shop.example"),
        ("access-control-request-method", "PUT"),
        ("access-control-request-method", "GET"),
    ]);

    assert_eq!(asked(&full), Some(Method::PUT));
    for other in [post, without_method, without_origin, twice, asks("https://shop.example", "PU T")] {
        assert_eq!(asked(&other), None, "{other:?}");
    }
}

#[test]
fn a_listed_page_is_told_the_whole_policy() {
    let answer = answered(&shop(), &asks("https://www.shop.example", "PUT"));

    let wanted = [
        "access-control-allow-credentials: true",
        "access-control-allow-headers: authorization, x-trace",
        "access-control-allow-methods: GET, PUT",
        "access-control-allow-origin: https://www.shop.example",
        "access-control-max-age: 600",
        "vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
    ];
    assert_eq!(
        (shown(&answer.headers).as_slice(), answer.refused),
        (wanted.map(String::from).as_slice(), None)
    );
}

#[test]
fn an_unlisted_page_is_told_nothing_but_what_caches_must_know() {
    let answer = answered(&shop(), &asks("https://evil.example", "PUT"));

    let wanted = ["vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers"];
    assert_eq!(shown(&answer.headers), wanted);
    assert_eq!(answer.refused, Some(Refused::Origin));
}

#[test]
fn two_origins_in_one_request_are_no_origin() {
    let twice = request(&[
        ("origin", "https://shop.example"),
        ("origin", "https://evil.example"),
        ("access-control-request-method", "PUT"),
    ]);

    let answer = answered(&shop(), &twice);

    assert_eq!(answer.refused, Some(Refused::Origin));
    assert_eq!(origin(twice.headers()), None);
}

#[test]
fn methods_not_named_are_those_of_the_route() {
    let cors = Cors { methods: Vec::new(), ..shop() };
    let of_route = Methods::These(vec![Method::GET, Method::DELETE]);
    let allowed = |methods: &Methods, method: &str| {
        let request = asks("https://shop.example", method);
        let answer = preflight(&cors, methods, (&asked(&request).unwrap(), request.headers()));
        (answer.headers[ACCESS_CONTROL_ALLOW_METHODS].to_str().unwrap().to_owned(), answer.refused)
    };

    assert_eq!(allowed(&of_route, "DELETE"), ("GET, DELETE".to_owned(), None));
    assert_eq!(allowed(&of_route, "PUT"), ("GET, DELETE".to_owned(), Some(Refused::Method)));
    assert_eq!(allowed(&Methods::Any, "PURGE"), ("PURGE".to_owned(), None));
}

#[test]
fn a_method_or_header_that_is_not_listed_gets_the_lists() {
    let with_headers = |list: &str| {
        request(&[
            ("origin", "https://shop.example"),
            ("access-control-request-method", "PUT"),
            ("access-control-request-headers", list),
        ])
    };

    let method = answered(&shop(), &asks("https://shop.example", "DELETE"));
    let header = answered(&shop(), &with_headers("authorization, x-evil"));
    let fine = answered(&shop(), &with_headers("Authorization ,,x-trace"));
    let harmless = answered(&shop(), &asks("https://shop.example", "POST"));

    assert_eq!(method.refused, Some(Refused::Method));
    assert_eq!(method.headers[ACCESS_CONTROL_ALLOW_METHODS], "GET, PUT");
    assert_eq!(header.refused, Some(Refused::Header));
    assert_eq!(header.headers[ACCESS_CONTROL_ALLOW_HEADERS], "authorization, x-trace");
    assert_eq!((fine.refused, harmless.refused), (None, None));
}

#[test]
fn where_everybody_may_read_nothing_depends_on_who_asks() {
    let wanted =
        ["access-control-allow-origin: *", "access-control-expose-headers: x-request-id, retry-after"];

    for origin in [None, Some("https://evil.example"), Some("null")] {
        assert_eq!(decorated(&any(), origin, &[]), wanted, "{origin:?}");
    }
}

#[test]
fn an_answer_names_the_page_that_asked_if_it_is_listed() {
    let wanted = [
        "access-control-allow-credentials: true",
        "access-control-allow-origin: https://shop.example",
        "access-control-expose-headers: x-request-id, retry-after",
        "vary: Origin",
    ];

    assert_eq!(decorated(&shop(), Some("https://shop.example"), &[]), wanted);
    for other in [None, Some("null"), Some("https://evilshop.example")] {
        assert_eq!(decorated(&shop(), other, &[]), ["vary: Origin"], "{other:?}");
    }
}

#[test]
fn what_the_service_says_is_replaced() {
    let upstream = [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-origin", "https://evil.example"),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-private-network", "true"),
        ("content-type", "text/plain"),
    ];

    assert_eq!(
        decorated(&shop(), Some("https://evil.example"), &upstream),
        ["content-type: text/plain", "vary: Origin"]
    );
    assert_eq!(
        decorated(&any(), Some("https://evil.example"), &upstream),
        [
            "access-control-allow-origin: *",
            "access-control-expose-headers: x-request-id, retry-after",
            "content-type: text/plain",
        ]
    );
}

#[test]
fn vary_is_added_to_and_said_once() {
    let vary = |upstream: &[(&str, &str)]| decorated(&shop(), None, upstream);

    assert_eq!(vary(&[("vary", "accept-encoding")]), ["vary: Origin", "vary: accept-encoding"]);
    assert_eq!(vary(&[("vary", "accept, ORIGIN")]), ["vary: accept, ORIGIN"]);
    assert_eq!(vary(&[("vary", "*")]), ["vary: *"]);
    assert_eq!(vary(&[("vary", "accept"), ("vary", "origin")]), ["vary: accept", "vary: origin"]);
    assert_eq!(vary(&[("vary", "x-origin")]), ["vary: Origin", "vary: x-origin"]);
}

#[test]
fn an_empty_policy_names_no_lists() {
    let cors = Cors { headers: Vec::new(), expose: Vec::new(), ..any() };

    let answer = answered(&cors, &asks("https://shop.example", "GET"));

    assert!(!answer.headers.contains_key(ACCESS_CONTROL_ALLOW_HEADERS));
    assert!(!answer.headers.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS));
    assert_eq!(decorated(&cors, None, &[]), ["access-control-allow-origin: *"]);
}

proptest! {
    #[test]
    fn no_page_outside_the_domain_is_ever_named(origin in "(https://|http://|)[a-z.:/@?#\\[\\]%A-Z -]{0,12}(\\.|)shop\\.example[a-z.:0-9/]{0,6}") {
        let cors = shop();
        let wanted = origin == "https://shop.example"
            || origin.strip_prefix("https://").and_then(|name| name.strip_suffix(".shop.example")).is_some_and(|label| {
                !label.is_empty() && label.chars().all(|c| c.is_ascii_lowercase() || c == '-')
            });

        let answer = answered(&cors, &asks(&origin, "GET"));

        prop_assert_eq!(answer.headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN), wanted);
    }
}
