//! What to do about a certificate that is not to be believed. Pure.

use super::question::{Failure, Question};
use crate::certificate::{self, Facts};
use crate::cli::words::harmless;
use crate::spiffe::SpiffeId;
use crate::time::human;
use crate::verify::VerifyError;

impl Question<'_> {
    /// The certificate of the chain that is meant, for people.
    pub(super) fn which(&self, meant: impl Fn(&Facts) -> bool) -> String {
        let read = |der: &Vec<u8>| certificate::read(der).ok().filter(&meant);
        match self.chain.iter().enumerate().find_map(|(index, der)| Some((index, read(der)?.subject))) {
            Some((0, _)) => "the certificate itself".to_owned(),
            Some((_, subject)) => harmless(&subject),
            None => match self.believed.bundle.roots.iter().find_map(read) {
                Some(root) => format!("the root {}", harmless(&root.subject)),
                None => "a certificate of the chain".to_owned(),
            },
        }
    }

    /// What to do about a failure.
    pub(super) fn hint(&self, failure: &Failure) -> Option<String> {
        let Failure::Chain(error) = failure else { return None };
        Some(match error {
            VerifyError::Expired { not_after, now } => format!(
                "it is {} that ended, {} ago if the clock is right (`date -u`). `portcullis ca renew` gets the next \
                 one; when it is too late for that, `portcullis ca bootstrap` with a new token",
                self.which(|facts| facts.not_after == *not_after),
                human(now.since(*not_after))
            ),
            VerifyError::NotYetValid { not_before, now } => format!(
                "it is {} that begins in {}. Certificates begin a minute before they are made, so a clock is off by \
                 more than that: compare `date -u` here and on the authority's machine",
                self.which(|facts| facts.not_before == *not_before),
                human(not_before.since(*now))
            ),
            VerifyError::UnknownRoot { .. } => self.unknown_root(),
            VerifyError::Usage(_) => "--side checks one side alone".to_owned(),
            VerifyError::Svid(_) if self.chain.len() > 1 => {
                "the workload's certificate must be the first in the file; `portcullis ca inspect FILE` shows the order"
                    .to_owned()
            }
            VerifyError::Svid(_) => "`portcullis ca inspect FILE` shows what it is".to_owned(),
            VerifyError::ForeignTrustDomain { id, .. } => foreign(id),
            VerifyError::Denied { .. } | VerifyError::AuthorityDenied(_) => {
                "`portcullis ca revoke --list` on the authority's machine says why; the workload needs a new join token"
                    .to_owned()
            }
            _ => return None,
        })
    }

    /// Nobody vouches for it: most often the intermediate was left out, or the bundle is of before a rotation.
    fn unknown_root(&self) -> String {
        let ours = &self.believed.bundle.trust_domain;
        let leaf = self.chain.first().and_then(|der| certificate::svid(der).ok());
        if let Some(leaf) = leaf.filter(|leaf| leaf.id.trust_domain() != ours) {
            return foreign(&leaf.id);
        }
        let read = |der: &Vec<u8>| certificate::read(der).ok();
        let subjects: Vec<_> =
            self.believed.bundle.roots.iter().filter_map(read).map(|root| root.subject).collect();
        let chain: Vec<_> = self.chain.iter().filter_map(read).collect();
        let known =
            |issuer: &String| subjects.contains(issuer) || chain.iter().any(|one| one.subject == *issuer);
        match chain.iter().map(|one| &one.issuer).find(|issuer| !known(issuer)) {
            Some(_) if subjects.is_empty() => "the bundle holds no root at all: it makes believe nobody".to_owned(),
            Some(missing) => format!(
                "{} signed it, and is neither in the file nor in the bundle. If that is an intermediate, use the \
                 file with the whole chain (svid.pem); if it is a root, get the bundle anew: `portcullis ca bundle \
                 export`",
                harmless(missing)
            ),
            None => "a root of the bundle has the right name and another key: the authority was made anew. Get the \
                     bundle anew: `portcullis ca bundle export`"
                .to_owned(),
        }
    }
}

fn foreign(id: &SpiffeId) -> String {
    format!(
        "it is of {}: ask with the bundle of that trust domain; bundles are never merged",
        id.trust_domain()
    )
}
