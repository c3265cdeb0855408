//! `listeners:`, `admin:` and `drain:`.

use super::{auth, pem};
use crate::config::context::Context;
use crate::config::diagnostic::Code;
use crate::config::listener::{Admin, AdminBind, Caps, Certificate, Listener, Role, Timeouts, Tls};
use crate::config::raw;
use crate::config::tree::{Span, Spanned, Text};
use crate::config::trust::Trust;
use crate::config::{Config, Drain};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The listeners, at least one.
pub(super) fn listeners(raw: &raw::File, trust: &Trust, context: &Context<'_>, root: Span) -> Vec<Listener> {
    let Some(list) = context.required(raw.listeners.as_ref(), "listeners", "the file", root) else {
        return Vec::new();
    };
    if list.value.is_empty() {
        let help = "add one, as in `- { bind: 127.0.0.1:8080 }`";
        context.error(Code::BadValue, list.span, "there is no listener", help);
    }
    let relied_on = auth::is_used(raw);
    list.value.iter().filter_map(|one| listener(one, trust, relied_on, context)).collect()
}

fn listener(
    raw: &Spanned<raw::Listener>,
    trust: &Trust,
    relied_on: bool,
    context: &Context<'_>,
) -> Option<Listener> {
    let span = raw.span;
    let raw = &raw.value;
    let bind = context.required(raw.bind.as_ref(), "bind", "a listener", span);
    let address = bind.and_then(|bind| context.address(bind));
    let tls = raw.tls.as_ref().and_then(|tls| self::tls(tls, relied_on, context));
    let redirect_https = raw.redirect.as_ref().map(|redirect| redirect_port(redirect, context));
    if let (Some(redirect), Some(_)) = (&raw.redirect, &raw.tls) {
        let message = "a listener with `tls` cannot redirect to https: it is https already";
        context.error(Code::Conflict, redirect.span, message, "remove `tls` or `redirect`");
    }
    if let Some(on) = raw.proxy_protocol.as_ref().filter(|on| on.value && trust.proxies.is_empty()) {
        let message = "`proxy_protocol` is on, but nobody may send it: every connection would be refused";
        context.error(
            Code::Conflict,
            on.span,
            message,
            "list the load balancers under `trust: { proxies: [10.0.0.0/8] }`",
        );
    }
    let (h1, h2) = versions(raw.http.as_ref(), context);
    let caps = caps(&raw.caps, context);
    let timeouts = timeouts(&raw.timeouts, context);
    if let (Some(address), Some(bind)) = (address, bind)
        && raw.tls.is_none()
        && redirect_https.is_none()
        && address.ip().is_unspecified()
    {
        let message = "this listener offers plain HTTP to every network this machine is in";
        context.warn(
            Code::PlaintextListener,
            bind.span,
            message,
            "add `tls:`, `redirect: https`, or bind to 127.0.0.1",
        );
    }
    Some(Listener {
        role: Role::Edge,
        bind: address?,
        tls,
        h1,
        h2,
        redirect_https,
        proxy_protocol: raw.proxy_protocol.as_ref().is_some_and(|on| on.value),
        caps,
        timeouts,
    })
}

/// `relied_on`: some route depends on client certificates.
fn tls(raw: &Spanned<raw::Tls>, relied_on: bool, context: &Context<'_>) -> Option<Tls> {
    let list = context.required(
        raw.value.certificates.as_ref(),
        "certificates",
        "`tls:` of a listener",
        raw.span,
    )?;
    if list.value.is_empty() {
        let help = "add one, as in `{ cert: certs/api.pem, key: file:certs/api.key }`";
        context.error(Code::BadValue, list.span, "there is no certificate", help);
    }
    let certificates = list.value.iter().filter_map(|one| certificate(one, context)).collect();
    let client_ca = raw.value.client_ca.as_ref().and_then(|path| pem::certificates(path, context));
    if let (Some(_), Some(path), false) = (&client_ca, &raw.value.client_ca, relied_on) {
        let message = "clients are asked for a certificate, but nothing depends on it: no route demands one";
        let help = "whoever shows none is served all the same: name an entry of `auth:` with `certificate:` in routes";
        context.warn(Code::Insecure, path.span, message, help);
    }
    Some(Tls { certificates, client_ca })
}

