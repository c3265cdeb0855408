//! What decides about a request, what is known about it, and the whole decision at once for those who only ask.
//!
//! The running pipeline takes the same steps, and may have to wait between them: [`arrive`], who it is and how often
//! ([`super::entry`]), [`depart`]. Pure.

use super::arrive::{Arrived, arrive};
use super::depart::depart;
use super::permit::permit;
use super::reject::Rejection;
use super::trace::Trace;
use crate::admission::authenticate::Caller;
use crate::admission::authorize::{self, Policy};
use crate::config::auth::Scheme;
use crate::config::listener::Role;
use crate::config::{Config, ServiceId};
use crate::identity::principal::Principal;
use crate::resilience::deadline::Hop;
use crate::route::RouteTable;
use crate::tls::facts::TlsFacts;
use http::header;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Version};
use portcullis_ca::spiffe::SpiffeId;
use std::net::SocketAddr;
use std::sync::Arc;

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
    /// Who has said at the edge who it is, and was believed.
    pub caller: Option<Arc<Caller>>,
    /// Why somebody was not believed; for logs.
    pub disbelieved: Option<&'static str>,
    /// It only asks what a page may do.
    pub preflight: bool,
    /// What the hop before us says about time and tries.
    pub hop: Hop,
    /// The page in a browser that asks, where answers say whether it may read them.
    pub page: Option<HeaderValue>,
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
            caller: None,
            disbelieved: None,
            preflight: false,
            hop: Hop::default(),
            page: None,
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
    /// Whose place on the ring of endpoints it is; `None`: the service has no ring, or nobody is known.
    pub place: Option<u64>,
    /// The canonical path the rules of the workload have seen; `None` where there are no such rules.
    pub path: Option<Box<str>>,
}

/// The whole decision, for a caller who counts as authenticated: without tokens, counts and load.
pub fn admit(
    rules: Rules<'_>,
    origin: &Origin<'_>,
    known: &mut Known,
    head: &mut Parts,
) -> Result<Admitted, Rejection> {
    let arrived = arrive(rules, origin, known, head)?;
    if origin.role == Role::Edge {
        known.caller = believed(rules.config, &arrived, known.caller.take());
        permit(rules.config, known, &arrived, &head.headers)?;
    }
    depart(rules, origin, (known, arrived), head)
}

/// Who the route would take this caller for. A certificate only says a name: its roles stand in the configuration.
fn believed(config: &Config, arrived: &Arrived, caller: Option<Arc<Caller>>) -> Option<Arc<Caller>> {
    let caller = caller?;
    let route = config.routes.get(arrived.route)?;
    let mut providers = route.auth.providers.iter().filter_map(|index| config.auth.get(*index));
    providers.find_map(|provider| match &provider.scheme {
        Scheme::Certificate(rule) => {
            let principal = rule.principal(&caller.principal.user)?;
            Some(Arc::new(Caller { principal, ..Caller::default() }))
        }
        _ => Some(Arc::clone(&caller)),
    })
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}
