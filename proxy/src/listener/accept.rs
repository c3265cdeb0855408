//! The accept loop of one listener on one worker: it never ends by itself.
//!
//! A failing accept (no file descriptors left, most of all) pauses the loop and is logged once a second; the
//! connections that are open are not disturbed.

use super::caps::Limits;
use super::serve;
use crate::admission::overload::Level;
use crate::clock;
use crate::config::Listener;
use crate::config::listener::Role;
use crate::config::trust::{Strict, Trust};
use crate::drain::Roster;
use crate::pipeline::Pipeline;
use crate::telemetry::metrics::{Refusal, WorkerMetrics};
use crate::tls::facts::TlsFacts;
use crate::tls::server::ServerTls;
use crate::tls::standing::Authorities;
use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};

/// How long a failing accept pauses.
const PAUSE: Duration = Duration::from_millis(100);
/// Between two lines in the log about the same kind of trouble.
const BETWEEN_LINES: Duration = Duration::from_secs(1);

/// What connections of a listener are served with; replaced whole by a reload.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The listener's section of the file.
    pub listener: Listener,
    /// Its certificates.
    pub tls: Option<ServerTls>,
    /// Its caps and counts.
    pub limits: Limits,
    /// Whom to believe.
    pub trust: Trust,
    /// How strict to be.
    pub strict: Strict,
}

/// A listener of one worker.
#[derive(Debug)]
pub struct Acceptor {
    /// What new connections are served with.
    pub settings: RefCell<Rc<Settings>>,
    /// Who vouches for certificates of clients now.
    pub authorities: Rc<Authorities>,
    /// Where their requests go.
    pub pipeline: Rc<Pipeline>,
    /// Who must hear of the drain.
    pub roster: Rc<Roster>,
    /// When something was last complained about.
    pub complained: Cell<Option<Instant>>,
}

impl Acceptor {
    /// A listener that serves as `settings` say.
    pub fn new(settings: Settings, pipeline: Rc<Pipeline>, roster: Rc<Roster>) -> Self {
        let authorities = Rc::<Authorities>::default();
        authorities.take(settings.tls.as_ref());
        let settings = RefCell::new(Rc::new(settings));
        Self { settings, authorities, pipeline, roster, complained: Cell::new(None) }
    }

    /// Serves as a reload says from now on.
    pub fn take(&self, settings: Settings) {
        self.authorities.take(settings.tls.as_ref());
        *self.settings.borrow_mut() = Rc::new(settings);
    }

    /// Accepts until dropped.
    pub async fn run(self: Rc<Self>, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    self.admit(stream, peer);
                }
                Err(error) if is_the_clients(&error) => {}
                Err(error) => {
                    self.metrics().accept_failed();
                    if self.may_complain() {
                        let hint = "if too many files are open, raise the limit (LimitNOFILE) or lower caps";
                        tracing::error!(%error, hint, "accept failed");
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn admit(self: &Rc<Self>, stream: TcpStream, peer: SocketAddr) {
        let settings = Rc::clone(&self.settings.borrow());
        // A handshake costs what there is none left of.
        if self.pipeline.gauge.level() == Level::Refuse {
            return self.refuse(Refusal::Overload, peer);
        }
        let Some(open) = settings.limits.open() else { return self.refuse(Refusal::Cap, peer) };
        let this = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let counted = (open, this.metrics().accepted());
            if let Err(refusal) = serve::connection(&this, settings, (stream, peer), counted).await {
                this.refuse(refusal, peer);
            }
        });
    }

    fn refuse(&self, refusal: Refusal, peer: SocketAddr) {
        self.metrics().refused(refusal);
        if self.may_complain() {
            tracing::warn!(%peer, reason = refusal.word(), "connection refused");
        }
    }

    /// Whether the client's word about other addresses counts.
    pub(super) fn trusts(&self, settings: &Settings, client: SocketAddr, tls: Option<&TlsFacts>) -> bool {
        let Some(peer) = tls.and_then(|tls| tls.peer.as_deref()) else {
            return settings.trust.trusts(client.ip());
        };
        // Who may introduce users knows where they are.
        let snapshot = self.pipeline.snapshot.borrow();
        let Some(mesh) = &snapshot.config.mesh else { return false };
        self.pipeline.seat.get().is_some_and(|membership| membership.asserts(&peer.svid.id, &mesh.assert))
    }

    /// When a connection of the mesh is too old.
    pub(super) fn retires(&self, tls: Option<&TlsFacts>, now: Instant) -> Option<Instant> {
        let peer = tls?.peer.as_deref()?;
        Some(self.pipeline.seat.get()?.retire_at(&peer.svid, crate::mesh::now(), now))
    }

    /// When the certificate of a peer ends.
    pub(super) fn ends(&self, tls: Option<&TlsFacts>, now: Instant) -> Option<Instant> {
        let peer = tls?.peer.as_deref()?;
        Some(now + peer.svid.not_after.since(crate::mesh::now()))
    }

    /// The service a connection goes to, by name: after a reload its number may be another's.
    pub(super) fn service_of(&self, role: Role) -> Option<Arc<str>> {
        let Role::Local(id) = role else { return None };
        let snapshot = self.pipeline.snapshot.borrow();
        snapshot.config.services.get(id.0).map(|service| Arc::clone(&service.name))
    }

    /// At most one line a second: an attack must not become a full disk.
    pub(super) fn may_complain(&self) -> bool {
        let now = clock::now();
        let may = self.complained.get().is_none_or(|last| now > last + BETWEEN_LINES);
        if may {
            self.complained.set(Some(now));
        }
        may
    }

    fn metrics(&self) -> &Rc<WorkerMetrics> {
        &self.pipeline.recorder.metrics
    }
}

/// The client was gone before we took it: nothing is wrong with us (accept(2)).
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}
