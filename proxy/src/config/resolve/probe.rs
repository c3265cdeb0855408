//! `health:` of a service: what its endpoints are asked besides requests.

use super::sidecar;
use crate::config::context::Context;
use crate::config::diagnostic::Code;
use crate::config::raw;
use crate::config::service::{Health, Probe, Protocol};
use crate::config::tree::{Span, Spanned, Text};
use std::sync::Arc;
use std::time::Duration;

/// What is good unless the file says otherwise.
const GOOD: (u16, u16) = (200, 299);

/// What endpoints are asked.
pub(super) fn health(raw: &Spanned<raw::Probe>, protocol: Protocol, context: &Context<'_>) -> Option<Health> {
    let span = raw.span;
    let raw = &raw.value;
    of_path_only(raw, context);
    of_http_only(raw, protocol, context);
    let probe = probe(raw, span, context);
    let times = |field, default| context.time(field, Duration::from_secs(default));
    Some(Health {
        interval: times(raw.interval.as_ref(), 5),
        timeout: times(raw.timeout.as_ref(), 1),
        healthy: context.number(raw.healthy.as_ref(), (1, 100), 2),
        unhealthy: context.number(raw.unhealthy.as_ref(), (1, 100), 3),
        port: raw
            .port
            .as_ref()
            .and_then(|port| u16::try_from(context.number(Some(port), (1, u32::from(u16::MAX)), 1)).ok()),
        probe: probe?,
    })
}

/// The one thing that is asked.
fn probe(raw: &raw::Probe, span: Span, context: &Context<'_>) -> Option<Probe> {
    let ways = [
        ("path", raw.path.as_ref().map(|text| text.span)),
        ("grpc", raw.grpc.as_ref().map(|text| text.span)),
        ("tcp", raw.tcp.as_ref().map(|on| on.span)),
    ];
    let mut written = ways.iter().filter_map(|(key, span)| Some((key, (*span)?)));
    let Some((first, _)) = written.next() else {
        let help = "add `path: /healthz`, `grpc: \"\"`, or `tcp: true`: that it takes connections";
        context.error(Code::MissingKey, span, "`health:` does not say what is asked", help);
        return None;
    };
    let mut several = false;
    for (other, span) in written {
        several = true;
        let message = format!("`health:` has both `{first}` and `{other}`");
        context.error(Code::Conflict, span, message, "keep one of `path`, `grpc` and `tcp`");
    }
    if let Some(off) = raw.tcp.as_ref().filter(|on| !on.value) {
        let message = "`tcp: false` asks nothing";
        context.error(Code::BadValue, off.span, message, "write `tcp: true`, or remove `health:`");
    }
    match (&raw.path, &raw.grpc) {
        _ if several => None,
        (Some(path), _) => {
            let host = raw.host.as_ref().map(|text| host(text, context));
            Some(Probe::Http {
                path: sidecar::health_path(path, context)?,
                host: match host {
                    Some(host) => Some(host?),
                    None => None,
                },
                expect: raw.expect.as_ref().map_or(Some(GOOD), |text| expect(&text.0, context))?,
            })
        }
        (None, Some(service)) => grpc(service, context).map(Probe::Grpc),
        (None, None) => Some(Probe::Tcp),
    }
}

/// `host` and `expect` are about an HTTP answer of our own asking.
fn of_path_only(raw: &raw::Probe, context: &Context<'_>) {
    if raw.path.is_some() {
        return;
    }
    let host = raw.host.as_ref().map(|text| ("host", text.span));
    let expect = raw.expect.as_ref().map(|text| ("expect", text.0.span));
    for (key, span) in [host, expect].into_iter().flatten() {
        let message = format!("`{key}` is about the answer to a `path`, but none is asked for");
        context.error(Code::Conflict, span, message, "remove it, or add `path: /healthz`");
    }
}

/// What can be asked depends on what is spoken.
fn of_http_only(raw: &raw::Probe, protocol: Protocol, context: &Context<'_>) {
    let path = raw.path.as_ref().map(|text| ("path", text.span));
    let grpc = raw.grpc.as_ref().map(|text| ("grpc", text.span));
    if protocol == Protocol::Tcp {
        for (key, span) in [path, grpc].into_iter().flatten() {
            let message = format!("`{key}` is asked for over HTTP, but this service speaks tcp");
            context.error(Code::Conflict, span, message, "write `health: { tcp: true }`");
        }
    }
    if let (Some((_, span)), Protocol::H1) = (grpc, protocol) {
        let message = "gRPC is spoken over h2, but this service speaks h1";
        context.error(Code::Conflict, span, message, "add `protocol: h2` to the service, or use `path:`");
    }
}

/// What goes into `Host`: a name or an address, with or without a port.
fn host(text: &Text, context: &Context<'_>) -> Option<Arc<str>> {
    let authority = text.value.parse::<http::uri::Authority>();
    if !authority.is_ok_and(|authority| !authority.as_str().contains('@')) {
        let message = format!("`{}` is not a host", text.value);
        context.error(Code::BadValue, text.span, message, "write it as `order.internal`");
        return None;
    }
    Some(Arc::from(text.value.as_str()))
}

/// `200`, or `200-299`.
fn expect(text: &Text, context: &Context<'_>) -> Option<(u16, u16)> {
    let status = |text: &str| {
        let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|status| digits && (100..=599).contains(status))
    };
    let (first, last) = text.value.split_once('-').unwrap_or((&text.value, &text.value));
    let range = status(first.trim()).zip(status(last.trim())).filter(|(first, last)| first <= last);
    if range.is_none() {
        let message = format!("`{}` is not a status, nor a range of them", text.value);
        context.error(Code::BadValue, text.span, message, "write `200` or `200-299`");
    }
    range
}

/// The full name of a gRPC service: dotted words, or nothing for the server as a whole.
fn grpc(text: &Text, context: &Context<'_>) -> Option<Arc<str>> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'/');
    if text.value.len() > 256 || !text.value.bytes().all(allowed) {
        let message = format!("`{}` is not the name of a gRPC service", text.value);
        let help = "write it in full, as in `shop.v1.Orders`, or `\"\"` for the server as a whole";
        context.error(Code::BadValue, text.span, message, help);
        return None;
    }
    Some(Arc::from(text.value.as_str()))
}
