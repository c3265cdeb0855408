//! `services:`.

use super::{listener::is_private, pem};
use crate::config::context::{Context, address_help};
use crate::config::diagnostic::Code;
use crate::config::findings::Finding;
use crate::config::leaf::Named;
use crate::config::raw;
use crate::config::service::{Balance, Endpoint, Pool, Protocol, Service, ServiceTimeout, UpstreamTls};
use crate::config::tree::{Spanned, Text};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The services in the order of the file. Indexes hold only when nothing was wrong.
pub(super) fn services(raw: &Named<raw::Service>, context: &Context<'_>) -> Vec<Service> {
    raw.0.iter().map(|(name, service)| self::service(name, service, context)).collect()
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
    let endpoints: Vec<Endpoint> =
        listed.iter().filter_map(|one| endpoint(one, raw.tls.is_none(), context)).collect();
    Service {
        name: Arc::from(name.value.as_str()),
        endpoints,
        balance: match raw.balance.as_ref().map(|balance| balance.value) {
            Some(raw::Balance::RoundRobin) => Balance::RoundRobin,
            Some(raw::Balance::LeastRequest) | None => Balance::LeastRequest,
        },
        protocol: match raw.protocol.as_ref().map(|protocol| protocol.value) {
            Some(raw::Version::H2) => Protocol::H2,
            Some(raw::Version::H1) | None => Protocol::H1,
        },
        tls: raw.tls.as_ref().and_then(|tls| upstream_tls(tls, context)),
        mesh: None,
        plain_identity: false,
        local: None,
        timeout: timeout(&raw.timeout, context),
        pool: Pool {
            idle: context.time(raw.pool.idle.as_ref(), Duration::from_secs(4)),
            max_idle: context.number(raw.pool.max_idle.as_ref(), (0, u32::MAX), 256) as usize,
        },
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
    let label = |label: &str| {
        let inside = label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        !label.is_empty() && label.len() <= 63 && inside && !label.starts_with('-') && !label.ends_with('-')
    };
    let text = &name.value;
    let good = text.parse::<std::net::IpAddr>().is_ok() || (text.len() <= 253 && text.split('.').all(label));
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

fn timeout(raw: &raw::ServiceTimeout, context: &Context<'_>) -> ServiceTimeout {
    const REQUEST: Duration = Duration::from_secs(15);
    ServiceTimeout {
        connect: context.time(raw.connect.as_ref(), Duration::from_secs(1)),
        request: context.time_or_none(raw.request.as_ref()).unwrap_or(Some(REQUEST)),
        idle: context.time(raw.idle.as_ref(), Duration::from_secs(60)),
    }
}
