//! `workload:`, `inbound:`, `outbound:`, `ready:`, and the listeners, the service `app` and the routes made of them.
//!
//! | listener | entrance | routes |
//! |--|--|--|
//! | `inbound:` | `Inbound` | `inbound`: everything to `app` |
//! | `outbound:` | `Outbound` (`Captured` with redirect, same routes) | `out-NAME` by host, for each service that is not tcp |
//! | `local:` of a service | `Local` | `local-NAME`: everything to it, unless it is tcp |

use super::{limits, listener, resilience, route, service};
use crate::config::context::Context;
use crate::config::diagnostic::Code;
use crate::config::listener::{Caps, Listener, Role, Timeouts};
use crate::config::raw;
use crate::config::route::{PathPattern, PathRules, Route, Target, Upgrade};
use crate::config::service::{Balance, Endpoint, Protocol, Service, ServiceId, Source};
use crate::config::sidecar::{Health, Sidecar, Workload};
use crate::config::tree::{Span, Spanned, Text};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Name of the service that is the workload itself.
pub(super) const APP: &str = "app";
/// Where it stands among the services.
const APP_ID: ServiceId = ServiceId(0);

/// What makes the process a sidecar; the root is where missing sections are said.
pub(super) fn sidecar(raw: &raw::File, context: &Context<'_>, root: Span) -> Option<Sidecar> {
    let _ = context.required(raw.mesh.as_ref(), "mesh", "a sidecar", root);
    let _ = context.required(raw.inbound.as_ref(), "inbound", "a sidecar", root);
    let workload = context.required(raw.workload.as_ref(), "workload", "a sidecar", root);
    let workload = workload.and_then(|workload| self::workload(workload, context));
    let ready = raw.ready.as_ref().map(|ready| {
        let bind = context.required(ready.value.bind.as_ref(), "bind", "`ready:`", ready.span)?;
        context.address(bind)
    });
    Some(Sidecar {
        workload: workload?,
        ready: match ready {
            Some(ready) => Some(ready?),
            None => None,
        },
    })
}

fn workload(raw: &Spanned<raw::Workload>, context: &Context<'_>) -> Option<Workload> {
    let of = "`workload:`";
    let name = context.required(raw.value.service.as_ref(), "service", of, raw.span);
    if let Some(name) = name {
        context.name(name, "a service");
    }
    let app = context.required(raw.value.app.as_ref(), "app", of, raw.span);
    let app = app.and_then(|text| app_address(text, context));
    let protocol = service::protocol(raw.value.protocol.as_ref());
    let health = raw.value.health.as_ref().map(|health| self::health(&health.value, protocol, context));
    Some(Workload {
        service: Arc::from(name?.value.as_str()),
        app: app?,
        protocol,
        health: match health {
            Some(health) => Some(health?),
            None => None,
        },
    })
}

fn app_address(text: &Text, context: &Context<'_>) -> Option<SocketAddr> {
    let address = context.address(text)?;
    if address.port() == 0 {
        let message = "the application needs a port above 0";
        context.error(Code::BadValue, text.span, message, "write the port it listens on");
        return None;
    }
    if !is_loopback(address) {
        let message = format!("the application at `{address}` is not on this machine's loopback");
        let help = "whoever reaches it there calls it past every rule, and sets identity headers itself; bind it to 127.0.0.1";
        context.warn(Code::Insecure, text.span, message, help);
    }
    Some(address)
}

fn health(raw: &raw::Health, protocol: Protocol, context: &Context<'_>) -> Option<Health> {
    const EVERY: Duration = Duration::from_secs(1);
    if let (Some(path), Protocol::Tcp) = (&raw.path, protocol) {
        let message = "`path` is asked for over HTTP, but the workload speaks tcp";
        context.error(Code::Conflict, path.span, message, "remove it: that it takes connections is enough");
    }
    let path = raw.path.as_ref().map(|text| health_path(text, context));
    Some(Health {
        interval: context.time(raw.interval.as_ref(), EVERY),
        timeout: context.time(raw.timeout.as_ref(), EVERY),
        path: match path {
            Some(path) => Some(path?),
            None => None,
        },
    })
}

/// A target as it is sent: absolute, nothing that would have to be escaped.
pub(super) fn health_path(text: &Text, context: &Context<'_>) -> Option<Arc<str>> {
    let uri = text.value.parse::<http::uri::PathAndQuery>().is_ok();
    let plain = text.value.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    if !text.value.starts_with('/') || !plain || !uri {
        let message = format!("`{}` is not a path to ask for", text.value);
        context.error(Code::BadValue, text.span, message, "write it as `/healthz`");
        return None;
    }
    Some(Arc::from(text.value.as_str()))
}

