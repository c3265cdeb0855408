//! The life of a request, downward.
//!
//! ```text
//! handle
//!   admit      pure: ids, client, cleaning, canonical path, route, rewrite     admit.rs
//!   forward    deadline, endpoint, connection, send                            upstream/
//!   deliver    clean the answer, deprecation headers, body on its way          body.rs
//!   refuse     any Rejection becomes one answer                                reject.rs, reply.rs
//! the Outcome is recorded when the body ends                                   exchange.rs
//! ```
//!
//! Must not know: how connections are accepted, which mode this is, where configuration comes from.

pub mod admit;
pub mod body;
pub mod clean;
pub mod deadline;
pub mod evidence;
pub mod exchange;
pub mod forwarded;
pub mod live;
pub mod reject;
pub mod relay;
pub mod reply;
pub mod request_id;
pub mod snapshot;
pub mod trace;
mod tunnel;

use crate::config::listener::Role;
use crate::config::route::Route;
use crate::config::service::Protocol;
use crate::identity::projection;
use crate::listener::connection::Connection;
use crate::listener::gate::Fault;
use crate::mesh::{Membership, Seat};
use crate::sweep::{Sweep, Timer};
use crate::telemetry::access_log::WorkerLog;
use crate::telemetry::metrics::WorkerMetrics;
use crate::telemetry::outcome::Outcome;
use crate::telemetry::record::Record;
use crate::upstream::body::{BodyFault, Flow, RequestBody};
use crate::upstream::cluster::Cluster;
use crate::upstream::connect::Bound;
use crate::upstream::send::{self, Call, Held};
use crate::{clock, runtime, transform};
use admit::{Admitted, Origin, Rules};
use body::Body;
use deadline::Deadline;
use evidence::{Desk, Evidence, Onward};
use exchange::Exchange;
use http::header::{self, HeaderName};
use http::request::Parts;
use http::uri::{Authority, Scheme, Uri};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use hyper::body::Incoming;
use live::Live;
use portcullis_ca::time::Timestamp;
use reject::Rejection;
use snapshot::Snapshot;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Where finished exchanges are written down.
#[derive(Debug)]
pub struct Recorder {
    /// The worker's counters.
    pub metrics: Rc<WorkerMetrics>,
    /// The worker's access log; `None` = off.
    pub log: RefCell<Option<WorkerLog>>,
    /// The drain is over: exchanges that end now are cut by us.
    pub cutting: Cell<bool>,
    /// The same moment on both clocks, so that an exchange reads only one.
    pub anchor: Cell<(Instant, SystemTime)>,
}

impl Recorder {
    /// An empty one.
    pub fn new(metrics: Rc<WorkerMetrics>) -> Self {
        Self {
            metrics,
            log: RefCell::new(None),
            cutting: Cell::new(false),
            anchor: Cell::new((clock::now(), clock::wall())),
        }
    }

    /// Follows the wall clock, should it be set; to be called now and then.
    pub fn anchor_clocks(&self) {
        self.anchor.set((clock::now(), clock::wall()));
    }

    /// What the wall clock shows at `moment`.
    pub fn wall(&self, moment: Instant) -> SystemTime {
        let (then, wall) = self.anchor.get();
        match moment.checked_duration_since(then) {
            Some(after) => wall + after,
            None => wall - then.saturating_duration_since(moment),
        }
    }

    /// The same in seconds since 1970.
    pub fn timestamp(&self, moment: Instant) -> Timestamp {
        let since = self.wall(moment).duration_since(SystemTime::UNIX_EPOCH);
        Timestamp(since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX)))
    }

    /// Writes one exchange down, once.
    pub fn write(&self, record: &Record<'_>) {
        self.metrics.exchange(record);
        if let Some(log) = self.log.borrow_mut().as_mut() {
            log.write(record);
        }
    }
}

/// What every exchange of a worker goes through.
#[derive(Debug)]
pub struct Pipeline {
    /// The configuration in force.
    pub snapshot: RefCell<Rc<Snapshot>>,
    /// Where exchanges are written down.
    pub recorder: Rc<Recorder>,
    /// The worker's timers.
    pub sweep: Rc<Sweep>,
    /// HTTP/1 answers ask the client to leave.
    pub leaving: Cell<bool>,
    /// Who we are in the mesh.
    pub seat: Rc<Seat>,
    /// Evidence of users.
    pub desk: Desk,
    /// Requests of the mesh that are going on.
    pub live: live::Book,
}

/// What becomes of a request.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every request is forwarded: a box would be for all of them"
)]
enum Plan {
    Forward(Result<Outgoing, Rejection>),
    Tunnel(Option<Box<Request<Incoming>>>),
}

