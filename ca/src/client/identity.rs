//! What a workload has once the authority knows it.
//!
//! Decides whether an answer of the authority is the certificate that was asked for. Pure.

use super::error::AnswerFault;
use super::schedule::Term;
use crate::certificate::{self, Svid};
use crate::deny::DenyList;
use crate::key::Key;
use crate::names::InstanceId;
use crate::proto;
use crate::spiffe::{SpiffeId, TrustDomain};
use crate::time::Timestamp;
use crate::trust::Trust;
use crate::verify::{self, Side};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Who a workload is, and whom it believes.
#[derive(Clone)]
pub struct Identity {
    /// The certificate, then its intermediates; DER, without the root.
    pub chain: Vec<Vec<u8>>,
    /// The private key of the certificate.
    pub key: Arc<Key>,
    /// What the certificate says.
    pub svid: Svid,
    /// Roots, deny-list, asserters.
    pub trust: Trust,
    /// The name of this workload among others with its SPIFFE ID; the same over all renewals.
    pub instance: InstanceId,
    /// When to renew, chosen by the authority.
    pub renew_after: Timestamp,
    /// Where the authority is.
    pub urls: Vec<String>,
    /// The life that was asked for; `None`: what the authority gives. Renewals ask for the same.
    pub ttl: Option<Duration>,
}

/// What was asked for.
#[derive(Debug)]
pub(super) struct Order<'a> {
    pub(super) key: Arc<Key>,
    pub(super) trust_domain: &'a TrustDomain,
    /// `None`: whatever the join token is for.
    pub(super) id: Option<&'a SpiffeId>,
    pub(super) urls: &'a [String],
    pub(super) ttl: Option<Duration>,
}

impl Identity {
    /// Takes the authority's answer to `order`.
    pub(super) fn take(
        issued: proto::Issued,
        order: &Order<'_>,
        now: Timestamp,
    ) -> Result<Self, AnswerFault> {
        let leaf = issued.chain.first().ok_or(AnswerFault::NoCertificate)?;
        let svid = certificate::svid(leaf)?;
        if svid.key != order.key.fingerprint() {
            return Err(AnswerFault::OtherKey);
        }
        if order.id.is_some_and(|id| *id != svid.id) {
            return Err(AnswerFault::OtherId(svid.id));
        }
        let trust = Trust::from_wire(issued.trust.ok_or(AnswerFault::NoTrust)?, Some(order.trust_domain))?;
        let links: Vec<&[u8]> = issued.chain.iter().map(Vec::as_slice).collect();
        verify::verify(&links, &trust.bundle, &DenyList::default(), Side::Client, now)?;
        Ok(Self {
            svid,
            trust,
            key: Arc::clone(&order.key),
            instance: issued.instance.parse().map_err(|_| AnswerFault::Instance)?,
            renew_after: Timestamp(issued.renew_after),
            urls: order.urls.to_vec(),
            ttl: order.ttl,
            chain: issued.chain,
        })
    }

    /// The moments that count for its renewal.
    pub fn term(&self) -> Term {
        Term {
            not_before: self.svid.not_before,
            not_after: self.svid.not_after,
            renew_after: self.renew_after,
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Identity")
            .field("svid", &self.svid)
            .field("instance", &self.instance)
            .field("renew_after", &self.renew_after)
            .field("sequence", &self.trust.bundle.sequence)
            .finish_non_exhaustive()
    }
}
