//! The life of a request, downward.
//!
//! ```text
//! handle
//!   arrive     pure: ids, client, cleaning, canonical path, route, address     arrive.rs
//!   enter      who it is, what it may, how often; may have to wait             entry.rs, permit.rs
//!   depart     pure: service, rewrite, what is told about the client           depart.rs
//!   forward    deadline, bulkhead, attempts until one stands                   forward.rs, upstream/
//!   deliver    clean the answer, deprecation headers, body on its way          deliver.rs, body.rs
//!   refuse     any Rejection becomes one answer                                reject.rs, reply.rs
//! the Outcome is recorded when the body ends                                   exchange.rs
//! ```
//!
//! Must not know: how connections are accepted, which mode this is, where configuration comes from.

pub mod admit;
pub mod arrive;
pub mod body;
pub mod clean;
pub mod deadline;
mod deliver;
pub mod depart;
mod entry;
pub mod evidence;
pub mod exchange;
mod forward;
pub mod forwarded;
pub mod live;
mod origin;
pub mod permit;
pub mod reject;
pub mod relay;
mod recorder;
pub mod remark;
pub mod reply;
pub mod request_id;
pub mod snapshot;
pub mod trace;
mod tried;
mod tunnel;
mod upgrade;

use crate::admission::overload::lag::Lag;
use crate::admission::overload::{Gauge, InFlight as Load, Level};
use crate::config::Config;
use crate::config::listener::Role;
use crate::listener::connection::Connection;
use crate::listener::gate::Fault;
use crate::mesh::Seat;
use crate::resilience::deadline as hop;
use crate::runtime;
use crate::sweep::Sweep;
use crate::upstream::pool::Pools;
use arrive::Arrived;
use body::Body;
use entry::{Entry, Wait};
use evidence::{Desk, Evidence, Onward};
use exchange::Exchange;
use forward::Outgoing;
use http::header::{self, HeaderName};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response};
use hyper::body::Incoming;
use live::Live;
use origin::asked_by;
pub use recorder::Recorder;
use reject::Rejection;
use snapshot::Snapshot;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
pub use tried::Tried;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

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
    /// Connections to services.
    pub pools: Rc<Pools>,
    /// Evidence of users.
    pub desk: Desk,
    /// Requests of the mesh that are going on.
    pub live: live::Book,
    /// What the process has to carry.
    pub gauge: Arc<Gauge>,
    /// Calls of the application that were tried again in vain.
    pub tried: Arc<Tried>,
    /// How far this worker is behind.
    pub lag: RefCell<Lag>,
}

/// What becomes of a request.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every request is forwarded: a box would be for all of them"
)]
enum Plan {
    Forward(Result<Outgoing, Rejection>),
    /// Something has to be waited for first.
    Wait(Option<Box<Waiting>>),
    Tunnel(Option<Box<Request<Incoming>>>),
}

