//! What is known about one request and its answer so far.
//!
//! An exchange is recorded exactly once, when it is dropped: with the answer's last byte, or when the client has
//! left and its task ended. Until something better is known it ends as "the client left", because that is what
//! a drop without a word means.

use super::Recorder;
use super::admit::Known;
use super::evidence::{Evidence, Onward};
use super::live::Live;
use super::reply::GRPC_STATUS;
use super::request_id;
use super::snapshot::Snapshot;
use super::trace::Trace;
use super::upgrade::Asked;
use crate::admission::limit::limiter::Counts;
use crate::admission::overload::InFlight as Load;
use crate::clock;
use crate::config::listener::Role;
use crate::config::service::Protocol;
use crate::identity::in_flight::Ticket;
use crate::listener::connection::{Connection, InFlight};
use crate::runtime::Moved;
use crate::sweep::Timer;
use crate::telemetry::metrics::ActiveGuard;
use crate::telemetry::outcome::{EndedBy, Outcome, Stage};
use crate::telemetry::record::Record;
use crate::upstream::body::Flow;
use crate::upstream::cluster::Cluster;
use crate::upstream::once::{Progress, Terms};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Version};
use portcullis_ca::spiffe::SpiffeId;
use portcullis_ca::time::Timestamp;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Status written down for a client that left before it got an answer (the convention of nginx).
const CLIENT_GONE: u16 = 499;

/// One request and its answer.
#[derive(Debug)]
pub struct Exchange {
    /// The connection it came on.
    pub connection: Rc<Connection>,
    /// When its head had arrived.
    pub started: Instant,
    /// When its answer had ended, if that is known already.
    pub ended: Option<Instant>,
    /// Deadlines: first of the answer's head, then of pauses in its body.
    pub timer: Timer,
    /// What is known about the request.
    pub known: Known,
    /// The configuration it is handled by.
    pub snapshot: Rc<Snapshot>,
    /// The user a peer or the application vouches for.
    pub evidence: Option<Evidence>,
    /// What limits have said.
    pub counts: Counts,
    /// Its place among the requests of the process.
    pub load: Option<Load>,
    /// The user to hand on to members of the mesh.
    pub onward: Option<Onward>,
    /// Its passport counts as in flight.
    pub ticket: Option<Ticket>,
    /// What it was allowed for.
    pub live: Option<Rc<Live>>,
    /// The service chosen.
    pub cluster: Option<Rc<Cluster>>,
    /// The client asks to leave HTTP.
    pub asks_upgrade: Option<Box<Asked>>,
    /// What is decided about attempts before the first.
    pub terms: Terms,
    /// Attempts and the last endpoint.
    pub progress: RefCell<Progress>,
    /// The request body on its way.
    pub flow: Option<Rc<Flow>>,
    /// From the first attempt to the answer's head.
    pub upstream_time: Option<Duration>,
    /// Somebody else than the service answers: whom it stands for and why, for the client.
    pub degraded: Option<HeaderValue>,
    /// What the service has said in gRPC, at the end of its answer.
    pub grpc_status: Option<u8>,
    /// Status of the answer.
    pub status: u16,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// How it ended, as far as is known.
    pub outcome: Outcome,
    recorder: Rc<Recorder>,
    _in_flight: InFlight,
    _active: ActiveGuard,
}

impl Exchange {
    /// Takes note of what a gRPC service says: in its trailers, or in a head that is all there is.
    pub fn take_note_of_grpc(&mut self, fields: &HeaderMap) {
        if self.known.grpc {
            let said = fields.get(GRPC_STATUS).and_then(|value| value.to_str().ok()?.parse().ok());
            self.grpc_status = said.or(self.grpc_status);
        }
    }

    /// Takes note of what was carried in place of bodies.
    pub fn carried(&mut self, moved: &Moved) {
        self.bytes_out = moved.down.get();
        self.flow.get_or_insert_default().bytes.set(moved.up.get());
    }

    /// Begins when a request's head has arrived.
    pub fn begin(
        connection: &Rc<Connection>,
        recorder: &Rc<Recorder>,
        snapshot: Rc<Snapshot>,
        timer: Timer,
    ) -> Box<Self> {
        let id = request_id::generate(fastrand::u128(..));
        let known = Known::new(connection.client, id, Trace::new(fastrand::u128(..), fastrand::u64(..)));
        Box::new(Self {
            connection: Rc::clone(connection),
            started: clock::now(),
            ended: None,
            timer,
            known,
            snapshot,
            evidence: None,
            counts: Counts::new(),
            load: None,
            onward: None,
            ticket: None,
            live: None,
            cluster: None,
            asks_upgrade: None,
            terms: Terms::default(),
            progress: RefCell::default(),
            flow: None,
            upstream_time: None,
            degraded: None,
            grpc_status: None,
            status: CLIENT_GONE,
            bytes_out: 0,
            outcome: Outcome { stage: Stage::Send, ..Outcome::CLIENT_GONE },
            recorder: Rc::clone(recorder),
            _in_flight: connection.enter(),
            _active: recorder.metrics.active(),
        })
    }

