//! From the head of a request to what would be sent, and where: everything that is decided before an upstream
//! hears of it. Pure, so that `portcullis explain` and `portcullis test` decide exactly as the running proxy.
//!
//! The order is the design's: what costs nothing comes first, and nothing is believed before it is cleaned.

use super::clean::{clean, unnames_protected};
use super::reject::Rejection;
use super::trace::Trace;
use super::{forwarded, request_id};
use crate::admission::authorize::{self, Asked, Policy};
use crate::admission::path::{CanonicalPath, PathFault};
use crate::config::listener::Role;
use crate::config::route::{Auth, Route, Sticky};
use crate::config::trust::Strictness;
use crate::config::{Config, ServiceId};
use crate::identity::principal::Principal;
use crate::identity::projection;
use crate::listener::gate::{Fault, Limits, http2};
use crate::route::{Found, Head, RouteTable, host, split};
use crate::tls::facts::TlsFacts;
use crate::transform;
use http::header::{self, HeaderName};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Version};
use portcullis_ca::spiffe::SpiffeId;
use std::net::SocketAddr;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TXN_TOKEN: HeaderName = HeaderName::from_static("txn-token");
const VIA: HeaderValue = HeaderValue::from_static("1.1 portcullis");
/// So often may a request have been through a portcullis: more is a circle.
const MAX_PASSES: usize = 8;

/// The rules in force.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// Its routes, compiled: those for the role of the origin.
    pub table: &'a RouteTable,
    /// Who may call the workload.
    pub policy: &'a Policy,
}

/// Where a request came from.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The address that connected, or what its trusted PROXY header says.
    pub nearest: SocketAddr,
    /// The same as a header value.
    pub nearest_value: &'a HeaderValue,
    /// Whether it may speak about other addresses.
    pub trusted: bool,
    /// Whether it may choose the request's id.
    pub names_requests: bool,
    /// What kind of listener it came to.
    pub role: Role,
    /// The member of the mesh that sent it.
    pub peer: Option<&'a SpiffeId>,
    /// What the application is told about that member.
    pub client_cert: Option<&'a HeaderValue>,
    /// The user a peer vouches for, verified.
    pub principal: Option<&'a Principal>,
    /// The passport of that user, as the application gets it.
    pub passport: Option<&'a HeaderValue>,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// TLS facts, if any.
    pub tls: Option<&'a TlsFacts>,
    /// The listener only redirects to https on this port.
    pub redirect_https: Option<u16>,
    /// Decides a split without `sticky`.
    pub random: u64,
}

/// What is known about a request so far; filled in step by step, so that a refusal can be recorded with it.
#[derive(Debug)]
pub struct Known {
    /// Method of the request.
    pub method: Method,
    /// Its HTTP version.
    pub version: Version,
    /// Path and query as they came.
    pub target: Option<PathAndQuery>,
    /// Host asked for, normalised; empty while unknown.
    pub host: Box<str>,
    /// The client, as far as we believe it.
    pub client: SocketAddr,
    /// Whether the client speaks gRPC.
    pub grpc: bool,
    /// Its `User-Agent`.
    pub user_agent: Option<HeaderValue>,
    /// Its id.
    pub request_id: HeaderValue,
    /// Its trace.
    pub trace: Trace,
    /// Index of its route.
    pub route: Option<usize>,
    /// What the rules of the workload say.
    pub decision: Option<authorize::Decision>,
}

impl Known {
    /// Nothing yet but the ids it gets unless it brings its own.
    pub fn new(client: SocketAddr, request_id: HeaderValue, trace: Trace) -> Self {
        Self {
            method: Method::GET,
            version: Version::HTTP_11,
            target: None,
            host: Box::default(),
            client,
            grpc: false,
            user_agent: None,
            request_id,
            trace,
            route: None,
            decision: None,
        }
    }

    /// Its path as it came.
    pub fn path(&self) -> &str {
        self.target.as_ref().map_or("", PathAndQuery::path)
    }

    /// Takes note of a CONNECT, which has a host and nothing else.
    pub fn take_note_of_tunnel<B>(&mut self, request: &http::Request<B>) {
        self.method = request.method().clone();
        self.version = request.version();
        self.host = request.uri().host().unwrap_or_default().to_ascii_lowercase().into();
        self.target = Some(PathAndQuery::from_static("/"));
    }