/// The workload as a service. Identity headers are a projection, written on this last hop only.
pub(super) fn app(raw: &raw::File, sidecar: Option<&Sidecar>, context: &Context<'_>) -> Service {
    let workload = sidecar.map(|sidecar| &sidecar.workload);
    let protocol = workload.map(|workload| workload.protocol).unwrap_or_default();
    let default = raw::ServiceTimeout::default();
    let written = raw.workload.as_ref().map(|workload| &workload.value);
    let timeout = written.map_or(&default, |workload| &workload.timeout);
    let bulkhead = written.and_then(|workload| workload.bulkhead.as_ref());
    Service {
        name: Arc::from(APP),
        source: Source::Listed(
            workload.map(|one| Endpoint { address: one.app, weight: 1, zone: None }).into_iter().collect(),
        ),
        balance: Balance::default(),
        protocol,
        declared: true,
        tls: None,
        mesh: None,
        plain_identity: protocol != Protocol::Tcp,
        local: None,
        timeout: service::of_bytes(protocol, timeout.idle.is_some(), service::timeout(timeout, context)),
        pool: service::pool(&raw::Pool::default(), context),
        // There is only the one: whoever called can try elsewhere, and nobody else can be left out.
        health: None,
        retry: None,
        bulkhead: service::or_off(protocol != Protocol::Tcp, bulkhead, |raw| {
            resilience::bulkhead(raw, context)
        }),
        breaker: None,
        outlier: None,
        slow_start: None,
    }
}

/// Inbound, outbound, then one for each `local:`.
pub(super) fn listeners(raw: &raw::File, services: &[Service], context: &Context<'_>) -> Vec<Listener> {
    let inbound = raw.inbound.as_ref().and_then(|inbound| self::inbound(inbound, raw, context));
    let outbound = raw.outbound.as_ref().and_then(|outbound| self::outbound(outbound, context));
    let default = (raw::Caps::default(), raw::Timeouts::default());
    let (caps, timeouts) = raw
        .outbound
        .as_ref()
        .map_or((&default.0, &default.1), |outbound| (&outbound.value.caps, &outbound.value.timeouts));
    let (caps, timeouts) = (all_from_one(caps, context), listener::timeouts(timeouts, context));
    let locals = services.iter().enumerate().filter_map(|(index, service)| {
        let http = service.protocol != Protocol::Tcp;
        let role = Role::Local(ServiceId(index));
        Some(Listener { h1: http, h2: http, ..plain(role, service.local?, caps, timeouts) })
    });
    inbound.into_iter().chain(outbound).chain(locals).collect()
}

/// Whether the authority is on this machine too: then the whole mesh is meant to be.
fn is_all_here(file: &raw::File) -> bool {
    let mesh = file.mesh.as_ref().map(|mesh| &mesh.value);
    let address = mesh.and_then(|mesh| mesh.ca.as_ref()?.value.address.as_ref());
    address.is_some_and(|text| text.value.trim_start_matches("https://").starts_with("127."))
}

fn inbound(raw: &Spanned<raw::Inbound>, file: &raw::File, context: &Context<'_>) -> Option<Listener> {
    let bind = context.required(raw.value.bind.as_ref(), "bind", "`inbound:`", raw.span);
    let permissive = raw.value.permissive.as_ref().is_some_and(|on| on.value);
    if let Some(on) = raw.value.permissive.as_ref().filter(|on| on.value) {
        let message =
            "`permissive`: whoever reaches this address may connect in plaintext, without showing who it is";
        let help = "only while a mesh is introduced; remove it as soon as every caller has a sidecar";
        context.warn(Code::Insecure, on.span, message, help);
    }
    let caps = all_from_one(&raw.value.caps, context);
    let timeouts = listener::timeouts(&raw.value.timeouts, context);
    let text = bind?;
    let bind = context.address(text)?;
    if is_loopback(bind) && !is_all_here(file) {
        let message = format!("peers cannot reach `{bind}`: nobody outside this machine can");
        context.warn(Code::Suspicious, text.span, message, format!("write `0.0.0.0:{}`", bind.port()));
    }
    // TLS is made of the membership; peers speak h2, only plaintext may be h1.
    Some(Listener { h1: permissive, ..plain(Role::Inbound { permissive }, bind, caps, timeouts) })
}

fn outbound(raw: &Spanned<raw::Outbound>, context: &Context<'_>) -> Option<Listener> {
    let bind = context.required(raw.value.bind.as_ref(), "bind", "`outbound:`", raw.span);
    let bind = own_address(bind?, context)?;
    let role = if is_captured(&raw.value) { Role::Captured } else { Role::Outbound };
    // What is wrong with these is said where the listeners of `local:` get theirs.
    let caps = all_from_one(&raw.value.caps, context);
    Some(plain(role, bind, caps, listener::timeouts(&raw.value.timeouts, context)))
}

