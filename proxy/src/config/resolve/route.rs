//! `routes:`: each route by itself; what routes do to each other is in [`crate::config::proofs`].

use super::{address, auth, cors, headers, limits, serving, target};
use crate::config::context::Context;
use crate::config::cors::Cors;
use crate::config::diagnostic::Code;
use crate::config::findings::nearest;
use crate::config::leaf::{Date, HeaderText};
use crate::config::listener::Role;
use crate::config::raw;
use crate::config::route::{
    Deprecation, HostPattern, Methods, PathPattern, PathRules, PathTemplate, Predicate, Route, Upgrade,
    ValueMatch,
};
use crate::config::service::Service;
use crate::config::tree::{Spanned, Text};
use crate::config::units::{self, DATE_HELP, PACE_HELP};
use crate::route::{host, path};
use http::{HeaderName, HeaderValue, Method};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Largest request body unless the file says otherwise: 10 MiB.
pub(super) const MAX_BODY: u64 = 10 << 20;

/// What every route does, unless it says otherwise.
#[derive(Default)]
struct Defaults {
    headers: headers::Rules,
    cors: Option<Arc<Cors>>,
    /// `none`: nothing is tried again.
    retry: Option<raw::NoneWord>,
}

/// What a route is read with.
struct Around<'a> {
    file: &'a raw::File,
    services: &'a [Service],
    defaults: Defaults,
}

/// The routes in the order of the file; those that cannot be read are left out.
pub(super) fn routes(raw: &raw::File, services: &[Service], context: &Context<'_>) -> Vec<Route> {
    let defaults = raw.defaults.as_ref().map(|defaults| Defaults {
        headers: headers::rules(&defaults.value.headers, context),
        cors: cors::cors(defaults.value.cors.as_ref(), context).flatten(),
        retry: defaults.value.retry.as_ref().map(|word| word.value),
    });
    let around = Around { file: raw, services, defaults: defaults.unwrap_or_default() };
    unique_names(raw.routes(), context);
    let common = limits::of_defaults(raw, context);
    let route = |one: &Spanned<raw::Route>| {
        let limits = limits::of_route(&one.value, &common, raw, context);
        Some(Route { limits, ..route(one, &around, context)? })
    };
    raw.routes().iter().filter_map(route).collect()
}

fn unique_names(routes: &[Spanned<raw::Route>], context: &Context<'_>) {
    let mut seen: HashMap<&str, u32> = HashMap::new();
    for name in routes.iter().filter_map(|route| route.value.name.as_ref()) {
        if let Some(line) = seen.insert(&name.value, name.span.line) {
            let message = format!("two routes are called `{}`", name.value);
            context.error(
                Code::DuplicateName,
                name.span,
                message,
                format!("the other is at line {line}; rename one"),
            );
        }
    }
}

