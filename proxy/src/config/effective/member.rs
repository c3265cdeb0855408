//! Membership of the mesh, what makes a sidecar, and who may call it, as they stand in a file.

use super::{admission, caps, file, keep_or_refuse, list, object, service, strings, time, times};
use crate::admission::authenticate::Caller;
use crate::config::authorize::{Effect, Peers, Rule, User};
use crate::config::listener::{Listener, Role};
use crate::config::mesh::{Claim, Level, Mesh, Source};
use crate::config::route::{Methods, Route};
use crate::config::service::{Protocol, ServiceId};
use crate::config::sidecar::{Health, Sidecar};
use crate::config::{Config, Service};
use crate::route::{host, path};
use http::{HeaderName, Method};
use serde_json::{Value, json};

pub(super) fn mesh(mesh: &Mesh) -> Value {
    let secret = |path: &std::path::PathBuf| format!("file:{}", file(path));
    let (ca, svid, state) = match &mesh.source {
        Source::Authority { address, join_token, state } => {
            let token = join_token.as_ref().map(secret);
            // Printed even when it is empty: it says where the certificate comes from.
            let ca = object([("address", json!(address)), ("join_token", json!(token))]);
            (Some(ca), Value::Null, json!(file(state)))
        }
        Source::Files { cert, key, bundle } => {
            let svid = json!({ "cert": file(cert), "key": secret(key), "bundle": file(bundle) });
            (None, svid, Value::Null)
        }
    };
    let level = match mesh.level {
        Level::Passport => "passport",
        Level::Headers => "headers",
        Level::None => "none",
    };
    let claim = |(name, claim): &(HeaderName, Claim)| (name.to_string(), json!(self::claim(*claim)));
    let headers: Value = mesh.headers.iter().map(claim).collect();
    let identity = json!({ "level": level, "assert": strings(&mesh.assert), "headers": headers });
    let mut all = object([
        ("trust_domain", json!(mesh.trust_domain.as_str())),
        ("svid", svid),
        ("state", state),
        ("identity", identity),
    ]);
    if let (Some(map), Some(ca)) = (all.as_object_mut(), ca) {
        map.insert("ca".to_owned(), ca);
    }
    all
}

fn claim(claim: Claim) -> &'static str {
    match claim {
        Claim::User => "user",
        Claim::Roles => "roles",
        Claim::Scopes => "scopes",
    }
}

pub(super) fn workload(sidecar: &Sidecar, app: Option<&Service>) -> Value {
    let workload = &sidecar.workload;
    let health = |health: &Health| {
        object([
            ("path", json!(health.path.as_deref())),
            ("interval", json!(time(health.interval))),
            ("timeout", json!(time(health.timeout))),
        ])
    };
    object([
        ("service", json!(&*workload.service)),
        ("app", json!(workload.app.to_string())),
        ("protocol", json!(protocol(workload.protocol))),
        ("health", workload.health.as_ref().map_or(Value::Null, health)),
        ("timeout", app.map_or(Value::Null, |app| service::timeout(&app.timeout))),
        ("bulkhead", app.map_or(Value::Null, |app| service::bulkhead(app.bulkhead.as_ref()))),
    ])
}

pub(super) fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::H1 => "h1",
        Protocol::H2 => "h2",
        Protocol::Tcp => "tcp",
    }
}

/// The listener for peers, and what its route lets pass; a workload that takes bytes has nothing to say about that.
pub(super) fn inbound(config: &Config) -> Value {
    let listener = config.listeners.iter().find_map(|one| match one.role {
        Role::Inbound { permissive } => Some((one, permissive)),
        _ => None,
    });
    let Some((listener, permissive)) = listener else { return Value::Null };
    let http = config.sidecar.as_ref().is_some_and(|sidecar| sidecar.workload.protocol != Protocol::Tcp);
    let route =
        config.routes.iter().find(|route| matches!(route.entrance, Role::Inbound { .. })).filter(|_| http);
    let paths = |route: &Route| {
        json!({
            "encoded_slash": keep_or_refuse(route.paths.encoded_slash),
            "semicolon": keep_or_refuse(route.paths.semicolon),
        })
    };
    object([
        ("bind", json!(listener.bind.to_string())),
        ("permissive", json!(permissive)),
        ("caps", caps(&listener.caps)),
        ("timeouts", times(&listener.timeouts)),
        ("paths", route.map_or(Value::Null, paths)),
        ("limits", route.map_or(Value::Null, |route| super::limits::spends(&route.limits, &config.limits))),
        ("body", route.map_or(Value::Null, admission::body)),
    ])
}

pub(super) fn outbound(listeners: &[Listener]) -> Value {
    let is_outbound = |one: &&Listener| matches!(one.role, Role::Outbound | Role::Captured);
    let Some(listener) = listeners.iter().find(is_outbound) else { return Value::Null };
    let capture = if listener.role == Role::Captured { "redirect" } else { "none" };
    json!({
        "bind": listener.bind.to_string(),
        "capture": capture,
        "caps": caps(&listener.caps),
        "timeouts": times(&listener.timeouts),
    })
}

/// What the application calls a service by.
pub(super) fn hosts(routes: &[Route], service: ServiceId) -> Value {
    let leads = |route: &&Route| {
        route.entrance == Role::Outbound && route.target.split.iter().any(|(to, _)| *to == service)
    };
    let hosts = routes.iter().filter(leads).flat_map(|route| &route.hosts);
    hosts.map(|pattern| json!(host::text_of(pattern))).collect()
}

pub(super) fn rule(rule: &Rule) -> Value {
    let methods = match &rule.methods {
        Methods::Any => Value::Null,
        Methods::These(methods) => list(methods, |method: &Method| json!(method.as_str())),
    };
    let user = match rule.user {
        User::Required => json!("required"),
        User::Forbidden => json!("forbidden"),
        // The default; for tcp it may not even be said.
        User::Optional => Value::Null,
    };
    object([
        ("id", json!(&*rule.id)),
        ("deny", json!(rule.effect == Effect::Deny)),
        ("mode", json!(if rule.audit { "audit" } else { "enforce" })),
        ("from", list(&rule.from, peers)),
        (
            "to",
            object([
                ("methods", methods),
                ("paths", list(&rule.paths, |pattern| json!(path::text_of(pattern)))),
            ]),
        ),
        ("user", user),
        ("scopes", strings(&rule.scopes)),
    ])
}

fn peers(peers: &Peers) -> Value {
    match peers {
        Peers::One(id) => json!(id.as_str()),
        Peers::Below(domain, path) => json!(format!("spiffe://{domain}{path}*")),
    }
}

pub(super) fn caller(caller: &Caller) -> Value {
    let principal = &caller.principal;
    let claims = caller.claims.iter().map(|(name, value)| (name.to_string(), json!(**value)));
    object([
        ("user", json!(&*principal.user)),
        ("roles", strings(&principal.roles)),
        ("scopes", strings(&principal.scopes)),
        ("tier", json!(caller.tier.as_deref())),
        ("claims", Value::Object(claims.collect())),
    ])
}
