//! Deciding a request offline, with the code of the running gateway: the ground of `explain` and `test`.
//!
//! Of an edge: the request is taken to come from an untrusted client (192.0.2.1) to a plain listener that does not
//! redirect. Of a sidecar: from a peer, whose evidence held, when one is named; else from the application.

use crate::admission::authenticate::Caller;
use crate::admission::authorize::Policy;
use crate::config::listener::Role;
use crate::config::route::HostPattern;
use crate::config::{Config, ConfigTest};
use crate::listener::gate::{Limits, http2};
use crate::pipeline::admit::{Admitted, Known, Origin, Rules, admit};
use crate::pipeline::reject::Rejection;
use crate::pipeline::request_id;
use crate::pipeline::trace::Trace;
use crate::route::RouteTables;
use http::header::{HOST, HeaderName};
use http::request::Parts;
use http::{HeaderValue, Method, Request};
use portcullis_ca::spiffe::SpiffeId;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// A request as it would arrive.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// Method.
    pub(super) method: Method,
    /// `/path?query`.
    pub(super) target: String,
    /// Host asked for.
    pub(super) host: String,
    /// Further headers, in order.
    pub(super) headers: Vec<(String, String)>,
    /// The peer that sends it, of a sidecar.
    pub(super) from: Option<SpiffeId>,
    /// The user it is made for.
    pub(super) caller: Option<Arc<Caller>>,
}

/// What decides: a configuration made ready.
#[derive(Debug)]
pub(super) struct Deciding {
    /// The configuration.
    pub(super) config: Config,
    /// Its routes.
    pub(super) tables: RouteTables,
    /// Its rules.
    pub(super) policy: Policy,
}

impl Deciding {
    /// Compiles it; `None` when the routes do not compile, which reading the file has said already.
    pub(super) fn new(config: Config) -> Option<Self> {
        let tables = RouteTables::build(&config.routes).ok()?;
        let policy = Policy::build(&config.authorize);
        Some(Self { config, tables, policy })
    }
}

/// What would become of it.
#[derive(Debug)]
pub(super) struct Decision {
    /// What is known about the request.
    pub(super) known: Known,
    /// Where it would go, or why not.
    pub(super) result: Result<Admitted, Rejection>,
    /// The head as it would be sent.
    pub(super) head: Parts,
}

/// What cannot be asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotAsked {
    /// Not `METHOD /target`.
    #[error("a request is written as 'METHOD /path?query', for example 'GET /orders/17'")]
    Request,
    /// A header that no client could send.
    #[error("`{0}` is not a header")]
    Header(String),
}

impl Asked {
    /// `METHOD /target` with the default host of `config`.
    pub(super) fn parse(text: &str, host: Option<&str>, config: &Config) -> Result<Self, NotAsked> {
        let (method, target) = text.trim().split_once(' ').ok_or(NotAsked::Request)?;
        let method = Method::from_bytes(method.as_bytes()).map_err(|_no_token| NotAsked::Request)?;
        let target = target.trim().to_owned();
        let host = host.map_or_else(|| default_host(config), ToOwned::to_owned);
        Ok(Self { method, target, host, headers: Vec::new(), from: None, caller: None })
    }

    /// The request of an entry of `tests:`.
    pub(super) fn of_test(test: &ConfigTest, config: &Config) -> Self {
        Self {
            method: test.method.clone(),
            target: test.target.clone(),
            host: test.host.clone().unwrap_or_else(|| default_host(config)),
            headers: test.headers.clone(),
            from: test.from.clone(),
            caller: test.caller.clone().map(Arc::new),
        }
    }

    /// Which listener it comes to.
    pub(super) fn role(&self, config: &Config) -> Role {
        match (&config.sidecar, &self.from) {
            (None, _) => Role::Edge,
            (Some(_), None) => Role::Outbound,
            (Some(_), Some(_)) => Role::Inbound { permissive: false },
        }
    }

    /// Decides it.
    pub(super) fn decide(&self, deciding: &Deciding) -> Result<Decision, NotAsked> {
        let config = &deciding.config;
        let request = Request::builder().method(self.method.clone()).uri(self.target.as_str()).body(());
        let (mut head, ()) = request.map_err(|_invalid| NotAsked::Request)?.into_parts();
        head.headers.insert(HOST, value(&self.host)?);
        for (name, text) in &self.headers {
            let name =
                HeaderName::from_bytes(name.as_bytes()).map_err(|_no| NotAsked::Header(name.clone()))?;
            head.headers.append(name, value(text)?);
        }
        let nearest = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 50_000);
        let role = self.role(config);
        let origin = Origin {
            nearest,
            nearest_value: &HeaderValue::from_static("192.0.2.1"),
            trusted: config.trust.trusts(nearest.ip()),
            names_requests: role != Role::Edge,
            role,
            peer: self.from.as_ref(),
            client_cert: None,
            principal: self.caller.as_ref().map(|caller| &caller.principal).filter(|_| role != Role::Edge),
            passport: None,
            scheme: "http",
            tls: None,
            redirect_https: None,
            random: 0,
        };
        let mut known = Known::new(nearest, request_id::generate(0), Trace::new(0, 0));
        known.caller = self.caller.clone().filter(|_| role == Role::Edge);
        let rules = Rules { config, table: deciding.tables.of(role), policy: &deciding.policy };
        // What the gate would refuse, as far as it shows in a head that is already taken apart.
        let gate =
            http2::check(&head, config.strict.underscores, &Limits::default()).map_err(Rejection::Framing);
        let result = gate.and_then(|()| admit(rules, &origin, &mut known, &mut head));
        Ok(Decision { known, result, head })
    }
}

fn value(text: &str) -> Result<HeaderValue, NotAsked> {
    HeaderValue::from_str(text).map_err(|_control| NotAsked::Header(text.to_owned()))
}

/// `localhost` where some route takes any host, else the first host a route names.
fn default_host(config: &Config) -> String {
    let any = config.routes.iter().any(|route| route.hosts.is_empty());
    let named = config.routes.iter().flat_map(|route| &route.hosts).next().filter(|_| !any);
    match named {
        Some(HostPattern::Exact(host)) => host.to_string(),
        Some(HostPattern::Wildcard(parent)) => format!("any.{parent}"),
        None => "localhost".to_owned(),
    }
}
