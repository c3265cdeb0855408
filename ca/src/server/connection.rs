//! One connection, from its handshake to its last stream.
//!
//! | stage | ends early when |
//! |--|--|
//! | handshake: a stranger until it showed a certificate | it takes too long, a newer stranger needs the place, the server stops |
//! | calls | its certificate is denied or expires; an end of its root or intermediate counts too |
//! | told to go: no new calls, those in flight are answered | the time is up |
//!
//! Limits are looked at here, before a byte of a request's body is read. It must not know what calls do.

use super::admission::{Admission, spread};
use super::core::Core;
use super::listener::Seat;
use super::places::Places;
use super::service::{LONGEST, Origin, Service};
use super::view::{Peer, Trusted};
use super::{Limits, Stopping, status, tls};
use crate::certificate;
use crate::clock;
use crate::proto::certificate_authority_server::{CertificateAuthorityServer, SERVICE_NAME};
use crate::tls::LocalExecutor;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Service as _;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::HealthService;

/// A call must be there, and be answered, within this.
const CALL_LIMIT: Duration = Duration::from_secs(10);
/// How long the rest of a refused request may take.
const REST_LIMIT: Duration = Duration::from_secs(1);
/// A peer that is gone is noticed within the sum of both.
const PING_EVERY: Duration = Duration::from_secs(10);
const PING_LIMIT: Duration = Duration::from_secs(20);
/// How long a member that is out may take to hear so.
const LAST_WORDS: Duration = Duration::from_millis(300);
/// What a connection may grow to.
const STREAMS: u32 = 64;
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;
const SEND_BUFFER: usize = 64 * 1024;
const HEADERS: u32 = 16 * 1024;

/// What all connections share.
pub(super) struct House {
    pub(super) limits: Limits,
    pub(super) acceptor: TlsAcceptor,
    pub(super) service: CertificateAuthorityServer<Service>,
    pub(super) health: HealthServer<HealthService>,
    pub(super) admission: Arc<Admission>,
    pub(super) core: Arc<Core>,
    pub(super) trusted: Trusted,
    pub(super) stopping: Stopping,
    /// The connections of each member.
    pub(super) members: Places,
}

impl House {
    /// Serves a connection that was just accepted.
    pub(super) async fn serve(self: Rc<Self>, stream: TcpStream, address: SocketAddr, seat: Seat) {
        let mut stopping = self.stopping.clone();
        let mut trusted = self.trusted.clone();
        // Changes from here on are looked at again: the handshake may have gone by the trust before.
        trusted.mark_unchanged();
        let arrived = tokio::select! {
            arrived = self.arrive(stream, address, seat) => arrived,
            () = stopping.reached() => return,
        };
        if let Some(arrived) = arrived {
            self.answer_calls(arrived, trusted).await;
        }
    }

