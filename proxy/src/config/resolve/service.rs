//! `services:`.

use super::{names, pem, probe, resilience, sidecar, source, target};
use crate::config::context::Context;
use crate::config::diagnostic::Code;
use crate::config::leaf::Time;
use crate::config::raw;
use crate::config::route::Sticky;
use crate::config::service::{Balance, Pool, Protocol, Service, ServiceTimeout, UpstreamTls};
use crate::config::tree::{Span, Spanned, Text};
use crate::config::units::show_time;
use std::sync::Arc;
use std::time::Duration;

/// The services in the order of the file. Indexes hold only when nothing was wrong.
pub(super) fn services(raw: &raw::File, context: &Context<'_>) -> Vec<Service> {
    let one = |(name, service): &(Text, raw::Service)| {
        mode(name, service, raw, context);
        membership(name, service, raw.mesh.is_some(), context);
        self::service(name, service, context)
    };
    raw.services.0.iter().map(one).collect()
}

fn service(name: &Text, raw: &raw::Service, context: &Context<'_>) -> Service {
    context.name(name, "a service");
    let of = format!("service `{}`", name.value);
    let protocol = match (&raw.mesh, &raw.protocol) {
        (Some(_), None) => Protocol::H2,
        (_, written) => protocol(written.as_ref()),
    };
    let http = protocol != Protocol::Tcp;
    let plain_http = raw.tls.is_none() && raw.mesh.is_none() && http;
    if !http {
        of_http_only(raw, context);
    }
    let timeout = of_bytes(protocol, raw.timeout.idle.is_some(), timeout(&raw.timeout, context));
    let retry = resilience::retry(raw.retry.as_ref(), context).filter(|_| http);
    if let (Some(retry), Some(per_try)) = (&retry, &raw.timeout.per_try) {
        let attempts = attempts_of(raw).unwrap_or(per_try.0.span);
        in_time((attempts, retry.attempts), &timeout, context);
    }
    if let (Some(hedge), Some(Time(at))) = (retry.as_ref().and_then(|retry| retry.hedge), hedge_of(raw)) {
        hedged_in_time((at.span, hedge), &timeout, context);
    }
    Service {
        name: Arc::from(name.value.as_str()),
        source: source::source((name, &of), raw, plain_http, context),
        balance: balance(raw, http, context),
        protocol,
        declared: raw.protocol.is_some() || raw.mesh.is_some() || raw.tls.is_some(),
        tls: raw.tls.as_ref().and_then(|tls| upstream_tls(tls, context)),
        mesh: raw.mesh.as_ref().and_then(|id| names::spiffe_id(id, context)),
        plain_identity: raw.identity.is_some(),
        local: raw.local.as_ref().and_then(|text| sidecar::own_address(text, context)),
        timeout,
        pool: pool(&raw.pool, context),
        health: raw.health.as_ref().and_then(|health| probe::health(health, protocol, context)),
        retry,
        bulkhead: or_off(http, raw.bulkhead.as_ref(), |raw| resilience::bulkhead(raw, context)),
        breaker: raw.breaker.as_ref().and_then(|breaker| resilience::breaker(breaker, context)),
        outlier: or_off(http, raw.outlier.as_ref(), |raw| resilience::outlier(raw, context)),
        slow_start: raw.slow_start.as_ref().map(|time| context.time(Some(time), Duration::ZERO)),
    }
}

/// What is on by default for HTTP. Connections of bytes last as long as they like: for them it is on when it is written.
pub(super) fn or_off<R, T>(
    http: bool,
    raw: Option<&Spanned<raw::OrNone<R>>>,
    read: impl FnOnce(Option<&Spanned<raw::OrNone<R>>>) -> Option<T>,
) -> Option<T> {
    if http || raw.is_some() { read(raw) } else { None }
}

