//! One connection from its first byte to its last.
//!
//! ```text
//! PROXY header -> cap per address -> TLS -> which HTTP -> HTTP/1 behind the gate | HTTP/2 -> pipeline
//! ```

use super::accept::{Acceptor, Settings};
use super::caps::Open;
use super::connection::{Connection, Counted, client_address};
use super::detect::{self, Plan};
use super::gate::{RequestGate, RequestRules};
use super::greet::{self, Http};
use super::guarded::Guarded;
use super::mesh;
use super::streams::StreamExecutor;
use crate::capture;
use crate::config::ServiceId;
use crate::config::listener::Role;
use crate::config::service::Protocol;
use crate::drain::Phase;
use crate::handover::Handover;
use crate::telemetry::metrics::{OpenGuard, Refusal};
use crate::tls::facts::TlsFacts;
use crate::tls::server::{self, ServerTls, Transport};
use crate::{clock, sweep::Timer};
use http::{HeaderValue, Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use portcullis_ca::verify::Side;
use std::cell::{Cell, OnceCell, RefCell};
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::net::TcpStream;

/// How long an HTTP/2 client that was told to go may take.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Nothing of one connection grows beyond this.
const BUFFER: usize = 64 * 1024;

/// Serves one connection. `Err` = it was refused before any request.
pub async fn connection(
    acceptor: &Rc<Acceptor>,
    settings: Rc<Settings>,
    (mut stream, peer): (TcpStream, SocketAddr),
    counted: (Open, OpenGuard),
) -> Result<(), Refusal> {
    let limit = settings.listener.timeouts.handshake;
    // Without this, small answers wait for the acknowledgement of the one before.
    let _best_effort = stream.set_nodelay(true).is_ok();
    let said = match settings.listener.proxy_protocol {
        false => None,
        true if !settings.trust.trusts(peer.ip()) => return Err(Refusal::ProxyHeader),
        true => Some(in_time(limit, greet::proxy_header(&mut stream)).await??),
    };
    let client = client_address(peer, said);
    let from = settings.limits.open_from(client.ip()).ok_or(Refusal::PerAddress)?;
    let counted = (counted.0, counted.1, from);
    let role = match whither(acceptor, &settings, &stream).await? {
        Whither::Http(role) => role,
        Whither::Bytes(service) => {
            return crate::pipeline::relay::relay(&acceptor.pipeline, &acceptor.roster, service, stream)
                .await;
        }
    };
    let mut turn = acceptor.pipeline.seat.turn.get();
    let (transport, tls, http) = match (role, &settings.tls) {
        (Role::Inbound { permissive }, _) => {
            let ready = mesh::accept(&settings, &acceptor.pipeline.seat, permissive, stream);
            let Some(ready) = in_time(limit, ready).await?? else { return Ok(()) };
            turn = ready.turn;
            (ready.transport, ready.tls, ready.http)
        }
        (_, Some(tls)) => in_time(limit, handshake(tls, &settings, stream)).await??,
        // A client that says nothing is no trouble: browsers connect ahead.
        (_, None) => match in_time(settings.listener.timeouts.header, plain(&settings, &stream)).await {
            Ok(Some(http)) => (Transport::Plain(stream), None, http),
            Ok(None) | Err(_) => return Ok(()),
        },
    };
    let connection = describe(acceptor, &settings, (peer, client), (role, tls, turn), counted);
    match http {
        Http::H1 => serve_http1(acceptor, &settings, connection, transport).await,
        Http::H2 => serve_http2(acceptor, connection, transport).await,
    }
    Ok(())
}

async fn in_time<F: Future>(limit: Duration, future: F) -> Result<F::Output, Refusal> {
    tokio::time::timeout(limit, future).await.map_err(|_elapsed| Refusal::HandshakeTimeout)
}

/// What is spoken on a plain connection. `None` = the client left without a byte.
async fn plain(settings: &Settings, stream: &TcpStream) -> Option<Http> {
    match (settings.listener.h1, settings.listener.h2) {
        (true, false) => Some(Http::H1),
        // Whoever speaks something else is told so in HTTP/2.
        (false, _) => Some(Http::H2),
        (true, true) => greet::spoken(stream).await.ok().flatten(),
    }
}

async fn handshake(
    tls: &ServerTls,
    settings: &Settings,
    stream: TcpStream,
) -> Result<(Transport, Option<TlsFacts>, Http), Refusal> {
    let hello = server::hello(stream).await;
    let hello = hello.map_err(|error| tls_failed(&error))?;
    // The costly part: only so many at once, the others wait their turn within the handshake time.
    let _turn = settings.limits.handshakes.acquire().await.map_err(|_closed| Refusal::HandshakeCap)?;
    let stream = hello.into_stream(Arc::clone(&tls.config)).await.map_err(|error| tls_failed(&error))?;
    let (facts, is_h2) = tls.facts(stream.get_ref().1);
    Ok((
        Transport::Tls(Box::new(stream)),
        Some(facts),
        if is_h2 || !settings.listener.h1 { Http::H2 } else { Http::H1 },
    ))
}

pub(super) fn tls_failed(error: &std::io::Error) -> Refusal {
    tracing::debug!(%error, "TLS handshake failed");
    Refusal::TlsError
}

/// What becomes of a connection.
enum Whither {
    /// HTTP is spoken on it.
    Http(Role),
    /// Its bytes go to this service as they are.
    Bytes(ServiceId),
}

/// The role of a connection: its listener's, unless the kernel took it on its way to a service.
async fn whither(acceptor: &Acceptor, settings: &Settings, stream: &TcpStream) -> Result<Whither, Refusal> {
    let snapshot = Rc::clone(&acceptor.pipeline.snapshot.borrow());
    let service = |id: ServiceId| snapshot.config.services.get(id.0);
    let role = match settings.listener.role {
        Role::Captured => match capture::original_destination(stream) {
            None => Role::Outbound,
            Some(destination) => {
                let id = snapshot.service_at(destination).ok_or_else(|| {
                    if acceptor.may_complain() {
                        tracing::warn!(%destination, hint = HINT, "a captured connection goes to no service");
                    }
                    Refusal::NoService
                })?;
                let declared = service(id).filter(|one| one.declared).map(|one| one.protocol);
                return captured(id, declared, destination.port(), stream).await;
            }
        },
        role => role,
    };
    Ok(match role {
        Role::Local(id) if service(id).is_some_and(|one| one.protocol == Protocol::Tcp) => Whither::Bytes(id),
        role => Whither::Http(role),
    })
}

/// What is declared counts; the rest is looked at. No rule of ours reads what the application sends, so what is no HTTP
/// passes as it is.
async fn captured(
    id: ServiceId,
    declared: Option<Protocol>,
    port: u16,
    stream: &TcpStream,
) -> Result<Whither, Refusal> {
    let mut detected = None;
    if detect::must_detect(declared, port) {
        match tokio::time::timeout(detect::PATIENCE, greet::detected(stream)).await {
            Ok(found) => detected = found.ok().flatten(),
            Err(_silent) => tracing::info!(
                port,
                hint = "declare `protocol:` of the service",
                "the client is silent: taken for tcp"
            ),
        }
    }
    match detect::plan(declared, port, false, detected) {
        Plan::Http(_) => Ok(Whither::Http(Role::Local(id))),
        Plan::Tcp => Ok(Whither::Bytes(id)),
        Plan::Refuse(_unread) => Err(Refusal::NoService),
    }
}

fn describe(
    acceptor: &Acceptor,
    settings: &Settings,
    (peer, client): (SocketAddr, SocketAddr),
    (role, tls, turn): (Role, Option<TlsFacts>, u64),
    counted: Counted,
) -> Rc<Connection> {
    let now = clock::now();
    let address = client.ip().to_canonical().to_string();
    Rc::new(Connection {
        peer,
        client,
        client_value: HeaderValue::try_from(address).unwrap_or_else(|_never| HeaderValue::from_static("")),
        nearest_is_trusted: acceptor.trusts(settings, client, tls.as_ref()),
        client_cert: OnceCell::new(),
        role,
        retires: acceptor.retires(tls.as_ref(), now),
        seat_turn: Cell::new(turn),
        ends: acceptor.ends(tls.as_ref(), now),
        service: acceptor.service_of(role),
        tls,
        authorities: Rc::clone(&acceptor.authorities),
        found: Cell::default(),
        redirect_https: settings.listener.redirect_https,
        timeouts: settings.listener.timeouts,
        in_flight: Cell::new(0),
        quiet_since: Cell::new(now),
        resets: Cell::new((0, now)),
        fault: Cell::new(None),
        marker_sent: Cell::new(false),
        switched: Cell::new(None),
        reader: RefCell::default(),
        handover: Handover::default(),
        roster: Rc::clone(&acceptor.roster),
        _counted: counted,
    })
}

async fn serve_http1(
    acceptor: &Rc<Acceptor>,
    settings: &Settings,
    connection: Rc<Connection>,
    transport: Transport,
) {
    let upgrades = acceptor.pipeline.may_upgrade();
    let gate = RequestGate::new(RequestRules { upgrades, ..RequestRules::from(settings.strict) });
    let io = Guarded::new(transport, gate, Rc::clone(&connection), &acceptor.pipeline.sweep);
    let service = service_fn(|request: Request<Incoming>| {
        let pipeline = Rc::clone(&acceptor.pipeline);
        let answered = pipeline.handle(&connection, request);
        let connection = Rc::clone(&connection);
        async move {
            let answer = answered.await;
            connection.settle(answer.status() == StatusCode::SWITCHING_PROTOCOLS);
            Ok::<_, Infallible>(answer)
        }
    });
    let served = http1::Builder::new()
        .max_buf_size(BUFFER)
        // The gate and the sweep keep the client's pace, without a timer per request.
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(io), service);
    let mut served = pin!(served);
    let member = acceptor.roster.join();
    let age = Age::new(acceptor, &connection);
    let mut asked_to_end = false;
    poll_fn(|cx| {
        match member.poll(cx) {
            Phase::Over => return Poll::Ready(()),
            _ if age.is_denied(cx) => return Poll::Ready(()),
            phase if (phase >= Phase::Closing || age.is_over(cx)) && !asked_to_end => {
                asked_to_end = true;
                served.as_mut().graceful_shutdown();
            }
            _ => {}
        }
        // An error here has been recorded with its exchange, or there was none.
        served.as_mut().poll(cx).map(drop)
    })
    .await;
}