/// A request that may be sent, and where.
struct Outgoing {
    request: Option<Request<RequestBody>>,
    cluster: Rc<Cluster>,
    limit: Option<Duration>,
    onward: Option<Onward>,
}

impl Pipeline {
    /// One request, whatever becomes of it.
    ///
    /// What needs no waiting is done before the future is made, so that a request in flight holds only what it needs
    /// then: futures are moved, and what they hold is copied.
    pub fn handle(
        self: Rc<Self>,
        connection: &Rc<Connection>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Body>> + use<> {
        let snapshot = Rc::clone(&self.snapshot.borrow());
        let mut exchange = Exchange::begin(connection, &self.recorder, snapshot, self.sweep.timer());
        let mut plan = if request.method() == Method::CONNECT && exchange.takes_tunnels() {
            Plan::Tunnel(Some(Box::new(request)))
        } else {
            // A panic ends this exchange only; what it held is dropped on the way out.
            let prepared = AssertUnwindSafe(|| self.prepare(&mut exchange, request));
            Plan::Forward(catch_unwind(prepared).unwrap_or(Err(Rejection::Internal)))
        };
        async move {
            // By reference: what is moved into a future is held there a second time.
            match &mut plan {
                Plan::Forward(outgoing) => self.answer(exchange, outgoing).await,
                Plan::Tunnel(request) => Box::pin(self.answer_tunnel(exchange, request)).await,
            }
        }
    }

    /// Everything before the first wait.
    fn prepare(&self, exchange: &mut Exchange, request: Request<Incoming>) -> Result<Outgoing, Rejection> {
        if let Some(fault) = refused_by_the_gate(&exchange.connection, &request) {
            return Err(Rejection::Framing(fault));
        }
        let (mut head, incoming) = request.into_parts();
        if exchange.takes_tunnels() {
            // What is behind us speaks no HTTP.
            exchange.known.take_note(&head);
            return Err(Rejection::Framing(Fault::MethodNotAllowed));
        }
        let snapshot = Rc::clone(&exchange.snapshot);
        let admitted = self.admit(exchange, &mut head)?;
        let route = snapshot.route(admitted.way.route).ok_or(Rejection::NoRoute)?;
        let cluster = snapshot.clusters.get(admitted.way.service.0).ok_or(Rejection::NoEndpoint)?;
        exchange.cluster = Some(Rc::clone(cluster));
        let flow = Rc::new(Flow::default());
        let body = RequestBody::new(incoming, &flow, route.max_body, exchange.known.grpc);
        exchange.flow = Some(Rc::clone(&flow));
        let request = address(head, admitted, cluster, body, exchange.known.grpc)?;
        Ok(Outgoing {
            request: Some(request),
            limit: route.request_timeout.unwrap_or(cluster.service.timeout.request),
            cluster: Rc::clone(cluster),
            onward: exchange.onward.take(),
        })
    }

    async fn answer(
        &self,
        mut exchange: Box<Exchange>,
        outgoing: &mut Result<Outgoing, Rejection>,
    ) -> Response<Body> {
        let result = match outgoing {
            Err(rejection) => Err(rejection.clone()),
            Ok(outgoing) => {
                let answered = pin!(self.forward(&mut exchange, outgoing));
                runtime::catch_panic(answered).await.unwrap_or(Err(Rejection::Internal))
            }
        };
        let is_call = !matches!(exchange.connection.role, Role::Edge | Role::Inbound { .. });
        let asks_to_leave = self.leaving.get() && !is_call && exchange.known.version < http::Version::HTTP_2;
        let mut response = match result {
            Ok((response, held)) => deliver(exchange, response, held),
            Err(rejection) => reply::refuse(exchange, &rejection),
        };
        if asks_to_leave {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    async fn answer_tunnel(
        self: &Rc<Self>,
        exchange: Box<Exchange>,
        request: &mut Option<Box<Request<Incoming>>>,
    ) -> Response<Body> {
        let Some(request) = request.take() else { return reply::refuse(exchange, &Rejection::Internal) };
        match self.tunnel(exchange, *request).await {
            Ok(response) => response,
            Err((exchange, rejection)) => reply::refuse(exchange, &rejection),
        }
    }

    /// Decides, and takes note of the user and of what was allowed.
    fn admit(&self, exchange: &mut Exchange, head: &mut Parts) -> Result<Admitted, Rejection> {
        let snapshot = Rc::clone(&exchange.snapshot);
        let connection = Rc::clone(&exchange.connection);
        let role = connection.role_in(&snapshot.config).ok_or(Rejection::NoRoute)?;
        let membership = self.seat.get();
        let evidence = self.evidence(exchange, membership.as_deref(), &mut head.headers);
        let rules =
            Rules { config: &snapshot.config, table: snapshot.tables.of(role), policy: &snapshot.policy };
        let origin = Origin {
            role,
            client_cert: membership.as_deref().and_then(|membership| client_cert(&connection, membership)),
            principal: evidence.as_ref().map(Evidence::principal),
            passport: evidence.as_ref().and_then(Evidence::carried).map(|carried| &carried.passport),
            ..origin(&connection)
        };
        let admitted = admit::admit(rules, &origin, &mut exchange.known, head);
        self.count_decision(exchange);
        let mut admitted = admitted?;
        exchange.onward = match (admitted.way.introduced.take(), &evidence) {
            (Some(introduced), _) => Some(Onward::Introduced(introduced)),
            (None, Some(Evidence::Carried(carried))) => Some(Onward::Carried(Arc::clone(carried))),
            (None, _) => None,
        };
        if let Some(path) = admitted.way.path.take() {
            self.enter(exchange, evidence, Some(path));
        }
        Ok(admitted)
    }

    /// Takes note of a request of the mesh that was allowed.
    fn enter(&self, exchange: &mut Exchange, evidence: Option<Evidence>, path: Option<Box<str>>) {
        exchange.ticket = evidence.as_ref().and_then(|evidence| self.desk.enter(evidence, exchange.started));
        exchange.live = Some(self.live.enter(Live {
            peer: exchange.connection.tls.as_ref().and_then(|tls| tls.peer.clone()),
            method: exchange.known.method.clone(),
            path,
            evidence,
            cut: Cell::new(false),
            alarm: exchange.timer.alarm(),
        }));
    }

    /// Counts what the rules said, and writes down what those on trial would have done.
    fn count_decision(&self, exchange: &Exchange) {
        let Some(decision) = exchange.known.decision else { return };
        let policy = &exchange.snapshot.policy;
        let rule = decision.rule.map_or("", |index| policy.id(index));
        self.recorder.metrics.authorized(decision.verdict.word(), rule);
        if let Some((verdict, index)) = decision.would {
            self.recorder.metrics.authorized(verdict.would(), policy.id(index));
            let peer = exchange.connection.peer_id().map(ToString::to_string).unwrap_or_default();
            let (event, rule, path) = (verdict.would(), policy.id(index), exchange.known.path());
            self.desk.complain(|| {
                tracing::info!(event, rule, peer, method = %exchange.known.method, path, "a rule on trial would have decided");
            });
        }
    }

    /// Sends the request; the deadline covers connecting, resending and waiting for the answer's head.
    async fn forward(
        &self,
        exchange: &mut Exchange,
        outgoing: &mut Outgoing,
    ) -> Result<(Response<Incoming>, Held), Rejection> {
        let Outgoing { request, cluster, limit, onward } = outgoing;
        let mut deadline = Deadline::new(exchange, *limit);
        if exchange.is_cut() {
            // Between the decision and now: arming the timer has hushed the alarm.
            return Err(Rejection::NotAuthorized);
        }
        let vouch =
            |headers: &mut HeaderMap, bound: &Bound| self.vouch(onward.as_ref(), headers, bound, cluster);
        let call = Call { request, flow: exchange.flow.as_ref(), progress: &exchange.progress };
        let mut sent = pin!(send::send(cluster, call, &vouch));
        let sent = loop {
            match before(&exchange.timer, sent.as_mut()).await {
                Some(sent) => break sent,
                None if exchange.is_cut() => return Err(Rejection::NotAuthorized),
                None => deadline.look_again(exchange, clock::now())?,
            }
        };
        exchange.upstream_time = sent.as_ref().ok().map(|(_, held)| held.took());
        sent.map_err(|rejection| clients_fault(exchange).unwrap_or(rejection))
    }
}

impl Pipeline {
    /// Hands the user on over a connection of the mesh, whose own certificate signs.
    fn vouch(&self, onward: Option<&Onward>, headers: &mut HeaderMap, bound: &Bound, to: &Cluster) {
        if let (Some(onward), Some(id)) = (onward, &to.service.mesh) {
            self.desk.attach(headers, onward, (&bound.own, id), self.recorder.timestamp(clock::now()));
        }
    }
}

/// Whether this is the marker of a refusal: the gate lets no request without Host through but its own.
fn refused_by_the_gate(connection: &Connection, request: &Request<Incoming>) -> Option<Fault> {
    let is_marker = connection.marker_sent.get()
        && request.version() == http::Version::HTTP_11
        && !request.headers().contains_key(header::HOST);
    connection.fault.get().filter(|_| is_marker)
}

/// What the application is told about the peer: the same for all requests of a connection.
fn client_cert<'a>(connection: &'a Connection, membership: &Membership) -> Option<&'a HeaderValue> {
    let peer = connection.tls.as_ref()?.peer.as_deref()?;
    let own = &membership.own.svid.id;
    Some(connection.client_cert.get_or_init(|| projection::client_cert(own, &peer.svid.id, &peer.leaf)))
}

fn origin(connection: &Connection) -> Origin<'_> {
    Origin {
        nearest: connection.client,
        nearest_value: &connection.client_value,
        trusted: connection.nearest_is_trusted,
        names_requests: connection.nearest_is_trusted || connection.role != Role::Edge,
        role: connection.role,
        peer: connection.peer_id(),
        client_cert: None,
        principal: None,
        passport: None,
        scheme: connection.scheme(),
        tls: connection.tls.as_ref(),
        redirect_https: connection.redirect_https,
        random: fastrand::u64(..),
    }
}

