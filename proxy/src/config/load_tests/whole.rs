//! Whole files: what loads, what is printed again, how problems look, and that nothing panics.

use super::*;
use crate::config::diagnostic::{render, to_json};
use crate::config::effective::{to_redacted_json, to_yaml};
use proptest::prelude::*;
use std::fs;
use tempfile::TempDir;

/// The example of the documents, reduced to what this version supports.
const EXAMPLE: &str = r#"version: 1
listeners:
  - bind: 0.0.0.0:8443
    tls:
      certificates: [{ cert: certs/api.pem, key: file:certs/api.key }]   # chosen by SNI
      client_ca: certs/partners.pem
    http: [h1, h2]
    caps: { connections: 500, per_address: 7, handshakes: 9 }
    timeouts: { handshake: 1s, header: 2s, body: 3s, write: 4s, idle: 500ms }
  - { bind: 0.0.0.0:8080, redirect: https }
  - { bind: "[::1]:8081", redirect: { https: 8443 }, http: [h1], proxy_protocol: true }
trust: { proxies: [10.0.0.0/8, 192.0.2.7], hops: 2 }
strict: { underscores: drop, http10: keep }
workers: 2
zone: eu-1a
admin: { bind: 0.0.0.0:9901, token: env:TOKEN }
drain: { delay: 0s, timeout: 1m }
services:
  product: { endpoints: ["127.0.0.1:8001", "127.0.0.1:8002"], balance: round-robin }
  order:
    endpoints: [{ address: "10.0.0.3:8002", weight: 3 }, "10.0.0.4:8002"]
    timeout: { connect: 1s, request: none, idle: 60s }
    pool: { idle: 900ms, max_idle: 0 }
    balance: peak-ewma
    health: { path: "/healthz?deep=1", host: order.internal, expect: 200-399, interval: 3s, timeout: 2s, healthy: 1, unhealthy: 4, port: 9000 }
    retry: { attempts: 3, backoff: { base: 10ms, max: 100ms }, budget: 10%, floor: 0/s, statuses: [], idempotency_key: Idempotency-Key, body: 0B, hedge: 50ms }
    bulkhead: { concurrent: 200, queue: 0, wait: 100ms, adaptive: true }
    breaker: { failures: 50%, window: 5s, min_requests: 7, open: 10s, probes: 1 }
    outlier: { consecutive: 3, base: 1s, max: 60s, max_ejected: 10%, panic: 0% }
    slow_start: 10s
  order-v2:
    endpoints: [{ address: "10.0.0.8:80", zone: eu-1a }, { address: "10.0.0.9:80", zone: eu-1b }]
    balance: hash
    hash: { cookie: sid }
    timeout: { request: 9s, per_try: 2s }
    health: { tcp: true }
    retry: none
    bulkhead: none
    outlier: none
    breaker: { failures: 3 }
  named:
    dns: Named.internal:8002
    resolve: { servers: ["127.0.0.1:5353", "[::1]:53"], min_ttl: 2s, max_ttl: 30s, stale: 0s, allow: [local] }
    protocol: h2
    health: { grpc: "" }
  found: { srv: _http._tcp.found.internal., health: { path: /, expect: 204 } }
  written: { file: endpoints.yaml, balance: hash, hash: { header: X-User } }
  legacy: { endpoints: ["203.0.113.9:443"], tls: { name: legacy.internal, ca: certs/internal.pem } }
  user: { endpoints: ["10.0.0.10:9000"], protocol: h2 }
defaults:
  headers: { request: { set: { X-Caller-Service: api-gateway } }, response: { remove: [Server, X-Powered-By] } }