async fn serve_http2(acceptor: &Rc<Acceptor>, connection: Rc<Connection>, transport: Transport) {
    let service = service_fn(|request: Request<Incoming>| {
        let pipeline = Rc::clone(&acceptor.pipeline);
        let answered = pipeline.handle(&connection, request);
        async move { Ok::<_, Infallible>(answered.await) }
    });
    let resets = connection.pending_resets();
    let sweep = &acceptor.pipeline.sweep;
    let executor = StreamExecutor::new(Rc::clone(sweep), connection.timeouts.write);
    let mut http = http2::Builder::new(executor);
    if acceptor.pipeline.may_upgrade() {
        http.enable_connect_protocol();
    }
    let served = http
        .timer(TokioTimer::new())
        .max_concurrent_streams(100)
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(connection.window())
        .max_header_list_size(connection.head_bytes())
        .max_send_buf_size(BUFFER)
        .max_pending_accept_reset_streams(resets)
        .max_local_error_reset_streams(10 * resets)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(10))
        .serve_connection(TokioIo::new(transport), service);
    let mut served = pin!(served);
    let pace = Pace::new(sweep.timer(), &connection);
    let age = Age::new(acceptor, &connection);
    let member = acceptor.roster.join();
    let mut asked_to_end = false;
    poll_fn(|cx| {
        let phase = member.poll(cx);
        if phase == Phase::Over || age.is_denied(cx) {
            return Poll::Ready(());
        }
        let ended = served.as_mut().poll(cx);
        if connection.resets_too_much() {
            // Asking it to go would let it go on until it agrees: the GOAWAY is for the record.
            served.as_mut().graceful_shutdown();
            let _flushed = served.as_mut().poll(cx).is_ready();
            return Poll::Ready(());
        }
        let leaves = phase >= Phase::Leaving || acceptor.pipeline.asks_to_leave();
        if ended.is_pending() && (leaves || age.is_over(cx) || pace.is_over(cx)) {
            if !std::mem::replace(&mut asked_to_end, true) {
                pace.last_words(cx);
                served.as_mut().graceful_shutdown();
                return served.as_mut().poll(cx).map(drop);
            }
            if phase < Phase::Leaving && pace.is_over(cx) {
                return Poll::Ready(());
            }
        }
        ended.map(drop)
    })
    .await;
}