/// Puts host and target where the upstream's protocol has them.
fn address(
    mut head: Parts,
    admitted: Admitted,
    cluster: &Cluster,
    body: RequestBody,
    grpc: bool,
) -> Result<Request<RequestBody>, Rejection> {
    let mut uri = http::uri::Parts::default();
    uri.path_and_query = Some(admitted.way.target);
    match cluster.service.protocol {
        Protocol::H1 | Protocol::Tcp => {
            head.version = http::Version::HTTP_11;
            head.headers.insert(header::HOST, admitted.host);
        }
        Protocol::H2 => {
            for name in [X_REQUEST_ID, TRACEPARENT] {
                // As `once` says.
                if let Some(value) = head.headers.get_mut(name) {
                    value.set_sensitive(true);
                }
            }
            head.version = http::Version::HTTP_2;
            uri.scheme = Some(if cluster.is_secured() { Scheme::HTTPS } else { Scheme::HTTP });
            uri.authority = Authority::try_from(admitted.host.as_bytes()).ok();
            if grpc {
                // gRPC servers demand it (gRPC over HTTP/2, "Call-Definition").
                head.headers.insert(header::TE, HeaderValue::from_static("trailers"));
            }
        }
    }
    // Fails for HTTP/2 without a host, which only HTTP/1.0 clients can leave out.
    head.uri = Uri::from_parts(uri).map_err(|_no_host| Rejection::Framing(Fault::HostMissing))?;
    head.extensions = http::Extensions::new();
    Ok(Request::from_parts(head, body))
}

