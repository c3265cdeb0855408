//! What is asked of a certificate, and the answer: what holds, or the one thing that does not. Pure.

use super::Believed;
use crate::bundle::Bundle;
use crate::certificate::{self, Svid};
use crate::cli::inspect::rows;
use crate::cli::words::{count, moment, quote};
use crate::deny::DenyList;
use crate::names::Fingerprint;
use crate::spiffe::SpiffeId;
use crate::time::Timestamp;
use crate::verify::{self, Side, VerifyError};
use serde_json::json;
use std::path::Path;

/// What is asked.
pub(super) struct Question<'a> {
    /// DER, the certificate first.
    pub(super) chain: &'a [Vec<u8>],
    pub(super) believed: &'a Believed,
    pub(super) id: Option<&'a SpiffeId>,
    pub(super) sides: &'a [Side],
    pub(super) at: Timestamp,
    /// Whether that moment is what the clock of this machine says.
    pub(super) by_clock: bool,
}

/// What holds.
#[derive(Debug)]
pub(super) struct Held {
    svid: Svid,
    /// The root it stands under: its subject and the SHA-256 of its certificate.
    root: Option<(String, Fingerprint)>,
}

impl Question<'_> {
    pub(super) fn answer(&self) -> Result<Held, Failure> {
        let mut svid = None;
        for side in self.sides {
            svid = Some(self.check(&self.believed.bundle, *side).map_err(|error| self.failure(error))?);
        }
        let svid = svid.ok_or(VerifyError::Empty)?;
        match self.id.filter(|id| **id != svid.id) {
            Some(expected) => Err(Failure::OtherId { found: svid.id, expected: expected.clone() }),
            None => Ok(Held { root: self.root(), svid }),
        }
    }

    fn check(&self, bundle: &Bundle, side: Side) -> Result<Svid, VerifyError> {
        let links: Vec<&[u8]> = self.chain.iter().map(Vec::as_slice).collect();
        let none = DenyList::default();
        verify::verify(&links, bundle, self.believed.denied.as_ref().unwrap_or(&none), side, self.at)
    }

    /// Which of the roots it is that vouches: the one that does so alone.
    fn root(&self) -> Option<(String, Fingerprint)> {
        let (bundle, side) = (&self.believed.bundle, *self.sides.first()?);
        let alone = |root: &&Vec<u8>| {
            let one = Bundle { roots: vec![root.to_vec()], ..bundle.clone() };
            self.check(&one, side).is_ok()
        };
        let facts = certificate::read(bundle.roots.iter().find(alone)?).ok()?;
        Some((facts.subject, facts.fingerprint))
    }

    pub(super) fn value(&self, held: &Held) -> serde_json::Value {
        json!({
            "ok": true,
            "id": held.svid.id,
            "serial": held.svid.serial,
            "not_before": held.svid.not_before,
            "not_after": held.svid.not_after,
            "root": held.root.as_ref().map(|(_, fingerprint)| fingerprint),
            "sides": self.sides.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "at": self.at,
            "deny_list_checked": self.believed.denied.is_some(),
        })
    }

    pub(super) fn text(&self, name: &str, held: &Held, now: Timestamp) -> String {
        let Held { svid, root } = held;
        let (subject, fingerprint) = match root {
            Some((subject, fingerprint)) => (subject.clone(), fingerprint.to_string()),
            None => Default::default(),
        };
        let sides: Vec<_> = self.sides.iter().map(ToString::to_string).collect();
        let moment_asked = if self.at == now { String::new() } else { moment(self.at, now) };
        let denied = match &self.believed.denied {
            Some(list) => format!("not on it ({})", count(list.rules().len(), "rule")),
            None => "not checked: a bundle does not hold it; --bundle DIR of a workload does".to_owned(),
        };
        let known = rows(&[
            ("chain", format!("{}, up to {subject}", count(self.chain.len(), "certificate"))),
            ("root", fingerprint),
            ("good until", moment(svid.not_after, self.at)),
            ("checked for", moment_asked),
            ("use", sides.join(" and ")),
            ("trust domain", self.believed.bundle.trust_domain.to_string()),
            ("ID", if self.id.is_some() { "the one asked for" } else { "not compared (--id)" }.to_owned()),
            ("deny-list", denied),
        ]);
        format!("OK: {} is {}\n{known}", quote(Path::new(name)), svid.id)
    }

    /// Another moment than now must not be told as what the clock says.
    fn failure(&self, error: VerifyError) -> Failure {
        match error {
            VerifyError::Expired { not_after, .. } if !self.by_clock => Failure::Expired {
                which: self.which(|facts| facts.not_after == not_after),
                not_after,
                at: self.at,
            },
            VerifyError::NotYetValid { not_before, .. } if !self.by_clock => Failure::NotYetValid {
                which: self.which(|facts| facts.not_before == not_before),
                not_before,
                at: self.at,
            },
            other => other.into(),
        }
    }
}

/// The one thing that does not hold.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// It is not to be believed at all.
    #[error(transparent)]
    Chain(#[from] VerifyError),
    /// Not any more at the moment that was asked for.
    #[error("at {at} it is not good any more: {which} ends at {not_after}")]
    Expired {
        /// Which certificate.
        which: String,
        /// Its last second.
        not_after: Timestamp,
        /// The moment.
        at: Timestamp,
    },
    /// Not yet at the moment that was asked for.
    #[error("at {at} it is not good yet: {which} begins at {not_before}")]
    NotYetValid {
        /// Which certificate.
        which: String,
        /// Its first second.
        not_before: Timestamp,
        /// The moment.
        at: Timestamp,
    },
    /// It is good, and somebody else's.
    #[error("it is the certificate of {found}, not of {expected}")]
    OtherId {
        /// Whose it is.
        found: SpiffeId,
        /// Who was meant.
        expected: SpiffeId,
    },
}

/// The reason in one word, for scripts.
pub(super) fn reason(failure: &Failure) -> &'static str {
    match failure {
        Failure::OtherId { .. } => "other_id",
        Failure::Expired { .. } => "expired",
        Failure::NotYetValid { .. } => "not_yet_valid",
        Failure::Chain(error) => match error {
            VerifyError::Expired { .. } => "expired",
            VerifyError::NotYetValid { .. } => "not_yet_valid",
            VerifyError::UnknownRoot { .. } => "unknown_root",
            VerifyError::Usage(_) => "usage",
            VerifyError::Svid(_) => "not_svid",
            VerifyError::ForeignTrustDomain { .. } => "foreign_trust_domain",
            VerifyError::Denied { .. } | VerifyError::AuthorityDenied(_) => "denied",
            _ => "chain",
        },
    }
}
