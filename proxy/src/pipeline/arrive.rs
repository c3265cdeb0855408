//! From the head of a request to its route: everything that can be known before anybody is asked who it is. Pure.
//!
//! ```text
//! framing of HTTP/2 -> id, trace, client -> circles -> protected fields deleted -> host -> redirect
//!   -> canonical path -> route (a preflight is answered) -> address -> in the mesh: the rules of the workload
//! ```

use super::admit::{Known, Origin, Rules};
use super::clean::{clean, unnames_protected};
use super::reject::Rejection;
use super::trace::Trace;
use super::{forwarded, request_id};
use crate::admission::authorize::{self, Asked, Policy};
use crate::admission::cors;
use crate::admission::path::{CanonicalPath, PathFault};
use crate::config::listener::Role;
use crate::config::trust::Strictness;
use crate::config::{Config, Route};
use crate::listener::gate::{Fault, Limits, http2};
use crate::resilience::deadline::{self, Hop};
use crate::route::{Found, Head, host};
use http::header::{self, HeaderName};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Version};
use std::borrow::Cow;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// So often may a request have been through a portcullis: more is a circle.
const MAX_PASSES: usize = 8;

/// A request that has found its route.
#[derive(Debug)]
pub struct Arrived {
    /// Index of the route.
    pub route: usize,
    /// Host to send, as the client spelt it.
    pub host: HeaderValue,
    /// Path and query as they came.
    pub came: PathAndQuery,
    /// What a trusted proxy said about the client.
    pub said: forwarded::Said,
    /// The canonical path; `None`: it came in that form.
    canonical: Option<Box<str>>,
    /// How an application may read a permitted `;` or `%2F`; must be allowed as well.
    folded: Option<Box<str>>,
}

impl Arrived {
    /// The canonical path.
    pub fn path(&self) -> &str {
        self.canonical.as_deref().unwrap_or(self.came.path())
    }

    /// Whether the original may be sent untouched.
    pub fn is_unchanged(&self) -> bool {
        self.canonical.is_none()
    }

    /// Every form of the path a rule must allow.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.folded.as_deref().into_iter().chain([self.path()])
    }
}

/// Finds the route. Afterwards `head.headers` hold nothing that only we may say.
pub fn arrive(
    rules: Rules<'_>,
    origin: &Origin<'_>,
    known: &mut Known,
    head: &mut Parts,
) -> Result<Arrived, Rejection> {
    known.take_note(head);
    // Room for what is added later: growing twice would hash everything twice.
    head.headers.reserve(8);
    let strict = rules.config.strict;
    if head.version == Version::HTTP_2 {
        http2::check(head, strict.underscores, &Limits::default()).map_err(Rejection::Framing)?;
    }
    known.hop = hop_before(origin, known.grpc, &head.headers);
    let said = identify(rules.config, origin, known, &mut head.headers);
    if is_going_in_circles(&head.headers) {
        return Err(Rejection::Loop);
    }
    if unnames_protected(&head.headers) {
        return Err(Rejection::Framing(Fault::ConnectionOption));
    }
    clean(&mut head.headers, strict.underscores == Strictness::Drop);
    if head.version == Version::HTTP_2 {
        join_cookies(&mut head.headers);
    }
    let host = host_of(head);
    known.host = host::normalise(host.to_str().unwrap_or_default()).into();
    if origin.tls.is_some_and(|tls| !tls.serves(&known.host)) {
        return Err(Rejection::Misdirected);
    }
    if let Some(port) = origin.redirect_https {
        return Err(redirect(&known.host, port, known.target.as_ref()));
    }
    let arrived = find(rules, known, head, (host, said))?;
    let route = rules.config.routes.get(arrived.route).ok_or(Rejection::NoRoute)?;
    if !route.ip.permits(known.client.ip()) {
        return Err(Rejection::AddressDenied);
    }
    if matches!(origin.role, Role::Inbound { .. }) {
        for path in arrived.paths() {
            authorized(rules.policy, origin, known, Some(path))?;
        }
    }
    Ok(arrived)
}

/// What the hop before us says about time and tries; members of the mesh are believed more than others.
fn hop_before(origin: &Origin<'_>, grpc: bool, headers: &HeaderMap) -> Hop {
    let grpc_timeout = if grpc { deadline::grpc_timeout(headers) } else { None };
    if origin.peer.is_none() {
        return Hop { grpc_timeout, ..Hop::default() };
    }
    Hop { grpc_timeout, timeout: deadline::hop_timeout(headers), is_retry: deadline::is_retry(headers) }
}

/// Asks the rules of the workload. `path`: canonical; `None` for a tunnel.
pub fn authorized(
    policy: &Policy,
    origin: &Origin<'_>,
    known: &mut Known,
    path: Option<&str>,
) -> Result<(), Rejection> {
    let asked = Asked { peer: origin.peer, method: &known.method, path, principal: origin.principal };
    let decision = known.decision.insert(policy.decide(&asked));
    // Who says nothing of itself is taken where plaintext is, unless a rule denies it.
    let plaintext = origin.role == Role::Inbound { permissive: true } && origin.peer.is_none();
    if plaintext && decision.rule.is_none() {
        decision.verdict = authorize::Verdict::Allowed;
    }
    match decision.verdict {
        authorize::Verdict::Allowed => Ok(()),
        authorize::Verdict::Denied => Err(Rejection::NotAuthorized),
    }
}

