//! Connections of one worker to one endpoint.
//!
//! HTTP/1: a stack of unused connections; the one used last is taken first, so that the others can age out.
//! HTTP/2: a few shared ones; another is made when streams run out. A connection is given back only when both
//! bodies have ended; dropping a [`Lease`] earlier closes it (HTTP/1) or resets its stream (HTTP/2).

use super::body::{Flow, RequestBody};
use super::connect::{Bound, Destination, MAX_STREAMS, Sender, connect};
use super::guarded::Wire;
use super::settings::Settings;
use super::severed::Knife;
use super::state::EndpointStats;
use crate::clock;
use crate::config::service::Protocol;
use crate::handover::Taken;
use crate::mesh::{self, Membership};
use crate::pipeline::reject::ConnectFault;
use crate::telemetry::metrics::OpenConnection;
use crate::tls::client::Transport;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use portcullis_ca::verify::Side;
use smallvec::SmallVec;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, oneshot};

/// How long an HTTP/2 connection without streams is kept.
const H2_IDLE: Duration = Duration::from_secs(300);

/// Connections of one worker to one endpoint.
#[derive(Debug)]
pub struct EndpointPool {
    /// Where it is.
    pub address: SocketAddr,
    /// Shared counters.
    pub stats: Arc<EndpointStats>,
    idle: RefCell<Vec<Idle>>,
    shared: RefCell<Vec<Shared>>,
    /// One HTTP/2 connection is made at a time: the others wait and then share it.
    connecting: Mutex<()>,
    /// The last attempt at an HTTP/2 connection that failed.
    failed: Cell<Option<(Instant, ConnectFault)>>,
}

#[derive(Debug)]
struct Idle {
    sender: http1::SendRequest<RequestBody>,
    wire: Rc<Wire>,
    expires: Instant,
}

#[derive(Debug, Clone)]
struct Shared {
    sender: http2::SendRequest<RequestBody>,
    streams: Rc<Cell<usize>>,
    settings: Rc<Settings>,
    unused_since: Rc<Cell<Instant>>,
    open: Rc<OpenConnection>,
    bound: Option<Rc<Bound>>,
    knife: Rc<Knife>,
}

/// A connection, or a stream of one, for one exchange.
#[derive(Debug)]
pub struct Lease {
    channel: Option<Channel>,
    pool: Rc<EndpointPool>,
    /// It has carried an exchange before.
    pub reused: bool,
}

#[derive(Debug)]
enum Channel {
    H1 { sender: http1::SendRequest<RequestBody>, wire: Rc<Wire> },
    H2 { sender: http2::SendRequest<RequestBody>, stream: StreamCount },
}

impl Shared {
    /// Whether it may take another request, now or later. One whose server allows no streams is none to wait for.
    fn is_good(&self, now: Instant) -> bool {
        let takes_some = self.settings.max_streams.get() > 0;
        takes_some && !self.sender.is_closed() && self.bound.as_ref().is_none_or(|bound| now < bound.retires)
    }
}

/// Counts one stream of a shared connection.
#[derive(Debug)]
struct StreamCount(Shared);

impl StreamCount {
    fn new(shared: Shared) -> Self {
        shared.streams.set(shared.streams.get() + 1);
        shared.open.active();
        Self(shared)
    }
}

impl Drop for StreamCount {
    fn drop(&mut self) {
        self.0.streams.set(self.0.streams.get().saturating_sub(1));
        if self.0.streams.get() == 0 {
            self.0.unused_since.set(clock::now());
            self.0.open.idle();
        }
    }
}

impl EndpointPool {
    /// No connection yet.
    fn new(address: SocketAddr, stats: Arc<EndpointStats>) -> Rc<Self> {
        Rc::new(Self {
            address,
            stats,
            idle: RefCell::default(),
            shared: RefCell::default(),
            connecting: Mutex::new(()),
            failed: Cell::new(None),
        })
    }

    /// A kept connection (unless `kept` is false), or a new one.
    pub async fn check_out(
        self: &Rc<Self>,
        to: Destination<'_>,
        now: Instant,
        kept: bool,
    ) -> Result<Lease, ConnectFault> {
        match to.service.protocol {
            Protocol::H1 | Protocol::Tcp if to.service.mesh.is_none() => {
                match kept.then(|| self.take_idle(now)).flatten() {
                    Some(lease) => Ok(lease),
                    // Boxed, as below: making connections is rare, and its state would weigh on every exchange.
                    None => Box::pin(self.open(to)).await,
                }
            }
            // Of the mesh everything is HTTP/2, tunnels too.
            Protocol::H1 | Protocol::H2 | Protocol::Tcp => {
                if let Some(lease) = self.share(now) {
                    return Ok(lease);
                }
                Box::pin(async {
                    let _turn = self.connecting.lock().await;
                    if let Some(lease) = self.share(now) {
                        return Ok(lease);
                    }
                    // Whoever waited for an attempt that failed has had it: nobody queues behind a dead endpoint.
                    if let Some((_, fault)) = self.failed.get().filter(|(at, _)| *at > now) {
                        return Err(fault);
                    }
                    let opened = self.open(to).await;
                    if let Err(fault) = &opened {
                        self.failed.set(Some((clock::now(), *fault)));
                    }
                    opened
                })
                .await
            }
        }
    }