fn certificate(raw: &Spanned<raw::Certificate>, context: &Context<'_>) -> Option<Certificate> {
    let cert = context.required(raw.value.cert.as_ref(), "cert", "a certificate", raw.span);
    let key = context.required(raw.value.key.as_ref(), "key", "a certificate", raw.span);
    let cert = cert.and_then(|cert| pem::certificates(cert, context));
    let key = key.and_then(|key| pem::key(key, context));
    Some(Certificate { cert: cert?, key: key? })
}

fn redirect_port(raw: &Spanned<raw::Redirect>, context: &Context<'_>) -> u16 {
    const HTTPS: u16 = 443;
    let raw::Redirect::Port(port) = &raw.value else { return HTTPS };
    let Some(port) = context.required(port.https.as_ref(), "https", "`redirect:`", raw.span) else {
        return HTTPS;
    };
    if port.value == 0 {
        context.error(
            Code::BadValue,
            port.span,
            "0 is no port clients can go to",
            "write the port clients see",
        );
    }
    port.value
}

/// Whether HTTP/1.1 and HTTP/2 are taken.
fn versions(raw: Option<&Spanned<Vec<Spanned<raw::Version>>>>, context: &Context<'_>) -> (bool, bool) {
    let Some(list) = raw else { return (true, true) };
    if list.value.is_empty() {
        context.error(
            Code::BadValue,
            list.span,
            "a listener must take some version of HTTP",
            "write `[h1, h2]`",
        );
    }
    let takes = |version| list.value.iter().any(|one| one.value == version);
    (takes(raw::Version::H1), takes(raw::Version::H2))
}

/// How many connections there may be.
pub(super) fn caps(raw: &raw::Caps, context: &Context<'_>) -> Caps {
    /// Descriptors that are left for upstreams' first connections, files and the admin listener.
    const RESERVE: u64 = 200;
    /// Most connections unless the file says otherwise.
    const MOST: u64 = 10_000;
    // A connection to a client comes with one to a service.
    let default = (context.around.open_files / 2).saturating_sub(RESERVE).clamp(1, MOST);
    let default = u32::try_from(default).unwrap_or(u32::MAX);
    let cap = |field: Option<&_>, default| context.number(field, (1, u32::MAX), default) as usize;
    Caps {
        connections: cap(raw.connections.as_ref(), default),
        per_address: cap(raw.per_address.as_ref(), 100),
        handshakes: cap(raw.handshakes.as_ref(), 128),
    }
}

/// How long a client may take.
pub(super) fn timeouts(raw: &raw::Timeouts, context: &Context<'_>) -> Timeouts {
    let time = |field: Option<&_>, seconds| context.time(field, Duration::from_secs(seconds));
    Timeouts {
        handshake: time(raw.handshake.as_ref(), 10),
        header: time(raw.header.as_ref(), 10),
        body: time(raw.body.as_ref(), 30),
        write: time(raw.write.as_ref(), 60),
        idle: time(raw.idle.as_ref(), 75),
    }
}