/// A request at the entrance.
struct Waiting {
    head: Parts,
    incoming: Incoming,
    arrived: Arrived,
    wait: Wait,
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
            let prepared = catch_unwind(prepared).unwrap_or(Err(Rejection::Internal));
            prepared.unwrap_or_else(|rejection| Plan::Forward(Err(rejection)))
        };
        async move {
            // By reference: what is moved into a future is held there a second time.
            match &mut plan {
                Plan::Forward(outgoing) => self.answer(exchange, outgoing).await,
                Plan::Wait(waiting) => Box::pin(self.answer_slowly(exchange, waiting)).await,
                Plan::Tunnel(request) => Box::pin(self.answer_tunnel(exchange, request)).await,
            }
        }
    }

    /// Everything before the first wait.
    fn prepare(&self, exchange: &mut Exchange, request: Request<Incoming>) -> Result<Plan, Rejection> {
        if let Some(fault) = refused_by_the_gate(&exchange.connection, &request) {
            return Err(Rejection::Framing(fault));
        }
        let (mut head, incoming) = request.into_parts();
        // Must run first: who is shed costs nothing but a line in the log.
        let load = self.take_load(&exchange.snapshot.config);
        exchange.load = Some(load.inspect_err(|_shed| exchange.known.take_note(&head))?);
        if exchange.takes_tunnels() {
            // What is behind us speaks no HTTP.
            exchange.known.take_note(&head);
            return Err(Rejection::Framing(Fault::MethodNotAllowed));
        }
        self.take_note_of_upgrade(exchange, &mut head);
        let arrived = self.arrive(exchange, &mut head)?;
        match self.enter_at_once(exchange, &arrived, &head.headers)? {
            Entry::In => self.depart(exchange, (head, incoming), arrived).map(Ok).map(Plan::Forward),
            Entry::Waits(wait) => Ok(Plan::Wait(Some(Box::new(Waiting { head, incoming, arrived, wait })))),
        }
    }

    /// Whether clients should go on elsewhere.
    pub fn asks_to_leave(&self) -> bool {
        self.leaving.get() || self.gauge.level() >= Level::Leave
    }

    /// A place among the requests of the process.
    pub(super) fn take_load(&self, config: &Config) -> Result<Load, Rejection> {
        let behind = config.overload.shed_when_behind && self.lag.borrow().sheds(fastrand::u32(..));
        if behind || self.gauge.level() == Level::Refuse {
            return Err(Rejection::Overloaded);
        }
        self.gauge.enter(config.overload.concurrent).ok_or(Rejection::Overloaded)
    }

    /// Makes a request that may come in ready to be sent.
    fn depart(
        &self,
        exchange: &mut Exchange,
        (mut head, incoming): (Parts, Incoming),
        arrived: Arrived,
    ) -> Result<Outgoing, Rejection> {
        let (snapshot, connection) = (Rc::clone(&exchange.snapshot), Rc::clone(&exchange.connection));
        let membership = self.seat.get();
        let evidence = exchange.evidence.take();
        let origin = asked_by(&connection, &snapshot.config, (membership.as_deref(), evidence.as_ref()))?;
        let mut admitted =
            depart::depart(snapshot.rules(origin.role), &origin, (&exchange.known, arrived), &mut head)?;
        exchange.onward = match (&exchange.known.caller, &evidence) {
            (Some(caller), _) => Some(Onward::Introduced(Arc::clone(caller))),
            (None, Some(Evidence::Carried(carried))) => Some(Onward::Carried(Arc::clone(carried))),
            (None, _) => None,
        };
        if let Some(path) = admitted.way.path.take() {
            self.enter(exchange, evidence, Some(path));
        }
        let route = snapshot.route(admitted.way.route).ok_or(Rejection::NoRoute)?;
        let cluster = snapshot.clusters.get(admitted.way.service.0).ok_or(Rejection::NoEndpoint)?;
        exchange.cluster = Some(Rc::clone(cluster));
        Outgoing::new(exchange, (route, cluster), (head, incoming), admitted)
    }

    /// The same as [`Self::answer`] for a request that has to wait at the entrance.
    async fn answer_slowly(
        &self,
        mut exchange: Box<Exchange>,
        waiting: &mut Option<Box<Waiting>>,
    ) -> Response<Body> {
        let mut outgoing = match waiting.take() {
            Some(waiting) => {
                let Waiting { head, incoming, arrived, wait } = *waiting;
                let entered = {
                    let entering = pin!(self.enter_slowly(&mut exchange, &arrived, &head.headers, wait));
                    runtime::catch_panic(entering).await.unwrap_or(Err(Rejection::Internal))
                };
                entered.and_then(|()| self.depart(&mut exchange, (head, incoming), arrived))
            }
            None => Err(Rejection::Internal),
        };
        self.answer(exchange, &mut outgoing).await
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
        let asks_to_leave =
            self.asks_to_leave() && !is_call && exchange.known.version < http::Version::HTTP_2;
        let is_tried = self.take_note_of_tries(&exchange, is_call, &result);
        let mut response = match (result, outgoing) {
            (Ok((response, held)), _) if upgrade::is_switch(&exchange, &response) => {
                self.switch(exchange, response, held)
            }
            (Ok((response, held)), _) => deliver::deliver(exchange, response, held),
            (Err(Rejection::BreakerOpen(open)), Ok(outgoing)) => {
                Box::pin(self.answer_instead(exchange, outgoing, open)).await
            }
            (Err(rejection), _) => reply::refuse(exchange, &rejection),
        };
        if is_tried && response.status().is_server_error() {
            hop::write_tried(response.headers_mut());
        }
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

    /// Finds the route, and takes note of the user a peer vouches for.
    fn arrive(&self, exchange: &mut Exchange, head: &mut Parts) -> Result<Arrived, Rejection> {
        let (snapshot, connection) = (Rc::clone(&exchange.snapshot), Rc::clone(&exchange.connection));
        let membership = self.seat.get();
        exchange.evidence = self.evidence(exchange, membership.as_deref(), &mut head.headers);
        let origin = asked_by(&connection, &snapshot.config, (None, exchange.evidence.as_ref()))?;
        let arrived = arrive::arrive(snapshot.rules(origin.role), &origin, &mut exchange.known, head);
        self.count_decision(exchange);
        arrived
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
}

/// Whether this is the marker of a refusal: the gate lets no request without Host through but its own.
fn refused_by_the_gate(connection: &Connection, request: &Request<Incoming>) -> Option<Fault> {
    let is_marker = connection.marker_sent.get()
        && request.version() == http::Version::HTTP_11
        && !request.headers().contains_key(header::HOST);
    connection.fault.get().filter(|_| is_marker)
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
