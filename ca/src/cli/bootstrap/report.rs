//! What a workload's command says when it is done.

use crate::bundle::Bundle;
use crate::cli::inspect::rows;
use crate::cli::output::{Output, complain};
use crate::cli::words::{count, moment, quote};
use crate::client::{ClientError, Identity};
use crate::time::Timestamp;
use serde_json::{Value, json};
use std::path::Path;

/// What became of an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Outcome {
    /// It is the first one, or it was made anew.
    Joined,
    /// It has a new certificate.
    Renewed,
    /// It is not due.
    Kept,
}

/// A command that is done.
pub(in crate::cli) struct Done<'a> {
    pub(in crate::cli) dir: &'a Path,
    pub(in crate::cli) identity: &'a Identity,
    pub(in crate::cli) outcome: Outcome,
    /// The sequence that was stored and acknowledged, or why not.
    pub(in crate::cli) synced: Result<u64, ClientError>,
    pub(in crate::cli) now: Timestamp,
}

impl Done<'_> {
    /// Prints the result, and a warning when the trust is not acknowledged.
    pub(in crate::cli) fn print(&self, output: Output) {
        output.result(&self.value(), || self.text());
        if let Err(error) = &self.synced {
            complain(&format!(
                "warning: whom to believe now could not be learnt: {error}\n  The files are good until {} as they are. A \
                 rotation of the root waits for this workload until `portcullis ca renew` gets through",
                moment(self.identity.svid.not_after, self.now)
            ));
        }
    }

    /// The sequence that is stored.
    pub(in crate::cli) fn sequence(&self) -> u64 {
        *self.synced.as_ref().unwrap_or(&self.bundle().sequence)
    }

    fn bundle(&self) -> &Bundle {
        &self.identity.trust.bundle
    }

    fn value(&self) -> Value {
        let Identity { svid, instance, renew_after, urls, .. } = self.identity;
        json!({
            "outcome": match self.outcome {
                Outcome::Joined => "joined",
                Outcome::Renewed => "renewed",
                Outcome::Kept => "not_due",
            },
            "id": svid.id,
            "serial": svid.serial,
            "not_before": svid.not_before,
            "not_after": svid.not_after,
            "renew_after": renew_after,
            "instance": instance,
            "trust_domain": self.bundle().trust_domain,
            "roots": self.bundle().fingerprints(),
            "sequence": self.sequence(),
            "acknowledged": self.synced.is_ok(),
            "urls": urls,
            "dir": self.dir,
            "certificate": self.dir.join("svid.pem"),
            "key": self.dir.join("svid.key"),
            "bundle": self.dir.join("bundle.pem"),
        })
    }

    fn text(&self) -> String {
        let Identity { svid, instance, renew_after, .. } = self.identity;
        if self.outcome == Outcome::Kept {
            return format!(
                "not due: {} is good until {}, to be renewed from {} on\n",
                svid.id,
                moment(svid.not_after, self.now),
                moment(*renew_after, self.now)
            );
        }
        let verb = if self.outcome == Outcome::Joined { "joined as" } else { "renewed" };
        let roots = count(self.bundle().roots.len(), "root");
        let known = rows(&[
            ("certificate", quote(&self.dir.join("svid.pem"))),
            ("private key", quote(&self.dir.join("svid.key"))),
            (
                "roots",
                format!("{} ({roots}, sequence {})", quote(&self.dir.join("bundle.pem")), self.sequence()),
            ),
            ("good until", moment(svid.not_after, self.now)),
            ("renew from", moment(*renew_after, self.now)),
            ("serial", svid.serial.to_string()),
            ("instance", instance.to_string()),
        ]);
        format!("{verb} {}\n{known}", svid.id)
    }
}