/// The admin listener.
pub(super) fn admin(raw: &Spanned<raw::Admin>, context: &Context<'_>) -> Option<Admin> {
    let bind = context.required(raw.value.bind.as_ref(), "bind", "`admin:`", raw.span);
    let token = raw.value.token.as_ref().and_then(|token| context.secret(token));
    let text = bind?;
    let bind = admin_bind(text, context)?;
    if let AdminBind::Tcp(address) = bind
        && !address.ip().to_canonical().is_loopback()
        && raw.value.token.is_none()
    {
        let message = "anyone who reaches this address could administer the proxy";
        context.error(
            Code::Insecure,
            text.span,
            message,
            "bind to 127.0.0.1 or unix:PATH, or add `token: file:PATH`",
        );
        return None;
    }
    let token_from = raw.value.token.as_ref().map(|token| match token.value.strip_prefix("file:") {
        Some(path) => format!("file:{}", context.path(path).display()),
        None => token.value.clone(),
    });
    Some(Admin { bind, token, token_from })
}

fn admin_bind(text: &Text, context: &Context<'_>) -> Option<AdminBind> {
    match text.value.strip_prefix("unix:") {
        Some("") => {
            context.error(
                Code::BadValue,
                text.span,
                "`unix:` needs a path",
                "as in `unix:/run/portcullis/admin.sock`",
            );
            None
        }
        Some(path) => Some(AdminBind::Unix(context.path(path))),
        None => context.address(text).map(AdminBind::Tcp),
    }
}

/// How the process ends.
pub(super) fn drain(raw: &raw::Drain, context: &Context<'_>) -> Drain {
    Drain {
        delay: context.time_or_zero(raw.delay.as_ref(), Duration::from_secs(5)),
        timeout: context.time_or_zero(raw.timeout.as_ref(), Duration::from_secs(30)),
    }
}

/// No two listeners share an address, whatever they are for, and none is where the application listens.
pub(super) fn one_bind_each(raw: &raw::File, config: &Config, context: &Context<'_>) {
    let mut taken: HashMap<SocketAddr, u32> = HashMap::new();
    let edge = raw.listeners.iter().flat_map(|list| &list.value).filter_map(|one| one.value.bind.as_ref());
    let inbound = raw.inbound.as_ref().and_then(|inbound| inbound.value.bind.as_ref());
    let outbound = raw.outbound.as_ref().and_then(|outbound| outbound.value.bind.as_ref());
    let locals = raw.services.0.iter().filter_map(|(_, service)| service.local.as_ref());
    let ready = raw.ready.as_ref().and_then(|ready| ready.value.bind.as_ref());
    let admin = raw.admin.as_ref().and_then(|admin| admin.value.bind.as_ref());
    let metrics = raw.observe.metrics.as_ref().and_then(|metrics| metrics.value.bind.as_ref());
    let mut binds: Vec<&Text> = edge.chain(inbound).chain(outbound).chain(ready).chain(locals).collect();
    binds.extend(config.admin.as_ref().and(admin));
    binds.extend(config.observe.metrics.and(metrics));
    for bind in binds {
        // Port 0 is another port every time.
        let Some(address) = bind.value.parse::<SocketAddr>().ok().filter(|address| address.port() != 0)
        else {
            continue;
        };
        if config.sidecar.as_ref().is_some_and(|sidecar| covers(address, sidecar.workload.app)) {
            let message = format!("`{address}` is where the application listens");
            context.error(Code::Conflict, bind.span, message, "choose another port: both cannot have it");
        }
        match taken.get(&address) {
            None => {
                taken.insert(address, bind.span.line);
            }
            Some(line) => {
                let message = format!("`{address}` is bound twice");
                let help = format!("line {line} binds it already; choose another port, or merge the two");
                context.error(Code::DuplicateName, bind.span, message, help);
            }
        }
    }
}

/// Whether a listener at `bind` would take connections meant for `address`.
fn covers(bind: SocketAddr, address: SocketAddr) -> bool {
    bind.port() == address.port() && (bind.ip().is_unspecified() || bind.ip() == address.ip())
}

/// Whether an address is reached without crossing a network that others own.
pub(in crate::config) fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let shared = matches!(v4.octets(), [100, 64..=127, ..]); // RFC 6598
            v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_unspecified() || shared
        }
        IpAddr::V6(v6) => {
            v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_unspecified()
        }
    }
}
