//! Whom a request is made for: the evidence it brings, checked at the entrance and handed on at the exit.
//!
//! | the request came from        | evidence                                  | what may go on to a member of the mesh   |
//! |------------------------------|-------------------------------------------|------------------------------------------|
//! | a client outside             | what the route's `auth:` takes             | a passport made here                     |
//! | a member of the mesh         | passport and stamps, given into our hands  | –                                        |
//! | the application              | a passport whose request is in flight      | the same with its stamps, and ours       |
//!
//! Evidence that does not hold is no error: the request goes on without a user, and it is counted and logged. Must
//! not know: who may do what.

use super::Pipeline;
use super::exchange::Exchange;
use crate::admission::authenticate::Caller;
use crate::clock;
use crate::config::listener::Role;
use crate::config::mesh::{Level, Mesh};
use crate::identity::evidence::{Carried, Hands, Presented, Rejected};
use crate::identity::in_flight::{InFlight, Ticket};
use crate::identity::inspector::Inspector;
use crate::identity::principal::Principal;
use crate::identity::signer::Signer;
use crate::identity::{passport, projection};
use crate::listener::connection::Connection;
use crate::mesh::{Membership, Own};
use http::HeaderMap;
use portcullis_ca::spiffe::SpiffeId;
use portcullis_ca::time::Timestamp;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Between two lines in the log about refused evidence.
const BETWEEN_LINES: Duration = Duration::from_secs(1);

/// What a worker needs to judge evidence and to hand it on.
#[derive(Debug)]
pub struct Desk {
    /// Passports whose requests are in flight; shared by all workers.
    in_flight: Arc<InFlight>,
    inspector: RefCell<Inspector>,
    signer: RefCell<Signer>,
    complained: Cell<Option<Instant>>,
}

/// The user of a request.
#[derive(Debug, Clone)]
pub enum Evidence {
    /// Introduced by a passport.
    Carried(Arc<Carried>),
    /// Introduced by plain headers of a peer that may.
    Plain(Arc<Principal>),
}

impl Evidence {
    /// The user.
    pub fn principal(&self) -> &Principal {
        match self {
            Self::Carried(carried) => &carried.principal,
            Self::Plain(principal) => principal,
        }
    }

    /// What the application may pass on.
    pub fn carried(&self) -> Option<&Arc<Carried>> {
        match self {
            Self::Carried(carried) => Some(carried),
            Self::Plain(_) => None,
        }
    }
}

/// What goes on to members of the mesh.
#[derive(Debug, Clone)]
pub enum Onward {
    /// A user who has said here who it is, and was believed.
    Introduced(Arc<Caller>),
    /// A user whose request is in flight here.
    Carried(Arc<Carried>),
}

impl Desk {
    /// An empty one.
    pub fn new(in_flight: Arc<InFlight>) -> Self {
        Self {
            in_flight,
            inspector: RefCell::new(Inspector::new()),
            signer: RefCell::new(Signer::new()),
            complained: Cell::new(None),
        }
    }

    /// Notes that a request with this passport is in flight, until the ticket is dropped.
    pub fn enter(&self, evidence: &Evidence, now: Instant) -> Option<Ticket> {
        evidence.carried().and_then(|carried| self.in_flight.enter(carried, now))
    }

    /// Writes passport and stamps for `to`. What cannot be handed on is left out: the receiver sees no user then.
    pub fn attach(
        &self,
        headers: &mut HeaderMap,
        onward: &Onward,
        (own, to): (&Own, &SpiffeId),
        now: Timestamp,
    ) {
        let mut signer = self.signer.borrow_mut();
        let carried = match onward {
            Onward::Carried(carried) => Ok(Arc::clone(carried)),
            Onward::Introduced(caller) => {
                signer.passport_for(&caller.principal, own, now, fastrand::u128(..))
            }
        };
        let attached = carried.and_then(|carried| signer.attach(headers, &carried, (own, to), now));
        if let Err(error) = attached {
            self.complain(|| tracing::warn!(event = "identity_not_attached", %error, peer = %to));
        }
    }

    /// Forgets what is over.
    pub fn purge(&self, now: Timestamp, moment: Instant) {
        self.inspector.borrow_mut().purge(now);
        self.signer.borrow_mut().purge(now);
        self.in_flight.purge(moment);
    }

    /// At most one line a second.
    pub fn complain(&self, say: impl FnOnce()) {
        let now = clock::now();
        if self.complained.get().is_none_or(|last| now > last + BETWEEN_LINES) {
            self.complained.set(Some(now));
            say();
        }
    }
}

impl Pipeline {
    /// Takes the evidence off a request. Afterwards none of it is left in `headers`.
    pub(super) fn evidence(
        &self,
        exchange: &Exchange,
        membership: Option<&Membership>,
        headers: &mut HeaderMap,
    ) -> Option<Evidence> {
        let config = exchange.snapshot.config.mesh.as_ref()?;
        let connection = &exchange.connection;
        let judged = match connection.role {
            Role::Edge => return None,
            Role::Inbound { .. } => self.brought_by_peer(config, connection, membership?, headers),
            Role::Outbound | Role::Local(_) | Role::Captured => {
                self.brought_by_app(headers, exchange.started)
            }
        };
        judged.unwrap_or_else(|rejected| {
            self.rejected(connection, &rejected);
            None
        })
    }

    fn brought_by_peer(
        &self,
        config: &Mesh,
        connection: &Connection,
        membership: &Membership,
        headers: &mut HeaderMap,
    ) -> Result<Option<Evidence>, Rejected> {
        let Some(peer) = connection.tls.as_ref().and_then(|tls| tls.peer.as_deref()) else { return Ok(None) };
        let asserts = |id: &SpiffeId| membership.asserts(id, &config.assert);
        if let (Level::Headers, true) = (config.level, asserts(&peer.svid.id))
            && let Some(plain) = projection::read_plain(headers, &config.headers)
        {
            return Ok(Some(Evidence::Plain(Arc::new(plain))));
        }
        let Some(presented) = Presented::take(headers)? else { return Ok(None) };
        if config.level == Level::None {
            return Ok(None);
        }
        let hands = Hands {
            me: &membership.own.svid.id,
            peer_id: &peer.svid.id,
            peer_leaf: peer.leaf,
            peer_chain: &peer.chain,
            trust: &membership.trust,
            asserts: &asserts,
        };
        let now = self.recorder.timestamp(clock::now());
        let carried = self.desk.inspector.borrow_mut().verify(presented, &hands, now)?;
        Ok(Some(Evidence::Carried(carried)))
    }

    /// The application only copies the passport of a request it is answering.
    fn brought_by_app(&self, headers: &mut HeaderMap, now: Instant) -> Result<Option<Evidence>, Rejected> {
        let Some(passport) = passport::take(headers)? else { return Ok(None) };
        let found = self.desk.in_flight.find(&passport, now, self.recorder.timestamp(now));
        found.map(|carried| Some(Evidence::Carried(carried))).ok_or(Rejected::NotInFlight)
    }

    fn rejected(&self, connection: &Connection, rejected: &Rejected) {
        let peer = connection.peer_id().map(ToString::to_string).unwrap_or_default();
        self.recorder.metrics.identity_rejected(rejected.word(), &peer);
        self.desk.complain(|| {
            tracing::warn!(
                event = "identity_rejected",
                reason = rejected.word(),
                peer,
                "the request goes on without a user"
            );
        });
    }
}
