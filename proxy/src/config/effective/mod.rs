//! The configuration with every default filled in: as YAML that loads again to the same meaning, and as JSON
//! without secrets for the admin listener.
//!
//! Keys stand in the order of the documents. It must not decide anything: what is printed here was decided
//! when the file was read.

mod limits;
mod admission;
mod auth;
mod member;
mod service;

use super::listener::{Caps, Certificate, Timeouts, Tls};
use super::observe::{B3, LogSink};
use super::route::{
    Deprecation, Fallback, HeaderEdits, Methods, Predicate, Route, Sticky, Upgrade, ValueMatch,
};
use super::service::ServiceId;
use super::trust::{Strictness, Trust};
use super::units::{show_date, show_time};
use super::{Admin, AdminBind, Config, ConfigTest, Listener, Observe, emit};
use crate::route::{host, path};
use http::HeaderValue;
pub use limits::text_of as text_of_rate;
use serde_json::{Map, Value, json};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// YAML text; loading it gives the same meaning.
pub fn to_yaml(config: &Config) -> String {
    emit::yaml(&Printer { secrets: Secrets::Shown }.config(config))
}

/// The same as JSON, secrets as `REDACTED`: for people who may look, but not know.
pub fn to_redacted_json(config: &Config) -> Value {
    Printer { secrets: Secrets::Hidden }.config(config)
}

/// What stands in the place of a secret.
const REDACTED: &str = "REDACTED";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Secrets {
    Shown,
    Hidden,
}

struct Printer {
    secrets: Secrets,
}

impl Printer {
    fn config(&self, config: &Config) -> Value {
        // The listeners and routes of a sidecar follow from other sections; its first service is the workload.
        let sidecar = config.sidecar.as_ref();
        let of_edge = |value: Value| if sidecar.is_some() { Value::Null } else { value };
        let first = usize::from(sidecar.is_some());
        let services = config.services.iter().enumerate().skip(first);
        let ready = sidecar.and_then(|sidecar| sidecar.ready);
        object([
            ("version", json!(1)),
            ("workers", json!(config.workers)),
            ("listeners", of_edge(list(&config.listeners, listener))),
            ("trust", of_edge(trust(&config.trust))),
            (
                "strict",
                json!({
                    "underscores": strictness(config.strict.underscores),
                    "http10": strictness(config.strict.http10),
                }),
            ),
            ("admin", config.admin.as_ref().map_or(Value::Null, |admin| self.admin(admin))),
            ("drain", json!({ "delay": time(config.drain.delay), "timeout": time(config.drain.timeout) })),
            (
                "stores",
                config.redis.as_ref().map_or(Value::Null, |redis| limits::stores(redis, self.secrets)),
            ),
            ("overload", admission::overload(&config.overload)),
            ("mesh", config.mesh.as_ref().map_or(Value::Null, member::mesh)),
            ("workload", sidecar.map_or(Value::Null, |one| member::workload(one, config.services.first()))),
            ("inbound", member::inbound(config)),
            ("outbound", member::outbound(&config.listeners)),
            ("ready", ready.map_or(Value::Null, |bind| json!({ "bind": bind.to_string() }))),
            ("authorize", list(&config.authorize, member::rule)),
            (
                "auth",
                config
                    .auth
                    .iter()
                    .map(|one| (one.name.to_string(), auth::provider(one, self.secrets)))
                    .collect(),
            ),
            ("limits", config.limits.iter().map(|one| (one.name.to_string(), limits::limit(one))).collect()),
            ("zone", json!(config.zone.as_deref())),
            (
                "services",
                services
                    .map(|(index, one)| {
                        (one.name.to_string(), service::service(one, &config.routes, ServiceId(index)))
                    })
                    .collect(),
            ),
            ("routes", of_edge(list(&config.routes, |route| self.route(route, config)))),
            ("observe", observe(&config.observe)),
            ("tests", list(&config.tests, |test| self.test(test))),
        ])
    }

    fn admin(&self, admin: &Admin) -> Value {
        let bind = match &admin.bind {
            AdminBind::Tcp(address) => address.to_string(),
            AdminBind::Unix(path) => format!("unix:{}", path.display()),
        };
        let token = match self.secrets {
            Secrets::Shown => admin.token_from.as_deref(),
            Secrets::Hidden => admin.token.as_ref().map(|_| REDACTED),
        };
        object([("bind", json!(bind)), ("token", json!(token))])
    }