/// What makes no sense where nobody knows where a request ends.
fn of_http_only(raw: &raw::Service, context: &Context<'_>) {
    let off = |retry: &&Spanned<raw::OrNone<raw::Retry>>| matches!(retry.value, raw::OrNone::Rule(_));
    let keys = [
        (
            "retry",
            raw.retry.as_ref().filter(off).map(|retry| retry.span),
            "bytes that were sent cannot be sent again: nobody knows what they did",
        ),
        (
            "breaker",
            raw.breaker.as_ref().map(|breaker| breaker.span),
            "in bytes nobody sees whether an answer was a failure; `outlier` leaves out endpoints that take no connections",
        ),
        (
            "timeout.per_try",
            raw.timeout.per_try.as_ref().map(|time| time.0.span),
            "there are no requests to time",
        ),
    ];
    for (key, span, why) in keys {
        if let Some(span) = span {
            let message = format!("`{key}` is about HTTP, but this service speaks tcp: {why}");
            context.error(Code::Conflict, span, message, "remove it");
        }
    }
}

/// How an endpoint is chosen.
fn balance(raw: &raw::Service, http: bool, context: &Context<'_>) -> Balance {
    let word = raw.balance.as_ref();
    let hashed = word.filter(|word| word.value == raw::Balance::Hash);
    let sticky = raw.hash.as_ref().and_then(|sticky| {
        if hashed.is_none() {
            let message = "`hash` says what `balance: hash` goes by";
            context.error(Code::Conflict, sticky.span, message, "add `balance: hash`, or remove it");
        }
        let read = target::sticky(sticky, context)?;
        if !http && read != Sticky::Ip {
            let message = "this service speaks tcp: of a connection only the address is known";
            context.error(Code::Conflict, sticky.span, message, "write `hash: ip`");
        }
        Some(read)
    });
    if let (Some(word), None) = (hashed, &raw.hash) {
        let message = "`balance: hash` does not say by what";
        let help = "add `hash: ip`, `hash: user`, `hash: { header: X-Name }` or `hash: { cookie: NAME }`";
        context.error(Code::MissingKey, word.span, message, help);
    }
    match word.map(|word| word.value) {
        Some(raw::Balance::RoundRobin) => Balance::RoundRobin,
        Some(raw::Balance::PeakEwma) => Balance::PeakEwma,
        Some(raw::Balance::Hash) => sticky.map(Balance::Hash).unwrap_or_default(),
        Some(raw::Balance::LeastRequest) | None => Balance::LeastRequest,
    }
}

/// Where the number of attempts is written.
fn attempts_of(raw: &raw::Service) -> Option<Span> {
    let raw::OrNone::Rule(retry) = &raw.retry.as_ref()?.value else { return None };
    Some(retry.attempts.as_ref()?.span)
}

/// Where it is written when a second attempt is made beside the first.
fn hedge_of(raw: &raw::Service) -> Option<&Time> {
    let raw::OrNone::Rule(retry) = &raw.retry.as_ref()?.value else { return None };
    retry.hedge.as_ref()
}

/// Says when an attempt is over before another is made beside it.
fn hedged_in_time((at, hedge): (Span, Duration), timeout: &ServiceTimeout, context: &Context<'_>) {
    let ends = [("per_try", timeout.per_try), ("request", timeout.request)];
    let Some((key, end)) = ends.iter().find_map(|(key, end)| Some((key, (*end)?))) else { return };
    if hedge >= end {
        let (after, end) = (show_time(hedge), show_time(end));
        let message = format!("no attempt lasts for `hedge` ({after}): each is over after `{key}` ({end})");
        context.warn(Code::Suspicious, at, message, "make `hedge` shorter: about the p95 of the service");
    }
}