    /// The connection used last that is still good.
    fn take_idle(self: &Rc<Self>, now: Instant) -> Option<Lease> {
        let mut idle = self.idle.borrow_mut();
        let mut found = None;
        let mut busy: SmallVec<[Idle; 2]> = SmallVec::new();
        while found.is_none()
            && let Some(kept) = idle.pop()
        {
            if now >= kept.expires || kept.sender.is_closed() {
                kept.wire.close();
                self.stats.idle.fetch_sub(1, Ordering::Relaxed);
            } else if kept.sender.is_ready() {
                found = Some(kept);
            } else {
                // Its task has not finished with the last exchange yet: nobody waits for it.
                busy.push(kept);
            }
        }
        idle.extend(busy.into_iter().rev());
        let Idle { sender, wire, .. } = found?;
        self.stats.idle.fetch_sub(1, Ordering::Relaxed);
        wire.open.active();
        Some(Lease { channel: Some(Channel::H1 { sender, wire }), pool: Rc::clone(self), reused: true })
    }

    /// A stream on an HTTP/2 connection that has room.
    fn share(self: &Rc<Self>, now: Instant) -> Option<Lease> {
        let mut shared = self.shared.borrow_mut();
        shared.retain(|connection| connection.is_good(now) || connection.streams.get() > 0);
        let room = |connection: &&Shared| {
            let streams = connection.settings.max_streams.get().min(MAX_STREAMS as usize);
            connection.is_good(now) && connection.streams.get() < streams
        };
        let found = shared.iter().find(room)?.clone();
        Some(self.lease_stream(found, true))
    }

    fn lease_stream(self: &Rc<Self>, shared: Shared, reused: bool) -> Lease {
        let channel = Channel::H2 { sender: shared.sender.clone(), stream: StreamCount::new(shared) };
        Lease { channel: Some(channel), pool: Rc::clone(self), reused }
    }

    async fn open(self: &Rc<Self>, to: Destination<'_>) -> Result<Lease, ConnectFault> {
        Ok(match connect(self.address, to).await? {
            Sender::H1(sender, wire) => {
                Lease { channel: Some(Channel::H1 { sender, wire }), pool: Rc::clone(self), reused: false }
            }
            Sender::H2 { sender, settings, open, bound, knife } => {
                let unused_since = Rc::new(Cell::new(clock::now()));
                let (streams, open) = (Rc::default(), Rc::new(open));
                let shared = Shared { sender, streams, settings, unused_since, open, bound, knife };
                self.shared.borrow_mut().push(shared.clone());
                self.lease_stream(shared, false)
            }
        })
    }

    /// Closes what has been unused for too long.
    fn purge(&self, now: Instant) {
        let mut idle = self.idle.borrow_mut();
        let before = idle.len();
        idle.retain(|kept| {
            let good = now < kept.expires && !kept.sender.is_closed();
            if !good {
                // Not only unused: one whose server never read the end of a request would stay for ever.
                kept.wire.close();
            }
            good
        });
        let gone = u32::try_from(before - idle.len()).unwrap_or(0);
        self.stats.idle.fetch_sub(gone, Ordering::Relaxed);
        self.shared.borrow_mut().retain(|shared| {
            let unused = shared.streams.get() == 0 && now > shared.unused_since.get() + H2_IDLE;
            // One that takes no more stays while it carries something: it must be found when its peer is revoked.
            !unused && (shared.is_good(now) || shared.streams.get() > 0)
        });
    }

    /// Ends the connections to peers that are not believed any more.
    fn end_denied(&self, membership: &Membership) {
        self.shared.borrow_mut().retain(|shared| {
            let judged = |bound: &Bound| membership.judge(&bound.peer, Side::Server, mesh::now());
            let denied = shared.bound.as_deref().and_then(|bound| judged(bound).err());
            if let Some(error) = &denied {
                tracing::warn!(event = "connection_cut", address = %self.address, %error, "the peer is not believed any more");
                shared.knife.cut();
            }
            denied.is_none()
        });
    }
}

/// All pools of one worker: also those of endpoints and services that are gone, as long as an exchange goes on there.
#[derive(Debug, Default)]
pub struct Pools(RefCell<Vec<Weak<EndpointPool>>>);

impl Pools {
    /// A new one for this endpoint.
    pub fn make(&self, address: SocketAddr, stats: Arc<EndpointStats>) -> Rc<EndpointPool> {
        let pool = EndpointPool::new(address, stats);
        self.0.borrow_mut().push(Rc::downgrade(&pool));
        pool
    }

    /// Ends the connections to peers that are not believed any more.
    pub fn end_denied(&self, membership: &Membership) {
        for pool in self.0.borrow().iter().filter_map(Weak::upgrade) {
            pool.end_denied(membership);
        }
    }

