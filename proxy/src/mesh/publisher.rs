//! Which membership is in force.
//!
//! Decides what of an offer is new, gives it its number, and publishes it whole; what cannot be used changes nothing.
//! Must not know: where offers come from, files, the network.

use super::{Believed, Membership, Origin, Own};
use crate::tls::pem::TlsError;
use portcullis_ca::certificate::Svid;
use portcullis_ca::client::Identity;
use portcullis_ca::deny::DenyList;
use portcullis_ca::key::Key;
use portcullis_ca::names::Fingerprint;
use portcullis_ca::spiffe::{SpiffeId, TrustDomain};
use portcullis_ca::trust::Trust;
use std::sync::Arc;
use tokio::sync::watch;

/// A certificate with its key, and a trust: what a membership could be made of. Both hold for themselves.
#[derive(Debug)]
pub(super) struct Offer<'a> {
    /// DER: leaf, then intermediates.
    pub(super) chain: &'a [Vec<u8>],
    pub(super) key: &'a Arc<Key>,
    pub(super) svid: &'a Svid,
    pub(super) trust: &'a Trust,
}

impl<'a> From<&'a Identity> for Offer<'a> {
    fn from(identity: &'a Identity) -> Self {
        Self { chain: &identity.chain, key: &identity.key, svid: &identity.svid, trust: &identity.trust }
    }
}

/// Keeps the membership in force.
#[derive(Debug)]
pub(super) struct Publisher {
    trust_domain: TrustDomain,
    origin: Origin,
    current: watch::Sender<Option<Arc<Membership>>>,
}

impl Publisher {
    /// Nothing is in force yet. `trust_domain`: by the configuration.
    pub(super) fn new(trust_domain: TrustDomain, origin: Origin) -> Self {
        Self { trust_domain, origin, current: watch::Sender::new(None) }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Option<Arc<Membership>>> {
        self.current.subscribe()
    }

    /// Puts into force what is new of `offer`.
    pub(super) fn offer(&self, offer: &Offer<'_>) -> Result<(), OfferError> {
        self.check(offer)?;
        let before = self.current.borrow().clone();
        let before = before.as_deref();
        let own = before.map(|before| &before.own).filter(|own| own.chain == offer.chain);
        let trust = before.map(|before| &before.trust).filter(|trust| same(trust, offer.trust));
        if own.is_some() && trust.is_some() {
            return Ok(());
        }
        let own = own.map_or_else(|| made(offer, before), Arc::clone);
        let trust = trust.map_or_else(|| believed(offer.trust, before), Arc::clone);
        let membership = Membership::new(own, trust, self.origin)?;
        let membership = Arc::new(membership);
        self.current.send_replace(Some(Arc::clone(&membership)));
        say(&membership, before);
        Ok(())
    }

    /// Says that something cannot be used, and what is in force instead.
    pub(super) fn refuse(&self, error: &dyn std::error::Error) {
        let advice = if self.current.borrow().is_some() {
            "the new identity is not used, the one before stays in force"
        } else {
            "there is no identity yet: nobody in the mesh can be talked to"
        };
        tracing::error!(event = "identity_refused", %error, "{advice}");
    }

    fn check(&self, offer: &Offer<'_>) -> Result<(), OfferError> {
        let ours = &self.trust_domain;
        if offer.svid.id.trust_domain() != ours || offer.trust.bundle.trust_domain != *ours {
            return Err(OfferError::TrustDomain { id: offer.svid.id.clone(), expected: ours.clone() });
        }
        if offer.svid.key != offer.key.fingerprint() {
            return Err(OfferError::OtherKey(offer.svid.id.clone()));
        }
        Ok(())
    }
}

/// Whether it is the same trust.
fn same(believed: &Believed, trust: &Trust) -> bool {
    believed.bundle == trust.bundle
        && believed.denied.rules() == trust.denied
        && believed.asserters == trust.asserters
}

fn made(offer: &Offer<'_>, before: Option<&Membership>) -> Arc<Own> {
    Arc::new(Own {
        svid: offer.svid.clone(),
        leaf: Fingerprint::of(offer.chain.first().map(Vec::as_slice).unwrap_or_default()),
        chain: offer.chain.to_vec(),
        key: Arc::clone(offer.key),
        generation: before.map_or(0, |before| before.own.generation) + 1,
    })
}

fn believed(trust: &Trust, before: Option<&Membership>) -> Arc<Believed> {
    Arc::new(Believed {
        bundle: trust.bundle.clone(),
        denied: DenyList::new(trust.denied.clone()),
        asserters: trust.asserters.clone(),
        version: before.map_or(0, |before| before.trust.version) + 1,
    })
}

/// Says what changed.
fn say(now: &Membership, before: Option<&Membership>) {
    let own = &now.own;
    let (id, serial, not_after) = (&own.svid.id, &own.svid.serial, own.svid.not_after);
    match before {
        None => tracing::info!(
            event = "identity_ready", %id, %serial, %not_after, generation = own.generation,
            "we are a member of the mesh",
        ),
        Some(before) if before.own.generation != own.generation => tracing::info!(
            event = "identity_renewed", %id, %serial, %not_after, generation = own.generation,
            "new connections show the new certificate",
        ),
        Some(_) => {}
    }
    if before.is_some_and(|before| before.trust.version != now.trust.version) {
        let facts = now.facts();
        tracing::info!(
            event = "trust_changed",
            version = facts.version,
            sequence = facts.sequence,
            roots = facts.roots,
            denied = facts.denied,
            "new connections are judged by the new trust",
        );
    }
}

/// Why an offer is not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum OfferError {
    /// Somebody else's.
    #[error(
        "the certificate is for {id}, and `mesh: trust_domain:` is {expected}: correct the one or get a certificate of the other"
    )]
    TrustDomain {
        /// Whom it is for.
        id: SpiffeId,
        /// What we are told to be.
        expected: TrustDomain,
    },
    /// Certificate and key are of different pairs.
    #[error("the key is not that of the certificate of {0}: replace both together")]
    OtherKey(SpiffeId),
    /// rustls does not take it.
    #[error("TLS cannot use the certificate and its key: {0}")]
    Tls(#[from] TlsError),
}

#[cfg(test)]
#[path = "publisher_tests.rs"]
mod tests;
