//! The deny-list: certificates not to be believed although they have not expired.
//!
//! Decides whether a certificate is denied and when a rule has nothing left to deny. Pure: it must not know the
//! store, the wire or a clock.

use crate::certificate::Svid;
use crate::names::Serial;
use crate::spiffe::SpiffeId;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// What is denied.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Denial {
    /// One certificate.
    Serial(Serial),
    /// Every certificate with this SPIFFE ID, and nothing more is issued to it.
    Id(SpiffeId),
    /// Every certificate with this SPIFFE ID whose NotBefore is not after the moment; new ones are good.
    Before {
        /// Whose.
        id: SpiffeId,
        /// The last NotBefore that is denied.
        not_before: Timestamp,
    },
}

impl Denial {
    /// From when on this rule has nothing left to deny; `None`: never. `expires` is when the certificate with the
    /// serial expires, where that is known; `at` is when the rule was made; `longest` is the longest time from
    /// NotBefore to NotAfter of any certificate.
    pub fn over(&self, expires: Option<Timestamp>, at: Timestamp, longest: Duration) -> Option<Timestamp> {
        match self {
            // An unknown one may have been issued up to the moment of the rule.
            Self::Serial(_) => Some(expires.unwrap_or_else(|| at.after(longest))),
            Self::Id(_) => None,
            Self::Before { not_before, .. } => Some(not_before.after(longest)),
        }
    }
}

/// All rules of one moment, ready to be asked: each question costs two look-ups, however long the list is.
#[derive(Debug, Clone, Default)]
pub struct DenyList {
    rules: Vec<Denial>,
    serials: HashSet<Serial>,
    ids: HashMap<SpiffeId, Denied>,
}

/// What the rules say of one SPIFFE ID, put together.
#[derive(Debug, Clone, Copy, Default)]
struct Denied {
    always: bool,
    /// The newest of its moments.
    before: Option<Timestamp>,
}

impl DenyList {
    /// The list of these rules; their order does not matter.
    pub fn new(rules: Vec<Denial>) -> Self {
        let mut serials = HashSet::new();
        let mut ids: HashMap<SpiffeId, Denied> = HashMap::new();
        for rule in &rules {
            match rule {
                Denial::Serial(serial) => _ = serials.insert(*serial),
                Denial::Id(id) => ids.entry(id.clone()).or_default().always = true,
                Denial::Before { id, not_before } => {
                    let denied = ids.entry(id.clone()).or_default();
                    denied.before = denied.before.max(Some(*not_before));
                }
            }
        }
        Self { rules, serials, ids }
    }

    /// Whether this certificate is not to be believed.
    pub fn denies(&self, svid: &Svid) -> bool {
        self.denies_serial(&svid.serial)
            || self.ids.get(&svid.id).is_some_and(|denied| {
                denied.always || denied.before.is_some_and(|moment| svid.not_before <= moment)
            })
    }

    /// Whether the certificate with this serial is not to be believed, whosever it is: an intermediate's too.
    pub fn denies_serial(&self, serial: &Serial) -> bool {
        self.serials.contains(serial)
    }

    /// Whether every certificate with this SPIFFE ID is denied, those of the future too.
    pub fn denies_id(&self, id: &SpiffeId) -> bool {
        self.ids.get(id).is_some_and(|denied| denied.always)
    }

    /// The last NotBefore that is denied for this SPIFFE ID: a new certificate must begin after it.
    pub fn last_before(&self, id: &SpiffeId) -> Option<Timestamp> {
        self.ids.get(id)?.before
    }

    /// The rules it was made of, in their order.
    pub fn rules(&self) -> &[Denial] {
        &self.rules
    }
}

#[cfg(test)]
#[path = "deny_tests.rs"]
mod tests;