fn find(
    rules: Rules<'_>,
    known: &mut Known,
    head: &Parts,
    (host, said): (HeaderValue, forwarded::Said),
) -> Result<Arrived, Rejection> {
    let Some(came) = known.target.clone() else { return Err(Rejection::NoRoute) };
    if came.path() == "*" && head.method == Method::OPTIONS {
        return Err(Rejection::ServerOptions);
    }
    let path = CanonicalPath::parse(came.path()).map_err(Rejection::Path)?;
    let route = find_route(rules, known, head, (&path, &came));
    // Without a route the strictest rules hold: a doubtful path is 400, never 404.
    let permits =
        route.as_ref().ok().and_then(|index| rules.config.routes.get(*index)).map(|route| route.paths);
    path.permitted_by(&permits.unwrap_or_default()).map_err(Rejection::Path)?;
    let index = route?;
    let folded = path.folded();
    // A permitted `;` or `%2F` must not be a way around the route an application would take the path for.
    if let Some(folded) = &folded
        && matches!(look_up(rules, known, (&head.method, &head.headers), (folded, came.query())),
            Found::Match { index: other, .. } if other != index)
    {
        let slash = path.specials().encoded_slash;
        return Err(Rejection::Path(if slash { PathFault::EncodedSlash } else { PathFault::Semicolon }));
    }
    known.route = Some(index);
    let canonical = match path.into_text() {
        Cow::Borrowed(_) => None,
        Cow::Owned(text) => Some(text.into_boxed_str()),
    };
    Ok(Arrived { route: index, host, said, canonical, folded: folded.map(String::into_boxed_str), came })
}

/// The route of the request; of a preflight, that of the request it asks for.
fn find_route(
    rules: Rules<'_>,
    known: &mut Known,
    head: &Parts,
    (path, came): (&CanonicalPath<'_>, &PathAndQuery),
) -> Result<usize, Rejection> {
    let at = (path.as_str(), came.query());
    if let Some(method) = cors::requested_method(&head.method, &head.headers)
        && let Found::Match { index, .. } = look_up(rules, known, (&method, &head.headers), at)
        && let Some(route) = rules.config.routes.get(index).filter(|route| route.cors.is_some())
    {
        path.permitted_by(&route.paths).map_err(Rejection::Path)?;
        (known.route, known.preflight) = (Some(index), true);
        if !route.ip.permits(known.client.ip()) {
            return Err(Rejection::AddressDenied);
        }
        return Err(preflight(route, &method, &head.headers));
    }
    let found = match look_up(rules, known, (&head.method, &head.headers), at) {
        Found::Match { index, .. } => index,
        Found::NoRoute => return Err(Rejection::NoRoute),
        Found::MethodNotAllowed { allow } => {
            return Err(Rejection::MethodNotAllowed { allow: allow.to_value() });
        }
    };
    // From here on every answer says whether a page may read it.
    let has_cors = rules.config.routes.get(found).is_some_and(|route| route.cors.is_some());
    known.page = cors::origin(&head.headers).filter(|_| has_cors).cloned();
    Ok(found)
}

fn look_up(
    rules: Rules<'_>,
    known: &Known,
    (method, headers): (&Method, &HeaderMap),
    (path, query): (&str, Option<&str>),
) -> Found {
    rules.table.find(&Head { method, host: &known.host, path, query, headers })
}

fn preflight(route: &Route, method: &Method, headers: &HeaderMap) -> Rejection {
    let answer = route.cors.as_deref().map(|cors| cors::preflight(cors, &route.methods, (method, headers)));
    Rejection::Preflight(Box::new(answer.map(|answer| answer.headers).unwrap_or_default()))
}

/// Client address, request id and trace: believed only from trusted peers, except the trace, which is harmless.
fn identify(
    config: &Config,
    origin: &Origin<'_>,
    known: &mut Known,
    headers: &mut HeaderMap,
) -> forwarded::Said {
    known.trace = Trace::take_up(headers, config.observe.b3, known.trace);
    if let Some(id) =
        headers.get(X_REQUEST_ID).filter(|id| origin.names_requests && request_id::is_harmless(id))
    {
        known.request_id = id.clone();
    }
    if !origin.trusted {
        return forwarded::Said::default();
    }
    let said = forwarded::Said::read(headers);
    known.client = said.client(origin.nearest, &config.trust);
    said
}

fn is_going_in_circles(headers: &HeaderMap) -> bool {
    if !headers.contains_key(header::VIA) {
        return false;
    }
    let passes = headers.get_all(header::VIA).iter().filter_map(|value| value.to_str().ok());
    passes.map(|value| value.matches("portcullis").count()).sum::<usize>() >= MAX_PASSES
}

/// HTTP/2 clients send cookies in crumbs; HTTP/1 knows one line (RFC 9113 §8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let crumbs = headers.get_all(header::COOKIE);
    if crumbs.iter().nth(1).is_none() {
        return;
    }
    let joined = crumbs.iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b"; "[..]);
    if let Ok(cookie) = HeaderValue::from_bytes(&joined) {
        headers.insert(header::COOKIE, cookie);
    }
}

/// The host asked for; the gate has seen to it that there is exactly one. Empty only on HTTP/1.0.
fn host_of(head: &mut Parts) -> HeaderValue {
    let said = head.headers.remove(header::HOST);
    let authority = || HeaderValue::from_str(head.uri.authority()?.as_str()).ok();
    said.or_else(authority).unwrap_or_else(|| HeaderValue::from_static(""))
}

fn redirect(host: &str, port: u16, target: Option<&PathAndQuery>) -> Rejection {
    let port = if port == 443 { String::new() } else { format!(":{port}") };
    let location = format!("https://{host}{port}{}", target.map_or("/", PathAndQuery::as_str));
    // A host from the gate and a target from the parser always make a value.
    HeaderValue::try_from(location)
        .map_or(Rejection::Internal, |location| Rejection::RedirectHttps { location })
}