/// Whether the kernel brings the application's connections.
fn is_captured(raw: &raw::Outbound) -> bool {
    raw.capture.as_ref().is_some_and(|word| word.value == raw::Capture::Redirect)
}

fn plain(role: Role, bind: SocketAddr, caps: Caps, timeouts: Timeouts) -> Listener {
    Listener {
        role,
        bind,
        tls: None,
        h1: true,
        h2: true,
        redirect_https: None,
        proxy_protocol: false,
        caps,
        timeouts,
    }
}

/// Peers share addresses (behind NAT, or all of a node): one address may have as many connections as all.
fn all_from_one(raw: &raw::Caps, context: &Context<'_>) -> Caps {
    let caps = listener::caps(raw, context);
    let per_address = raw.per_address.as_ref().map_or(caps.connections, |_| caps.per_address);
    Caps { per_address, ..caps }
}

/// An address only the application reaches.
pub(super) fn own_address(text: &Text, context: &Context<'_>) -> Option<SocketAddr> {
    let address = context.address(text)?;
    if !is_loopback(address) {
        let message = format!("whoever reaches `{address}` could call others in the name of this workload");
        let help = format!("write `127.0.0.1:{}`", address.port());
        context.error(Code::Insecure, text.span, message, help);
        return None;
    }
    Some(address)
}

fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// The routes that follow from all this; `services` begins with the workload.
pub(super) fn routes(raw: &raw::File, services: &[Service], context: &Context<'_>) -> Vec<Route> {
    let hosts = super::hosts::hosts(raw, context);
    let captured = raw.outbound.as_ref().is_some_and(|outbound| is_captured(&outbound.value));
    let mut routes: Vec<Route> =
        raw.inbound.iter().map(|inbound| inbound_route(inbound, raw, context)).collect();
    let written = raw.services.0.iter().zip(services.iter().enumerate().skip(1)).zip(hosts);
    for (((text, _), (index, service)), hosts) in written {
        if service.protocol == Protocol::Tcp {
            continue;
        }
        let line = text.span.line as usize;
        let paths = PathRules { encoded_slash: true, semicolon: true };
        let to = |name: String, entrance| Route {
            paths,
            max_body: None,
            ..everything(name, line, entrance, ServiceId(index))
        };
        if raw.outbound.is_some() {
            routes.push(Route { hosts, ..to(format!("out-{}", service.name), Role::Outbound) });
        }
        if service.local.is_some() || captured {
            routes.push(to(format!("local-{}", service.name), Role::Local(ServiceId(index))));
        }
    }
    routes
}

fn inbound_route(inbound: &Spanned<raw::Inbound>, raw: &raw::File, context: &Context<'_>) -> Route {
    let protocol = raw.workload.as_ref().and_then(|workload| workload.value.protocol.as_ref());
    if service::protocol(protocol) == Protocol::Tcp {
        let paths = inbound.value.paths.as_ref().map(|paths| ("paths", paths.span));
        let body = inbound.value.body.as_ref().map(|body| ("body", body.span));
        let limits = inbound.value.limits.as_ref().map(|limits| ("limits", limits.span));
        for (key, span) in [paths, body, limits].into_iter().flatten() {
            let message = format!("`{key}` is about HTTP, but the workload speaks tcp");
            context.error(Code::Conflict, span, message, "remove it");
        }
    }
    let line = inbound.span.line as usize;
    let max = inbound.value.body.as_ref().and_then(|body| body.value.max.as_ref());
    Route {
        paths: inbound.value.paths.as_ref().map(|paths| route::paths(&paths.value)).unwrap_or_default(),
        max_body: context.size_or_none(max, route::MAX_BODY),
        limits: limits::of_inbound(&inbound.value, raw, context),
        min_rate: inbound.value.body.as_ref().and_then(|body| route::min_rate(&body.value, context)),
        ..everything("inbound".to_owned(), line, Role::Inbound { permissive: false }, APP_ID)
    }
}

/// Every request of an entrance, to one service.
fn everything(name: String, line: usize, entrance: Role, service: ServiceId) -> Route {
    let target = Target { split: vec![(service, 1)], sticky: None };
    let plain = Route::plain(Arc::from(name), line, (entrance, PathPattern::Prefix(Arc::from(""))), target);
    // The application knows whether it speaks WebSocket.
    Route { upgrade: Some(Upgrade::WebSocket), ..plain }
}
