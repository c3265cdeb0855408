//! From a request that may be sent to the head of an answer: addressed, sent under the deadline, and what is done instead
//! while the service is left in peace.
//!
//! | the breaker is open and the route says | then |
//! |--|--|
//! | nothing, or a status and a code | a refusal in our words |
//! | a body | that body, marked as degraded |
//! | another service | its answer, marked as degraded |
//!
//! A client that asks to leave HTTP is always refused then: anything else could be taken for what it asked for.

use super::Pipeline;
use super::admit::Admitted;
use super::body::Body;
use super::deadline::Deadline;
use super::deliver::deliver;
use super::evidence::Onward;
use super::exchange::Exchange;
use super::reject::Rejection;
use super::{TRACEPARENT, X_REQUEST_ID, reply, upgrade};
use crate::clock;
use crate::config::route::{Fallback, Route};
use crate::config::service::Protocol;
use crate::identity::evidence::{CHAINS, STAMPS};
use crate::identity::passport::TXN_TOKEN;
use crate::identity::projection;
use crate::listener::gate::Fault;
use crate::resilience::breaker::Open;
use crate::resilience::deadline as hop;
use crate::runtime;
use crate::sweep::Timer;
use crate::upstream::attempt::{self, Held};
use crate::upstream::body::{BodyFault, Flow, RequestBody};
use crate::upstream::cluster::Cluster;
use crate::upstream::connect::Bound;
use crate::upstream::once::{self, Call, Terms};
use http::header;
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{HeaderMap, HeaderValue, Request, Response};
use hyper::body::Incoming;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

/// A request that may be sent, and where.
pub(super) struct Outgoing {
    request: Option<Request<RequestBody>>,
    cluster: Rc<Cluster>,
    limit: Option<Duration>,
    onward: Option<Onward>,
}

impl Outgoing {
    /// Puts it together.
    pub(super) fn new(
        exchange: &mut Exchange,
        (route, cluster): (&Route, &Rc<Cluster>),
        (mut head, incoming): (Parts, Incoming),
        admitted: Admitted,
    ) -> Result<Self, Rejection> {
        let known = &exchange.known;
        let timeout = cluster.service.timeout;
        let own = route.request_timeout.unwrap_or(timeout.request);
        let limit = hop::limit(own, known.hop.grpc_timeout, known.hop.timeout);
        if let (Some(_), Some(limit)) = (known.hop.grpc_timeout, limit) {
            let gone = clock::now().saturating_duration_since(exchange.started);
            hop::write_grpc_timeout(&mut head.headers, limit.saturating_sub(gone));
        }
        exchange.terms = Terms {
            per_try: route.per_try_timeout.or(timeout.per_try),
            until: limit.map(|limit| exchange.started + limit),
            hurried: is_hurried(own, limit),
            point: admitted.way.place,
            retries: route.retries,
            is_retry: known.hop.is_retry,
        };
        let grpc = known.grpc;
        let flow = Rc::new(Flow::default());
        let body = RequestBody::new(incoming, &flow, route.max_body, grpc);
        exchange.flow = Some(flow);
        let mut request = address((head, admitted.way.target, admitted.host), cluster, body, grpc)?;
        upgrade::ask_service(exchange, route.upgrade, cluster.service.protocol, &mut request)?;
        Ok(Self {
            request: Some(request),
            limit,
            cluster: Rc::clone(cluster),
            onward: exchange.onward.take(),
        })
    }

    /// Turns it to another service, as nothing of it has been sent.
    fn turn_to(&mut self, exchange: &mut Exchange, cluster: &Rc<Cluster>) -> Result<(), Rejection> {
        let (mut head, body) = self.request.take().ok_or(Rejection::Internal)?.into_parts();
        let host = match head.uri.authority() {
            Some(authority) => HeaderValue::try_from(authority.as_str()).ok(),
            None => head.headers.remove(header::HOST),
        };
        let target = head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        for name in [TXN_TOKEN, STAMPS, CHAINS, hop::TIMEOUT, hop::ATTEMPT] {
            // An attempt that was not sent after all may have been made ready for somebody else.
            head.headers.remove(name);
        }
        if !cluster.service.plain_identity {
            // What the other service may be told about users, this one may not.
            projection::write(&mut head.headers, None, exchange.snapshot.config.user_headers());
        }
        let host = host.ok_or(Rejection::Framing(Fault::HostMissing))?;
        self.request = Some(address((head, target, host), cluster, body, exchange.known.grpc)?);
        self.cluster = Rc::clone(cluster);
        exchange.cluster = Some(Rc::clone(cluster));
        Ok(())
    }
}

