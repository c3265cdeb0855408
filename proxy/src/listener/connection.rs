//! What is known about a downstream connection: who is at the other end, how it is secured, what has gone wrong.
//!
//! Shared by the I/O shell, the exchanges on it and the sweep, all on one worker.

use super::caps::{Open, OpenFrom};
use super::gate::Fault;
use super::proxy_protocol;
use http::HeaderValue;
use std::cell::{Cell, OnceCell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::config::listener::Role;
use crate::config::{Config, ServiceId, Timeouts};
use crate::drain::Roster;
use crate::handover::Handover;
use crate::telemetry::metrics::OpenGuard;
use crate::tls::facts::{ClientCertificate, TlsFacts};
use crate::tls::server::Transport;
use crate::tls::standing::{Authorities, Found};
use portcullis_ca::spiffe::SpiffeId;
use portcullis_ca::time::Timestamp;
use std::sync::Arc;

/// Requests a client may take back within [`RESET_WINDOW`] before its HTTP/2 connection is ended.
const MAX_RESETS: u32 = 100;
/// The same for a member of the mesh: behind its one connection are all clients of its application, and they may leave.
const MAX_RESETS_OF_MEMBERS: u32 = 10_000;
/// Requests taken back before we have looked at them, at once.
const MAX_PENDING_RESETS: usize = 20;
/// The same for a member of the mesh.
const MAX_PENDING_RESETS_OF_MEMBERS: usize = 1_000;
const RESET_WINDOW: Duration = Duration::from_secs(30);

/// The places a connection takes: among all, in the metrics, among those of its address.
pub(super) type Counted = (Open, OpenGuard, OpenFrom);

/// A downstream connection.
#[derive(Debug)]
pub struct Connection {
    /// The address that connected.
    pub peer: SocketAddr,
    /// The client: `peer`, or what a trusted PROXY header says.
    pub client: SocketAddr,
    /// `client`'s address as a header value, made once.
    pub client_value: HeaderValue,
    /// What the application is told about the member of the mesh at the other end; made once.
    pub client_cert: OnceCell<HeaderValue>,
    /// What kind of listener it came to.
    pub role: Role,
    /// Whether `client` may speak about other addresses and ids.
    pub nearest_is_trusted: bool,
    /// When to go on over another connection; `None`: never, for its age.
    pub retires: Option<Instant>,
    /// When the peer's certificate ends, and the connection with it.
    pub ends: Option<Instant>,
    /// The service it goes to, where it goes to one.
    pub service: Option<Arc<str>>,
    /// The membership its peer was last held against.
    pub seat_turn: Cell<u64>,
    /// TLS facts; `None` on plain connections.
    pub tls: Option<TlsFacts>,
    /// Who vouches for the certificate of a client outside.
    pub authorities: Rc<Authorities>,
    /// What they have found of it.
    pub found: Found,
    /// Port to name when the listener redirects to https.
    pub redirect_https: Option<u16>,
    /// How long the client may take.
    pub timeouts: Timeouts,
    /// Exchanges that have begun and not ended.
    pub in_flight: Cell<u32>,
    /// When the last exchange ended.
    pub quiet_since: Cell<Instant>,
    /// Answers the client took back (HTTP/2), in the window that began at the moment beside.
    pub resets: Cell<(u32, Instant)>,
    /// Why no further byte of this connection is believed.
    pub fault: Cell<Option<Fault>>,
    /// Whether the marker request of a refusal has been handed to the HTTP parser.
    pub marker_sent: Cell<bool>,
    /// Whether the request that asked to leave HTTP has been answered so; taken by the read side.
    pub switched: Cell<Option<bool>>,
    /// Wakes the read side, which waits for that.
    pub reader: RefCell<Option<Waker>>,
    /// Where it goes when it has left HTTP.
    pub handover: Handover<Transport>,
    /// Where it counts as open, also after it has left HTTP.
    pub roster: Rc<Roster>,
    /// Its places, taken as long as that.
    pub(super) _counted: Counted,
}

impl Connection {
    /// The last request has been answered: with a 101 or otherwise.
    pub fn settle(&self, switched: bool) {
        self.switched.set(Some(switched));
        self.reader.take().into_iter().for_each(Waker::wake);
    }

    /// The member of the mesh at the other end.
    pub fn peer_id(&self) -> Option<&SpiffeId> {
        self.tls.as_ref()?.peer.as_ref().map(|peer| &peer.svid.id)
    }

    /// The certificate of the client outside, if it counts now.
    pub fn certificate(&self, now: Timestamp) -> Option<&ClientCertificate> {
        let shown = self.tls.as_ref()?.certificate.as_deref()?;
        self.authorities.vouch(shown, &self.found, now).then_some(shown)
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Notes that the client took a request back. Clients that do little else make us work for nothing.
    pub fn count_reset(&self, now: Instant) {
        let (count, since) = self.resets.get();
        let fresh = now.saturating_duration_since(since) > RESET_WINDOW;
        self.resets.set(if fresh { (1, now) } else { (count + 1, since) });
    }

    /// Whether it has taken back more requests than a client with a reason would.
    pub fn resets_too_much(&self) -> bool {
        let most = if self.is_shared() { MAX_RESETS_OF_MEMBERS } else { MAX_RESETS };
        self.resets.get().0 > most
    }

    /// How many requests it may take back at once before we have looked at them.
    pub fn pending_resets(&self) -> usize {
        if self.is_shared() { MAX_PENDING_RESETS_OF_MEMBERS } else { MAX_PENDING_RESETS }
    }

    /// Whether many clients are behind it: those of a member of the mesh, or of the application.
    pub fn is_shared(&self) -> bool {
        self.peer_id().is_some() || !matches!(self.role, Role::Edge | Role::Inbound { .. })
    }

    /// Flow-control window of an HTTP/2 connection, bytes. Where it is shared there is room for every stream: nobody who
    /// does not read holds up the others.
    pub fn window(&self) -> u32 {
        if self.is_shared() { 100 * 64 * 1024 } else { 1024 * 1024 }
    }

    /// Longest head of an HTTP/2 request, bytes: with evidence of a user where there may be some.
    pub fn head_bytes(&self) -> u32 {
        if self.peer_id().is_some() { 80 * 1024 } else { 32 * 1024 }
    }

    /// The role as `config` has it now; `None`: the service it went to is gone.
    pub fn role_in(&self, config: &Config) -> Option<Role> {
        match (self.role, &self.service) {
            (Role::Local(_), Some(name)) => {
                let index = config.services.iter().position(|service| service.name == *name)?;
                Some(Role::Local(ServiceId(index)))
            }
            (Role::Inbound { .. }, _) => {
                config.listeners.iter().map(|listener| listener.role).find(Role::is_inbound)
            }
            (role, _) => Some(role),
        }
    }

    /// Counts an exchange in; the guard counts it out.
    pub fn enter(self: &Rc<Self>) -> InFlight {
        self.in_flight.set(self.in_flight.get() + 1);
        InFlight(Rc::clone(self))
    }
}

/// One exchange in flight.
#[derive(Debug)]
pub struct InFlight(Rc<Connection>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.set(self.0.in_flight.get().saturating_sub(1));
    }
}

/// The client's address: the peer, or what its PROXY header says.
pub fn client_address(peer: SocketAddr, said: Option<proxy_protocol::Source>) -> SocketAddr {
    match said {
        Some(proxy_protocol::Source::Address(address)) => address,
        Some(proxy_protocol::Source::Local) | None => peer,
    }
}
