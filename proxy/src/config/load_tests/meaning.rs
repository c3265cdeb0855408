//! What a sidecar and an edge of the mesh mean: listeners, services, routes and rules made of their sections, and that
//! all of it is printed and read again.

use super::*;
use crate::config::auth::Scheme;
use crate::config::authorize::{Effect, Peers, User};
use crate::config::effective::{to_redacted_json, to_yaml};
use crate::config::listener::Role;
use crate::config::mesh::{Claim, Level, Source};
use crate::config::route::{Auth, HostPattern, Methods, PathPattern};
use crate::config::service::{Protocol, ServiceId};
use crate::config::{Config, Listener};
use portcullis_ca::spiffe::SpiffeId;
use proptest::prelude::*;
use std::time::Duration;

/// Everything a sidecar can say.
const WHOLE: &str = r#"version: 1
workload: { service: order, app: 127.0.0.1:8080, protocol: h2, health: { path: "/healthz?deep=1", interval: 2s, timeout: 500ms }, timeout: { request: 1m, per_try: 30s }, bulkhead: { concurrent: 8 } }
mesh:
  trust_domain: shop.example
  ca: { address: 127.0.0.1:8600, join_token: file:token }
  state: state
  identity: { level: headers, assert: [spiffe://shop.example/edge], headers: { X-User-Id: user, X-Auth-Groups: roles } }
inbound: { bind: 0.0.0.0:15108, permissive: true, caps: { connections: 50, per_address: 7 }, timeouts: { idle: 5s }, paths: { encoded_slash: keep }, body: { max: 1MiB } }
outbound: { bind: 127.0.0.1:15101, capture: redirect, timeouts: { body: 9s } }
ready: { bind: 0.0.0.0:15121 }
strict: { underscores: drop }
workers: 3
admin: { bind: unix:admin.sock }
authorize:
  - { id: edge-orders, from: [spiffe://shop.example/edge, "spiffe://shop.example/svc/*"], to: { methods: [GET, POST], paths: [/api/orders/**, "/a/{b}"] }, scopes: [orders:write] }
  - { id: freeze, deny: true, from: ["spiffe://shop.example/*"], user: forbidden }
  - { id: trial, mode: audit, from: [spiffe://shop.example/lab] }
services:
  payment: { mesh: spiffe://shop.example/svc/payment, endpoints: ["10.0.0.7:15108"], hosts: [payment, Payment.shop.internal], local: 127.0.0.1:9101 }
  postgres: { protocol: tcp, endpoints: ["10.0.0.9:5432"], local: 127.0.0.1:5432 }
  db: { protocol: tcp, mesh: spiffe://shop.example/svc/db, endpoints: ["10.0.0.10:15108"] }
  plain: { endpoints: ["10.0.0.11:80"] }
tests: [{ name: t, send: GET /api/orders/1, from: spiffe://shop.example/edge, as: { user: alice, roles: [buyer], scopes: [orders:write] }, expect: { status: 403, stage: authz } }]
"#;

/// An edge that is a member of the mesh and takes client certificates.
const EDGE: &str = r#"version: 1
listeners: [{ bind: 0.0.0.0:8443, tls: { certificates: [{ cert: c.pem, key: file:k.pem }], client_ca: b.pem } }]
mesh: { trust_domain: shop.example, svid: { cert: c.pem, key: file:k.pem, bundle: b.pem }, identity: { headers: {} } }
auth: { device: { certificate: { subjects: ["CN=*.devices.shop.example", "CN=alice"], roles: [buyer], scopes: [orders:write] } } }
services:
  order: { mesh: spiffe://shop.example/svc/order, endpoints: ["10.0.0.7:15108"] }
  old: { endpoints: ["10.0.0.8:80"], identity: headers }
routes:
  - { name: orders, match: "* /orders/**", auth: device, to: order }
  - { name: old, match: GET /old, auth: public, to: old }
tests: [{ name: t, send: GET /orders, as: { user: alice }, expect: { route: orders } }]
"#;

#[track_caller]
fn config(text: &str) -> Config {
    load_among_files(text).0.unwrap_or_else(|problems| panic!("{problems}\n{text}")).config
}

fn id(text: &str) -> SpiffeId {
    text.parse().unwrap()
}

#[test]
fn the_listeners_of_a_sidecar_are_inbound_outbound_and_one_for_each_local_address() {
    let listeners = config(WHOLE).listeners;

    let short = |one: &Listener| (one.role, one.bind.to_string(), one.h1, one.h2);
    assert_eq!(
        listeners.iter().map(short).collect::<Vec<_>>(),
        [
            (Role::Inbound { permissive: true }, "0.0.0.0:15108".to_owned(), true, true),
            (Role::Captured, "127.0.0.1:15101".to_owned(), true, true),
            (Role::Local(ServiceId(1)), "127.0.0.1:9101".to_owned(), true, true),
            (Role::Local(ServiceId(2)), "127.0.0.1:5432".to_owned(), false, false),
        ]
    );
    assert!(listeners.iter().all(|one| one.tls.is_none() && !one.proxy_protocol));
    let caps = listeners.iter().map(|one| (one.caps.connections, one.caps.per_address)).collect::<Vec<_>>();
    assert_eq!(caps, [(50, 7), (312, 312), (312, 312), (312, 312)]);
    assert_eq!(listeners[2].timeouts.body, Duration::from_secs(9));
}

#[test]
fn without_permissive_inbound_takes_h2_only_and_without_capture_outbound_is_asked_by_name() {
    let config = config(&sidecar(&["outbound: { bind: 127.0.0.1:15101 }"]));

    let short = |one: &Listener| (one.role, one.h1, one.h2);
    assert_eq!(
        config.listeners.iter().map(short).collect::<Vec<_>>(),
        [(Role::Inbound { permissive: false }, false, true), (Role::Outbound, true, true)]
    );
}

#[test]
fn the_services_of_a_sidecar_begin_with_its_application() {
    let services = config(WHOLE).services;

    let names: Vec<&str> = services.iter().map(|one| &*one.name).collect();
    assert_eq!(names, ["app", "payment", "postgres", "db", "plain"]);
    let protocols: Vec<Protocol> = services.iter().map(|one| one.protocol).collect();
    assert_eq!(protocols, [Protocol::H2, Protocol::H2, Protocol::Tcp, Protocol::Tcp, Protocol::H1]);
    let (app, payment) = (&services[0], &services[1]);
    assert_eq!(app.listed()[0].address.to_string(), "127.0.0.1:8080");
    assert!(app.plain_identity && app.mesh.is_none() && app.tls.is_none());
    assert_eq!(app.timeout.request, Some(Duration::from_secs(60)));
    assert_eq!(payment.mesh, Some(id("spiffe://shop.example/svc/payment")));
    assert!(!payment.plain_identity);
}

#[test]
fn the_routes_of_a_sidecar_follow_from_its_listeners_and_services() {
    let routes = config(WHOLE).routes;

    let short: Vec<_> =
        routes.iter().map(|one| (&*one.name, one.entrance, one.target.split.clone(), one.line)).collect();
    assert_eq!(
        short,
        [
            ("inbound", Role::Inbound { permissive: false }, vec![(ServiceId(0), 1)], 8),
            ("out-payment", Role::Outbound, vec![(ServiceId(1), 1)], 19),
            ("local-payment", Role::Local(ServiceId(1)), vec![(ServiceId(1), 1)], 19),
            ("out-plain", Role::Outbound, vec![(ServiceId(4), 1)], 22),
            // Captured connections go to a service as those to its `local:` do.
            ("local-plain", Role::Local(ServiceId(4)), vec![(ServiceId(4), 1)], 22),
        ]
    );
    let everything = |path: &PathPattern| *path == PathPattern::Prefix("".into());
    assert!(routes.iter().all(|one| one.methods == Methods::Any && everything(&one.path)));
    let exact = |host: &str| HostPattern::Exact(host.into());
    let hosts: Vec<_> = routes.iter().map(|one| one.hosts.clone()).collect();
    assert_eq!(
        hosts,
        [
            vec![],
            vec![exact("payment"), exact("payment.shop.internal")],
            vec![],
            vec![exact("plain")],
            vec![]
        ]
    );
    let bodies: Vec<_> = routes.iter().map(|one| one.max_body).collect();
    assert_eq!(bodies, [Some(1 << 20), None, None, None, None]);
    let paths: Vec<_> = routes.iter().map(|one| (one.paths.encoded_slash, one.paths.semicolon)).collect();
    assert_eq!(paths, [(true, false), (true, true), (true, true), (true, true), (true, true)]);
}

#[test]
fn rules_mean_what_they_say() {
    let rules = config(WHOLE).authorize;

    let short: Vec<_> = rules.iter().map(|one| (&*one.id, one.effect, one.audit, one.user)).collect();
    assert_eq!(
        short,
        [
            ("edge-orders", Effect::Allow, false, User::Required),
            ("freeze", Effect::Deny, false, User::Forbidden),
            ("trial", Effect::Allow, true, User::Optional),
        ]
    );
    let domain = id("spiffe://shop.example/x").trust_domain().clone();
    let below = |path: &str| Peers::Below(domain.clone(), path.into());
    assert_eq!(rules[0].from, [Peers::One(id("spiffe://shop.example/edge")), below("/svc/")]);
    assert_eq!(rules[1].from, [below("/")]);
    assert_eq!(rules[0].methods, Methods::These(vec![http::Method::GET, http::Method::POST]));
    assert_eq!((rules[0].paths.len(), &*rules[0].scopes[0]), (2, "orders:write"));
    assert!(rules[1].methods == Methods::Any && rules[1].paths.is_empty());
}

#[test]
fn membership_means_what_it_says() {
    let (sidecar, edge) = (config(WHOLE).mesh.unwrap(), config(EDGE).mesh.unwrap());

    assert_eq!((sidecar.level, edge.level), (Level::Headers, Level::Passport));
    assert_eq!(sidecar.assert, [id("spiffe://shop.example/edge")]);
    let headers: Vec<_> = sidecar.headers.iter().map(|(name, claim)| (name.as_str(), *claim)).collect();
    assert_eq!(headers, [("x-user-id", Claim::User), ("x-auth-groups", Claim::Roles)]);
    assert!(edge.headers.is_empty());
    assert!(
        matches!(sidecar.source, Source::Authority { address: Some(address), join_token: Some(token), state }
            if address == "127.0.0.1:8600" && token.ends_with("token") && state.is_absolute())
    );
    assert!(matches!(edge.source, Source::Files { cert, .. } if cert.ends_with("c.pem")));
}

#[test]
fn an_edge_knows_its_users_by_their_certificates() {
    let config = config(EDGE);

    assert_eq!(config.routes[0].auth, Auth { providers: vec![0], anonymous: false });
    assert_eq!(config.routes[1].auth, Auth::PUBLIC);
    let Scheme::Certificate(rule) = &config.auth[0].scheme else { panic!("{:?}", config.auth[0]) };
    assert_eq!(rule.principal("a1.devices.shop.example").unwrap().roles, [Box::<str>::from("buyer")]);
    assert!(config.services[1].plain_identity);
    assert!(config.sidecar.is_none() && config.authorize.is_empty());
}

#[test]
fn defaults_of_a_sidecar_are_what_the_documents_say() {
    let config = config(&sidecar(&["workload: { service: order, app: 127.0.0.1:8080, health: {} }"]));

    let health = config.sidecar.unwrap().workload.health.unwrap();
    assert_eq!((health.interval, health.timeout), (Duration::from_secs(1), Duration::from_secs(1)));
    assert_eq!(config.drain.timeout, Duration::from_secs(30));
    let headers: Vec<&str> =
        config.mesh.iter().flat_map(|mesh| &mesh.headers).map(|(n, _)| n.as_str()).collect();
    assert_eq!(headers, ["x-auth-user", "x-auth-roles", "x-auth-scopes"]);
    assert_eq!(config.routes[0].max_body, Some(10 << 20));
}

#[test]
fn a_sidecar_has_at_most_two_workers_unless_it_is_told_otherwise() {
    let workers = |text: &str, cores| {
        let around = Surroundings { cores, ..AROUND };
        parse_in(text, Path::new("/etc/portcullis/file.yaml"), &around).unwrap().config.workers
    };

    assert_eq!(workers(&sidecar(&[]), 8), 2);
    assert_eq!(workers(&sidecar(&[]), 1), 1);
    assert_eq!(workers(&sidecar(&["workers: 5"]), 8), 5);
    assert_eq!(workers(HEAD, 8), 8);
}

#[test]
fn a_reload_watches_the_token_and_the_files_of_the_certificate() {
    let names = |text: &str| {
        let files = config(text).files;
        files.iter().map(|file| file.file_name().unwrap().to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };

    assert_eq!(names(&sidecar(&[])), ["file.yaml", "token"]);
    let missing = "mesh: { trust_domain: shop.example, ca: { join_token: file:later }, state: state }";
    assert_eq!(names(&sidecar(&[missing])), ["file.yaml"]);
    assert_eq!(names(EDGE), ["file.yaml", "c.pem", "k.pem", "b.pem"]);
}

#[test]
fn an_identity_of_before_needs_no_token() {
    let dir = tempfile::TempDir::new().unwrap();
    std::fs::create_dir(dir.path().join("state")).unwrap();
    std::fs::write(dir.path().join("state/svid.pem"), "").unwrap();
    let text = sidecar(&["mesh: { trust_domain: shop.example, ca: {}, state: state }"]);

    let loaded = parse_in(&text, &dir.path().join("file.yaml"), &AROUND).unwrap();

    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
}

/// Everything a configuration means, without its lines and the folder it stood in.
fn meaning(config: &Config, dir: &str) -> String {
    let mut config = config.clone();
    config.routes.iter_mut().for_each(|route| route.line = 0);
    config.tests.iter_mut().for_each(|test| test.line = 0);
    config.authorize.iter_mut().for_each(|rule| rule.line = 0);
    format!("{config:#?}").replace(dir, "DIR")
}

#[test]
fn what_is_printed_means_the_same() {
    let bytes = sidecar(&[
        "workload: { service: db, app: 127.0.0.1:5432, protocol: tcp, health: {} }",
        "services: { other: { endpoints: [\"10.0.0.7:1\"], local: 127.0.0.1:9101 } }",
    ]);
    let elsewhere = sidecar(&[
        "zone: eu-1a",
        "services: { named: { dns: \"named:80\", local: 127.0.0.1:9102, balance: peak-ewma, retry: none }, \
         replica: { protocol: tcp, file: replica.yaml, local: 127.0.0.1:5433, health: { tcp: true }, \
         bulkhead: { concurrent: 9 }, outlier: {}, balance: hash, hash: ip } }",
    ]);
    for text in [WHOLE, EDGE, &sidecar(&[]), &bytes, &elsewhere] {
        let (first, dir) = load_among_files(text);
        let first = first.unwrap().config;

        let printed = to_yaml(&first).replace(&dir, ".");
        let (second, again) = load_among_files(&printed);
        let second = second.unwrap_or_else(|problems| panic!("{problems}\n{printed}")).config;

        // Both folders stand in the paths, one behind the other's dots.
        let cleaned = meaning(&second, &again).replace("DIR/./", "DIR/");
        assert_eq!(meaning(&first, &dir), cleaned, "{printed}");
    }
}

#[test]
fn the_dump_of_a_sidecar_shows_its_own_sections_and_not_what_was_made_of_them() {
    let dump = to_redacted_json(&config(WHOLE));

    assert!(dump.get("listeners").is_none() && dump.get("routes").is_none() && dump.get("trust").is_none());
    assert!(dump["services"].get("app").is_none());
    assert_eq!(dump["services"]["payment"]["hosts"][1], "payment.shop.internal");
    assert_eq!(dump["outbound"]["capture"], "redirect");
    assert_eq!(dump["authorize"][0]["from"][1], "spiffe://shop.example/svc/*");
}

/// A sidecar with a stretch replaced.
fn mangled() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[\\[\\]{}:,\\-*&~|>#'\"! \\n\\t]{1,3}",
        "[a-z0-9/.*:]{0,8}",
        "\\PC{0,4}",
        "null|true|none|tcp|h1|5s|\\[\\]|\\{\\}"
    ];
    (0..WHOLE.len(), 0..40usize, piece).prop_map(|(from, len, piece)| {
        format!("{}{piece}{}", &WHOLE[..from], &WHOLE[(from + len).min(WHOLE.len())..])
    })
}

proptest! {
    #[test]
    fn no_mangled_sidecar_panics_and_what_loads_is_printed(text in mangled()) {
        match load(&text) {
            Ok(loaded) => { to_yaml(&loaded.config); }
            Err(problems) => {
                prop_assert!(problems.0.iter().any(|one| one.severity == Severity::Error));
            }
        }
    }
}