fn route(raw: &Spanned<raw::Route>, around: &Around<'_>, context: &Context<'_>) -> Option<Route> {
    let Around { file, services, defaults } = around;
    let span = raw.span;
    let raw = &raw.value;
    let of = raw.name.as_ref().map_or_else(|| "a route".to_owned(), |name| format!("route `{}`", name.value));
    let name = context.required(raw.name.as_ref(), "name", &of, span);
    if let Some(name) = name {
        context.name(name, "a route");
    }
    let matched =
        context.required(raw.r#match.as_ref(), "match", &of, span).and_then(|text| matched(text, context));
    let pattern = matched.as_ref().map(|(_, path)| path);
    let auth = auth::of_route(raw, file, (&of, span), pattern, context);
    let target = target::target(raw, &of, span, context);
    let rewrite =
        raw.path.as_ref().zip(matched.as_ref()).and_then(|(text, (_, path))| rewrite(text, path, context));
    let common = file.defaults.as_ref().map(|defaults| &defaults.value.timeout);
    let times = serving::times((&raw.timeout, common), context);
    let hosts = hosts(&raw.hosts, context);
    let when = when(&raw.when, context);
    let deprecated = raw.deprecated.as_ref().map(|one| deprecation(one, context));
    let headers = headers::rules(&raw.headers, context).over(&defaults.headers);
    let max_body = context.size_or_none(raw.body.max.as_ref(), MAX_BODY);
    let min_rate = min_rate(&raw.body, context);
    let ip = address::rules(raw.ip.as_ref(), &of, context);
    let cors = cors::cors(raw.cors.as_ref(), context).unwrap_or_else(|| defaults.cors.clone());
    let (methods, path) = matched?;
    let upgrade = raw.upgrade.as_ref().map(|word| upgrade(word, (&of, &methods), context));
    let (auth, target) = (auth?, target?);
    let to = serving::Serving { of: &of, file, services, target: &target };
    to.in_time(&times, raw.retry.is_none() && defaults.retry.is_none(), context);
    Some(Route {
        name: Arc::from(name?.value.as_str()),
        line: span.line as usize,
        entrance: Role::Edge,
        methods,
        hosts,
        path,
        when,
        ip,
        auth: auth.auth,
        allow: auth.allow,
        passes_authorization: auth.passes_authorization,
        limits: Vec::new(),
        cors,
        rewrite,
        headers: headers.into_meaning(),
        request_timeout: times.request,
        idle_timeout: times.idle,
        per_try_timeout: times.per_try.map(|(one, _)| one),
        retries: raw.retry.is_none() && defaults.retry.is_none(),
        upgrade,
        on_open: to.on_open(raw, context),
        critical: raw.critical.as_ref().is_some_and(|on| on.value),
        target,
        deprecated: match deprecated {
            Some(deprecated) => Some(deprecated?),
            None => None,
        },
        max_body,
        min_rate,
        paths: paths(&raw.paths),
    })
}

/// What the route lets requests become.
fn upgrade(word: &Spanned<raw::Upgrade>, (of, methods): (&str, &Methods), context: &Context<'_>) -> Upgrade {
    if matches!(methods, Methods::These(list) if !list.contains(&Method::GET)) {
        let message = format!("{of} has no GET, and every WebSocket begins with one");
        context.error(Code::Conflict, word.span, message, "add `GET` to `match`, or remove `upgrade`");
    }
    match word.value {
        raw::Upgrade::WebSocket => Upgrade::WebSocket,
    }
}

/// `METHOD[|METHOD…] /path`.
fn matched(text: &Text, context: &Context<'_>) -> Option<(Methods, PathPattern)> {
    let value = text.value.trim();
    let Some((methods, path)) = value.split_once(char::is_whitespace) else {
        let (message, help) = if value.starts_with(['/', '~']) {
            (
                format!("`{value}` does not say which methods"),
                format!("write `GET {value}`, or `\"* {value}\"` for every method"),
            )
        } else {
            (format!("`{value}` does not say which path"), format!("write `{value} /path`"))
        };
        context.error(Code::BadValue, text.span, message, help);
        return None;
    };
    let methods = self::methods(methods, text, context);
    let path = path.trim();
    let pattern = match path::parse_pattern(path) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            let message = format!("`{path}` is not a path pattern: {error}");
            let help = "patterns are `/a/b`, `/a/{name}/b`, `/a/*/b`, `/a/**` and `~REGEX`";
            context.error(Code::BadValue, text.span, message, help);
            None
        }
    };
    Some((methods?, pattern?))
}

fn methods(list: &str, text: &Text, context: &Context<'_>) -> Option<Methods> {
    if list == "*" {
        return Some(Methods::Any);
    }
    let mut methods = Vec::new();
    for name in list.split('|') {
        let method = method(name, text, context)?;
        if !methods.contains(&method) {
            methods.push(method);
        }
    }
    Some(Methods::These(methods))
}

/// One method; those we have not heard of are taken, but one that looks like a slip is pointed out.
pub(super) fn method(name: &str, text: &Text, context: &Context<'_>) -> Option<Method> {
    const KNOWN: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];
    let fail = |message: String, help: String| {
        context.error(Code::BadValue, text.span, message, help);
        None
    };
    let upper = name.to_ascii_uppercase();
    let Ok(method) = Method::from_bytes(name.as_bytes()) else {
        return fail(
            format!("`{name}` is not a method"),
            "write it as `GET /path` or `GET|POST /path`".to_owned(),
        );
    };
    if upper != name {
        return fail(format!("`{name}` is not a method: methods are upper case"), format!("write `{upper}`"));
    }
    if method == Method::CONNECT {
        return fail("CONNECT has no path, so no route can match it".to_owned(), "remove it".to_owned());
    }
    if !KNOWN.contains(&name)
        && let Some(near) = nearest(name, KNOWN)
    {
        let message = format!("`{name}` is an unusual method");
        context.warn(Code::Suspicious, text.span, message, format!("did you mean `{near}`?"));
    }
    Some(method)
}

fn rewrite(text: &Text, pattern: &PathPattern, context: &Context<'_>) -> Option<PathTemplate> {
    match path::parse_template(&text.value, pattern) {
        Ok(template) => Some(template),
        Err(error) => {
            let message = format!("`{}` is not a path to send: {error}", text.value);
            let help = "write a path; `{name}` and `**` stand for what `match` caught under them";
            context.error(Code::BadValue, text.span, message, help);
            None
        }
    }
}

