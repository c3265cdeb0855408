//! `routes:`, `defaults:` and `tests:`, each entry by itself.

use super::*;
use crate::config::Config;
use crate::config::route::{HeaderEdits, Methods, Sticky};
use std::time::Duration;

#[test]
fn a_route_says_what_it_lacks() {
    expect_route(
        "match: GET /",
        &[
            "4:10 [{] missing-key: a route needs `name` | add `name:`",
            "4:10 [{] missing-key: a route does not say who may use it | add `auth: public` if everybody may",
            "4:10 [{] missing-key: a route goes nowhere | add `to: SERVICE`, or `split:` for several",
        ],
    );
    expect_route(
        "name: r, to: a, auth: public",
        &["4:10 [{] missing-key: route `r` needs `match` | add `match:`"],
    );
    expect_route(
        "name: R x, match: GET /, to: a, auth: customer",
        &[
            "4:18 [R x] bad-value: `R x` cannot be the name of a route | use 1 to 64 of a-z, 0-9, `-`, `_` and `.`",
            "4:50 [customer] unknown-name: there is no entry `customer` under `auth:` | it can be: public",
        ],
    );
}

#[test]
fn a_match_names_methods_and_a_path() {
    let cases = [
        (
            "/orders",
            "`/orders` does not say which methods | write `GET /orders`, or `\"* /orders\"` for every method",
        ),
        ("GET", "`GET` does not say which path | write `GET /path`"),
        ("get /", "`get` is not a method: methods are upper case | write `GET`"),
        ("G@T /", "`G@T` is not a method | write it as `GET /path` or `GET|POST /path`"),
        ("GET| /", "`` is not a method | write it as `GET /path` or `GET|POST /path`"),
        ("CONNECT /", "CONNECT has no path, so no route can match it | remove it"),
        (
            "GET orders",
            "`orders` is not a path pattern: a path begins with `/`, or with `~` for a regex | patterns are `/a/b`, `/a/{name}/b`, `/a/*/b`, `/a/**` and `~REGEX`",
        ),
        (
            "GET /**/x",
            "`/**/x` is not a path pattern: `**` may only stand at the end of a path, as in `/a/**` | patterns are `/a/b`, `/a/{name}/b`, `/a/*/b`, `/a/**` and `~REGEX`",
        ),
    ];

    for (text, problem) in cases {
        expect_route(
            &format!("name: r, auth: public, to: a, match: \"{text}\""),
            &[&format!("4:49 [\"{text}\"] bad-value: {problem}")],
        );
    }
    expect_route(
        "name: r, auth: public, to: a, match: GTE /",
        &["4:49 [GTE /] suspicious: `GTE` is an unusual method | did you mean `GET`?"],
    );
    expect_route("name: r, auth: public, to: a, match: PROPFIND /", &[]);
}

#[test]
fn names_are_unique_and_services_exist() {
    expect(
        &format!(
            "{SERVED}routes:\n  - {{ name: r, match: GET /a, auth: public, to: a }}\n  - {{ name: r, match: GET /b, auth: public, to: aa }}\n  - {{ name: s, match: GET /c, auth: public, to: zebra }}\n"
        ),
        &[
            "6:13 [r] duplicate-name: two routes are called `r` | the other is at line 5; rename one",
            "6:49 [aa] unknown-name: there is no service `aa` | did you mean `a`?",
            "7:49 [zebra] unknown-name: there is no service `zebra` | services: a",
        ],
    );
}

#[test]
fn a_route_has_one_way_to_go() {
    let base = "name: r, match: GET /, auth: public";
    let cases = [
        (
            "to: a, split: [{ to: a }]",
            "4:53 [a] conflict: route `r` has both `to` and `split` | keep one of them",
        ),
        (
            "to: a, sticky: ip",
            "4:64 [ip] conflict: `sticky` has nothing to choose between | it keeps a caller on one side of a `split:`; remove it, or add one",
        ),
        (
            "split: []",
            "4:56 [[] bad-value: nothing has a weight in this split | give at least one service a weight above 0",
        ),
        (
            "split: [{ to: a, weight: 0 }]",
            "4:56 [[] bad-value: nothing has a weight in this split | give at least one service a weight above 0",
        ),
        (
            "split: [{ to: a, weight: 1000001 }]",
            "4:74 [1000001] bad-value: 1000001 is out of range | from 0 to 1000000",
        ),
        (
            "split: [{ to: a }, { to: a }]",
            "4:74 [a] duplicate-name: service `a` stands in this split twice | add the weights up in one entry",
        ),
        ("split: [{ weight: 1 }]", "4:57 [{] missing-key: an entry of `split:` needs `to` | add `to:`"),
        (
            "split: [{ to: a }], sticky: header",
            "4:77 [header] bad-value: `header` needs a value | write `{ header: … }`",
        ),
        (
            "split: [{ to: a }], sticky: { ip: 1 }",
            "4:83 [1] bad-value: `ip` takes no value | write `ip` alone",
        ),
        (
            "split: [{ to: a }], sticky: { header: \"a b\" }",
            "4:87 [\"a b\"] bad-value: `a b` is not the name of a header | use letters, digits and `-`, as in `X-Caller-Service`",
        ),
        (
            "split: [{ to: a }], sticky: { cokie: a }",
            "4:79 [cokie] bad-value: `sticky` cannot be `cokie` | did you mean `cookie`?",
        ),
        (
            "split: [{ to: a }], sticky: { cookie: \"a;b\" }",
            "4:87 [\"a;b\"] bad-value: `a;b` is not the name of a cookie | use letters, digits, `-` and `_`",
        ),
        (
            "split: [{ to: a }], sticky: { header: a, cookie: b }",
            "4:77 [{] wrong-type: `sticky` must be a map with one key, not a map | one of: ip, user, header, cookie",
        ),
    ];

    for (fields, problem) in cases {
        expect_route(&format!("{base}, {fields}"), &[problem]);
    }
}

