//! Membership of the mesh: our certificate, whom we believe, and the TLS made of both.
//!
//! One [`Membership`] is immutable. A renewed certificate or a changed trust makes a new one, which the control
//! thread hands to every worker through a watch channel:
//!
//! | what changed | generation | version |
//! |--|--|--|
//! | our certificate | + 1 | |
//! | roots, deny-list, asserters | | + 1 |
//! | nothing | no new membership | |
//!
//! [`source`] gets them, from the authority or from [`files`]; [`publisher`] decides what changed. Must not know:
//! requests, routes, users.

mod files;
mod publisher;
mod seat;
pub mod source;
#[cfg(test)]
#[path = "support_tests.rs"]
pub(crate) mod support;

pub use seat::Seat;

use crate::clock;
use crate::tls::facts::Peer;
use crate::tls::mesh::MeshTls;
use crate::tls::pem::TlsError;
use portcullis_ca::bundle::Bundle;
use portcullis_ca::certificate::Svid;
use portcullis_ca::deny::DenyList;
use portcullis_ca::key::Key;
use portcullis_ca::names::Fingerprint;
use portcullis_ca::spiffe::SpiffeId;
use portcullis_ca::time::Timestamp;
use portcullis_ca::verify::{self, Side, VerifyError};
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

/// No connection between members is older, so that none lives on a trust long gone.
const OLDEST: Duration = Duration::from_secs(3600);

/// Who we are in the mesh, as of one certificate and one trust.
#[derive(Debug)]
pub struct Membership {
    /// Our certificate.
    pub own: Arc<Own>,
    /// Whom we believe.
    pub trust: Arc<Believed>,
    /// TLS towards and from peers.
    pub tls: MeshTls,
    /// Where both are from.
    pub origin: Origin,
}

/// Our certificate and its key.
#[derive(Debug)]
pub struct Own {
    /// What the certificate says.
    pub svid: Svid,
    /// SHA-256 of the leaf's DER.
    pub leaf: Fingerprint,
    /// DER: leaf, then intermediates, without the root.
    pub chain: Vec<Vec<u8>>,
    /// Its key.
    pub key: Arc<Key>,
    /// Counts our certificates: another one, another number.
    pub generation: u64,
}

/// Whom we believe.
#[derive(Debug)]
pub struct Believed {
    /// Roots of our trust domain.
    pub bundle: Bundle,
    /// Who is not believed any more.
    pub denied: DenyList,
    /// Who may introduce users, by the authority's word; of files nobody.
    pub asserters: Vec<SpiffeId>,
    /// Counts changes of the trust.
    pub version: u64,
}

/// Who says who we are and whom we believe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Our authority.
    Authority,
    /// Files somebody else renews.
    Files,
}

/// A membership in figures, for metrics and the admin listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeshFacts {
    /// Who we are.
    pub id: SpiffeId,
    /// The last second of our certificate.
    pub not_after: Timestamp,
    /// Counts our certificates.
    pub generation: u64,
    /// Counts changes of the trust.
    pub version: u64,
    /// The trust's number at the authority; 0 of files.
    pub sequence: u64,
    /// Roots believed.
    pub roots: usize,
    /// Rules of the deny-list.
    pub denied: usize,
    /// Who says so.
    pub origin: Origin,
}

impl Membership {
    /// Puts both together.
    ///
    /// # Errors
    /// When rustls cannot use the key.
    pub fn new(own: Arc<Own>, trust: Arc<Believed>, origin: Origin) -> Result<Self, TlsError> {
        let tls = MeshTls::new(&own, Arc::clone(&trust))?;
        Ok(Self { own, trust, tls, origin })
    }

    /// Whether a certificate that was believed is denied by now. Two look-ups.
    pub fn denies(&self, svid: &Svid) -> bool {
        self.trust.denied.denies(svid)
    }

    /// Judges a peer of a living connection anew, with all of its chain: for a changed trust, which may have lost a
    /// root or denied an intermediate. Costs signatures. `side`: as what it shows its certificate.
    ///
    /// # Errors
    /// When it is not believed any more.
    pub fn judge(&self, peer: &Peer, side: Side, now: Timestamp) -> Result<(), VerifyError> {
        let chain: Vec<&[u8]> = peer.chain.iter().map(Vec::as_slice).collect();
        verify::verify(&chain, &self.trust.bundle, &self.trust.denied, side, now).map(drop)
    }

    /// Whether our own certificate is over.
    pub fn expired(&self, now: Timestamp) -> bool {
        now > self.own.svid.not_after
    }

    /// Whether `id` may introduce users. `configured`: whom the configuration names; it narrows what the authority
    /// grants, and with files it is all there is.
    pub fn asserts(&self, id: &SpiffeId, configured: &[SpiffeId]) -> bool {
        match self.origin {
            Origin::Authority => {
                self.trust.asserters.contains(id) && (configured.is_empty() || configured.contains(id))
            }
            Origin::Files => configured.contains(id),
        }
    }

    /// When a connection with `peer` that begins now has to end by age: after an hour, or after four fifths of what is
    /// left of the certificate that ends first.
    pub fn retire_at(&self, peer: &Svid, wall: Timestamp, now: Instant) -> Instant {
        let left = self.own.svid.not_after.min(peer.not_after).since(wall);
        now + (left / 5 * 4).min(OLDEST)
    }

    /// In figures.
    pub fn facts(&self) -> MeshFacts {
        let (own, trust) = (&self.own, &self.trust);
        MeshFacts {
            id: own.svid.id.clone(),
            not_after: own.svid.not_after,
            generation: own.generation,
            version: trust.version,
            sequence: trust.bundle.sequence,
            roots: trust.bundle.roots.len(),
            denied: trust.denied.rules().len(),
            origin: self.origin,
        }
    }
}

/// The wall clock as certificates know it.
pub fn now() -> Timestamp {
    let since = clock::wall().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
#[path = "membership_tests.rs"]
mod tests;