    /// Closes connections unused for too long.
    pub fn purge(&self, now: Instant) {
        self.0.borrow_mut().retain(|pool| pool.upgrade().inspect(|pool| pool.purge(now)).is_some());
    }
}

impl Drop for EndpointPool {
    fn drop(&mut self) {
        let kept = u32::try_from(self.idle.borrow().len()).unwrap_or(0);
        self.stats.idle.fetch_sub(kept, Ordering::Relaxed);
    }
}

impl Lease {
    /// Who is at both ends, on a connection of the mesh.
    pub fn bound(&self) -> Option<&Bound> {
        match &self.channel {
            Some(Channel::H2 { stream, .. }) => stream.0.bound.as_deref(),
            Some(Channel::H1 { .. }) | None => None,
        }
    }

    /// Sends one request. `Err(Unsent)` gives it back untouched.
    ///
    /// It is handed over before the future is made, which then holds no request.
    pub fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<Incoming>, SendError>> + use<> {
        let sent = match &mut self.channel {
            None => Sent::Lost(Box::new(request)),
            Some(Channel::H1 { sender, wire }) => {
                wire.expect(&request);
                Sent::H1(sender.try_send_request(request))
            }
            Some(Channel::H2 { sender, stream }) if is_handshake(&request) => {
                let settings = Rc::clone(&stream.0.settings);
                Sent::Handshake(Box::pin(shake(sender.clone(), settings, request)))
            }
            Some(Channel::H2 { sender, .. }) => Sent::H2(sender.try_send_request(request)),
        };
        async move {
            let answered = match sent {
                Sent::Lost(request) => return Err(SendError::Unsent(request)),
                Sent::H1(answered) => answered.await,
                Sent::H2(answered) => answered.await,
                Sent::Handshake(shaken) => match shaken.await {
                    Some(answered) => answered,
                    None => return Err(SendError::NotOffered),
                },
            };
            answered.map_err(|mut error| match error.take_message() {
                Some(request) => SendError::Unsent(Box::new(request)),
                None => SendError::Failed(error.into_error()),
            })
        }
    }

    /// The connection itself, after a 101; `None` of HTTP/2.
    pub fn taken(&self) -> Option<oneshot::Receiver<Taken<Transport>>> {
        match &self.channel {
            Some(Channel::H1 { wire, .. }) => wire.taken(),
            Some(Channel::H2 { .. }) | None => None,
        }
    }

    /// Why the answer's framing was refused, if it was.
    pub fn fault(&self) -> Option<crate::listener::gate::Fault> {
        match &self.channel {
            Some(Channel::H1 { wire, .. }) => wire.fault.get(),
            Some(Channel::H2 { .. }) | None => None,
        }
    }

    /// Gives the connection back; only when the answer has ended and `flow` says the request has too.
    pub fn give_back(mut self, flow: Option<&Flow>, expires: Instant, max_idle: usize) {
        let request_ended = flow.is_none_or(|flow| flow.finished.get());
        let mut idle = self.pool.idle.borrow_mut();
        let room = idle.len() < max_idle;
        let Some(Channel::H1 { sender, wire }) = &self.channel else { return };
        let clean = request_ended && !sender.is_closed() && wire.fault.get().is_none();
        if clean
            && room
            && let Some(Channel::H1 { sender, wire }) = self.channel.take()
        {
            wire.open.idle();
            idle.push(Idle { sender, wire, expires });
            self.pool.stats.idle.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Not given back: it is in the middle of something. Its task must not go on for nobody, most of all not
        // with the rest of a request that its server does not read.
        if let Some(Channel::H1 { wire, .. }) = &self.channel {
            wire.close();
        }
    }
}

/// Whether it asks to leave HTTP; whoever makes such a request marks it, also where HTTP/1 has no use for the mark.
pub(super) fn is_handshake<B>(request: &Request<B>) -> bool {
    request.extensions().get::<hyper::ext::Protocol>().is_some()
}

/// Sends a handshake over HTTP/2: not before the server has said that it takes them (RFC 8441 §3). `None`: it does not.
async fn shake(
    mut sender: http2::SendRequest<RequestBody>,
    settings: Rc<Settings>,
    request: Request<RequestBody>,
) -> Option<Result<Response<Incoming>, TrySendError<Request<RequestBody>>>> {
    if !settings.take_extended_connect().await {
        return None;
    }
    Some(sender.try_send_request(request).await)
}

/// A request on its way.
enum Sent<A, B, C> {
    /// The connection had been given back.
    Lost(Box<Request<RequestBody>>),
    H1(A),
    H2(B),
    /// Over HTTP/2, to leave HTTP.
    Handshake(C),
}

/// Why a request was not answered.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Not a byte of it was sent; here it is.
    #[error("the connection closed before the request was sent")]
    Unsent(Box<Request<RequestBody>>),
    /// The server does not take handshakes over HTTP/2.
    #[error("the server does not take extended CONNECT")]
    NotOffered,
    /// It may have been seen.
    #[error(transparent)]
    Failed(hyper::Error),
}
