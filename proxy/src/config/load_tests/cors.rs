//! `cors:` of routes and `defaults:`.

use super::*;
use crate::config::Config;
use crate::config::cors::{Cors, OriginPattern, Origins};
use crate::config::effective::to_yaml;
use std::time::Duration;

/// A route `r` with this `cors:`, from column 62 of line 4.
fn route(cors: &str) -> String {
    format!("{SERVED}routes: [{{ name: r, match: GET /, auth: public, to: a, cors: {cors} }}]\n")
}

/// The policy must lead to these problems and no other.
#[track_caller]
fn expect_cors(cors: &str, problems: &[&str]) {
    expect(&route(cors), problems);
}

/// One origin must lead to this problem.
#[track_caller]
fn expect_origin(origin: &str, problem: &str) {
    expect_cors(&format!("{{ origins: [\"{origin}\"] }}"), &[&format!("4:74 [\"{origin}\"] {problem}")]);
}

#[track_caller]
fn loaded(text: &str) -> Config {
    load(text).unwrap_or_else(|problems| panic!("{problems}\n{text}")).config
}

fn policy(config: &Config, route: usize) -> Option<&Cors> {
    config.routes[route].cors.as_deref()
}

#[test]
fn a_policy_is_read_and_filled_in() {
    let config = loaded(&route("{ origins: [\"https://shop.example\"] }"));

    let wanted = Cors {
        origins: Origins::These(vec![OriginPattern::Exact("https://shop.example".into())]),
        methods: Vec::new(),
        headers: Vec::new(),
        expose: Vec::new(),
        credentials: false,
        max_age: Duration::from_secs(600),
    };
    assert_eq!(policy(&config, 0), Some(&wanted));
}

#[test]
fn origins_are_what_browsers_write() {
    let config = loaded(&route(
        "{ origins: [\"https://*.shop.example\", \"https://a.example:8443\", \"http://*.localhost:3000\", \"http://[::1]:3000\", \"http://localhost\", \"capacitor://localhost\"] }",
    ));

    let exact = |origin: &str| OriginPattern::Exact(origin.into());
    let one_label =
        |scheme: &str, rest: &str| OriginPattern::OneLabel { scheme: scheme.into(), rest: rest.into() };
    let wanted = Origins::These(vec![
        one_label("https://", ".shop.example"),
        exact("https://a.example:8443"),
        one_label("http://", ".localhost:3000"),
        exact("http://[::1]:3000"),
        exact("http://localhost"),
        exact("capacitor://localhost"),
    ]);
    assert_eq!(policy(&config, 0).map(|cors| &cors.origins), Some(&wanted));
}

#[test]
fn a_route_has_the_policy_of_the_defaults_or_its_own_or_none() {
    let config = loaded(&format!(
        "{SERVED}defaults: {{ cors: {{ origins: [\"https://shop.example\"], credentials: true, expose: [X-A] }} }}\nroutes:\n  - {{ name: r, match: GET /r, auth: public, to: a }}\n  - {{ name: s, match: GET /s, auth: public, to: a, cors: {{ origins: [\"*\"] }} }}\n  - {{ name: t, match: GET /t, auth: public, to: a, cors: none }}\n"
    ));

    let credentials: Vec<_> = (0..3)
        .map(|index| policy(&config, index).map(|cors| (cors.credentials, cors.expose.len())))
        .collect();

    assert_eq!(credentials, [Some((true, 1)), Some((false, 0)), None]);
    assert_eq!(policy(&config, 1).map(|cors| &cors.origins), Some(&Origins::Any));
}

#[test]
fn the_effective_policy_means_the_same() {
    let first = loaded(&format!(
        "{SERVED}defaults: {{ cors: {{ origins: [\"*\"], max_age: 0s }} }}\nroutes:\n  - {{ name: r, match: GET /r, auth: public, to: a }}\n  - {{ name: s, match: GET /s, auth: public, to: a, cors: {{ origins: [\"https://a.example\", \"https://*.a.example:8443\"], methods: [PUT, DELETE], headers: [Authorization], expose: [X-Request-Id], credentials: true, max_age: 5m }} }}\n  - {{ name: t, match: GET /t, auth: public, to: a, cors: none }}\n"
    ));

    let second = loaded(&to_yaml(&first));

    for route in 0..3 {
        assert_eq!(policy(&first, route), policy(&second, route), "{}", to_yaml(&first));
    }
}

#[test]
fn everybody_never_comes_with_credentials() {
    expect_cors(
        "{ origins: [\"*\"], credentials: true }",
        &[
            "4:74 [\"*\"] insecure: with `credentials` every page could act in the name of whoever looks at it | name the origins, or remove `credentials`",
        ],
    );
    expect_cors(
        "{ origins: [\"https://a.example\", \"*\"], credentials: true }",
        &[
            "4:95 [\"*\"] insecure: with `credentials` every page could act in the name of whoever looks at it | name the origins, or remove `credentials`",
            "4:95 [\"*\"] conflict: `*` is every origin: the others say nothing more | remove `*`, or the others",
        ],
    );
}

#[test]
fn a_policy_names_somebody() {
    expect_cors("{}", &["4:62 [{] missing-key: `cors:` needs `origins` | add `origins:`"]);
    expect_cors(
        "{ origins: [] }",
        &[
            "4:73 [[] bad-value: no origin is named here | name at least one, as in `https://shop.example`, or write `cors: none`",
        ],
    );
    expect_cors(
        "off",
        &[
            "4:62 [off] bad-value: `cors` cannot be `off` | it can be `none`, or keys in braces, as in `{ key: value }`",
        ],
    );
    expect_cors(
        "[\"*\"]",
        &["4:62 [[] wrong-type: `cors` must be a single value, not a list | one of: none"],
    );
}

