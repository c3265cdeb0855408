//! `endpoints:`, `dns:`, `srv:` and `file:` of a service: where it is, or who knows.

use super::{listener::is_private, names, service};
use crate::config::context::{Context, address_help};
use crate::config::diagnostic::Code;
use crate::config::findings::Finding;
use crate::config::leaf::Time;
use crate::config::raw;
use crate::config::service::{Dns, DnsName, Endpoint, Source};
use crate::config::tree::{Span, Spanned, Text};
use crate::config::units::show_time;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// What to write when a service says nothing of where it is, or too much.
const WAYS: &str = "`endpoints`, `dns`, `srv` and `file`";
/// Largest weight of an endpoint.
const MAX_WEIGHT: u32 = 1000;
/// An answer is believed for no longer than this.
const LONGEST_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// Where a service is; `of` is the service, for messages. What cannot be read is an empty list.
pub(super) fn source(
    (name, of): (&Text, &str),
    raw: &raw::Service,
    plain: bool,
    context: &Context<'_>,
) -> Source {
    one_way((name, of), raw, context);
    let asked = raw.dns.as_ref().map(|text| host_name(text, context));
    let asked = asked.or_else(|| raw.srv.as_ref().map(|text| service_name(text, context)));
    if let (Some(resolve), None) = (&raw.resolve, &asked) {
        let message = "`resolve` says how a name is asked for, but there is none";
        context.error(Code::Conflict, resolve.span, message, "remove it, or use `dns:` or `srv:`");
    }
    match (&raw.endpoints, asked, &raw.file) {
        (Some(list), ..) => Source::Listed(listed(list, (of, plain), context)),
        (None, Some(asked), _) => {
            let settings = resolve(raw.resolve.as_ref(), context);
            if let Some(text) = raw.dns.as_ref().filter(|text| !settings.allow_local && is_here(&text.value))
            {
                let message = "answers that point at this machine are left out: there will be no endpoint";
                let help = "use `endpoints:`, or add `resolve: { allow: [local] }`";
                context.warn(Code::Suspicious, text.span, message, help);
            }
            asked.map_or_else(nowhere, |name| Source::Dns(Dns { name, ..settings }))
        }
        (None, None, Some(path)) => Source::File(file(path, context)),
        (None, None, None) => nowhere(),
    }
}

fn nowhere() -> Source {
    Source::Listed(Vec::new())
}

/// Says when there is no way to know, or more than one.
fn one_way((name, of): (&Text, &str), raw: &raw::Service, context: &Context<'_>) {
    let ways = [
        ("endpoints", raw.endpoints.as_ref().map(|list| list.span)),
        ("dns", raw.dns.as_ref().map(|text| text.span)),
        ("srv", raw.srv.as_ref().map(|text| text.span)),
        ("file", raw.file.as_ref().map(|text| text.span)),
    ];
    let mut written = ways.iter().filter_map(|(key, span)| Some((key, (*span)?)));
    let Some((first, _)) = written.next() else {
        let message = format!("{of} does not say where it is");
        context.error(Code::MissingKey, name.span, message, format!("add one of {WAYS}"));
        return;
    };
    for (other, span) in written {
        let message = format!("{of} has both `{first}` and `{other}`");
        context.error(Code::Conflict, span, message, format!("keep one of {WAYS}"));
    }
}

fn listed(
    list: &Spanned<Vec<Spanned<raw::Endpoint>>>,
    (of, plain): (&str, bool),
    context: &Context<'_>,
) -> Vec<Endpoint> {
    if list.value.is_empty() {
        let message = format!("{of} has no endpoint");
        context.error(Code::BadValue, list.span, message, "add one, as in `[\"127.0.0.1:8001\"]`");
    }
    endpoints(&list.value, plain, context)
}

/// The entries of a list; `plain`: HTTP without TLS is spoken to them.
pub(in crate::config) fn endpoints(
    list: &[Spanned<raw::Endpoint>],
    plain: bool,
    context: &Context<'_>,
) -> Vec<Endpoint> {
    let mut endpoints: Vec<Endpoint> = Vec::with_capacity(list.len());
    let mut seen = std::collections::HashMap::new();
    for raw in list {
        let Some((span, endpoint)) = endpoint(raw, plain, context) else { continue };
        match seen.insert(endpoint.address, endpoint.clone()) {
            None => endpoints.push(endpoint),
            Some(first) => twice(span, &first, &endpoint, context),
        }
    }
    endpoints
}