/// Runs `future` until `timer` fires; `None` when it did.
async fn before<F: Future>(timer: &Timer, mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => timer.poll(cx).map(|()| None),
    })
    .await
}

/// What the client did wrong, if its request's body failed: then no attempt is to blame.
fn clients_fault(exchange: &Exchange) -> Option<Rejection> {
    let fault = exchange.flow.as_ref()?.fault.get()?;
    Some(match (fault, exchange.connection.fault.get()) {
        (BodyFault::TooLarge, _) => Rejection::BodyTooLarge,
        (BodyFault::Broken, Some(fault)) => Rejection::Framing(fault),
        (BodyFault::Broken, None) => Rejection::BodyBroken,
    })
}

/// The answer as the client gets it; the exchange rides on its body.
fn deliver(mut exchange: Box<Exchange>, response: Response<Incoming>, held: Held) -> Response<Body> {
    let (mut head, incoming) = response.into_parts();
    exchange.status = head.status.as_u16();
    exchange.outcome = Outcome::CLIENT_GONE;
    head.version = exchange.known.version;
    head.extensions = http::Extensions::new();
    clean::clean(&mut head.headers, false);
    head.headers.insert(X_REQUEST_ID, once(exchange.known.request_id.clone()));
    let snapshot = Rc::clone(&exchange.snapshot);
    let mut idle = held.idle();
    if let Some(route) = exchange.known.route.and_then(|index| snapshot.route(index)) {
        idle = route.idle_timeout.unwrap_or(idle);
        finish_headers(route, &mut head.headers);
        if route.deprecated.is_some() {
            exchange.count_deprecated(&route.name);
        }
    }
    Response::from_parts(head, Body::upstream(exchange, incoming, held, idle))
}

/// A value that does not come again: HTTP/2 keeps it out of the table of what does, for which it would make no room.
fn once(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

fn finish_headers(route: &Route, headers: &mut HeaderMap) {
    transform::headers::apply(&route.headers.response, headers);
    if let Some(deprecation) = &route.deprecated {
        transform::headers::deprecation(deprecation, headers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_output<A, B, C, R>(_: impl Fn(A, B, C) -> R) -> usize {
        size_of::<R>()
    }

    #[test]
    fn the_future_of_an_exchange_stays_small() {
        let size = size_of_output(|pipeline: Rc<Pipeline>, connection: Rc<Connection>, request| {
            pipeline.handle(&connection, request)
        });

        assert!(size <= 2048, "{size} bytes");
    }
}
