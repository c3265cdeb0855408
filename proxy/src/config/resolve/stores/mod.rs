//! `stores:`: where the shared store is, and who we are there. A password comes from a file or the environment only.

mod url;

use super::listener::is_private;
use super::{names, pem};
use crate::config::context::Context;
use crate::config::diagnostic::Code;
use crate::config::raw;
use crate::config::store::{OnFailure, Redis, Servers, Sources, StoreTls};
use crate::config::tree::{Spanned, Text};
use std::net::IpAddr;
use std::time::Duration;
use url::{Credentials, Place, address};

/// How long a decision may take unless the file says otherwise.
const TIMEOUT: Duration = Duration::from_millis(20);
/// A request waits for it, so it is bounded.
const TIMEOUTS: std::ops::RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(1);
/// What to write for an address.
const ADDRESS_HELP: &str = "write a name or an IP address and a port, as in `redis.internal:6379`";
/// What to write for a URL.
const URL_HELP: &str = "write `redis://HOST:6379/0`, or `rediss://HOST:6379/0` for TLS";

/// The Redis that processes share.
pub(super) fn redis(file: &raw::File, context: &Context<'_>) -> Option<Redis> {
    let raw = file.stores.as_ref()?.value.redis.as_ref()?;
    let (span, raw) = (raw.span, &raw.value);
    if raw.on_failure.is_none() {
        let message = "`redis:` needs `on_failure`: what happens while it does not answer";
        let help = "add `on_failure: divide` (each process counts by itself, up to its share), `allow` (everything is let in) or `deny` (everything is answered 503)";
        context.error(Code::MissingKey, span, message, help);
    }
    let place = place(raw, span, context);
    let password = raw.password.as_ref().map(|text| context.secret(text));
    let user = raw.user.as_ref().filter(|text| names::word(text, "user", context));
    let tls = raw.tls.as_ref().map(|tls| tls_of(&tls.value, context));
    let prefix = prefix(raw.prefix.as_ref(), context);
    let timeout = timeout(raw, context);
    let instances = raw.instances.as_ref().map(|number| context.number(Some(number), (1, 10_000), 1));
    let place = place?;
    let tls = match (tls, place.tls) {
        (Some(tls), Some(true) | None) => Some(tls?),
        (Some(_), Some(false)) => {
            let at = raw.tls.as_ref().map_or(span, |tls| tls.span);
            let message = "`tls` is for TLS, but the URL says `redis://`";
            context.error(Code::Conflict, at, message, "write `rediss://`, or remove `tls`");
            return None;
        }
        (None, asked) => (asked == Some(true)).then_some(StoreTls { ca: None }),
    };
    let password = match password {
        Some(password) => Some(password?),
        None => None,
    };
    let (user, password) = credentials(raw, (user, password), place.credentials, context)?;
    in_the_open(raw, &place.servers, tls.is_some(), context);
    Some(Redis {
        servers: place.servers,
        user,
        password,
        database: place.database,
        tls,
        prefix: prefix?,
        timeout,
        on_failure: match raw.on_failure.as_ref()?.value {
            raw::OnFailure::Divide => OnFailure::Divide,
            raw::OnFailure::Allow => OnFailure::Allow,
            raw::OnFailure::Deny => OnFailure::Deny,
        },
        instances,
        sources: Sources {
            url: raw.url.as_ref().filter(|url| is_elsewhere(url)).map(|url| url.value.as_str().into()),
            password: raw.password.as_ref().map(|text| text.value.as_str().into()),
        },
    })
}