/// What to write when a captured connection goes nowhere.
const HINT: &str =
    "add a service with this endpoint, or exempt the port: portcullis sidecar capture on --skip-port";

/// How long a connection of the mesh may last: certificates end, peers are revoked.
struct Age<'a> {
    timer: Option<Timer>,
    /// The peer's certificate has ended.
    end: Option<Timer>,
    acceptor: &'a Acceptor,
    connection: &'a Connection,
}

impl<'a> Age<'a> {
    fn new(acceptor: &'a Acceptor, connection: &'a Connection) -> Self {
        let timer = connection.retires.map(|at| {
            let timer = acceptor.pipeline.sweep.timer();
            timer.arm(at);
            timer
        });
        let end = connection.ends.map(|at| {
            let timer = acceptor.pipeline.sweep.timer();
            timer.arm(at);
            timer
        });
        Self { timer, end, acceptor, connection }
    }

    /// Whether it is time to go on over another connection.
    fn is_over(&self, cx: &std::task::Context<'_>) -> bool {
        self.timer.as_ref().is_some_and(|timer| timer.poll(cx).is_ready())
    }

    /// Whether the peer is not believed any more; looks only when there is something new.
    fn is_denied(&self, cx: &std::task::Context<'_>) -> bool {
        if self.end.as_ref().is_some_and(|end| end.poll(cx).is_ready()) {
            return true;
        }
        let seat = &self.acceptor.pipeline.seat;
        let peer = || self.connection.tls.as_ref()?.peer.as_deref();
        if self.connection.seat_turn.replace(seat.turn.get()) == seat.turn.get() {
            return false;
        }
        let (Some(membership), Some(peer)) = (seat.get(), peer()) else { return false };
        let judged = membership.judge(peer, Side::Client, crate::mesh::now());
        if let Err(error) = &judged {
            tracing::warn!(event = "connection_cut", peer = %peer.svid.id, %error, "the peer is not believed any more");
        }
        judged.is_err()
    }
}