fn hosts(raw: &[Text], context: &Context<'_>) -> Vec<HostPattern> {
    let mut hosts = Vec::new();
    for text in raw {
        match host::parse_pattern(&text.value) {
            Ok(pattern) if !hosts.contains(&pattern) => hosts.push(pattern),
            Ok(_) => {
                let message = format!("host `{}` is listed twice", text.value);
                context.warn(Code::Suspicious, text.span, message, "remove one of them");
            }
            Err(error) => {
                let message = format!("`{}` is not a host: {error}", text.value);
                context.error(
                    Code::BadValue,
                    text.span,
                    message,
                    "hosts are `shop.example` or `*.shop.example`",
                );
            }
        }
    }
    hosts
}

fn when(raw: &raw::When, context: &Context<'_>) -> Vec<Predicate> {
    let value = |text: &HeaderText| match text.0.value.as_str() {
        "*" => ValueMatch::Present,
        other => ValueMatch::Exact(Arc::from(other)),
    };
    let headers = raw.header.0.iter().filter_map(|(name, text)| {
        let header = condition_header(name, context)?;
        Some(Predicate::Header(header, value(text)))
    });
    let query =
        raw.query.0.iter().map(|(name, text)| Predicate::Query(Arc::from(name.value.as_str()), value(text)));
    headers.chain(query).collect()
}

fn condition_header(name: &Text, context: &Context<'_>) -> Option<HeaderName> {
    let header = headers::name(name, context)?;
    if header == http::header::HOST {
        context.error(
            Code::BadValue,
            name.span,
            "the host is not matched as a header",
            "use `hosts: [shop.example]`",
        );
        return None;
    }
    Some(header)
}

fn deprecation(raw: &Spanned<raw::Deprecated>, context: &Context<'_>) -> Option<Deprecation> {
    let since = context.required(raw.value.since.as_ref(), "since", "`deprecated:`", raw.span);
    let since = since.and_then(|date| day(date, context));
    let sunset = raw.value.sunset.as_ref().map(|date| (date, day(date, context)));
    if let (Some(since), Some((text, Some(end)))) = (since, sunset)
        && end < since
    {
        context.error(
            Code::BadValue,
            text.0.span,
            "`sunset` is before `since`",
            "a route is deprecated first, and ends later",
        );
    }
    let link = raw.value.link.as_ref().map(|link| self::link(link, context));
    let http_date = |unix| httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(unix));
    Some(Deprecation {
        deprecation: HeaderValue::try_from(format!("@{}", since?)).ok()?,
        sunset: sunset.and_then(|(_, end)| HeaderValue::try_from(http_date(end?)).ok()),
        link: link.flatten(),
    })
}

fn day(Date(text): &Date, context: &Context<'_>) -> Option<u64> {
    units::date(&text.value).map_err(|error| context.bad_unit(text.span, &error, DATE_HELP)).ok()
}

/// `<URL>; rel="deprecation"` (RFC 9745 §3).
fn link(text: &Text, context: &Context<'_>) -> Option<HeaderValue> {
    let url = &text.value;
    let rooted = url.starts_with("https://") || url.starts_with("http://") || url.starts_with('/');
    let plain = url.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b'"'));
    if !rooted || !plain {
        let message = format!("`{url}` is not a URL");
        context.error(Code::BadValue, text.span, message, "write it as `https://shop.example/docs/v2`");
        return None;
    }
    HeaderValue::try_from(format!("<{url}>; rel=\"deprecation\"")).ok()
}

/// How fast a request body must come at least, in bytes a second.
pub(super) fn min_rate(raw: &raw::Body, context: &Context<'_>) -> Option<u64> {
    let text = raw.min_rate.as_ref()?;
    match units::pace(&text.value) {
        Ok(0) => {
            let help = "remove the key: then only a body that stands still is refused";
            context.error(Code::BadValue, text.span, "this rate must be more than 0", help);
            None
        }
        Ok(rate) => Some(rate),
        Err(error) => {
            context.bad_unit(text.span, &error, PACE_HELP);
            None
        }
    }
}

/// What paths may contain that is refused by default.
pub(super) fn paths(raw: &raw::Paths) -> PathRules {
    let keeps = |field: &Option<Spanned<raw::KeepOrRefuse>>| {
        field.as_ref().is_some_and(|word| word.value == raw::KeepOrRefuse::Keep)
    };
    PathRules { encoded_slash: keeps(&raw.encoded_slash), semicolon: keeps(&raw.semicolon) }
}