/// One of `url`, `sentinel` and `cluster`.
fn place(raw: &raw::Redis, span: crate::config::tree::Span, context: &Context<'_>) -> Option<Place> {
    let url = raw.url.as_ref().map(|text| ("url", text.span));
    let sentinel = raw.sentinel.as_ref().map(|sentinel| ("sentinel", sentinel.span));
    let cluster = raw.cluster.as_ref().map(|list| ("cluster", list.span));
    let mut given = [url, sentinel, cluster].into_iter().flatten();
    let first = given.next();
    if let (Some((one, _)), Some((other, span))) = (first, given.next()) {
        let message = format!("`redis:` has both `{one}` and `{other}`");
        context.error(Code::Conflict, span, message, "keep one of them");
        return None;
    }
    if first.is_none() {
        let message = "`redis:` does not say where it is";
        context.error(Code::MissingKey, span, message, "add `url:`, `sentinel:` or `cluster:`");
        return None;
    }
    if let Some(text) = &raw.url {
        return from_url(text, context);
    }
    let servers = match &raw.sentinel {
        Some(sentinel) => self::sentinel(sentinel, context)?,
        None => Servers::Cluster(addresses(raw.cluster.as_ref()?, "node", context)?),
    };
    Some(Place { servers, database: 0, tls: None, credentials: Credentials::default() })
}

fn sentinel(raw: &Spanned<raw::Sentinel>, context: &Context<'_>) -> Option<Servers> {
    let of = "`sentinel:`";
    let sentinels = context.required(raw.value.addresses.as_ref(), "addresses", of, raw.span);
    let sentinels = sentinels.and_then(|list| addresses(list, "sentinel", context));
    let primary = context.required(raw.value.primary.as_ref(), "primary", of, raw.span);
    let primary = primary.filter(|text| names::word(text, "primary", context));
    Some(Servers::Sentinel { sentinels: sentinels?, primary: primary?.value.as_str().into() })
}

fn addresses(list: &Spanned<Vec<Text>>, what: &str, context: &Context<'_>) -> Option<Vec<Box<str>>> {
    if list.value.is_empty() {
        let help = format!("name at least one {what}, as in `[\"redis.internal:6379\"]`");
        context.error(Code::BadValue, list.span, format!("no {what} is named here"), help);
        return None;
    }
    let mut all: Vec<Box<str>> = Vec::with_capacity(list.value.len());
    for text in &list.value {
        let Some(address) = address(&text.value, None) else {
            let message = format!("`{}` is not a host with a port", text.value);
            context.error(Code::BadValue, text.span, message, ADDRESS_HELP);
            continue;
        };
        if all.contains(&address) {
            let message = format!("`{address}` is listed twice");
            context.warn(Code::Suspicious, text.span, message, "remove one of them");
            continue;
        }
        all.push(address);
    }
    (!all.is_empty()).then_some(all)
}

/// Whether the URL itself stands somewhere else.
fn is_elsewhere(text: &Text) -> bool {
    text.value.starts_with("env:") || text.value.starts_with("file:")
}

fn from_url(text: &Text, context: &Context<'_>) -> Option<Place> {
    if !is_elsewhere(text) {
        let place = match url::read(&text.value) {
            Ok(place) => place,
            Err(fault) => {
                let message = format!("this is not the URL of a Redis: {fault}");
                // What cannot be read may hold a password anywhere.
                context.hidden_error(Code::BadValue, text.span, message, URL_HELP);
                return None;
            }
        };
        if place.credentials.password.is_some() {
            let message = "a password must not stand in the configuration";
            let help = "take it out and add `password: env:NAME` or `password: file:PATH`, or let the whole URL come from there: `url: env:NAME`";
            context.hidden_error(Code::Insecure, text.span, message, help);
            return None;
        }
        return Some(place);
    }
    let place = url::read(&context.secret(text)?);
    if let Err(fault) = &place {
        let message = format!("what `{}` holds is not the URL of a Redis: {fault}", text.value);
        context.error(
            Code::BadValue,
            text.span,
            message,
            "it looks like `redis://USER:PASSWORD@HOST:6379/0`",
        );
    }
    place.ok()
}

type Both = (Option<Box<str>>, Option<Box<str>>);