    /// Whether it came from the mesh to an application that speaks no HTTP.
    pub fn takes_tunnels(&self) -> bool {
        let workload = self.snapshot.config.sidecar.as_ref().map(|sidecar| &sidecar.workload);
        matches!(self.connection.role, Role::Inbound { .. })
            && workload.is_some_and(|workload| workload.protocol == Protocol::Tcp)
    }

    /// When it began, by the wall clock.
    pub fn wall(&self) -> Timestamp {
        self.recorder.timestamp(self.started)
    }

    /// Whether what it was allowed for is not allowed any more.
    pub fn is_cut(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.cut.get())
    }

    /// Somebody else answers for `cluster`.
    pub fn degrade(&mut self, cluster: Option<&Cluster>, reason: &'static str) {
        let route = self.known.route.map_or("", |index| self.snapshot.route_name(index));
        self.recorder.metrics.degraded(route, reason);
        let service = cluster.map_or("", |cluster| &cluster.service.name);
        self.degraded = HeaderValue::try_from(format!("{service};reason={reason}")).ok();
    }

    /// Counts the use of a route whose end is announced.
    pub fn count_deprecated(&self, route: &str) {
        self.recorder.metrics.deprecated(route);
    }

    /// Id of the rule that let it in or refused it; empty when none fits.
    fn rule(&self) -> Option<&str> {
        let decision = self.known.decision?;
        Some(decision.rule.map_or("", |index| self.snapshot.policy.id(index)))
    }

    fn record(&self) -> Record<'_> {
        let progress = self.progress.borrow();
        let text = |value: &PathAndQuery| (value.path().len(), value.query().is_some());
        let whole = self.known.target.as_ref().map_or("", PathAndQuery::as_str);
        let (path, query) =
            self.known.target.as_ref().map(text).map_or((whole, ""), |(length, has_query)| {
                (
                    whole.get(..length).unwrap_or(whole),
                    whole.get(length + usize::from(has_query)..).unwrap_or(""),
                )
            });
        Record {
            started: self.recorder.wall(self.started),
            duration: self.ended.unwrap_or_else(clock::now).saturating_duration_since(self.started),
            method: if self.known.target.is_some() { self.known.method.as_str() } else { "" },
            scheme: self.connection.scheme(),
            host: &self.known.host,
            path,
            query,
            route: self.known.route.map(|index| self.snapshot.route_name(index)),
            service: self.cluster.as_ref().map(|cluster| &*cluster.service.name),
            endpoint: progress.endpoint,
            attempts: progress.attempts,
            failed: progress.failed,
            degraded: self.degraded.as_ref().map(HeaderValue::as_bytes),
            grpc_status: self.grpc_status,
            upstream_time: self.upstream_time,
            status: self.status,
            protocol: protocol(self.known.version),
            client: self.known.client,
            peer: self.connection.peer,
            user_agent: self.known.user_agent.as_ref().map(HeaderValue::as_bytes),
            request_id: self.known.request_id.to_str().unwrap_or_default(),
            trace_id: self.known.trace.trace_id(),
            span_id: self.known.trace.span_id(),
            bytes_in: self.flow.as_ref().map_or(0, |flow| flow.bytes.get()),
            bytes_out: self.bytes_out,
            tls_version: self.connection.tls.as_ref().map(|tls| tls.version),
            mesh_peer: self.connection.peer_id().map(SpiffeId::as_str),
            rule: self.rule(),
            user: self.known.caller.as_ref().map(|caller| &*caller.principal.user),
            disbelieved: self.known.disbelieved,
            outcome: self.outcome,
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let now = self.ended.unwrap_or_else(clock::now);
        self.ended = Some(now);
        self.connection.quiet_since.set(now);
        if self.known.version == Version::HTTP_2 && self.outcome.reason == Outcome::CLIENT_GONE.reason {
            self.connection.count_reset(now);
        }
        if self.recorder.cutting.get() && self.outcome.reason == Outcome::CLIENT_GONE.reason {
            self.outcome = Outcome { ended_by: EndedBy::Proxy, reason: "drain_cut", ..self.outcome };
        }
        for counted in &self.counts {
            let limit = self.snapshot.config.limits.get(counted.limit).map_or("", |limit| &limit.name);
            self.recorder.metrics.limited(counted.verdict(), limit);
        }
        self.recorder.write(&self.record());
    }
}

const fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    }
}
