//! Making one connection to an endpoint: TCP, TLS when the service wants it, the HTTP handshake.

use super::body::RequestBody;
use super::guarded::{Guarded, Wire};
use super::settings::Settings;
use super::severed::{Knife, Severed};
use crate::capture;
use crate::clock;
use crate::config::service::{Protocol, Service};
use crate::listener::gate::{Limits, ResponseGate};
use crate::mesh::{self, Own, Seat};
use crate::pipeline::reject::ConnectFault;
use crate::runtime::LocalExecutor;
use crate::telemetry::metrics::{OpenConnection, ServiceMetrics};
use crate::tls::client::{ClientTls, Transport};
use crate::tls::facts::Peer;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use portcullis_ca::verify::Side;
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpSocket, TcpStream};

/// Nothing of one connection grows beyond this.
const BUFFER: usize = 64 * 1024;
/// Flow-control window of one HTTP/2 stream, bytes.
const STREAM_WINDOW: u32 = 64 * 1024;
/// Streams we open on one HTTP/2 connection, whatever the server allows.
pub const MAX_STREAMS: u32 = 100;
/// Flow-control window of an HTTP/2 connection, bytes: room for every stream, so that nobody who does not read holds up
/// the others.
const CONNECTION_WINDOW: u32 = MAX_STREAMS * STREAM_WINDOW;

/// A connection that speaks HTTP, ready for requests.
#[derive(Debug)]
pub enum Sender {
    /// HTTP/1: one request at a time.
    H1(http1::SendRequest<RequestBody>, Rc<Wire>),
    /// HTTP/2: many.
    H2 {
        /// Takes requests.
        sender: http2::SendRequest<RequestBody>,
        /// What the server allows.
        settings: Rc<Settings>,
        /// How the gauges see it.
        open: OpenConnection,
        /// Who is at both ends, in the mesh.
        bound: Option<Rc<Bound>>,
        /// Cuts it.
        knife: Rc<Knife>,
    },
}

/// Who is at both ends of a connection of the mesh.
#[derive(Debug)]
pub struct Bound {
    /// Our certificate when it was made.
    pub own: Arc<Own>,
    /// The peer.
    pub peer: Arc<Peer>,
    /// It takes no further request from then on: certificates and connections age together.
    pub retires: Instant,
}

/// What is needed to connect to any endpoint of a service.
#[derive(Debug, Clone, Copy)]
pub struct Destination<'a> {
    /// Its settings.
    pub service: &'a Service,
    /// How to speak TLS to it.
    pub tls: Option<&'a ClientTls>,
    /// Who we are in the mesh.
    pub seat: &'a Seat,
    /// Its counters.
    pub metrics: &'a Rc<ServiceMetrics>,
    /// When a failed connection was last complained about.
    pub complained: &'a Cell<Option<Instant>>,
}

/// What went wrong, in our word and in the words of whoever noticed.
pub(super) type Failed = (ConnectFault, Box<dyn std::error::Error>);

impl Destination<'_> {
    /// One line a second and service: enough to know why, too few to fill a disk.
    fn complain(&self, address: SocketAddr, fault: ConnectFault, error: &dyn std::error::Error) {
        let now = clock::now();
        if self.complained.get().is_none_or(|last| now > last + Duration::from_secs(1)) {
            self.complained.set(Some(now));
            let (service, reason) = (&self.service.name, fault.word());
            tracing::warn!(%service, %address, reason, %error, "cannot connect");
        }
    }
}

/// Connects within the service's connect time.
pub async fn connect(address: SocketAddr, to: Destination<'_>) -> Result<Sender, ConnectFault> {
    to.metrics.connecting();
    let made = async {
        let (transport, bound) = open(address, (to.service, to.tls, to.seat)).await?;
        if let Some(bound) = bound {
            return http2_handshake(transport, to.metrics.connected(), Some(Rc::new(bound))).await;
        }
        match to.service.protocol {
            Protocol::H1 | Protocol::Tcp => http1_handshake(transport, to.metrics.connected()).await,
            Protocol::H2 => http2_handshake(transport, to.metrics.connected(), None).await,
        }
    };
    let made = tokio::time::timeout(to.service.timeout.connect, made).await;
    made.unwrap_or_else(|elapsed| Err((ConnectFault::Timeout, elapsed.into()))).map_err(|(fault, error)| {
        to.metrics.connect_failed(fault.word());
        to.complain(address, fault, &*error);
        fault
    })
}

