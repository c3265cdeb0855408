//! Raw sections to their meaning: one file per section, each says what is wrong with its place.
//!
//! A section that cannot be read leaves nothing behind, and reading goes on: the [`super::Config`] is only
//! handed out when there was no error at all.

mod address;
mod auth;
mod authorize;
mod cors;
mod headers;
mod hosts;
mod limits;
pub(super) mod listener;
mod mesh;
mod mode;
mod names;
mod observe;
mod overload;
mod pem;
mod probe;
mod resilience;
mod route;
mod service;
mod serving;
mod sidecar;
pub(super) mod source;
mod stores;
pub(super) mod target;
mod tests_section;
mod trust;

use super::context::Context;
use super::diagnostic::Code;
use super::raw;
use super::service::Protocol;
use super::tree::{Span, Spanned};
use super::{Config, Listener, Route, Service, Sidecar, Trust};

/// The meaning of a whole file. It may be used only when no error was found: what could not be read is left out.
pub(super) fn config(raw: &raw::File, context: &mut Context<'_>, root: Span) -> Config {
    version(raw, context, root);
    mode::check(raw, context);
    make_known(raw, context);
    let mesh = raw.mesh.as_ref().and_then(|mesh| mesh::mesh(mesh, context));
    let default = raw::Trust::default();
    let trust = trust::trust(raw.trust.as_ref().map_or(&default, |trust| &trust.value), context);
    let parts =
        if raw.is_sidecar() { of_sidecar(raw, context, root) } else { of_edge(raw, &trust, context, root) };
    let tcp = parts.sidecar.as_ref().is_some_and(|sidecar| sidecar.workload.protocol == Protocol::Tcp);
    let authorize = authorize::rules(raw, tcp, context);
    if raw.is_sidecar() {
        authorize::of_any_use(raw, mesh.as_ref(), context);
    }
    let config = Config {
        listeners: parts.listeners,
        trust,
        strict: trust::strict(&raw.strict, context),
        workers: workers(raw, context),
        admin: raw.admin.as_ref().and_then(|admin| listener::admin(admin, context)),
        drain: listener::drain(&raw.drain, context),
        mesh,
        sidecar: parts.sidecar,
        authorize,
        limits: limits::limits(raw, context),
        redis: stores::redis(raw, context),
        overload: overload::overload(&raw.overload, context),
        auth: auth::providers(raw, &parts.routes, context),
        zone: raw.zone.as_ref().and_then(|text| source::zone(text, context)),
        services: parts.services,
        tests: tests_section::tests(raw, &parts.routes, context),
        routes: parts.routes,
        observe: observe::observe(&raw.observe, context),
        files: Vec::new(),
    };
    listener::one_bind_each(raw, &config, context);
    limits::check(raw, &config, context);
    config
}

/// What others refer to: the services, of a sidecar its own application first, and the trust domain.
fn make_known(raw: &raw::File, context: &mut Context<'_>) {
    let app = raw.is_sidecar().then_some(sidecar::APP);
    let named = raw.services.0.iter().map(|(name, _)| name.value.as_str());
    context.name_services(app.into_iter().chain(named));
    let domain = raw.mesh.as_ref().and_then(|mesh| mesh.value.trust_domain.as_ref());
    let domain = domain.and_then(|text| names::trust_domain(text, context));
    context.name_trust_domain(domain);
}

/// What an edge says outright and a sidecar is made of.
struct Parts {
    listeners: Vec<Listener>,
    sidecar: Option<Sidecar>,
    services: Vec<Service>,
    routes: Vec<Route>,
}

fn of_edge(raw: &raw::File, trust: &Trust, context: &Context<'_>, root: Span) -> Parts {
    auth::unused(raw, context);
    let listeners = listener::listeners(raw, trust, context, root);
    let services = service::services(raw, context);
    Parts { listeners, sidecar: None, routes: route::routes(raw, &services, context), services }
}

fn of_sidecar(raw: &raw::File, context: &Context<'_>, root: Span) -> Parts {
    let sidecar = sidecar::sidecar(raw, context, root);
    let mut services = vec![sidecar::app(raw, sidecar.as_ref(), context)];
    services.extend(service::services(raw, context));
    let listeners = sidecar::listeners(raw, &services, context);
    if listeners.iter().any(|listener| listener.role == super::listener::Role::Captured) {
        hosts::one_service_each(raw, &services, context);
    }
    let routes = sidecar::routes(raw, &services, context);
    Parts { listeners, sidecar, services, routes }
}

/// One per core; a sidecar shares the machine with the application it serves, so at most two.
fn workers(raw: &raw::File, context: &Context<'_>) -> usize {
    let most = if raw.is_sidecar() { 2 } else { u32::MAX };
    let cores = u32::try_from(context.around.cores).unwrap_or(1).clamp(1, most);
    let narrow =
        |n: &Spanned<u64>| Spanned { value: u32::try_from(n.value).unwrap_or(u32::MAX), span: n.span };
    context.number(raw.workers.as_ref().map(narrow).as_ref(), (1, 1024), cores) as usize
}

fn version(raw: &raw::File, context: &Context<'_>, root: Span) {
    let Some(version) = context.required(raw.version.as_ref(), "version", "the file", root) else { return };
    if version.value != 1 {
        let message = format!("version {} is not known to this portcullis", version.value);
        context.error(Code::BadValue, version.span, message, "write `version: 1`");
    }
}