    /// The handshake.
    async fn arrive(&self, stream: TcpStream, address: SocketAddr, seat: Seat) -> Option<Arrived> {
        // Else small answers wait for the acknowledgement of the one before.
        let _best_effort = stream.set_nodelay(true).is_ok();
        let handshake = timeout(self.limits.handshake, self.acceptor.accept(stream)).await;
        let stream = match handshake {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::debug!(%address, %error, "TLS handshake failed");
                return None;
            }
            Err(_late) => {
                tracing::debug!(%address, "TLS handshake took too long");
                return None;
            }
        };
        let connection = stream.get_ref().1;
        if !tls::speaks_http2(connection) {
            return None;
        }
        let peer = match tls::chain_of(connection) {
            Some(chain) => Some(self.member(chain, &seat).await?),
            None => None,
        };
        let place = match &peer {
            Some(peer) => Some(self.members.take(&peer.holder)?),
            None => None,
        };
        Some(Arrived { stream: Box::new(stream), origin: Origin { address, peer }, _counted: (seat, place) })
    }

    /// Who showed this chain, which has been verified.
    async fn member(&self, chain: Vec<Vec<u8>>, seat: &Seat) -> Option<Arc<Peer>> {
        seat.is_a_member();
        let svid = certificate::svid(chain.first()?).ok()?;
        let holder = self.core.holder(&svid).await;
        Some(Arc::new(Peer { chain, svid, holder }))
    }

    async fn answer_calls(self: &Rc<Self>, arrived: Arrived, trusted: Trusted) {
        let Arrived { stream, origin, _counted } = arrived;
        let peer = origin.peer.clone();
        let service = service_fn(|request: Request<Incoming>| {
            let house = Rc::clone(self);
            let origin = origin.clone();
            async move { Ok::<_, Infallible>(house.answer(origin, request).await) }
        });
        let mut served = pin!(http2().serve_connection(TokioIo::new(stream), service));
        let mut stopping = self.stopping.clone();
        let mut out = pin!(until_out(peer, trusted));
        let mut told = false;
        loop {
            tokio::select! {
                // How it ended says nothing about us.
                _ended = served.as_mut() => return,
                () = out.as_mut() => {
                    tracing::info!(event = "member_out", peer = %origin.name(), "a connection ends: its certificate is denied or has expired");
                    served.as_mut().graceful_shutdown();
                    let _flushed = timeout(LAST_WORDS, served).await;
                    return;
                }
                () = stopping.reached(), if !told => {
                    told = true;
                    served.as_mut().graceful_shutdown();
                }
            }
        }
    }

    async fn answer(&self, origin: Origin, mut request: Request<Incoming>) -> Response<Body> {
        let call = Call::of(request.uri().path());
        if let Err(status) = self.admit(call, &origin) {
            if matches!(call, Call::Bootstrap | Call::Renew) {
                pass_over(request.body_mut()).await;
            }
            return status.into_http();
        }
        request.extensions_mut().insert(origin);
        let answer = match call {
            Call::Health => timeout(CALL_LIMIT, self.health.clone().call(request)).await,
            _ => timeout(CALL_LIMIT, self.service.clone().call(request)).await,
        };
        match answer {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(_late) => status::too_slow().into_http(),
        }
    }

    /// Whether the call may go on to be read.
    fn admit(&self, call: Call, origin: &Origin) -> Result<(), Status> {
        let now = clock::monotonic();
        let admitted = match (call, &origin.peer) {
            (Call::Bootstrap, _) => self.admission.attempt(now),
            (Call::Renew, Some(peer)) => self.admission.renewal(&peer.holder, now),
            (Call::Renew | Call::Watch, None) => return Err(status::no_certificate()),
            (Call::Watch | Call::Health | Call::Unknown, _) => Ok(()),
        };
        admitted.map_err(|wait| status::over_limit(spread(wait)))
    }
}

/// A connection after its handshake.
struct Arrived {
    stream: Box<TlsStream<TcpStream>>,
    origin: Origin,
    _counted: (Seat, Option<super::places::Place>),
}

/// Lets the rest of a refused request go by unread. An answer before its end would reset the stream, and HTTP/2 ends
/// connections that see too many resets: those of honest workloads that all come at once.
async fn pass_over(body: &mut Incoming) {
    let rest = async {
        let mut length = 0;
        while let Some(Ok(frame)) = body.frame().await
            && length <= LONGEST
        {
            length += frame.data_ref().map_or(0, |data| data.len());
        }
    };
    let _in_time = timeout(REST_LIMIT, rest).await;
}

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Bootstrap,
    Renew,
    Watch,
    Health,
    Unknown,
}

impl Call {
    fn of(path: &str) -> Self {
        let Some((service, method)) = path.strip_prefix('/').and_then(|path| path.split_once('/')) else {
            return Self::Unknown;
        };
        match (service, method) {
            (SERVICE_NAME, "Bootstrap") => Self::Bootstrap,
            (SERVICE_NAME, "Renew") => Self::Renew,
            (SERVICE_NAME, "WatchBundle") => Self::Watch,
            (tonic_health::pb::health_server::SERVICE_NAME, _) => Self::Health,
            _ => Self::Unknown,
        }
    }
}

/// Returns when the peer is to be believed no more. A stranger has nothing to lose.
async fn until_out(peer: Option<Arc<Peer>>, mut trusted: Trusted) {
    let Some(peer) = peer else { return std::future::pending().await };
    loop {
        // A second more: the last one is still good. At most a minute: the clock may be set.
        let left = peer.svid.not_after.since(clock::wall()) + Duration::from_secs(1);
        let changed = tokio::select! {
            changed = trusted.changed() => changed.is_ok(),
            () = sleep(left.min(Duration::from_secs(60))) => false,
        };
        let now = clock::wall();
        let view = Arc::clone(&trusted.borrow_and_update());
        if view.is_out(&peer.svid, now) {
            return;
        }
        if changed {
            // All others first get the cheap look, so that the denied go at once.
            tokio::task::yield_now().await;
            if peer.is_out_by(&view, now) {
                return;
            }
        }
    }
}

fn http2() -> http2::Builder<LocalExecutor> {
    let mut builder = http2::Builder::new(LocalExecutor);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEADERS)
        .max_send_buf_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(200)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_LIMIT);
    builder
}