fn twice(span: Span, first: &Endpoint, again: &Endpoint, context: &Context<'_>) {
    let message = format!("`{}` is listed twice", first.address);
    if first == again {
        context.warn(Code::Suspicious, span, message, "it counts once; give it a `weight` to send it more");
    } else {
        let help = "its weights or zones differ: keep one of them";
        context.error(Code::DuplicateName, span, message, help);
    }
}

fn endpoint(raw: &Spanned<raw::Endpoint>, plain: bool, context: &Context<'_>) -> Option<(Span, Endpoint)> {
    let (text, weight, zone) = match &raw.value {
        raw::Endpoint::Address(text) => (Some(text), 1, None),
        raw::Endpoint::Full(full) => {
            let text = context.required(full.address.as_ref(), "address", "an endpoint", raw.span);
            let weight = context.number(full.weight.as_ref(), (1, MAX_WEIGHT), 1);
            (text, weight, full.zone.as_ref().and_then(|text| zone(text, context)))
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
    Some((text.span, Endpoint { address, weight, zone }))
}

/// The name of a zone.
pub(super) fn zone(text: &Text, context: &Context<'_>) -> Option<Arc<str>> {
    names::word(text, "zone", context).then(|| Arc::from(text.value.as_str()))
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
        let message = format!("`{value}` is a host name, an endpoint is an IP address and a port");
        return (message, format!("write `dns: {host}:{port}` instead of `endpoints:`"));
    }
    (format!("`{value}` is not an address with a port"), address_help(value))
}

/// `order.internal:8002`.
fn host_name(text: &Text, context: &Context<'_>) -> Option<DnsName> {
    let value = &text.value;
    let port_of = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
    if let Some((host, port)) = value.rsplit_once(':')
        && let (Some(host), Some(port)) = (dns_name(host), port_of(port))
    {
        return Some(DnsName::Host(host, port));
    }
    if value.contains('@') {
        let message = "`dns` is a host name and a port, without user and password";
        let help = "write `order.internal:8080`; credentials go into a request header";
        context.hidden_error(Code::BadValue, text.span, message, help);
        return None;
    }
    let (message, help) = host_mistake(value);
    context.error(Code::BadValue, text.span, message, help);
    None
}

/// Names that mean this machine (RFC 6761 §6.3).
fn is_here(text: &str) -> bool {
    let host =
        text.rsplit_once(':').map_or(text, |(host, _)| host).trim_end_matches('.').to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

fn host_mistake(value: &str) -> (String, String) {
    if let Some((scheme, rest)) = value.split_once("://") {
        let place = rest.split(['/', '?']).next().unwrap_or_default();
        let port = if scheme == "https" { ":443" } else { ":80" };
        let port = if place.contains(':') { "" } else { port };
        return (
            format!("`{value}` is a URL, `dns` is a host name and a port"),
            format!("write `{place}{port}`"),
        );
    }
    if value.parse::<SocketAddr>().is_ok_and(|address| address.port() > 0) {
        return (
            format!("`{value}` is an address: there is nothing to ask for"),
            format!("write `endpoints: [\"{value}\"]`"),
        );
    }
    if dns_name(value).is_some() {
        let help = format!("write it too, as in `{value}:8080`");
        return (format!("`{value}` does not say which port"), help);
    }
    (format!("`{value}` is not a host name with a port"), "write it as `order.internal:8080`".to_owned())
}

/// `_http._tcp.order.internal`.
fn service_name(text: &Text, context: &Context<'_>) -> Option<DnsName> {
    let value = &text.value;
    if let Some(name) = dns_name(value) {
        return Some(DnsName::Service(name));
    }
    let bare = value.rsplit_once(':').map(|(host, _)| host).filter(|host| dns_name(host).is_some());
    let (message, help) = match bare {
        Some(bare) => {
            (format!("`{value}` has a port: SRV records say it themselves"), format!("write `{bare}`"))
        }
        None => (
            format!("`{value}` is not a name with SRV records"),
            "write it as `_http._tcp.order.internal`".to_owned(),
        ),
    };
    context.error(Code::BadValue, text.span, message, help);
    None
}

/// A name DNS can be asked for (RFC 1035 §2.3.4), lower case; a dot at its end says that it is whole.
fn dns_name(text: &str) -> Option<Arc<str>> {
    let labels = text.strip_suffix('.').unwrap_or(text);
    let sound = service::is_certificate_name(labels) && labels.parse::<IpAddr>().is_err();
    sound.then(|| Arc::from(text.to_ascii_lowercase()))
}

/// How a name is asked for; the name itself is not known here.
fn resolve(raw: Option<&Spanned<raw::Resolve>>, context: &Context<'_>) -> Dns {
    let default = raw::Resolve::default();
    let raw = raw.map_or(&default, |raw| &raw.value);
    let longest = |field: Option<&Time>, default: Duration| {
        let time = context.time(field, default);
        if let Some(text) = field.map(|time| &time.0).filter(|_| time > LONGEST_TTL) {
            let message = format!("`{}` is too long to believe an answer", text.value);
            context.error(Code::BadValue, text.span, message, "at most 24h");
        }
        time
    };
    let least = longest(raw.min_ttl.as_ref(), Duration::from_secs(1));
    let most = longest(raw.max_ttl.as_ref(), Duration::from_secs(60));
    if let Some(text) = raw.min_ttl.as_ref().or(raw.max_ttl.as_ref()).filter(|_| least > most) {
        let message = format!("`min_ttl` ({}) is above `max_ttl` ({})", show_time(least), show_time(most));
        context.error(Code::Conflict, text.0.span, message, "an answer counts for `min_ttl` to `max_ttl`");
    }
    let places = raw.allow.as_ref().map(|list| list.value.as_slice()).unwrap_or_default();
    let servers = raw.servers.as_ref().map(|list| name_servers(list, context));
    Dns {
        name: DnsName::Service(Arc::from("")),
        servers: servers.unwrap_or_default(),
        ttl: (least, most),
        stale: context.time_or_zero(raw.stale.as_ref(), Duration::from_secs(600)),
        allow_local: places.iter().any(|place| place.value == raw::Places::Local),
    }
}

fn name_servers(list: &Spanned<Vec<Text>>, context: &Context<'_>) -> Vec<SocketAddr> {
    if list.value.is_empty() {
        let help = "name one, as in `10.0.0.2:53`; remove `servers` to ask those of the machine";
        context.error(Code::BadValue, list.span, "no name server is named here", help);
    }
    let mut servers = Vec::with_capacity(list.value.len());
    for text in &list.value {
        let address = text.value.parse::<SocketAddr>().ok().filter(|address| address.port() > 0);
        match address {
            Some(address) if servers.contains(&address) => {
                let message = format!("`{address}` is listed twice");
                context.warn(Code::Suspicious, text.span, message, "remove one of them");
            }
            Some(address) => servers.push(address),
            None => {
                let message = format!("`{}` is not the address of a name server", text.value);
                let help = match text.value.parse::<IpAddr>() {
                    Ok(address) => format!("add the port, as in `{}`", SocketAddr::new(address, 53)),
                    Err(_) => "write an IP address and a port, as in `10.0.0.2:53`".to_owned(),
                };
                context.error(Code::BadValue, text.span, message, help);
            }
        }
    }
    servers
}

/// The file of a list. It is read by whoever watches it, and by `check`: a change of it is no reload.
fn file(text: &Text, context: &Context<'_>) -> std::path::PathBuf {
    if context.path(&text.value).is_dir() {
        let message = format!("`{}` is a directory", text.value);
        context.error(Code::BadFile, text.span, message, "name the file in it that lists the endpoints");
    }
    if !context.exists(&text.value) {
        let full = context.path(&text.value);
        let message =
            format!("there is no file `{}`: until there is, this service has no endpoint", text.value);
        context.warn(Code::BadFile, text.span, message, format!("looked at {}", full.display()));
    }
    context.path(&text.value)
}
