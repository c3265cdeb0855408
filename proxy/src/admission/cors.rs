//! Which pages in browsers may read answers: the Fetch standard, §3.2 "CORS protocol". Pure.
//!
//! Nothing is kept from anybody here: browsers ask on behalf of their users, and refuse by themselves. Whoever writes
//! requests without a browser is not held up, so this never stands in for `auth:`.
//!
//! | request | then |
//! |--|--|
//! | OPTIONS with `Origin` and `Access-Control-Request-Method`, on a route with a policy | answered here, before anybody is asked who they are: browsers send no credentials with it |
//! | the same on a route without a policy | an ordinary request: the service may have a policy of its own |
//! | any other | answered as ever; [`decorate`] says who may read the answer, also when it is a refusal |
//!
//! A preflight from a page that is not listed gets 204 without CORS headers, as if there were no policy: browsers treat
//! that like any other status without them and name the missing header, while a 403 would look like a refusal of the
//! user. One for a method or header that is not listed gets the lists, so that the browser can say which was missing.
//!
//! It must not know routes: which one a preflight is about is found by [`requested_method`] and its path.

use crate::config::cors::{Cors, OriginPattern, Origins};
use crate::config::route::Methods;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

/// What the answer to a preflight depends on.
const PREFLIGHT_VARIES: HeaderValue =
    HeaderValue::from_static("Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
/// Longest label of a host name (RFC 1035 §2.3.4).
const LONGEST_LABEL: usize = 63;

/// The answer to a preflight: 204 with these headers and no body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preflight {
    /// The headers of the answer.
    pub headers: HeaderMap,
    /// Why the browser will not send the request, for logs and metrics; `None` = it will.
    pub refused: Option<Refused>,
}

/// Why a browser will not send a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The page is not listed.
    Origin,
    /// The method is not.
    Method,
    /// A header is not.
    Header,
}

impl Refused {
    /// The word used everywhere.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Origin => "cors_origin",
            Self::Method => "cors_method",
            Self::Header => "cors_header",
        }
    }
}

/// The method a preflight asks about; `None` = this is no preflight. The route is looked for with this method.
pub fn requested_method(method: &Method, headers: &HeaderMap) -> Option<Method> {
    if method != Method::OPTIONS || !headers.contains_key(ORIGIN) {
        return None;
    }
    Method::from_bytes(only(headers, &ACCESS_CONTROL_REQUEST_METHOD)?.as_bytes()).ok()
}

/// The page a request comes from. Two of these fields are none: no browser sends that, and a choice would be a guess.
pub fn origin(headers: &HeaderMap) -> Option<&HeaderValue> {
    only(headers, &ORIGIN)
}

/// The answer to a preflight that asks about `method`. `methods` are those of the route, which count where the policy
/// names none.
pub fn preflight(cors: &Cors, methods: &Methods, (method, asked): (&Method, &HeaderMap)) -> Preflight {
    let mut headers = HeaderMap::with_capacity(6);
    headers.insert(VARY, PREFLIGHT_VARIES);
    let Some(allowed) = allowed_origin(cors, origin(asked)) else {
        return Preflight { headers, refused: Some(Refused::Origin) };
    };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    if cors.credentials {
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    let known = known_methods(cors, methods);
    // Where every method is taken, the one that is asked for is: `*` would not be understood with credentials.
    let named = match known {
        Some(list) => joined(list.iter().map(Method::as_str)),
        None => HeaderValue::from_str(method.as_str()).ok(),
    };
    insert(&mut headers, ACCESS_CONTROL_ALLOW_METHODS, named);
    insert(&mut headers, ACCESS_CONTROL_ALLOW_HEADERS, joined(cors.headers.iter().map(HeaderName::as_str)));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(cors.max_age.as_secs()));
    let refused = if known.is_some_and(|list| !may_use(list, method)) {
        Some(Refused::Method)
    } else if !may_send(cors, asked) {
        Some(Refused::Header)
    } else {
        None
    };
    Preflight { headers, refused }
}