routes:
  - { name: products, match: GET /products/**, auth: public, to: product, path: /api/products/** }
  - name: order-create
    match: POST /orders
    auth: public
    split: [{ to: order, weight: 95 }, { to: order-v2, weight: 5 }]
    sticky: { header: X-User }
  - { name: orders-beta, match: GET /orders/**, when: { header: { X-Beta: "1" }, query: { "a b": "*", c: "d: # e" } }, auth: public, to: order-v2 }
  - { name: profile, match: "GET /users/{userId}/profile", auth: public, to: user, path: "/api/profile/{userId}" }
  - { name: upload, match: POST /media, auth: public, to: product, body: { max: 5GiB }, timeout: { request: none, idle: 30s } }
  - { name: live, match: GET /live, auth: public, to: order, upgrade: websocket, timeout: { idle: 10m }, retry: none, critical: true, on_open: { status: 503, code: ORDERS_RESTING } }
  - { name: recent, match: GET /recent, auth: public, to: order-v2, timeout: { per_try: 1s }, on_open: { status: 200, body: "[]\n\"none\" of: {them}", type: application/json } }
  - { name: other, match: GET /other, auth: public, split: [{ to: order }, { to: order-v2 }], on_open: { to: found } }
  - { name: names, match: GET /names/**, auth: public, split: [{ to: named }, { to: written }] }
  - { name: raw, match: PUT|PURGE /raw/*/x, auth: public, split: [{ to: product, weight: 1 }], sticky: ip, body: { max: none }, paths: { encoded_slash: keep, semicolon: keep } }
  - { name: old, match: GET /v1/orders/**, auth: public, to: order, deprecated: { since: 2026-10-01, sunset: 2027-04-01, link: "https://shop.example/v2?a=b#c" } }
  - { name: versions, match: "GET ~/v[0-9]+/(a|b)", auth: public, to: order, timeout: { request: 1500ms } }
  - { name: admin, match: "* /admin/**", auth: public, to: legacy, hosts: [shop.example, "*.shop.example"], headers: { request: { set: { Authorization: "Basic aGk=", X-Quote: "say \"hi\" \\ 'x'" } } } }
observe:
  access_log: { to: file:access.log, redact: [query.token] }
  traces: { propagation: [w3c, b3] }
  metrics: { bind: 127.0.0.1:9102 }
tests:
  - { name: spoofed identity dropped, send: GET /products/1, headers: { X-Auth-User: root }, expect: { route: products, service: product, path: /api/products/1, upstream_headers: { absent: [X-Auth-User], present: { X-Caller-Service: api-gateway } } } }
  - { name: encoded dot bypass, send: "GET /products/%2e%2e/admin", host: shop.example, expect: { status: 400, stage: path } }
"#;

/// A folder with the files the example names.
fn folder() -> TempDir {
    use std::os::unix::fs::PermissionsExt;
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("certs")).unwrap();
    for (name, label) in [
        ("api.pem", "CERTIFICATE"),
        ("partners.pem", "CERTIFICATE"),
        ("internal.pem", "CERTIFICATE"),
        ("api.key", "PRIVATE KEY"),
    ] {
        let path = dir.path().join("certs").join(name);
        fs::write(&path, format!("-----BEGIN {label}-----\nAA==\n-----END {label}-----\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    fs::write(dir.path().join("endpoints.yaml"), "[]\n").unwrap();
    dir
}

fn load_in(dir: &TempDir, text: &str) -> Loaded {
    parse_in(text, &dir.path().join("edge.yaml"), &AROUND)
        .unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

/// Everything a configuration means, without the lines it stood at.
fn meaning(config: &Config) -> String {
    let mut config = config.clone();
    config.routes.iter_mut().for_each(|route| route.line = 0);
    config.tests.iter_mut().for_each(|test| test.line = 0);
    format!("{config:#?}")
}

#[test]
fn the_example_of_the_documents_loads() {
    let dir = folder();

    let loaded = load_in(&dir, EXAMPLE);

    let warnings = render(&loaded.warnings);
    assert!(loaded.warnings.len() == 1 && warnings.contains("asked for a certificate"), "{warnings}");
    let config = loaded.config;
    assert_eq!(
        (config.listeners.len(), config.services.len(), config.routes.len(), config.tests.len()),
        (3, 8, 13, 2)
    );
    let files: Vec<&str> =
        config.files.iter().map(|file| file.strip_prefix(dir.path()).unwrap().to_str().unwrap()).collect();
    assert_eq!(
        files,
        ["edge.yaml", "certs/api.pem", "certs/api.key", "certs/partners.pem", "certs/internal.pem"]
    );
}

#[test]
fn the_effective_configuration_means_the_same() {
    let dir = folder();
    let first = load_in(&dir, EXAMPLE).config;

    let printed = to_yaml(&first);
    let second = load_in(&dir, &printed).config;

    assert_eq!(meaning(&first), meaning(&second), "{printed}");
    assert_eq!(printed, to_yaml(&second));
}

#[test]
fn defaults_are_what_the_documents_say() {
    let config = load(HEAD).unwrap().config;

    let printed = to_yaml(&config);

    let wanted = "version: 1\nworkers: 2\nlisteners:\n  - bind: \"127.0.0.1:8080\"\n    http:\n      - h1\n      - h2\n    proxy_protocol: false\n    caps:\n      connections: 312\n      per_address: 100\n      handshakes: 128\n    timeouts:\n      handshake: 10s\n      header: 10s\n      body: 30s\n      write: 1m\n      idle: 75s\ntrust:\n  proxies: []\n  hops: 1\nstrict:\n  underscores: refuse\n  http10: refuse\ndrain:\n  delay: 5s\n  timeout: 30s\noverload:\n  concurrent: none\n  memory:\n    limit: auto\n    leave_at: \"92%\"\n    refuse_at: \"95%\"\n  shed_when_behind: false\nobserve:\n  access_log:\n    to: stdout\n    redact: []\n  traces:\n    propagation:\n      - w3c\n";
    assert_eq!(printed, wanted);
}

#[test]
fn secrets_are_not_in_the_dump() {
    let dir = folder();

    let dump = to_redacted_json(&load_in(&dir, EXAMPLE).config);

    let text = dump.to_string();
    assert!(!text.contains("s3cret") && !text.contains("aGk="), "{dump:#}");
    assert_eq!(dump["admin"]["token"], "REDACTED");
    assert_eq!(dump["routes"][12]["headers"]["request"]["set"]["authorization"], "REDACTED");
    assert_eq!(dump["routes"][12]["headers"]["request"]["set"]["x-caller-service"], "api-gateway");
}

#[test]
fn problems_look_like_those_of_a_compiler() {
    let text = format!("{SERVED}routes:\n  - {{ name: r, match: GET /ü, auth: pubic, to: b }}\n");

    let problems = load(&text).unwrap_err();

    let wanted = "\
error[bad-value]: `/ü` is not a path pattern: `ü` cannot stand in a path as it is: write `%C3%BC`
 --> /etc/portcullis/edge.yaml:5:23
  |
5 |   - { name: r, match: GET /ü, auth: pubic, to: b }
  |                       ^^^^^^
  = help: patterns are `/a/b`, `/a/{name}/b`, `/a/*/b`, `/a/**` and `~REGEX`

error[unknown-name]: there is no entry `pubic` under `auth:`
 --> /etc/portcullis/edge.yaml:5:37
  |
5 |   - { name: r, match: GET /ü, auth: pubic, to: b }
  |                                     ^^^^^
  = help: did you mean `public`?

error[unknown-name]: there is no service `b`
 --> /etc/portcullis/edge.yaml:5:48
  |
5 |   - { name: r, match: GET /ü, auth: pubic, to: b }
  |                                                ^
  = help: did you mean `a`?

3 errors";
    assert_eq!(problems.to_string(), wanted);
}

#[test]
fn problems_are_also_json() {
    let problems = load("version: 1\nlisteners: [{ bind: x }]\n").unwrap_err();

    let json = to_json(&problems.0);

    assert_eq!(
        json,
        serde_json::json!([{
            "severity": "error",
            "code": "bad-value",
            "message": "`x` is not an address with a port",
            "file": "/etc/portcullis/edge.yaml",
            "line": 2,
            "column": 21,
            "len": 1,
            "snippet": "listeners: [{ bind: x }]",
            "help": "write an IP address and a port, as in `127.0.0.1:8080` or `[::1]:8080`",
        }])
    );
}

#[test]
fn a_long_line_is_cut_around_the_mark() {
    let padding = " ".repeat(300);

    let problems =
        load(&format!("version: 1\nlisteners: [{{ {padding}bind: x{padding} }}]\n")).unwrap_err().to_string();

    let lines: Vec<&str> = problems.lines().collect();
    assert!(lines[3].chars().count() < 110, "{problems}");
    let mark = lines[4].chars().position(|c| c == '^').unwrap();
    assert_eq!(lines[3].chars().nth(mark), Some('x'), "{problems}");
}

#[test]
fn errors_come_before_warnings() {
    let text = "version: 1\nlisteners:\n  - bind: 0.0.0.0:80\n  - bind: x\n";

    let problems = load(text).unwrap_err();

    let severities: Vec<Severity> = problems.0.iter().map(|one| one.severity).collect();
    assert_eq!(severities, [Severity::Error, Severity::Warning]);
    assert!(problems.to_string().ends_with("\n1 error, 1 warning"), "{problems}");
}

#[test]
fn anchors_repeat_values_and_their_errors_only_once() {
    let text = format!(
        "{SERVED}routes:\n  - {{ name: r, match: GET /, auth: public, to: a, headers: &h {{ request: {{ set: {{ Host: x }} }} }} }}\n  - {{ name: s, match: GET /s, auth: public, to: a, headers: *h }}\n"
    );

    let said = said(&text);

    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("5:83 [Host] protected-header"), "{said:?}");
}

#[test]
fn files_that_cannot_be_a_configuration_are_refused() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("edge.yaml");
    let message = |content: Option<&[u8]>| {
        if let Some(content) = content {
            fs::write(&path, content).unwrap();
        }
        super::super::load(&path).unwrap_err().0[0].message.clone()
    };

    assert_eq!(message(None), "cannot read the configuration: there is no such file");
    assert_eq!(message(Some(b"version: \xff")), "the file is not UTF-8 (byte 9)");
    assert_eq!(message(Some(&vec![b'#'; (4 << 20) + 1])), "the file is larger than 4 MiB");
    assert_eq!(
        super::super::load(dir.path()).unwrap_err().0[0].message,
        "cannot read the configuration: it is a directory"
    );
}

/// A line of the example with something replaced: near enough to YAML that most of the reader is reached.
fn mangled() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[\\[\\]{}:,\\-*&~|>#'\"! \\n\\t]{1,3}",
        "[a-z0-9/.]{0,8}",
        "\\PC{0,4}",
        "null|true|none|5|5s|\\[\\]|\\{\\}"
    ];
    (0..EXAMPLE.len(), 0..40usize, piece).prop_map(|(from, len, piece)| {
        let boundary = |at: usize| {
            (at..=EXAMPLE.len()).find(|at| EXAMPLE.is_char_boundary(*at)).unwrap_or(EXAMPLE.len())
        };
        let (from, to) = (boundary(from), boundary((from + len).min(EXAMPLE.len())));
        format!("{}{piece}{}", &EXAMPLE[..from], &EXAMPLE[to..])
    })
}

proptest! {
    #[test]
    fn no_text_panics(text in "(\\PC|\\n){0,200}") {
        if let Err(problems) = load(&text) {
            prop_assert!(!problems.to_string().is_empty());
        }
    }

    #[test]
    fn no_mangled_configuration_panics_and_what_fails_says_why(text in mangled()) {
        match load(&text) {
            Ok(loaded) => { to_yaml(&loaded.config); }
            Err(problems) => {
                prop_assert!(problems.0.iter().any(|one| one.severity == Severity::Error));
                prop_assert!(problems.to_string().ends_with("error") || problems.to_string().contains("error"));
            }
        }
    }

    #[test]
    fn any_header_value_survives_printing(value in "[ -~]{0,40}", name in "x-[a-z]{1,8}") {
        let quoted = serde_json::to_string(value.trim()).unwrap();
        let text = format!("{SERVED}routes: [{{ name: r, match: GET /, auth: public, to: a, headers: {{ request: {{ set: {{ {name}: {quoted} }} }} }} }}]\n");
        let first = load(&text);
        prop_assume!(first.is_ok());
        let first = first.unwrap().config;

        let second = load(&to_yaml(&first)).unwrap().config;

        prop_assert_eq!(&first.routes[0].headers, &second.routes[0].headers);
    }
}