/// Opens TCP and whatever security the service has on it.
pub(super) async fn open(
    address: SocketAddr,
    (service, tls, seat): (&Service, Option<&ClientTls>, &Seat),
) -> Result<(Transport, Option<Bound>), Failed> {
    let stream = tcp(address).await.map_err(|error| (ConnectFault::Refused, error.into()))?;
    let refused = |error: std::io::Error| (ConnectFault::Tls, error.into());
    if let Some(expected) = &service.mesh {
        let membership = seat.get().ok_or_else(|| (ConnectFault::Tls, NotJoined.into()))?;
        let made = membership.tls.connect(expected, address.ip(), stream).await;
        let (stream, peer) = made.map_err(|fault| (ConnectFault::Tls, fault.into()))?;
        if membership.trust.version != seat.turn.get() {
            // The trust has changed meanwhile: connections that were there have been judged by it, this one not.
            let judged = seat.get().map(|now| now.judge(&peer, Side::Server, mesh::now()));
            judged.unwrap_or(Ok(())).map_err(|error| (ConnectFault::Tls, error.into()))?;
        }
        let retires = membership.retire_at(&peer.svid, mesh::now(), clock::now());
        let bound = Bound { own: Arc::clone(&membership.own), peer, retires };
        return Ok((Transport::Tls(Box::new(stream)), Some(bound)));
    }
    let Some(tls) = tls else { return Ok((Transport::Plain(stream), None)) };
    let secured = tls.connector.connect(tls.name.clone(), stream).await.map_err(refused)?;
    Ok((Transport::Tls(Box::new(secured)), None))
}

/// We have no certificate of the mesh yet.
#[derive(Debug, thiserror::Error)]
#[error("this process has not joined the mesh yet")]
struct NotJoined;

/// Connects, without the kernel taking the connection back to us (see [`crate::capture`]).
pub async fn tcp(address: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    capture::exempt(&socket);
    let stream = socket.connect(address).await?;
    // Without this, small requests wait for the acknowledgement of the one before.
    let _best_effort = stream.set_nodelay(true).is_ok();
    Ok(stream)
}

async fn http1_handshake(transport: Transport, open: OpenConnection) -> Result<Sender, Failed> {
    let wire = Wire::new(ResponseGate::new(Limits::of_responses()), open);
    let io = TokioIo::new(Guarded::new(transport, Rc::clone(&wire)));
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(BUFFER)
        .handshake(io)
        .await
        .map_err(|error| (ConnectFault::Protocol, error.into()))?;
    let task = tokio::task::spawn_local(async move {
        // Its end is seen by whoever holds the sender.
        let _ended = connection.await.is_ok();
    });
    wire.task.get_or_init(|| task.abort_handle());
    Ok(Sender::H1(sender, wire))
}

async fn http2_handshake(
    transport: Transport,
    open: OpenConnection,
    bound: Option<Rc<Bound>>,
) -> Result<Sender, Failed> {
    let knife = Rc::new(Knife::default());
    let (sender, connection) = http2::Builder::new(LocalExecutor)
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(64 * 1024)
        .max_send_buf_size(BUFFER)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(10))
        .handshake(TokioIo::new(Severed::new(transport, Rc::clone(&knife))))
        .await
        .map_err(|error| (ConnectFault::Protocol, error.into()))?;
    let settings = Rc::new(Settings::new(connection.current_max_send_streams()));
    let told = Rc::clone(&settings);
    tokio::task::spawn_local(async move {
        let mut connection = pin!(connection);
        poll_fn(|cx| {
            let ended = connection.as_mut().poll(cx);
            let extended = connection.is_extended_connect_protocol_enabled();
            told.note(connection.current_max_send_streams(), extended, cx);
            ended.map(drop)
        })
        .await;
    });
    Ok(Sender::H2 { sender, settings, open, bound, knife })
}