#[test]
fn an_origin_that_no_browser_writes_is_pointed_out() {
    let cases = [
        (
            "https://shop.example/",
            "bad-value: `https://shop.example/`: an origin has no path, not even `/` | write `https://shop.example`",
        ),
        (
            "https://shop.example/app?x",
            "bad-value: `https://shop.example/app?x`: an origin has no path, not even `/` | write `https://shop.example`",
        ),
        (
            "shop.example",
            "bad-value: `shop.example` does not begin with a scheme | write `https://shop.example`",
        ),
        (
            "//shop.example",
            "bad-value: `//shop.example` does not begin with a scheme | write `https://shop.example`",
        ),
        (
            "https://Shop.example",
            "bad-value: `https://Shop.example`: browsers write origins in lower case | write `https://shop.example`",
        ),
        (
            "null",
            "bad-value: `null` is every page in a sandbox and every local file: it names nobody | name the origin of the page",
        ),
        (
            "https://shop.example:443",
            "bad-value: `https://shop.example:443`: browsers leave out the port that everybody expects | write `https://shop.example`, or a port of its own",
        ),
        (
            "http://localhost:80",
            "bad-value: `http://localhost:80`: browsers leave out the port that everybody expects | write `http://localhost`, or a port of its own",
        ),
        (
            "https://shop.example:",
            "bad-value: `https://shop.example:`: this is not a port | write `https://shop.example`, or a port of its own",
        ),
        (
            "https://shop.example:08443",
            "bad-value: `https://shop.example:08443`: this is not a port | write `https://shop.example`, or a port of its own",
        ),
        (
            "https://shop.example.",
            "bad-value: `https://shop.example.` is not an origin: a name ends without a dot | write it as `https://shop.example` or `https://*.shop.example`",
        ),
        (
            "https://*",
            "bad-value: `https://*` is not an origin: `*` stands for one label in front of a domain | write it as `https://shop.example` or `https://*.shop.example`",
        ),
        (
            "https://*shop.example",
            "bad-value: `https://*shop.example` is not an origin: `*` may only stand for the whole first label, as in `*.example.com` | write it as `https://shop.example` or `https://*.shop.example`",
        ),
        (
            "https://*.*.example",
            "bad-value: `https://*.*.example` is not an origin: `*` may only stand for the whole first label, as in `*.example.com` | write it as `https://shop.example` or `https://*.shop.example`",
        ),
        (
            "https://me@shop.example",
            "bad-value: `https://me@shop.example` is not an origin: `@` cannot stand in a host name (names beyond ASCII are written in their `xn--` form) | write it as `https://shop.example` or `https://*.shop.example`",
        ),
        (
            "https://",
            "bad-value: `https://` is not an origin: a host is empty | write it as `https://shop.example` or `https://*.shop.example`",
        ),
    ];

    for (origin, problem) in cases {
        expect_origin(origin, problem);
    }
}

#[test]
fn an_origin_that_is_probably_too_wide_is_pointed_out() {
    expect_origin(
        "http://shop.example:8080",
        "insecure: `http://shop.example:8080`: who is between such a page and its user can write into it | use `https://shop.example`",
    );
    expect_origin(
        "https://*.example",
        "insecure: `https://*.example` is every name right below `example` | name the domain, as in `https://*.shop.example`",
    );
    expect_cors(
        "{ origins: [\"https://a.example\", \"https://a.example\"] }",
        &[
            "4:95 [\"https://a.example\"] suspicious: `https://a.example` is listed twice | remove one of them",
        ],
    );
}

#[test]
fn methods_and_headers_are_named() {
    let lists = |fields: &str| format!("{{ origins: [\"*\"], {fields} }}");

    expect_cors(
        &lists("methods: [get, TRACE, \"*\", GET, GET]"),
        &[
            "4:90 [get] bad-value: `get` is not a method that pages use | did you mean `GET`?",
            "4:95 [TRACE] bad-value: `TRACE` is not a method that pages use | it can be: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
            "4:102 [\"*\"] bad-value: `*` is not a method that pages use | leave `methods` out: then those of the route count",
        ],
    );
    expect_cors(
        &lists("methods: []"),
        &[
            "4:89 [[] bad-value: no method is named here | remove it: then those of the route count; write `[GET]` for none but the usual ones",
        ],
    );
    expect_cors(
        &lists("headers: [\"*\", X-A, x-a, \"a b\"]"),
        &[
            "4:90 [\"*\"] bad-value: `*` is not understood by every browser, and never means `Authorization` | name the headers",
            "4:105 [\"a b\"] bad-value: `a b` is not the name of a header | use letters, digits and `-`, as in `X-Caller-Service`",
            "4:100 [x-a] suspicious: `x-a` is listed twice | remove one of them",
        ],
    );
}

#[test]
fn what_browsers_forget_anyway_is_pointed_out() {
    expect_cors(
        "{ origins: [\"*\"], max_age: 25h }",
        &["4:89 [25h] suspicious: no browser remembers this for longer than 24h | write `24h`"],
    );
    expect_cors(
        "{ origins: [\"*\"], max_age: 600 }",
        &[
            "4:89 [600] bad-unit: `600` has no unit | units of time are ms, s, m and h, as in `100ms`, `5s`, `1m`",
        ],
    );
}

#[test]
fn a_policy_of_the_defaults_is_checked_though_no_route_has_it() {
    expect(
        &format!(
            "{SERVED}defaults: {{ cors: {{ origins: [\"null\"] }} }}\nroutes: [{{ name: r, match: GET /, auth: public, to: a, cors: none }}]\n"
        ),
        &[
            "4:31 [\"null\"] bad-value: `null` is every page in a sandbox and every local file: it names nobody | name the origin of the page",
        ],
    );
}