/// Who we are: as the URL says, or as the keys say, not both.
fn credentials(
    raw: &raw::Redis,
    (user, password): (Option<&Text>, Option<String>),
    url: Credentials,
    context: &Context<'_>,
) -> Option<Both> {
    let keys = [
        // The same user twice says nothing new.
        ("user", raw.user.as_ref().filter(|text| url.user.as_ref().is_some_and(|user| *user != text.value))),
        ("password", raw.password.as_ref().filter(|_| url.password.is_some())),
    ];
    if let Some((key, text)) = keys.into_iter().find_map(|(key, text)| Some((key, text?))) {
        let message = format!("the URL already has a {key}");
        context.error(Code::Conflict, text.span, message, "keep one of them");
        return None;
    }
    let user = user.map(|text| text.value.clone()).or(url.user);
    let password = password.or(url.password);
    if user.is_some() && password.is_none() {
        let at = raw.user.as_ref().or(raw.url.as_ref()).map(|text| text.span).unwrap_or_default();
        let message = "a user without a password is nobody";
        context.error(Code::MissingKey, at, message, "add `password: env:NAME` or `password: file:PATH`");
        return None;
    }
    Some((user.map(Into::into), password.map(Into::into)))
}

/// Warns when the network between is somebody else's and nothing protects what is said.
fn in_the_open(raw: &raw::Redis, servers: &Servers, tls: bool, context: &Context<'_>) {
    let (all, at, help) = match servers {
        Servers::Single(one) => {
            (std::slice::from_ref(one), raw.url.as_ref().map(|text| text.span), "use `rediss://`")
        }
        Servers::Sentinel { sentinels, .. } => {
            (&**sentinels, raw.sentinel.as_ref().map(|one| one.span), "add `tls: {}`")
        }
        Servers::Cluster(nodes) => (&**nodes, raw.cluster.as_ref().map(|list| list.span), "add `tls: {}`"),
    };
    let public = |address: &&str| {
        let host = address.rsplit_once(':').map_or("", |(host, _)| host).trim_matches(['[', ']']);
        host.parse::<IpAddr>().is_ok_and(|address| !is_private(address))
    };
    if let (Some(address), Some(at)) = (all.iter().map(|one| &**one).find(public).filter(|_| !tls), at) {
        let message = format!("what is said to the store at `{address}` can be read and changed on its way");
        context.warn(Code::PlaintextUpstream, at, message, help);
    }
}

fn tls_of(raw: &raw::StoreTls, context: &Context<'_>) -> Option<StoreTls> {
    let ca = raw.ca.as_ref().map(|ca| pem::certificates(ca, context));
    Some(StoreTls {
        ca: match ca {
            Some(ca) => Some(ca?),
            None => None,
        },
    })
}

/// Braces would decide where a cluster keeps a key (its hash tags).
fn prefix(text: Option<&Text>, context: &Context<'_>) -> Option<Box<str>> {
    let Some(text) = text else { return Some("portcullis:".into()) };
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'{' | b'}');
    let good = (1..=64).contains(&text.value.len()) && text.value.bytes().all(plain);
    if !good {
        let message = format!("`{}` cannot stand in front of keys", text.value);
        let help = "use 1 to 64 visible ASCII characters without space, `{` and `}`, as in `shop:`";
        context.error(Code::BadValue, text.span, message, help);
    }
    good.then(|| text.value.as_str().into())
}

fn timeout(raw: &raw::Redis, context: &Context<'_>) -> Duration {
    let timeout = context.time(raw.timeout.as_ref(), TIMEOUT);
    if let Some(text) = raw.timeout.as_ref().filter(|_| !timeout.is_zero() && !TIMEOUTS.contains(&timeout)) {
        let message = format!("`{}` is out of range: every request waits this long", text.0.value);
        context.error(Code::BadValue, text.0.span, message, "from 1ms to 1s");
    }
    timeout
}
