//! `services:`.

use super::{listener::is_private, names, pem, sidecar};
use crate::config::context::{Context, address_help};
use crate::config::diagnostic::Code;
use crate::config::findings::Finding;
use crate::config::raw;
use crate::config::service::{Balance, Endpoint, Pool, Protocol, Service, ServiceTimeout, UpstreamTls};
use crate::config::tree::{Spanned, Text};
use std::net::SocketAddr;
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
    let list = context.required(raw.endpoints.as_ref(), "endpoints", &of, name.span);
    if let Some(list) = list.filter(|list| list.value.is_empty()) {
        let message = format!("{of} has no endpoint");
        context.error(Code::BadValue, list.span, message, "add one, as in `[\"127.0.0.1:8001\"]`");
    }
    let listed = list.map(|list| list.value.as_slice()).unwrap_or_default();
    let protocol = match (&raw.mesh, &raw.protocol) {
        (Some(_), None) => Protocol::H2,
        (_, written) => protocol(written.as_ref()),
    };
    let plain_http = raw.tls.is_none() && raw.mesh.is_none() && protocol != Protocol::Tcp;
    let endpoints: Vec<Endpoint> =
        listed.iter().filter_map(|one| endpoint(one, plain_http, context)).collect();
    Service {
        name: Arc::from(name.value.as_str()),
        endpoints,
        balance: match raw.balance.as_ref().map(|balance| balance.value) {
            Some(raw::Balance::RoundRobin) => Balance::RoundRobin,
            Some(raw::Balance::LeastRequest) | None => Balance::LeastRequest,
        },
        protocol,
        declared: raw.protocol.is_some() || raw.mesh.is_some() || raw.tls.is_some(),
        tls: raw.tls.as_ref().and_then(|tls| upstream_tls(tls, context)),
        mesh: raw.mesh.as_ref().and_then(|id| names::spiffe_id(id, context)),
        plain_identity: raw.identity.is_some(),
        local: raw.local.as_ref().and_then(|text| sidecar::own_address(text, context)),
        timeout: of_bytes(protocol, raw.timeout.idle.is_some(), timeout(&raw.timeout, context)),
        pool: pool(&raw.pool, context),
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
    if protocol(service.protocol.as_ref()) != Protocol::Tcp {
        return;
    }
    if let Some(hosts) = &service.hosts {
        let message = "`hosts` are asked for over HTTP, but this service speaks tcp";
        context.error(Code::Conflict, hosts.span, message, "use `local:`");
    }
    let outbound = file.outbound.as_ref().and_then(|outbound| outbound.value.capture.as_ref());
    let captured = outbound.is_some_and(|word| word.value == raw::Capture::Redirect);
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

fn endpoint(raw: &Spanned<raw::Endpoint>, plain: bool, context: &Context<'_>) -> Option<Endpoint> {
    let (text, weight) = match &raw.value {
        raw::Endpoint::Address(text) => (Some(text), 1),
        raw::Endpoint::Full(full) => {
            let text = context.required(full.address.as_ref(), "address", "an endpoint", raw.span);
            (text, context.number(full.weight.as_ref(), (1, 1000), 1))
        }
    };
    let text = text?;
    let address = endpoint_address(text, context)?;
    if plain && !is_private(address.ip()) {
        let message = format!("plain HTTP to `{address}`, which is not a private address");
        context.warn(
            Code::PlaintextUpstream,
            text.span,
            message,
            "add `tls: { name: …, ca: … }` to the service",
        );
    }
    Some(Endpoint { address, weight })
}

fn endpoint_address(text: &Text, context: &Context<'_>) -> Option<SocketAddr> {
    let value = &text.value;
    match value.parse::<SocketAddr>() {
        Ok(address) if address.port() == 0 => {
            context.error(
                Code::BadValue,
                text.span,
                "an endpoint needs a port above 0",
                "write the port it listens on",
            );
            None
        }
        Ok(address) => Some(address),
        // Somebody pasting an address with a login must not find it in the log of a failed start.
        Err(_) if value.contains('@') => {
            let message = "an endpoint is an address and a port, without user and password";
            let help = "write `127.0.0.1:8080`; credentials go into a request header";
            context.findings.add(Finding::error(Code::BadValue, text.span, message).help(help).hidden());
            None
        }
        Err(_) => {
            let (message, help) = endpoint_mistake(value);
            context.error(Code::BadValue, text.span, message, help);
            None
        }
    }
}

fn endpoint_mistake(value: &str) -> (String, String) {
    if let Some((scheme, rest)) = value.split_once("://") {
        let address = rest.split(['/', '?']).next().unwrap_or_default();
        let tls =
            if scheme == "https" { " and add `tls: { name: …, ca: … }` to the service" } else { "" };
        let message = format!("`{value}` is a URL, an endpoint is an address and a port");
        return (message, format!("write `{address}`{tls}"));
    }
    let (host, port) = value.rsplit_once(':').unwrap_or((value, ""));
    let is_name = host.contains(|c: char| c.is_ascii_alphabetic()) && !host.contains(':');
    if is_name && host != "localhost" {
        let port = if port.is_empty() { "8080" } else { port };
        let message = format!("`{value}` is a host name; endpoints are IP addresses in this version");
        return (
            message,
            format!("write its address, as in `10.0.0.7:{port}`; names come with `dns:` in a later version"),
        );
    }
    (format!("`{value}` is not an address with a port"), address_help(value))
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
    ServiceTimeout {
        connect: context.time(raw.connect.as_ref(), Duration::from_secs(1)),
        request: context.time_or_none(raw.request.as_ref()).unwrap_or(Some(REQUEST)),
        idle: context.time(raw.idle.as_ref(), Duration::from_secs(60)),
    }
}