/// Says when there is no time for all attempts.
fn in_time((at, attempts): (Span, u32), timeout: &ServiceTimeout, context: &Context<'_>) {
    let (Some(request), Some(per_try)) = (timeout.request, timeout.per_try) else { return };
    if per_try <= request && per_try.saturating_mul(attempts) > request {
        let (one, all) = (show_time(per_try), show_time(request));
        let message = format!("{attempts} attempts of {one} do not fit into `request` ({all})");
        let help = "the last one is cut short; make `per_try` shorter or `request` longer";
        context.warn(Code::Suspicious, at, message, help);
    }
}

/// Connections that carry bytes are quiet for longer than answers: those of a database pool, for one.
pub(super) fn of_bytes(protocol: Protocol, written: bool, timeout: ServiceTimeout) -> ServiceTimeout {
    const IDLE: Duration = Duration::from_secs(3600);
    if protocol == Protocol::Tcp && !written { ServiceTimeout { idle: IDLE, ..timeout } } else { timeout }
}

/// What is spoken to a service.
pub(super) fn protocol(raw: Option<&Spanned<raw::Protocol>>) -> Protocol {
    match raw.map(|protocol| protocol.value) {
        Some(raw::Protocol::Tcp) => Protocol::Tcp,
        Some(raw::Protocol::H2) => Protocol::H2,
        Some(raw::Protocol::H1) | None => Protocol::H1,
    }
}

/// Connections kept for reuse.
pub(super) fn pool(raw: &raw::Pool, context: &Context<'_>) -> Pool {
    Pool {
        idle: context.time(raw.idle.as_ref(), Duration::from_secs(4)),
        max_idle: context.number(raw.max_idle.as_ref(), (0, u32::MAX), 256) as usize,
    }
}

/// What a service can be depends on where the proxy stands.
fn mode(name: &Text, service: &raw::Service, file: &raw::File, context: &Context<'_>) {
    if file.is_sidecar() { of_sidecar(name, service, file, context) } else { of_edge(service, context) }
}

fn of_edge(service: &raw::Service, context: &Context<'_>) {
    let local = service.local.as_ref().map(|local| ("local", local.span));
    let hosts = service.hosts.as_ref().map(|hosts| ("hosts", hosts.span));
    for (key, span) in [local, hosts].into_iter().flatten() {
        let message = format!("`{key}` of a service belongs to a sidecar: here `routes:` lead to services");
        context.error(Code::Conflict, span, message, "remove it");
    }
    if let Some(tcp) = service.protocol.as_ref().filter(|word| word.value == raw::Protocol::Tcp) {
        let message = "`tcp` belongs to a sidecar: clients of an edge speak HTTP";
        context.error(Code::Conflict, tcp.span, message, "write `h1` or `h2`");
    }
}

fn of_sidecar(name: &Text, service: &raw::Service, file: &raw::File, context: &Context<'_>) {
    if name.value == sidecar::APP {
        let message = "`app` is the workload itself: no service of the file can be called so";
        context.error(Code::BadValue, name.span, message, "use another name");
    }
    if let Some(identity) = &service.identity {
        let message = "a sidecar tells nobody outside the mesh about users";
        let help = "remove `identity`; `mesh:` services get a passport";
        context.error(Code::Conflict, identity.span, message, help);
    }
    let outbound = file.outbound.as_ref().and_then(|outbound| outbound.value.capture.as_ref());
    let captured = outbound.is_some_and(|word| word.value == raw::Capture::Redirect);
    if captured && service.local.is_none() && service.endpoints.is_none() {
        let message = format!("captured connections do not find service `{}`", name.value);
        let help =
            "they are known by the addresses of `endpoints:`; use those, or add `local: 127.0.0.1:PORT`";
        context.warn(Code::UnusedService, name.span, message, help);
    }
    if protocol(service.protocol.as_ref()) != Protocol::Tcp {
        return;
    }
    if let Some(hosts) = &service.hosts {
        let message = "`hosts` are asked for over HTTP, but this service speaks tcp";
        context.error(Code::Conflict, hosts.span, message, "use `local:`");
    }
    if service.local.is_none() && !captured {
        let message = format!("nothing leads to service `{}`: tcp does not say whom it is for", name.value);
        context.error(Code::MissingKey, name.span, message, "add `local: 127.0.0.1:PORT`");
    }
}

