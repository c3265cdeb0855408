//! Whom to believe, as of one sequence: roots, deny-list, and who may introduce users.
//!
//! Decides how it goes over the wire ([`proto::Trust`]) and what is taken from there: all of it or, when one part is
//! malformed, too long or of another trust domain, nothing. Half a deny-list would let in who was revoked. Pure: it
//! must not know the store, the network or a clock.

use crate::bundle::{Bundle, BundleError};
use crate::deny::Denial;
use crate::names::Serial;
use crate::proto;
use crate::spiffe::{SpiffeId, SpiffeIdError, TrustDomain};
use crate::time::Timestamp;
use std::time::Duration;

/// The deny-list holds no more rules.
pub const MAX_DENIALS: usize = 100_000;
/// No more workloads may introduce users.
pub const MAX_ASSERTERS: usize = 10_000;

/// Whom to believe, as of one sequence (that of the bundle).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// The roots.
    pub bundle: Bundle,
    /// The deny-list, the oldest rule first.
    pub denied: Vec<Denial>,
    /// Who may introduce users (the grant `assert`).
    pub asserters: Vec<SpiffeId>,
}

impl Trust {
    /// The message. `server_time_ms`: the clock of who sends it, in milliseconds since 1970.
    pub fn to_wire(&self, server_time_ms: i64) -> proto::Trust {
        let bundle = &self.bundle;
        proto::Trust {
            trust_domain: bundle.trust_domain.to_string(),
            sequence: bundle.sequence,
            roots: bundle.roots.clone(),
            denied: self.denied.iter().map(write_denial).collect(),
            asserters: self.asserters.iter().map(ToString::to_string).collect(),
            refresh_hint: u32::try_from(bundle.refresh_hint.as_secs()).unwrap_or(u32::MAX),
            server_time_ms,
        }
    }

    /// Reads a message. `expected`: the trust domain it must be of, where that is known.
    ///
    /// # Errors
    /// When a part is malformed, too long, or of another trust domain.
    pub fn from_wire(wire: proto::Trust, expected: Option<&TrustDomain>) -> Result<Self, TrustError> {
        let trust_domain: TrustDomain = wire.trust_domain.parse().map_err(TrustError::TrustDomain)?;
        if let Some(expected) = expected.filter(|expected| **expected != trust_domain) {
            return Err(TrustError::OtherTrustDomain { found: trust_domain, expected: expected.clone() });
        }
        if wire.denied.len() > MAX_DENIALS {
            return Err(TrustError::TooMany { what: "rules in the deny-list", most: MAX_DENIALS });
        }
        if wire.asserters.len() > MAX_ASSERTERS {
            return Err(TrustError::TooMany { what: "asserters", most: MAX_ASSERTERS });
        }
        let denied =
            wire.denied.iter().map(|denial| read_denial(denial, &trust_domain)).collect::<Result<_, _>>()?;
        let asserters =
            wire.asserters.iter().map(|id| asserter(id, &trust_domain)).collect::<Result<_, _>>()?;
        let refresh_hint = Duration::from_secs(wire.refresh_hint.into());
        let bundle = Bundle::new(trust_domain, wire.roots, wire.sequence, refresh_hint)?;
        Ok(Self { bundle, denied, asserters })
    }
}

fn write_denial(denial: &Denial) -> proto::Denial {
    use proto::denial::What;
    let what = match denial {
        Denial::Serial(serial) => What::Serial(serial.as_bytes().to_vec()),
        Denial::Id(id) => What::Id(id.to_string()),
        Denial::Before { id, not_before } => {
            What::Before(proto::Before { id: id.to_string(), not_before: not_before.0 })
        }
    };
    proto::Denial { what: Some(what) }
}

fn read_denial(wire: &proto::Denial, trust_domain: &TrustDomain) -> Result<Denial, TrustError> {
    use proto::denial::What;
    // A kind of rule that a newer authority knows and we do not looks like none: to skip it would be to believe who
    // is denied.
    match wire.what.as_ref().ok_or(TrustError::UnknownDenial)? {
        What::Serial(serial) => Serial::from_bytes(serial).map(Denial::Serial).ok_or(TrustError::Serial),
        What::Id(id) => ours(id, trust_domain).map(Denial::Id),
        What::Before(before) => Ok(Denial::Before {
            id: ours(&before.id, trust_domain)?,
            not_before: Timestamp(before.not_before),
        }),
    }
}

/// A SPIFFE ID of this trust domain.
fn ours(text: &str, trust_domain: &TrustDomain) -> Result<SpiffeId, TrustError> {
    let id: SpiffeId = text.parse().map_err(TrustError::Id)?;
    if id.trust_domain() == trust_domain {
        Ok(id)
    } else {
        Err(TrustError::Foreign { id, expected: trust_domain.clone() })
    }
}

fn asserter(text: &str, trust_domain: &TrustDomain) -> Result<SpiffeId, TrustError> {
    let id = ours(text, trust_domain)?;
    if id.path().is_empty() { Err(TrustError::NoPath(id)) } else { Ok(id) }
}

/// Why a message does not say whom to believe. Nothing of it was taken.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The name of the trust domain is malformed.
    #[error("the trust has a malformed trust domain: {0}")]
    TrustDomain(#[source] SpiffeIdError),
    /// It is of another trust domain.
    #[error("this is the trust of {found}, not of {expected}: was the right authority asked?")]
    OtherTrustDomain {
        /// Whose it is.
        found: TrustDomain,
        /// Whose it should be.
        expected: TrustDomain,
    },
    /// The roots.
    #[error("the roots of the trust: {0}")]
    Bundle(#[from] BundleError),
    /// Too long a list.
    #[error("the trust has too many {what}: at most {most}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        most: usize,
    },
    /// A rule of a kind we do not know.
    #[error(
        "the deny-list has a rule of an unknown kind: update this portcullis to the version of the authority"
    )]
    UnknownDenial,
    /// A malformed serial number.
    #[error("the deny-list has a serial number that is not 16 bytes long")]
    Serial,
    /// A malformed SPIFFE ID.
    #[error("the trust has a malformed SPIFFE ID: {0}")]
    Id(#[source] SpiffeIdError),
    /// A SPIFFE ID of somebody else.
    #[error("the trust speaks of {id}, which is not in the trust domain {expected}")]
    Foreign {
        /// Whom it speaks of.
        id: SpiffeId,
        /// Whose trust it is.
        expected: TrustDomain,
    },
    /// An asserter that is no workload.
    #[error("the trust lets {0} introduce users, which names no workload")]
    NoPath(SpiffeId),
}

#[cfg(test)]
#[path = "trust_tests.rs"]
mod tests;