/// When an HTTP/2 connection is not worth keeping: no stream for too long.
struct Pace<'a> {
    timer: Timer,
    connection: &'a Connection,
    /// It has been told to go.
    leaving: Cell<bool>,
}

impl<'a> Pace<'a> {
    /// The first stream must come as soon as a first head.
    fn new(timer: Timer, connection: &'a Connection) -> Self {
        timer.arm(clock::now() + connection.timeouts.header);
        Self { timer, connection, leaving: Cell::new(false) }
    }

    /// Whether to tell it to go, or, once told, to wait no longer.
    fn is_over(&self, cx: &std::task::Context<'_>) -> bool {
        if self.leaving.get() {
            // Streams that crossed our GOAWAY on the way may finish; then it is time.
            return self.connection.in_flight.get() == 0 && self.timer.poll(cx).is_ready();
        }
        if self.connection.in_flight.get() > 0 {
            self.timer.disarm();
            return false;
        }
        if !self.timer.is_armed() && !self.timer.has_fired() {
            self.timer.arm(clock::now() + self.connection.timeouts.idle);
        }
        self.timer.poll(cx).is_ready()
    }

    /// It has been told; how long it may take to go.
    fn last_words(&self, cx: &std::task::Context<'_>) {
        self.leaving.set(true);
        self.timer.arm(clock::now() + LAST_WORDS);
        let _registered = self.timer.poll(cx).is_ready();
    }
}