/// What `mesh:` of a service goes together with.
fn membership(name: &Text, service: &raw::Service, member: bool, context: &Context<'_>) {
    let Some(id) = &service.mesh else { return };
    let of = format!("service `{}`", name.value);
    if !member {
        let message = format!("{of} is in the mesh, but we are not: there is no `mesh:` section");
        let help = "add `mesh:` with `trust_domain` and `ca`, or use `tls:` here";
        context.error(Code::MissingKey, id.span, message, help);
    }
    if let Some(tls) = &service.tls {
        let message = format!("{of} has both `mesh` and `tls`: the mesh brings its own TLS");
        context.error(Code::Conflict, tls.span, message, "keep one of them");
    }
    if let Some(h1) = service.protocol.as_ref().filter(|word| word.value == raw::Protocol::H1) {
        let message = "members of the mesh speak h2 to each other";
        context.error(Code::Conflict, h1.span, message, "remove `protocol`, or write `h2` or `tcp`");
    }
    if let Some(identity) = &service.identity {
        let message = format!("{of} is in the mesh, where a header is no evidence: it gets a passport");
        context.error(Code::Conflict, identity.span, message, "remove `identity`");
    }
}

fn upstream_tls(raw: &Spanned<raw::UpstreamTls>, context: &Context<'_>) -> Option<UpstreamTls> {
    let of = "`tls:` of a service";
    let name = context.required(raw.value.name.as_ref(), "name", of, raw.span);
    let ca = context.required(raw.value.ca.as_ref(), "ca", of, raw.span);
    let name = name.filter(|name| certificate_name(name, context));
    let ca = ca.and_then(|ca| pem::certificates(ca, context));
    Some(UpstreamTls { name: name?.value.clone(), ca: ca? })
}

/// A DNS name or an IP address: what a certificate can carry.
fn certificate_name(name: &Text, context: &Context<'_>) -> bool {
    let text = &name.value;
    let good = is_certificate_name(text);
    if !good {
        let message = format!("`{text}` is not a name a certificate can carry");
        context.error(
            Code::BadValue,
            name.span,
            message,
            "write the host name alone, as in `orders.internal`",
        );
    }
    good
}

/// See [`certificate_name`].
pub(super) fn is_certificate_name(text: &str) -> bool {
    let label = |label: &str| {
        let inside = label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        !label.is_empty() && label.len() <= 63 && inside && !label.starts_with('-') && !label.ends_with('-')
    };
    text.parse::<std::net::IpAddr>().is_ok() || (text.len() <= 253 && text.split('.').all(label))
}

/// How long it may take.
pub(super) fn timeout(raw: &raw::ServiceTimeout, context: &Context<'_>) -> ServiceTimeout {
    const REQUEST: Duration = Duration::from_secs(15);
    let request = context.time_or_none(raw.request.as_ref()).unwrap_or(Some(REQUEST));
    ServiceTimeout {
        connect: context.time(raw.connect.as_ref(), Duration::from_secs(1)),
        request,
        per_try: raw.per_try.as_ref().map(|time| per_try(time, request, context)),
        idle: context.time(raw.idle.as_ref(), Duration::from_secs(60)),
    }
}

/// The time of one attempt; a longer one than that of the whole request would say nothing.
pub(super) fn per_try(time: &Time, request: Option<Duration>, context: &Context<'_>) -> Duration {
    let one = context.time(Some(time), Duration::ZERO);
    if let Some(whole) = request.filter(|whole| one > *whole) {
        let message =
            format!("`per_try` ({}) is longer than `request` ({})", show_time(one), show_time(whole));
        context.error(Code::Conflict, time.0.span, message, "one attempt is a part of the request");
    }
    one
}
