//! `cors:` of routes and `defaults:`: which pages of other origins may read answers.

use super::headers;
use crate::config::context::Context;
use crate::config::cors::{Cors, OriginPattern, Origins};
use crate::config::diagnostic::Code;
use crate::config::findings::choose;
use crate::config::raw;
use crate::config::tree::{Spanned, Text};
use crate::config::units::show_time;
use crate::route::host;
use http::{HeaderName, Method};
use std::sync::Arc;
use std::time::Duration;

/// How long a browser may remember the answer to a preflight, unless the file says otherwise.
const MAX_AGE: Duration = Duration::from_secs(10 * 60);
/// Browsers remember it no longer than this (Firefox; Chromium 2 h).
const LONGEST_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// What a page can ask for; CONNECT, TRACE and TRACK are forbidden to it (Fetch §2.2.1).
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// What a route or the defaults say. `None` = nothing; `Some(None)` = nobody may read.
pub(super) fn cors(
    raw: Option<&Spanned<raw::CorsOrNone>>,
    context: &Context<'_>,
) -> Option<Option<Arc<Cors>>> {
    let raw = raw?;
    let raw::CorsOrNone::Pages(pages) = &raw.value else { return Some(None) };
    let list = context.required(pages.origins.as_ref(), "origins", "`cors:`", raw.span);
    let credentials = pages.credentials.as_ref().is_some_and(|on| on.value);
    let policy = Cors {
        origins: list.map_or(Origins::These(Vec::new()), |list| origins(list, credentials, context)),
        methods: pages.methods.as_ref().map(|list| methods(list, context)).unwrap_or_default(),
        headers: names(&pages.headers, context),
        expose: names(&pages.expose, context),
        credentials,
        max_age: max_age(pages, context),
    };
    Some(Some(Arc::new(policy)))
}

fn origins(list: &Spanned<Vec<Text>>, credentials: bool, context: &Context<'_>) -> Origins {
    if list.value.is_empty() {
        let help = "name at least one, as in `https://shop.example`, or write `cors: none`";
        context.error(Code::BadValue, list.span, "no origin is named here", help);
    }
    if let Some(all) = list.value.iter().find(|text| text.value == "*") {
        if credentials {
            let message = "with `credentials` every page could act in the name of whoever looks at it";
            context.error(Code::Insecure, all.span, message, "name the origins, or remove `credentials`");
        }
        if list.value.len() > 1 {
            let message = "`*` is every origin: the others say nothing more";
            context.error(Code::Conflict, all.span, message, "remove `*`, or the others");
        }
        return Origins::Any;
    }
    let mut patterns: Vec<OriginPattern> = Vec::with_capacity(list.value.len());
    for text in &list.value {
        let Some(pattern) = origin(text, context) else { continue };
        if patterns.contains(&pattern) {
            let message = format!("`{}` is listed twice", text.value);
            context.warn(Code::Suspicious, text.span, message, "remove one of them");
            continue;
        }
        patterns.push(pattern);
    }
    Origins::These(patterns)
}

/// `https://shop.example`, `https://*.shop.example` or either with a port: as a browser writes it, so that comparing
/// bytes is enough.
fn origin(text: &Text, context: &Context<'_>) -> Option<OriginPattern> {
    let value = text.value.as_str();
    let fail = |message: String, help: String| {
        context.error(Code::BadValue, text.span, message, help);
        None
    };
    if value == "null" {
        let message = "`null` is every page in a sandbox and every local file: it names nobody".to_owned();
        return fail(message, "name the origin of the page".to_owned());
    }
    let lower = value.to_ascii_lowercase();
    if lower != value {
        return fail(format!("`{value}`: browsers write origins in lower case"), format!("write `{lower}`"));
    }
    let Some((scheme, rest)) = split_scheme(value) else {
        let host = value.trim_start_matches(|c: char| !c.is_ascii_alphanumeric() && c != '*');
        return fail(format!("`{value}` does not begin with a scheme"), format!("write `https://{host}`"));
    };
    if let Some((authority, _)) = rest.split_once(['/', '?', '#']) {
        let message = format!("`{value}`: an origin has no path, not even `/`");
        return fail(message, format!("write `{scheme}{authority}`"));
    }
    let (name, port) = parts(rest);
    if let Err(wrong) = check_port(scheme, port) {
        return fail(format!("`{value}`: {wrong}"), format!("write `{scheme}{name}`, or a port of its own"));
    }
    if let Err(error) = check_name(name) {
        let help = "write it as `https://shop.example` or `https://*.shop.example`";
        return fail(format!("`{value}` is not an origin: {error}"), help.to_owned());
    }
    warn_of_origin(text, (scheme, name), context);
    Some(match rest.strip_prefix('*') {
        Some(rest) => OriginPattern::OneLabel { scheme: scheme.into(), rest: rest.into() },
        None => OriginPattern::Exact(value.into()),
    })
}