    pub(super) fn take_note(&mut self, head: &Parts) {
        self.method = head.method.clone();
        self.version = head.version;
        self.target = head.uri.path_and_query().cloned();
        self.user_agent = head.headers.get(header::USER_AGENT).cloned();
        // gRPC only ever posts.
        self.grpc = head.method == Method::POST && is_grpc(&head.headers);
    }
}

/// What would be sent, and where.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// Where it goes.
    pub way: Way,
    /// Host to send, as the client spelt it.
    pub host: HeaderValue,
}

/// Where an allowed request goes.
#[derive(Debug, Clone)]
pub struct Way {
    /// Index of the route.
    pub route: usize,
    /// The service chosen.
    pub service: ServiceId,
    /// Path and query to send.
    pub target: PathAndQuery,
    /// The canonical path the rules of the workload have seen; `None` where there are no such rules.
    pub path: Option<Box<str>>,
    /// The user to introduce, who has shown a certificate here.
    pub introduced: Option<Principal>,
}

/// Decides. Afterwards `head.headers` are those to send, Host and framing aside.
pub fn admit(
    rules: Rules<'_>,
    origin: &Origin<'_>,
    known: &mut Known,
    head: &mut Parts,
) -> Result<Admitted, Rejection> {
    known.take_note(head);
    // Room for what is added below: growing twice would hash everything twice.
    head.headers.reserve(8);
    let strict = rules.config.strict;
    if head.version == Version::HTTP_2 {
        http2::check(head, strict.underscores, &Limits::default()).map_err(Rejection::Framing)?;
    }
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
    let way = find(rules, origin, known, head)?;
    let rule = rules.config.routes.get(way.route).ok_or(Rejection::NoRoute)?;
    refuse_long_body(rule, &head.headers)?;
    transform::headers::apply(&rule.headers.request, &mut head.headers);
    let user = way.introduced.as_ref().or(origin.principal);
    tell_who(rules, origin, user, way.service, &mut head.headers);
    // The application's calls say nothing of addresses: it is always at home.
    if matches!(origin.role, Role::Edge | Role::Inbound { .. }) {
        forwarded::write(&mut head.headers, said, origin.nearest_value, origin.scheme, host.clone());
    }
    head.headers.insert(X_REQUEST_ID, known.request_id.clone());
    known.trace.write(&mut head.headers, rules.config.observe.b3);
    head.headers.append(header::VIA, VIA);
    Ok(Admitted { way, host })
}