#[test]
fn protected_headers_are_not_edited() {
    let base = "name: r, match: GET /, auth: public, to: a, headers";
    let framing = "is protected: only portcullis itself sets or removes it | remove this line; framing and routing of messages are not editable";
    let identity = "is protected: only portcullis itself sets or removes it | remove this line, or use a header of another name";
    for name in ["Host", "Content-Length", "transfer-encoding", "Connection", "TE", "Upgrade"] {
        expect_route(
            &format!("{base}: {{ request: {{ set: {{ {name}: x }} }} }}"),
            &[&format!("4:85 [{name}] protected-header: `{name}` {framing}")],
        );
        expect_route(
            &format!("{base}: {{ response: {{ remove: [{name}] }} }}"),
            &[&format!("4:88 [{name}] protected-header: `{name}` {framing}")],
        );
    }
    for name in
        ["X-Auth-User", "x_auth_roles", "X-Forwarded-For", "Forwarded", "Txn-Token", "X-Portcullis-Id"]
    {
        expect_route(
            &format!("{base}: {{ request: {{ remove: [{name}] }} }}"),
            &[&format!("4:87 [{name}] protected-header: `{name}` {identity}")],
        );
    }
    expect_route(&format!("{base}: {{ response: {{ remove: [X-Envoy-Upstream-Service-Time] }} }}"), &[]);
    expect_route(
        &format!(
            "{base}: {{ request: {{ set: {{ A: x, a: y, \"b c\": z, D: \"x\\ny\" }}, remove: [E, e] }} }}"
        ),
        &[
            "4:91 [a] duplicate-name: header `a` stands here twice (case makes no difference) | remove one of them",
            "4:97 [\"b c\"] bad-value: `b c` is not the name of a header | use letters, digits and `-`, as in `X-Caller-Service`",
            "4:110 [\"x\\ny\"] bad-value: this is not the value of a header | use one line of visible ASCII",
            "4:132 [e] duplicate-name: header `e` stands here twice (case makes no difference) | remove one of them",
        ],
    );
}

#[test]
fn the_rest_of_a_route_says_what_it_takes() {
    let base = "name: r, match: GET /, auth: public, to: a";
    let cases = [
        (
            "hosts: [\"*\"]",
            "4:64 [\"*\"] bad-value: `*` is not a host: `*` alone is not a host: leave `hosts` out to take every host | hosts are `shop.example` or `*.shop.example`",
        ),
        (
            "when: { header: { Host: x } }",
            "4:74 [Host] bad-value: the host is not matched as a header | use `hosts: [shop.example]`",
        ),
        (
            "path: x",
            "4:62 [x] bad-value: `x` is not a path to send: the path to send begins with `/` | write a path; `{name}` and `**` stand for what `match` caught under them",
        ),
        (
            "body: { max: 10 }",
            "4:69 [10] bad-unit: `10` has no unit | units of size are B, KiB, MiB and GiB, as in `64KiB`, `10MiB`, or `none`",
        ),
        (
            "body: { max: 10MB }",
            "4:69 [10MB] bad-unit: `MB` is not a unit | units of size are B, KiB, MiB and GiB, as in `64KiB`, `10MiB`, or `none`",
        ),
        (
            "timeout: { request: 5 }",
            "4:76 [5] bad-unit: `5` has no unit | units of time are ms, s, m and h, as in `100ms`, `5s`, `1m`, or `none`",
        ),
        (
            "paths: { semicolon: allow }",
            "4:76 [allow] bad-value: `semicolon` cannot be `allow` | it can be: keep, refuse",
        ),
        ("deprecated: {}", "4:68 [{] missing-key: `deprecated:` needs `since` | add `since:`"),
        (
            "deprecated: { since: 1.10.2026 }",
            "4:77 [1.10.2026] bad-unit: `1.10.2026` is not a date | write a date as `2026-11-22`",
        ),
        (
            "deprecated: { since: 2026-10-01, sunset: 2026-09-01 }",
            "4:97 [2026-09-01] bad-value: `sunset` is before `since` | a route is deprecated first, and ends later",
        ),
        (
            "deprecated: { since: 2026-10-01, link: docs }",
            "4:95 [docs] bad-value: `docs` is not a URL | write it as `https://shop.example/docs/v2`",
        ),
    ];

    for (fields, problem) in cases {
        expect_route(&format!("{base}, {fields}"), &[problem]);
    }
}