    fn route(&self, route: &Route, config: &Config) -> Value {
        let target = route.target.split.iter().map(|(id, weight)| {
            json!({ "to": config.services.get(id.0).map(|service| &*service.name), "weight": weight })
        });
        let alone = match route.target.split.as_slice() {
            [(id, _)] if route.target.sticky.is_none() => {
                config.services.get(id.0).map(|service| &*service.name)
            }
            _ => None,
        };
        object([
            ("name", json!(&*route.name)),
            ("match", json!(format!("{} {}", methods(&route.methods), path::text_of(&route.path)))),
            ("hosts", list(&route.hosts, |pattern| json!(host::text_of(pattern)))),
            ("when", self.when(&route.when)),
            ("limits", limits::spends(&route.limits, &config.limits)),
            ("ip", admission::addresses(&route.ip)),
            ("cors", route.cors.as_deref().map_or(Value::Null, admission::cors)),
            ("auth", auth::names(&route.auth, config)),
            ("allow", json!(route.allow.as_ref().map(ToString::to_string))),
            ("authorization", json!(if route.passes_authorization { "pass" } else { "remove" })),
            ("to", json!(alone)),
            ("split", if alone.is_some() { Value::Null } else { target.collect() }),
            ("sticky", route.target.sticky.as_ref().map_or(Value::Null, sticky)),
            ("path", json!(route.rewrite.as_ref().map(path::text_of_template))),
            (
                "headers",
                object([
                    ("request", self.edits(&route.headers.request)),
                    ("response", self.edits(&route.headers.response)),
                ]),
            ),
            (
                "timeout",
                object([
                    ("request", json!(route.request_timeout.map(|limit| limit.map_or_else(none, show_time)))),
                    ("per_try", json!(route.per_try_timeout.map(show_time))),
                    ("idle", json!(route.idle_timeout.map(show_time))),
                ]),
            ),
            ("retry", if route.retries { Value::Null } else { json!(none()) }),
            ("upgrade", json!(route.upgrade.map(|Upgrade::WebSocket| "websocket"))),
            ("on_open", route.on_open.as_ref().map_or(Value::Null, |open| on_open(open, config))),
            ("critical", if route.critical { json!(true) } else { Value::Null }),
            ("deprecated", route.deprecated.as_ref().map_or(Value::Null, deprecated)),
            ("body", admission::body(route)),
            (
                "paths",
                json!({
                    "encoded_slash": keep_or_refuse(route.paths.encoded_slash),
                    "semicolon": keep_or_refuse(route.paths.semicolon),
                }),
            ),
        ])
    }

    fn when(&self, conditions: &[Predicate]) -> Value {
        let text = |value: &ValueMatch| match value {
            ValueMatch::Present => "*".to_owned(),
            ValueMatch::Exact(value) => value.to_string(),
        };
        let (mut headers, mut query) = (Map::new(), Map::new());
        for condition in conditions {
            match condition {
                Predicate::Header(name, value) => {
                    headers.insert(name.to_string(), json!(self.header(name.as_str(), text(value))));
                }
                Predicate::Query(name, value) => {
                    query.insert(name.to_string(), json!(self.header(name, text(value))));
                }
            }
        }
        object([("header", Value::Object(headers)), ("query", Value::Object(query))])
    }

    fn edits(&self, edits: &HeaderEdits) -> Value {
        let set = edits
            .set
            .iter()
            .map(|(name, value)| (name.to_string(), json!(self.header(name.as_str(), text_of(value)))));
        object([("set", set.collect()), ("remove", strings(&edits.remove))])
    }

    fn test(&self, test: &ConfigTest) -> Value {
        let expect = &test.expect;
        let pairs = |pairs: &[(String, String)]| -> Value {
            pairs
                .iter()
                .map(|(name, value)| (name.clone(), json!(self.header(name, value.clone()))))
                .collect()
        };
        object([
            ("name", json!(test.name)),
            ("send", json!(format!("{} {}", test.method, test.target))),
            ("host", json!(test.host)),
            ("headers", pairs(&test.headers)),
            ("from", json!(test.from.as_ref().map(portcullis_ca::SpiffeId::as_str))),
            ("as", test.caller.as_ref().map_or(Value::Null, member::caller)),
            (
                "expect",
                object([
                    ("status", json!(expect.status)),
                    ("stage", json!(expect.stage)),
                    ("route", json!(expect.route)),
                    ("service", json!(expect.service)),
                    ("path", json!(expect.upstream_path)),
                    (
                        "upstream_headers",
                        object([("absent", json!(expect.absent)), ("present", pairs(&expect.present))]),
                    ),
                ]),
            ),
        ])
    }

    /// The value of a header or parameter, hidden when its name sounds like a credential.
    fn header(&self, name: &str, value: String) -> String {
        const SECRET: [&str; 8] =
            ["auth", "cookie", "token", "secret", "key", "password", "credential", "session"];
        let name = name.to_ascii_lowercase();
        let hide =
            self.secrets == Secrets::Hidden && value != "*" && SECRET.iter().any(|word| name.contains(word));
        if hide { REDACTED.to_owned() } else { value }
    }
}

fn listener(listener: &Listener) -> Value {
    let versions = [("h1", listener.h1), ("h2", listener.h2)];
    let http: Value = versions.iter().filter(|(_, on)| *on).map(|(name, _)| json!(name)).collect();
    let redirect = listener.redirect_https.map_or(Value::Null, |port| json!({ "https": port }));
    object([
        ("bind", json!(listener.bind.to_string())),
        ("tls", listener.tls.as_ref().map_or(Value::Null, tls)),
        ("http", http),
        ("redirect", redirect),
        ("proxy_protocol", json!(listener.proxy_protocol)),
        ("caps", caps(&listener.caps)),
        ("timeouts", times(&listener.timeouts)),
    ])
}