/// Who may: on the edge as the route says, in the mesh as the rules of the workload say. Returns the user who has
/// shown a certificate here.
fn allow(
    rules: Rules<'_>,
    origin: &Origin<'_>,
    known: &mut Known,
    (route, path): (&Route, &str),
) -> Result<Option<Principal>, Rejection> {
    match origin.role {
        Role::Edge => authenticate(rules.config, route.auth, origin.tls),
        Role::Inbound { .. } => authorized(rules.policy, origin, known, Some(path)).map(|()| None),
        Role::Outbound | Role::Local(_) | Role::Captured => Ok(None),
    }
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

fn authenticate(config: &Config, auth: Auth, tls: Option<&TlsFacts>) -> Result<Option<Principal>, Rejection> {
    let Auth::Provider(index) = auth else { return Ok(None) };
    let provider = config.auth.get(index).ok_or(Rejection::NotAuthenticated)?;
    let certificate = tls.and_then(|tls| tls.certificate.as_deref()).ok_or(Rejection::NotAuthenticated)?;
    let name = certificate.common_name.as_deref().ok_or(Rejection::NotAuthenticated)?;
    provider.certificate.principal(name).map(Some).ok_or(Rejection::NotAuthenticated)
}

/// What the last hop is told about peer and user. Between proxies headers are no evidence, so nothing is written there.
fn tell_who(
    rules: Rules<'_>,
    origin: &Origin<'_>,
    user: Option<&Principal>,
    service: ServiceId,
    headers: &mut HeaderMap,
) {
    let to_app = matches!(origin.role, Role::Inbound { .. });
    let declared = rules.config.services.get(service.0).is_some_and(|service| service.plain_identity);
    // Elsewhere too: what is configured to speak of users is protected like the names that always are.
    let told = user.filter(|_| to_app || declared);
    projection::write(headers, told, rules.config.user_headers());
    if !to_app {
        return;
    }
    if let Some(element) = origin.client_cert {
        headers.insert(projection::FORWARDED_CLIENT_CERT, element.clone());
    }
    if let (Some(passport), Some(_)) = (origin.passport, user) {
        headers.insert(TXN_TOKEN, passport.clone());
    }
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

fn find(rules: Rules<'_>, origin: &Origin<'_>, known: &mut Known, head: &Parts) -> Result<Way, Rejection> {
    let Some(came) = known.target.clone() else { return Err(Rejection::NoRoute) };
    if came.path() == "*" && head.method == Method::OPTIONS {
        return Err(Rejection::ServerOptions);
    }
    let path = CanonicalPath::parse(came.path()).map_err(Rejection::Path)?;
    let find = |path: &str| {
        let (method, headers) = (&head.method, &head.headers);
        rules.table.find(&Head { method, host: &known.host, path, query: came.query(), headers })
    };
    let found = match find(path.as_str()) {
        Found::Match { index, .. } => Ok(index),
        Found::NoRoute => Err(Rejection::NoRoute),
        Found::MethodNotAllowed { allow } => Err(Rejection::MethodNotAllowed { allow: allow.to_value() }),
    };
    let route = found.as_ref().ok().and_then(|index| rules.config.routes.get(*index));
    // Without a route the strictest rules hold: a doubtful path is 400, never 404.
    path.permitted_by(&route.map(|route| route.paths).unwrap_or_default()).map_err(Rejection::Path)?;
    let (index, route) = (found?, route.ok_or(Rejection::NoRoute)?);
    // A permitted `;` or `%2F` must not be a way around the route an application would take the path for.
    if let Some(folded) = path.folded()
        && matches!(find(&folded), Found::Match { index: other, .. } if other != index)
    {
        let slash = path.specials().encoded_slash;
        return Err(Rejection::Path(if slash { PathFault::EncodedSlash } else { PathFault::Semicolon }));
    }
    known.route = Some(index);
    if let Some(folded) = path.folded() {
        // What a permitted `;` or `%2F` may mean to the application must be allowed as well.
        allow(rules, origin, known, (route, &folded))?;
    }
    let introduced = allow(rules, origin, known, (route, path.as_str()))?;
    let is_inbound = matches!(origin.role, Role::Inbound { .. });
    let kept = is_inbound.then(|| path.as_str().into());
    let service = split::pick(&route.target.split, point(route, origin, known, &head.headers));
    let service = service.ok_or(Rejection::NoEndpoint)?;
    let target = match &route.rewrite {
        None if path.is_unchanged() => came,
        None => target(path.as_str(), came.query())?,
        Some(template) => {
            target(&transform::rewrite::rewrite(template, &route.path, path.as_str()), came.query())?
        }
    };
    Ok(Way { route: index, service, target, path: kept, introduced })
}

fn target(path: &str, query: Option<&str>) -> Result<PathAndQuery, Rejection> {
    let whole = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    PathAndQuery::try_from(whole).map_err(|_never| Rejection::Internal)
}

/// Which side of a split: the same for the same caller when the route is sticky.
fn point(route: &Route, origin: &Origin<'_>, known: &Known, headers: &HeaderMap) -> u64 {
    if route.target.split.len() < 2 {
        return 0;
    }
    let key = match &route.target.sticky {
        None => None,
        Some(Sticky::Ip) => Some(known.client.ip().to_string().into_bytes()),
        Some(Sticky::Header(name)) => headers.get(name).map(|value| value.as_bytes().to_vec()),
        Some(Sticky::Cookie(name)) => cookie(headers, name),
    };
    key.map_or(origin.random, |key| split::point_for(&key, &route.name))
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<Vec<u8>> {
    let value = headers.get(header::COOKIE)?.to_str().ok()?;
    let pairs = value.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_bytes().to_vec())
}

fn refuse_long_body(route: &Route, headers: &HeaderMap) -> Result<(), Rejection> {
    let length =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let too_long = length.zip(route.max_body).is_some_and(|(length, most)| length > most);
    if too_long { Err(Rejection::BodyTooLarge) } else { Ok(()) }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}