/// `https://` and what follows; apps and extensions of browsers have schemes of their own.
fn split_scheme(value: &str) -> Option<(&str, &str)> {
    let (name, rest) = value.split_once("://")?;
    let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '+' | '-' | '.');
    let is_scheme = name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(inside);
    is_scheme.then_some((value.strip_suffix(rest)?, rest))
}

/// Host and port of `shop.example:8443` or `[::1]:3000`.
fn parts(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

fn check_port(scheme: &str, port: Option<&str>) -> Result<(), &'static str> {
    let Some(port) = port else { return Ok(()) };
    let number = port.parse::<u16>().ok().filter(|number| *number > 0 && number.to_string() == port);
    match number {
        None => Err("this is not a port"),
        Some(number) if [("https://", 443), ("http://", 80)].contains(&(scheme, number)) => {
            Err("browsers leave out the port that everybody expects")
        }
        Some(_) => Ok(()),
    }
}

/// A host of a route is one of an origin too, but for the dot of the root.
fn check_name(name: &str) -> Result<(), String> {
    if name.ends_with('.') {
        return Err("a name ends without a dot".to_owned());
    }
    if name == "*" {
        return Err("`*` stands for one label in front of a domain".to_owned());
    }
    host::parse_pattern(name).map(|_| ()).map_err(|error| error.to_string())
}

fn warn_of_origin(text: &Text, (scheme, name): (&str, &str), context: &Context<'_>) {
    let value = &text.value;
    let here = ["localhost", "127.0.0.1", "[::1]"].contains(&name) || name.ends_with(".localhost");
    if scheme == "http://" && !here {
        let message = format!("`{value}`: who is between such a page and its user can write into it");
        context.warn(Code::Insecure, text.span, message, format!("use `https://{name}`"));
    }
    if let Some(suffix) = name.strip_prefix("*.").filter(|suffix| !suffix.contains('.') && !here) {
        let message = format!("`{value}` is every name right below `{suffix}`");
        context.warn(Code::Insecure, text.span, message, "name the domain, as in `https://*.shop.example`");
    }
}

fn methods(list: &Spanned<Vec<Text>>, context: &Context<'_>) -> Vec<Method> {
    if list.value.is_empty() {
        let help = "remove it: then those of the route count; write `[GET]` for none but the usual ones";
        context.error(Code::BadValue, list.span, "no method is named here", help);
    }
    let mut methods: Vec<Method> = Vec::with_capacity(list.value.len());
    for text in &list.value {
        let name = text.value.as_str();
        let known = Method::from_bytes(name.as_bytes()).ok().filter(|_| METHODS.contains(&name));
        let Some(method) = known else {
            let message = format!("`{name}` is not a method that pages use");
            let help = if name == "*" {
                "leave `methods` out: then those of the route count".to_owned()
            } else {
                choose(name, METHODS, "it can be")
            };
            context.error(Code::BadValue, text.span, message, help);
            continue;
        };
        if !methods.contains(&method) {
            methods.push(method);
        }
    }
    methods
}

fn names(list: &[Text], context: &Context<'_>) -> Vec<HeaderName> {
    let mut names: Vec<HeaderName> = Vec::with_capacity(list.len());
    for text in list {
        if text.value == "*" {
            let message = "`*` is not understood by every browser, and never means `Authorization`";
            context.error(Code::BadValue, text.span, message, "name the headers");
            continue;
        }
        let Some(name) = headers::name(text, context) else { continue };
        if names.contains(&name) {
            let message = format!("`{}` is listed twice", text.value);
            context.warn(Code::Suspicious, text.span, message, "remove one of them");
            continue;
        }
        names.push(name);
    }
    names
}

fn max_age(pages: &raw::Cors, context: &Context<'_>) -> Duration {
    let length = context.time_or_zero(pages.max_age.as_ref(), MAX_AGE);
    if let Some(text) = pages.max_age.as_ref().filter(|_| length > LONGEST_AGE) {
        let message = format!("no browser remembers this for longer than {}", show_time(LONGEST_AGE));
        context.warn(Code::Suspicious, text.0.span, message, format!("write `{}`", show_time(LONGEST_AGE)));
    }
    length
}
