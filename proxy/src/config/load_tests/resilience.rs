//! `health:`, `retry:`, `bulkhead:`, `breaker:`, `outlier:` and `balance:` of services.

use super::*;
use crate::config::Service;
use crate::config::route::Sticky;
use crate::config::service::{Balance, Breaker, Bulkhead, Health, Outlier, Probe, Retry, Trip};
use std::time::Duration;

/// Service `a` with these fields besides its endpoint.
#[track_caller]
fn service(fields: &str) -> Service {
    let text = format!(
        "{HEAD}services: {{ a: {{ endpoints: [\"127.0.0.1:1\"], {fields} }} }}\nroutes: [{{ name: r, match: GET /, auth: public, to: a }}]\n"
    );
    let loaded = load(&text).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    loaded.config.services[0].clone()
}

#[track_caller]
fn expect_fields(fields: &str, problems: &[&str]) {
    expect_of_service(&format!("endpoints: [\"127.0.0.1:1\"], {fields}"), problems);
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn defaults_of_http_services_are_what_the_documents_say() {
    let service = service("");

    let retry = Retry {
        attempts: 2,
        backoff: (millis(25), millis(250)),
        budget: 20,
        floor: 3,
        statuses: vec![502, 503, 504],
        idempotency_key: None,
        body: 65_536,
        hedge: None,
    };
    let outlier = Outlier { consecutive: 5, base: secs(5), max: secs(300), max_ejected: 50, panic: 50 };
    assert_eq!(service.retry, Some(retry));
    assert_eq!(
        service.bulkhead,
        Some(Bulkhead { concurrent: 1024, queue: 128, wait: secs(1), adaptive: false })
    );
    assert_eq!(service.outlier, Some(outlier));
    assert_eq!((service.breaker, service.health, service.slow_start), (None, None, None));
    assert_eq!((service.balance, service.timeout.per_try), (Balance::LeastRequest, None));
}

#[test]
fn what_is_on_can_be_switched_off() {
    let service = service("retry: none, bulkhead: none, outlier: none");

    assert_eq!((service.retry, service.bulkhead, service.outlier), (None, None, None));
}

#[test]
fn an_empty_rule_is_the_default_one() {
    let written = service("retry: {}, bulkhead: {}, outlier: {}, breaker: { failures: 50% }");

    let plain = service("");
    assert_eq!(
        (written.retry, written.bulkhead, written.outlier),
        (plain.retry, plain.bulkhead, plain.outlier)
    );
    let trip = Trip::Ratio { percent: 50, window: secs(10), min_requests: 20 };
    assert_eq!(written.breaker, Some(Breaker { trip, open: secs(30), probes: 3 }));
}

#[test]
fn rules_mean_what_they_say() {
    let service = service(
        "retry: { attempts: 3, backoff: { base: 1ms, max: 2ms }, budget: 100%, floor: 0/s, statuses: [503, 429], idempotency_key: Idempotency-Key, body: 1KiB, hedge: 50ms }, \
         bulkhead: { concurrent: 1, queue: 0, wait: 5ms, adaptive: true }, \
         breaker: { failures: 3, open: 1s, probes: 1 }, \
         outlier: { consecutive: 1, base: 1s, max: 1s, max_ejected: 100%, panic: 0% }, \
         slow_start: 10s, balance: hash, hash: { header: X-User }, timeout: { request: 6s, per_try: 2s }",
    );

    let retry = Retry {
        attempts: 3,
        backoff: (millis(1), millis(2)),
        budget: 100,
        floor: 0,
        statuses: vec![503, 429],
        idempotency_key: Some(http::HeaderName::from_static("idempotency-key")),
        body: 1024,
        hedge: Some(millis(50)),
    };
    assert_eq!(service.retry, Some(retry));
    assert_eq!(service.bulkhead, Some(Bulkhead { concurrent: 1, queue: 0, wait: millis(5), adaptive: true }));
    assert_eq!(service.breaker, Some(Breaker { trip: Trip::Consecutive(3), open: secs(1), probes: 1 }));
    let outlier = Outlier { consecutive: 1, base: secs(1), max: secs(1), max_ejected: 100, panic: 0 };
    assert_eq!(service.outlier, Some(outlier));
    assert_eq!((service.slow_start, service.timeout.per_try), (Some(secs(10)), Some(secs(2))));
    assert_eq!(service.balance, Balance::Hash(Sticky::Header(http::HeaderName::from_static("x-user"))));
}

#[test]
fn health_is_a_path_a_grpc_service_or_a_connection() {
    let asked = |health: &str| service(&format!("protocol: h2, health: {health}")).health.unwrap();
    let http = |path: &str, host: Option<&str>, expect| Probe::Http {
        path: path.into(),
        host: host.map(Into::into),
        expect,
    };

    let plain = Health {
        probe: http("/healthz", None, (200, 299)),
        interval: secs(5),
        timeout: secs(1),
        healthy: 2,
        unhealthy: 3,
        port: None,
    };
    assert_eq!(asked("{ path: /healthz }"), plain);
    let told = Health {
        probe: http("/?a=b", Some("order.internal:80"), (200, 200)),
        interval: secs(3),
        timeout: secs(2),
        healthy: 1,
        unhealthy: 100,
        port: Some(65535),
    };
    let all = "path: \"/?a=b\", host: \"order.internal:80\", expect: 200, interval: 3s, timeout: 2s";
    assert_eq!(asked(&format!("{{ {all}, healthy: 1, unhealthy: 100, port: 65535 }}")), told);
    assert_eq!(asked("{ path: /, expect: 200-399 }").probe, http("/", None, (200, 399)));
    assert_eq!(asked("{ grpc: \"\" }").probe, Probe::Grpc("".into()));
    assert_eq!(asked("{ grpc: shop.v1.Orders }").probe, Probe::Grpc("shop.v1.Orders".into()));
    assert_eq!(asked("{ tcp: true }").probe, Probe::Tcp);
}

#[test]
fn health_says_what_it_lacks() {
    let cases: [(&str, &[&str]); 12] = [
        (
            "«{»}",
            &[
                "missing-key: `health:` does not say what is asked | add `path: /healthz`, `grpc: \"\"`, or `tcp: true`: that it takes connections",
            ],
        ),
        (
            "{ path: /, tcp: «true» }",
            &["conflict: `health:` has both `path` and `tcp` | keep one of `path`, `grpc` and `tcp`"],
        ),
        (
            "{ tcp: «false» }",
            &["bad-value: `tcp: false` asks nothing | write `tcp: true`, or remove `health:`"],
        ),
        (
            "{ tcp: true, expect: «200», host: «a» }",
            &[
                "conflict: `expect` is about the answer to a `path`, but none is asked for | remove it, or add `path: /healthz`",
                "conflict: `host` is about the answer to a `path`, but none is asked for | remove it, or add `path: /healthz`",
            ],
        ),
        ("{ path: «healthz» }", &["bad-value: `healthz` is not a path to ask for | write it as `/healthz`"]),
        (
            "{ path: /, expect: «299-200» }",
            &["bad-value: `299-200` is not a status, nor a range of them | write `200` or `200-299`"],
        ),
        (
            "{ path: /, expect: «2xx» }",
            &["bad-value: `2xx` is not a status, nor a range of them | write `200` or `200-299`"],
        ),
        (
            "{ path: /, host: «http://a» }",
            &["bad-value: `http://a` is not a host | write it as `order.internal`"],
        ),
        (
            "{ grpc: «a» }",
            &[
                "conflict: gRPC is spoken over h2, but this service speaks h1 | add `protocol: h2` to the service, or use `path:`",
            ],
        ),
        ("{ path: /, port: «65536» }", &["bad-value: 65536 is out of range | from 1 to 65535"]),
        (
            "{ path: /, healthy: «0», unhealthy: «101» }",
            &[
                "bad-value: 0 is out of range | from 1 to 100",
                "bad-value: 101 is out of range | from 1 to 100",
            ],
        ),
        (
            "{ path: /, interval: «0s», timeout: «1» }",
            &[
                "bad-value: this time must be more than 0 | remove the key to get the default",
                "bad-unit: `1` has no unit | units of time are ms, s, m and h, as in `100ms`, `5s`, `1m`",
            ],
        ),
    ];

    for (health, problems) in cases {
        expect_fields(&format!("health: {health}"), problems);
    }
}

#[test]
fn an_attempt_that_is_over_before_another_is_made_beside_it_is_said() {
    let problem = |key: &str, end: &str| {
        let help = "make `hedge` shorter: about the p95 of the service";
        format!("suspicious: no attempt lasts for `hedge` (2s): each is over after `{key}` ({end}) | {help}")
    };

    expect_fields("retry: { hedge: «2s» }, timeout: { request: 2s }", &[&problem("request", "2s")]);
    expect_fields("retry: { hedge: «2s» }, timeout: { per_try: 1s }", &[&problem("per_try", "1s")]);
    expect_fields("retry: { hedge: 999ms }, timeout: { per_try: 1s }", &[]);
    expect_fields("retry: { hedge: 2s }, timeout: { request: none }", &[]);
}

#[test]
fn retry_says_what_it_takes() {
    let cases = [
        (
            "«off»",
            "bad-value: `retry` cannot be `off` | it can be `none`, or keys in braces, as in `{ key: value }`",
        ),
        ("{ attempts: «1» }", "bad-value: 1 is out of range | from 2 to 5; to try once, write `retry: none`"),
        ("{ attempts: «6» }", "bad-value: 6 is out of range | from 2 to 5"),
        (
            "{ backoff: { base: «1s» } }",
            "conflict: `base` (1s) is above `max` (250ms) | the first one is the shortest",
        ),
        (
            "{ backoff: { max: «1ms» } }",
            "conflict: `base` (25ms) is above `max` (1ms) | the first one is the shortest",
        ),
        (
            "{ budget: «0%» }",
            "bad-value: `0%` is out of range | from `1%` to `100%`; to switch it off, write `retry: none`",
        ),
        ("{ budget: «20» }", "bad-unit: `20` has no unit | write a whole number from `1%` to `100%`"),
        ("{ floor: «3» }", "bad-unit: `3` is not so many in so much time | write it as `3/s`"),
        ("{ floor: «3/min» }", "bad-unit: `3/min` is not so many a second | write it as `3/s`"),
        ("{ floor: «10001/s» }", "bad-value: `10001/s` is out of range | at most 10000/s"),
        (
            "{ statuses: [503, «200»] }",
            "bad-value: 200 is not a status that is tried again | from 400 to 599",
        ),
        ("{ statuses: [503, «503»] }", "suspicious: 503 is listed twice | remove one of them"),
        (
            "{ idempotency_key: «Host» }",
            "protected-header: `Host` is not looked at as a client sends it | use another name, as in `Idempotency-Key`",
        ),
        (
            "{ idempotency_key: «X-Auth-User» }",
            "protected-header: `X-Auth-User` is not looked at as a client sends it | use another name, as in `Idempotency-Key`",
        ),
        ("{ body: «17MiB» }", "bad-value: `17MiB` is too much to keep for each request | at most 16MiB"),
        ("{ body: «none» }", "bad-value: what is kept of a body has a limit | at most 16MiB"),
        ("{ hedge: «0ms» }", "bad-value: this time must be more than 0 | remove the key to get the default"),
        ("{ «attempt»: 2 }", "unknown-key: unknown key `attempt` in `retry:` | did you mean `attempts`?"),
    ];

    for (retry, problem) in cases {
        expect_fields(&format!("retry: {retry}"), &[problem]);
    }
}

#[test]
fn bulkhead_breaker_and_outlier_say_what_they_take() {
    let cases = [
        ("bulkhead: { concurrent: «0» }", "bad-value: 0 is out of range | from 1 to 1000000"),
        ("bulkhead: { queue: «100001» }", "bad-value: 100001 is out of range | from 0 to 100000"),
        ("bulkhead: { wait: «61s» }", "bad-value: `61s` is too long here | at most 1m"),
        (
            "bulkhead: { adaptive: «on» }",
            "wrong-type: `adaptive` must be true or false, not `on` | write `true` or `false`",
        ),
        ("breaker: «{» open: 1s }", "missing-key: `breaker:` needs `failures` | add `failures:`"),
        ("breaker: { failures: «0» }", "bad-value: 0 is out of range | from 1 to 1000"),
        ("breaker: { failures: «0%» }", "bad-value: with `0%` it would always be open | from `1%` to `100%`"),
        (
            "breaker: { failures: «101%» }",
            "bad-unit: `101%` is too large | write a part of the requests, as in `50%`, or how many in a row, as in `3`",
        ),
        (
            "breaker: { failures: «many» }",
            "bad-unit: `many` is not a whole number with a unit | write a part of the requests, as in `50%`, or how many in a row, as in `3`",
        ),
        (
            "breaker: { failures: 3, window: «5s» }",
            "conflict: `window` belongs to a percentage, but `3` failures in a row open this one | remove it, or write `failures: 50%`",
        ),
        (
            "breaker: { failures: 3, min_requests: «5» }",
            "conflict: `min_requests` belongs to a percentage, but `3` failures in a row open this one | remove it, or write `failures: 50%`",
        ),
        ("breaker: { failures: 50%, window: «2h» }", "bad-value: `2h` is too long here | at most 1h"),
        ("breaker: { failures: 50%, probes: «0» }", "bad-value: 0 is out of range | from 1 to 1000"),
        (
            "breaker: «none»",
            "wrong-type: `breaker` must be a map, not a single value | `breaker:` has keys: failures, window, min_requests, open, probes",
        ),
        ("outlier: { consecutive: «0» }", "bad-value: 0 is out of range | from 1 to 1000"),
        (
            "outlier: { max: «1s» }",
            "conflict: `base` (5s) is above `max` (1s) | the first one is the shortest",
        ),
        (
            "outlier: { max_ejected: «0%» }",
            "bad-value: `0%` is out of range | from `1%` to `100%`; to switch it off, write `outlier: none`",
        ),
        (
            "outlier: { panic: «half» }",
            "bad-unit: `half` is not a whole number with a unit | write a whole number from `0%` to `100%`",
        ),
        ("slow_start: «0s»", "bad-value: this time must be more than 0 | remove the key to get the default"),
    ];

    for (fields, problem) in cases {
        expect_fields(fields, &[problem]);
    }
}

#[test]
fn a_hash_and_what_it_goes_by_go_together() {
    expect_fields(
        "balance: «hash»",
        &[
            "missing-key: `balance: hash` does not say by what | add `hash: ip`, `hash: user`, `hash: { header: X-Name }` or `hash: { cookie: NAME }`",
        ],
    );
    expect_fields(
        "hash: «ip»",
        &["conflict: `hash` says what `balance: hash` goes by | add `balance: hash`, or remove it"],
    );
    expect_fields(
        "balance: hash, hash: { cookie: «\"a;b\"» }",
        &["bad-value: `a;b` is not the name of a cookie | use letters, digits, `-` and `_`"],
    );
}

#[test]
fn one_attempt_is_a_part_of_the_request() {
    expect_fields(
        "timeout: { request: 1s, per_try: «2s» }",
        &["conflict: `per_try` (2s) is longer than `request` (1s) | one attempt is a part of the request"],
    );
    expect_fields(
        "timeout: { request: 3s, per_try: «2s» }",
        &[
            "suspicious: 2 attempts of 2s do not fit into `request` (3s) | the last one is cut short; make `per_try` shorter or `request` longer",
        ],
    );
    expect_fields(
        "timeout: { request: 5s, per_try: 2s }, retry: { attempts: «3» }",
        &[
            "suspicious: 3 attempts of 2s do not fit into `request` (5s) | the last one is cut short; make `per_try` shorter or `request` longer",
        ],
    );
    expect_fields("timeout: { request: 3s, per_try: 2s }, retry: none", &[]);
    expect_fields("timeout: { request: none, per_try: 2h }", &[]);
}

/// A sidecar with a service `db` of bytes and these fields.
fn of_bytes(fields: &str) -> String {
    format!(
        "services: {{ db: {{ protocol: tcp, endpoints: [\"10.0.0.7:1\"], local: 127.0.0.1:1, {fields} }} }}"
    )
}

#[test]
fn what_is_about_http_is_not_of_bytes() {
    let services = of_bytes(
        "retry: { attempts: 2 }, breaker: { failures: 3 }, health: { path: / }, timeout: { per_try: 1s }, balance: hash, hash: user",
    );

    expect_sidecar(
        &[&services],
        &[
            "6:88 [{] conflict: `retry` is about HTTP, but this service speaks tcp: bytes that were sent cannot be sent again: nobody knows what they did | remove it",
            "6:114 [{] conflict: `breaker` is about HTTP, but this service speaks tcp: in bytes nobody sees whether an answer was a failure; `outlier` leaves out endpoints that take no connections | remove it",
            "6:147 [/] conflict: `path` is asked for over HTTP, but this service speaks tcp | write `health: { tcp: true }`",
            "6:172 [1s] conflict: `timeout.per_try` is about HTTP, but this service speaks tcp: there are no requests to time | remove it",
            "6:199 [user] conflict: this service speaks tcp: of a connection only the address is known | write `hash: ip`",
        ],
    );
}

#[test]
fn for_bytes_and_the_workload_little_is_on_by_itself() {
    let services = |sections: &[&str]| {
        let text = sidecar(sections);
        let loaded = load_among_files(&text).0.unwrap_or_else(|problems| panic!("{problems}\n{text}"));
        loaded.config.services
    };

    let plain = services(&[&of_bytes("retry: none")]);
    let written = services(&[&of_bytes("bulkhead: {}, outlier: {}, health: { tcp: true }")]);
    let app = services(&["workload: { service: order, app: 127.0.0.1:8080, bulkhead: { concurrent: 7 } }"]);
    let bytes = services(&["workload: { service: db, app: 127.0.0.1:8080, protocol: tcp }"]);

    let of = |service: &Service| (service.retry.clone(), service.bulkhead.clone(), service.outlier);
    assert_eq!(of(&plain[0]), (None, Some(Bulkhead::default()), None));
    assert_eq!(of(&plain[1]), (None, None, None));
    assert_eq!(of(&written[1]), (None, Some(Bulkhead::default()), Some(Outlier::default())));
    assert_eq!(of(&app[0]), (None, Some(Bulkhead { concurrent: 7, ..Bulkhead::default() }), None));
    assert_eq!(of(&bytes[0]), (None, None, None));
}