fn caps(caps: &Caps) -> Value {
    json!({
        "connections": caps.connections,
        "per_address": caps.per_address,
        "handshakes": caps.handshakes,
    })
}

fn times(times: &Timeouts) -> Value {
    json!({
        "handshake": time(times.handshake),
        "header": time(times.header),
        "body": time(times.body),
        "write": time(times.write),
        "idle": time(times.idle),
    })
}

fn trust(trust: &Trust) -> Value {
    json!({ "proxies": strings(&trust.proxies), "hops": trust.hops })
}

fn tls(tls: &Tls) -> Value {
    let certificate =
        |one: &Certificate| json!({ "cert": file(&one.cert), "key": format!("file:{}", file(&one.key)) });
    object([
        ("certificates", list(&tls.certificates, certificate)),
        ("client_ca", json!(tls.client_ca.as_deref().map(file))),
    ])
}

fn observe(observe: &Observe) -> Value {
    let to = match observe.access_log.as_ref().map(|log| &log.to) {
        None => "off".to_owned(),
        Some(LogSink::Stdout) => "stdout".to_owned(),
        Some(LogSink::Stderr) => "stderr".to_owned(),
        Some(LogSink::File(path)) => format!("file:{}", file(path)),
    };
    let redact =
        observe.access_log.iter().flat_map(|log| &log.redact_query).map(|name| format!("query.{name}"));
    let propagation = match observe.b3 {
        B3::Off => json!(["w3c"]),
        B3::Single => json!(["w3c", "b3"]),
        B3::Multi => json!(["w3c", "b3multi"]),
    };
    object([
        ("access_log", json!({ "to": to, "redact": redact.collect::<Vec<_>>() })),
        ("metrics", observe.metrics.map_or(Value::Null, |bind| json!({ "bind": bind.to_string() }))),
        ("traces", json!({ "propagation": propagation })),
    ])
}

fn methods(methods: &Methods) -> String {
    match methods {
        Methods::Any => "*".to_owned(),
        Methods::These(list) => list.iter().map(http::Method::as_str).collect::<Vec<_>>().join("|"),
    }
}

fn sticky(sticky: &Sticky) -> Value {
    match sticky {
        Sticky::Ip => json!("ip"),
        Sticky::User => json!("user"),
        Sticky::Header(name) => json!({ "header": name.as_str() }),
        Sticky::Cookie(name) => json!({ "cookie": &**name }),
    }
}

fn on_open(fallback: &Fallback, config: &Config) -> Value {
    match fallback {
        Fallback::Refuse { status, code } => {
            object([("status", json!(status.as_u16())), ("code", json!(code.as_deref()))])
        }
        Fallback::Body { status, content_type, bytes } => json!({
            "status": status.as_u16(),
            "type": text_of(content_type),
            "body": String::from_utf8_lossy(bytes),
        }),
        Fallback::Service(id) => json!({ "to": config.services.get(id.0).map(|service| &*service.name) }),
    }
}

/// The headers back to the days and the URL they were made from.
fn deprecated(deprecation: &Deprecation) -> Value {
    let since = text_of(&deprecation.deprecation).trim_start_matches('@').parse().unwrap_or_default();
    let sunset = deprecation.sunset.as_ref().and_then(|date| {
        let date = httpdate::parse_http_date(&text_of(date)).ok()?;
        Some(show_date(date.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs()))
    });
    let link = deprecation.link.as_ref().and_then(|link| {
        let text = text_of(link);
        Some(text.strip_prefix('<')?.split_once('>')?.0.to_owned())
    });
    object([("since", json!(show_date(since))), ("sunset", json!(sunset)), ("link", json!(link))])
}

fn strictness(word: Strictness) -> &'static str {
    match word {
        Strictness::Refuse => "refuse",
        Strictness::Drop => "drop",
        Strictness::Keep => "keep",
    }
}

fn keep_or_refuse(keep: bool) -> &'static str {
    if keep { "keep" } else { "refuse" }
}

fn time(time: Duration) -> String {
    show_time(time)
}

fn none() -> String {
    "none".to_owned()
}

fn file(path: &Path) -> String {
    path.display().to_string()
}

fn text_of(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

/// An object without the keys that have nothing to say.
fn object<const N: usize>(entries: [(&str, Value); N]) -> Value {
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    };
    entries
        .into_iter()
        .filter(|(_, value)| !empty(value))
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

fn list<T>(items: &[T], show: impl Fn(&T) -> Value) -> Value {
    items.iter().map(show).collect()
}

fn strings<T: ToString>(items: &[T]) -> Value {
    items.iter().map(|item| Value::String(item.to_string())).collect()
}