impl Pipeline {
    /// Sends the request; the deadline covers waiting for a place, connecting, trying again and the answer's head.
    pub(super) async fn forward(
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
        let terms = &exchange.terms;
        let vouch = |headers: &mut HeaderMap, bound: &Bound, attempt: u32| {
            self.vouch(onward.as_ref(), headers, bound, cluster);
            hop::write_hop(
                headers,
                terms.until.map(|until| until.saturating_duration_since(clock::now())),
                attempt,
            );
        };
        let call = Call { request, flow: exchange.flow.as_ref(), progress: &exchange.progress, terms };
        let mut sent = pin!(attempt::send(cluster, call, &vouch));
        let sent = loop {
            match before(&exchange.timer, sent.as_mut()).await {
                Some(sent) => break sent,
                None if exchange.is_cut() => break Err(Rejection::NotAuthorized),
                None => {
                    let Err(rejection) = deadline.look_again(exchange, clock::now()) else { continue };
                    if rejection == Rejection::RequestTimeout {
                        once::ran_out(cluster, &exchange.progress, terms);
                    }
                    break Err(rejection);
                }
            }
        };
        if sent.is_err() {
            // Nothing of it rides on: the next one may enter before the refusal is read.
            exchange.progress.borrow_mut().leave();
        }
        exchange.upstream_time = sent.as_ref().ok().map(|(_, held)| held.took());
        sent.map_err(|rejection| clients_fault(exchange).unwrap_or(rejection))
    }

    /// Hands the user on over a connection of the mesh, whose own certificate signs.
    fn vouch(&self, onward: Option<&Onward>, headers: &mut HeaderMap, bound: &Bound, to: &Cluster) {
        if let (Some(onward), Some(id)) = (onward, &to.service.mesh) {
            self.desk.attach(headers, onward, (&bound.own, id), self.recorder.timestamp(clock::now()));
        }
    }

    /// What the route says for a service that is left in peace.
    pub(super) async fn answer_instead(
        &self,
        mut exchange: Box<Exchange>,
        outgoing: &mut Outgoing,
        open: Open,
    ) -> Response<Body> {
        let snapshot = Rc::clone(&exchange.snapshot);
        let route = exchange.known.route.and_then(|index| snapshot.route(index));
        let wanted = exchange.cluster.clone();
        let instead = route.and_then(|route| route.on_open.as_ref());
        match instead.filter(|_| exchange.asks_upgrade.is_none()) {
            None | Some(Fallback::Refuse { .. }) => reply::refuse(exchange, &Rejection::BreakerOpen(open)),
            Some(Fallback::Body { status, content_type, bytes }) => {
                exchange.degrade(wanted.as_deref(), "circuit-open");
                reply::instead(exchange, *status, (content_type, bytes))
            }
            Some(Fallback::Service(other)) => {
                let turned = match snapshot.clusters.get(other.0) {
                    Some(cluster) => outgoing.turn_to(&mut exchange, cluster),
                    None => Err(Rejection::NoEndpoint),
                };
                let result = match turned {
                    Ok(()) => {
                        let forwarded = pin!(self.forward(&mut exchange, outgoing));
                        runtime::catch_panic(forwarded).await.unwrap_or(Err(Rejection::Internal))
                    }
                    Err(rejection) => Err(rejection),
                };
                match result {
                    Ok((response, held)) => {
                        exchange.degrade(wanted.as_deref(), "circuit-open");
                        deliver(exchange, response, held)
                    }
                    Err(rejection) => reply::refuse(exchange, &rejection),
                }
            }
        }
    }

    /// Whether the answer must say that trying again is of no use: a hop behind us has, in vain.
    pub(super) fn take_note_of_tries(
        &self,
        exchange: &Exchange,
        is_call: bool,
        result: &Result<(Response<Incoming>, Held), Rejection>,
    ) -> bool {
        let (tried, failed) = match result {
            Ok((response, held)) => (held.tried, response.status().is_server_error()),
            Err(_) => (exchange.progress.borrow().attempts > 1, true),
        };
        if !failed {
            return false;
        }
        let trace = exchange.known.trace.trace_id();
        if is_call {
            if tried {
                self.tried.note(trace);
            }
            return false;
        }
        exchange.connection.peer_id().is_some() && (tried || self.tried.has(trace))
    }
}

/// Whether a caller has left the service clearly less time than it may take; hops on the way take a little of it always.
fn is_hurried(own: Option<Duration>, limit: Option<Duration>) -> bool {
    limit.is_some_and(|limit| own.is_none_or(|own| limit < own * 9 / 10))
}

/// Puts host and target where the upstream's protocol has them.
fn address(
    (mut head, target, host): (Parts, PathAndQuery, HeaderValue),
    cluster: &Cluster,
    body: RequestBody,
    grpc: bool,
) -> Result<Request<RequestBody>, Rejection> {
    let mut uri = http::uri::Parts::default();
    uri.path_and_query = Some(target);
    match cluster.service.protocol {
        Protocol::H1 | Protocol::Tcp => {
            head.version = http::Version::HTTP_11;
            head.headers.insert(header::HOST, host);
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
            uri.authority = Authority::try_from(host.as_bytes()).ok();
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
pub(super) fn clients_fault(exchange: &Exchange) -> Option<Rejection> {
    let fault = exchange.flow.as_ref()?.fault.get()?;
    Some(match (fault, exchange.connection.fault.get()) {
        (BodyFault::TooLarge, _) => Rejection::BodyTooLarge,
        (BodyFault::Broken, Some(fault)) => Rejection::Framing(fault),
        (BodyFault::Broken, None) => Rejection::BodyBroken,
    })
}