/// Says in an answer who may read it; `origin` is that of the request ([`origin`]). What the service said about it is
/// taken out: two policies in one answer are none, as browsers refuse a field that comes twice.
///
/// For every answer of a route with a policy, refusals of our own among them; an answer of a route without one is left
/// as the service wrote it.
pub fn decorate(cors: &Cors, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
    strip(headers);
    if matches!(cors.origins, Origins::These(_)) {
        vary_by_origin(headers);
    }
    let Some(allowed) = allowed_origin(cors, origin) else { return };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    if cors.credentials {
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    insert(headers, ACCESS_CONTROL_EXPOSE_HEADERS, joined(cors.expose.iter().map(HeaderName::as_str)));
}

/// What `Access-Control-Allow-Origin` says; `None` = it stays away. Where everybody may read, nothing depends on who
/// asks, so that a cache can hand one answer to all.
fn allowed_origin(cors: &Cors, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
    match &cors.origins {
        Origins::Any => Some(HeaderValue::from_static("*")),
        Origins::These(patterns) => {
            origin.filter(|origin| patterns.iter().any(|one| one.matches(origin.as_bytes()))).cloned()
        }
    }
}

impl OriginPattern {
    /// Whether this is such an origin, byte for byte as browsers write it. `null` is none: every page in a sandbox
    /// and every local file has it.
    fn matches(&self, origin: &[u8]) -> bool {
        match self {
            Self::Exact(exact) => exact.as_bytes() == origin,
            Self::OneLabel { scheme, rest } => {
                let label = origin
                    .strip_prefix(scheme.as_bytes())
                    .and_then(|name| name.strip_suffix(rest.as_bytes()));
                label.is_some_and(is_label)
            }
        }
    }
}

/// One label of a host name in lower case; no dot, so it is one, and nothing that would end the name before the rest.
fn is_label(label: &[u8]) -> bool {
    let inside =
        |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    (1..=LONGEST_LABEL).contains(&label.len()) && label.iter().all(inside)
}

/// The methods that are named; `None` = all.
fn known_methods<'a>(cors: &'a Cors, of_route: &'a Methods) -> Option<&'a [Method]> {
    match of_route {
        _ if !cors.methods.is_empty() => Some(&cors.methods),
        Methods::These(list) => Some(list),
        Methods::Any => None,
    }
}

/// Browsers send GET, HEAD and POST whatever the answer names.
fn may_use(list: &[Method], method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::POST].contains(method) || list.contains(method)
}

fn may_send(cors: &Cors, headers: &HeaderMap) -> bool {
    let fields = headers.get_all(ACCESS_CONTROL_REQUEST_HEADERS).iter();
    fields
        .flat_map(names)
        .all(|name| cors.headers.iter().any(|allowed| allowed.as_str().as_bytes().eq_ignore_ascii_case(name)))
}

/// The names in a list of names.
fn names(field: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    field.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|name| !name.is_empty())
}

/// The one value of a field.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

fn joined<'a>(names: impl Iterator<Item = &'a str>) -> Option<HeaderValue> {
    let mut text = String::new();
    for name in names {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(name);
    }
    HeaderValue::try_from(text).ok().filter(|value| !value.is_empty())
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>) {
    if let Some(value) = value {
        headers.insert(name, value);
    }
}

/// Every field of the protocol, those of later versions among them.
fn strip(headers: &mut HeaderMap) {
    let said: smallvec::SmallVec<[HeaderName; 4]> =
        headers.keys().filter(|name| name.as_str().starts_with("access-control-")).cloned().collect();
    for name in said {
        headers.remove(name);
    }
}

/// Keeps caches from handing the answer for one page to another.
fn vary_by_origin(headers: &mut HeaderMap) {
    let says = |name: &[u8]| name == b"*" || name.eq_ignore_ascii_case(b"origin");
    if !headers.get_all(VARY).iter().flat_map(names).any(says) {
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
}

#[cfg(test)]
#[path = "cors_tests.rs"]
mod tests;