#[test]
fn a_test_says_what_it_lacks() {
    let route = format!("{SERVED}routes: [{{ name: orders, match: GET /, auth: public, to: a }}]\n");
    let cases = [
        ("send: GET /, expect: { status: 200 }", "5:9 [{] missing-key: a test needs `name` | add `name:`"),
        (
            "name: t, send: /, expect: { status: 200 }",
            "5:26 [/] bad-value: `/` is not a request | write a method and a target, as in `POST /orders?dry=1`",
        ),
        (
            "name: t, send: GET x, expect: { status: 200 }",
            "5:26 [GET x] bad-value: `x` is not a target: it starts with `/` | the host stands under `host:`",
        ),
        ("name: t, send: GET /", "5:9 [{] missing-key: test `t` needs `expect` | add `expect:`"),
        (
            "name: t, send: GET /, expect: {}",
            "5:41 [{] missing-key: this test demands nothing | say at least one of: status, stage, route, service, path, upstream_headers",
        ),
        (
            "name: t, send: GET /, expect: { status: 42 }",
            "5:51 [42] bad-value: 42 is not a status | from 100 to 599; 200 stands for \"would be forwarded\"",
        ),
        (
            "name: t, send: GET /, expect: { route: order }",
            "5:50 [order] unknown-name: there is no route `order` | did you mean `orders`?",
        ),
        (
            "name: t, send: GET /, expect: { service: b }",
            "5:52 [b] unknown-name: there is no service `b` | did you mean `a`?",
        ),
        (
            "name: t, send: GET /, expect: { stage: paht }",
            "5:50 [paht] unknown-name: there is no stage `paht` | did you mean `path`?",
        ),
    ];

    for (fields, problem) in cases {
        expect(&format!("{route}tests: [{{ {fields} }}]\n"), &[problem]);
    }
}

fn config(routes: &str) -> Config {
    load(&format!("{SERVED}{routes}\n")).unwrap_or_else(|problems| panic!("{problems}")).config
}

#[test]
fn defaults_are_folded_in_and_a_routes_own_win() {
    let config = config(
        "defaults: { headers: { request: { set: { X-A: default, X-B: default, X-C: default }, remove: [X-D, X-E] } } }\n\
         routes: [{ name: r, match: GET /, auth: public, to: a, headers: { request: { set: { x-a: own, X-D: own }, remove: [X-B] } } }]",
    );

    let HeaderEdits { set, remove } = &config.routes[0].headers.request;
    let set: Vec<(&str, &str)> =
        set.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    let remove: Vec<&str> = remove.iter().map(http::HeaderName::as_str).collect();
    assert_eq!(set, [("x-c", "default"), ("x-a", "own"), ("x-d", "own")]);
    assert_eq!(remove, ["x-e", "x-b"]);
}

#[test]
fn a_route_means_what_it_says() {
    let config = config(
        "routes: [{ name: r, match: GET|POST /x, auth: public, split: [{ to: a, weight: 3 }], sticky: { cookie: sid }, \
         body: { max: none }, timeout: { request: none, idle: 30s }, \
         deprecated: { since: 2026-10-01, sunset: 2027-04-01, link: /v2 } }]",
    );

    let route = &config.routes[0];
    assert_eq!(route.line, 4);
    assert_eq!(route.methods, Methods::These(vec![http::Method::GET, http::Method::POST]));
    assert_eq!(route.target.sticky, Some(Sticky::Cookie("sid".into())));
    assert_eq!(route.max_body, None);
    assert_eq!((route.request_timeout, route.idle_timeout), (Some(None), Some(Duration::from_secs(30))));
    let deprecated = route.deprecated.as_ref().unwrap();
    assert_eq!(deprecated.deprecation, "@1790812800");
    assert_eq!(deprecated.sunset.as_ref().unwrap(), "Thu, 01 Apr 2027 00:00:00 GMT");
    assert_eq!(deprecated.link.as_ref().unwrap(), "</v2>; rel=\"deprecation\"");
}

#[test]
fn values_are_the_text_that_is_written() {
    let config = config(
        "routes: [{ name: r, match: GET /x, auth: public, to: a, headers: { request: { set: { X-A: 1.10, X-B: on, X-C: 0x1F, X-D: 007 } } } }]",
    );

    let values: Vec<&str> =
        config.routes[0].headers.request.set.iter().map(|(_, value)| value.to_str().unwrap()).collect();
    assert_eq!(values, ["1.10", "on", "0x1F", "007"]);
}
