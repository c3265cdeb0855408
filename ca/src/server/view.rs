//! Whom the server believes: the trust of one sequence, ready to be asked, and the members that were believed.
//!
//! Decides whether a chain is a member's now. A member that was believed once is asked about again after each change
//! of the trust. It must not know sockets.

use super::admission::Holder;
use crate::certificate::Svid;
use crate::deny::DenyList;
use crate::time::Timestamp;
use crate::trust::Trust;
use crate::verify::{self, Side, VerifyError};
use std::sync::Arc;
use tokio::sync::watch;

/// The trust in force; it is replaced whole.
pub(super) type Trusted = watch::Receiver<Arc<View>>;

/// The trust of one sequence.
#[derive(Debug)]
pub(super) struct View {
    /// What members are told.
    pub(super) trust: Trust,
    /// Its deny-list, ready to be asked.
    pub(super) denied: DenyList,
}

/// Who is on the other side of a connection, by its client certificate.
#[derive(Debug)]
pub(super) struct Peer {
    /// DER, as it was shown.
    pub(super) chain: Vec<Vec<u8>>,
    /// What the certificate says.
    pub(super) svid: Svid,
    /// Whom limits count.
    pub(super) holder: Holder,
}

impl View {
    /// Makes a trust ready to be asked.
    pub(super) fn new(trust: Trust) -> Self {
        Self { denied: DenyList::new(trust.denied.clone()), trust }
    }

    /// Who shows this chain.
    pub(super) fn believe(&self, chain: &[&[u8]], now: Timestamp) -> Result<Svid, VerifyError> {
        verify::verify(chain, &self.trust.bundle, &self.denied, Side::Client, now)
    }

    /// Whether a member is out by what costs nothing to look at.
    pub(super) fn is_out(&self, svid: &Svid, now: Timestamp) -> bool {
        now > svid.not_after || self.denied.denies(svid)
    }
}

impl Peer {
    /// Whether it is to be believed no more, the whole chain considered: a root or an intermediate may be out too.
    pub(super) fn is_out_by(&self, view: &View, now: Timestamp) -> bool {
        let chain: Vec<&[u8]> = self.chain.iter().map(Vec::as_slice).collect();
        view.believe(&chain, now).is_err()
    }
}
