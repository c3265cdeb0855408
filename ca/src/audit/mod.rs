//! The audit: who asked for what, and what came of it.
//!
//! Decides the shape of an event. It is written in two steps: into the store, in the same transaction as what it tells
//! of, and from there into a file of JSON lines, each with the hash of the line before ([`chain`], [`mod@file`]). So nothing
//! is done without its event, and a line that is changed, removed or moved is found.
//!
//! Secrets have no place in an event: keys are fingerprints, tokens are not in it at all.

pub mod chain;
pub mod file;
pub mod verifier;

use crate::names::{AuthorityId, Fingerprint, InstanceId, Serial};
use crate::spiffe::SpiffeId;
use crate::store::How;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use std::net::SocketAddr;

pub use chain::Line;
pub use file::{AuditError, AuditFile, tail, verify};
pub use verifier::{Fault, Finding, Report, Verifier};

/// What people wrote, a reason or details, is cut to so many characters: a stranger's words may be among them.
const LONGEST_TEXT: usize = 1_000;

/// One event. Fields that say nothing are not written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub ts: Timestamp,
    /// What.
    pub event: What,
    /// Whether it was done.
    pub result: Outcome,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "cut")]
    pub reason: Option<String>,
    /// Who asked.
    #[serde(default, skip_serializing_if = "Caller::is_nobody")]
    pub caller: Caller,
    /// Whom it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spiffe_id: Option<SpiffeId>,
    /// Which of its instances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceId>,
    /// DNS names of the entry or certificate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<String>,
    /// How a certificate was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub how: Option<How>,
    /// Which certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<Serial>,
    /// SHA-256 of its public key (SubjectPublicKeyInfo, DER).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Fingerprint>,
    /// Its first second; of a revocation: the last first second that is denied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// Its last second; of a token: when it expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
    /// The intermediate that signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<AuthorityId>,
    /// The root above, or the root it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<AuthorityId>,
    /// The sequence of the bundle from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// Whether a gate was passed by force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forced: Option<bool>,
    /// How many, of what is told together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Anything else, in words.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "cut")]
    pub details: Option<String>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it, and are what stands in the file")]
pub enum What {
    CaInitialised,
    ServerStarted,
    ServerStopped,
    EntryCreated,
    EntryReplaced,
    EntryDeleted,
    TokenCreated,
    CertificateIssued,
    RequestRefused,
    /// Requests over the limit, told together: `count` of them since the last such event.
    RequestsLimited,
    Revoked,
    RevocationLifted,
    RootPrepared,
    RootActivated,
    RootRetired,
    RootRolledBack,
    IntermediateRotated,
    BundleAcknowledgedByHand,
    BackupMade,
    Restored,
    /// The audit file held `count` lines at its end that this store did not write. It was put back from a backup made
    /// before them; else somebody put them there.
    ForeignLines,
}

/// Whether it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was.
    Ok,
    /// It was not, and nothing has changed.
    Refused,
}

/// Who asked, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Caller {
    /// Where the connection came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddr>,
    /// Whom its certificate names.
    #[serde(default, rename = "spiffe_id", skip_serializing_if = "Option::is_none")]
    pub peer: Option<SpiffeId>,
    /// Who typed the command, on this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
}

impl Caller {
    fn is_nobody(&self) -> bool {
        *self == Self::default()
    }
}

impl Event {
    /// Something that was done.
    pub fn new(event: What, ts: Timestamp, caller: Caller) -> Self {
        Self {
            ts,
            event,
            result: Outcome::Ok,
            reason: None,
            caller,
            spiffe_id: None,
            instance: None,
            dns: Vec::new(),
            how: None,
            serial: None,
            key: None,
            not_before: None,
            not_after: None,
            issuer: None,
            root: None,
            sequence: None,
            forced: None,
            count: None,
            details: None,
        }
    }

    /// Makes it something that was refused, and why.
    pub fn refused(&mut self, reason: String) {
        self.result = Outcome::Refused;
        self.reason = Some(reason);
    }

    /// The event as the store keeps it: one JSON object on one line.
    pub fn to_json(&self) -> String {
        // Records without maps and floats can always be written.
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[expect(clippy::ref_option, reason = "serde calls it so")]
fn cut<S: Serializer>(text: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    let text = text.as_deref().unwrap_or_default();
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => serializer.collect_str(&format_args!("{}…", text.get(..end).unwrap_or_default())),
        None => serializer.serialize_str(text),
    }
}

#[cfg(test)]
mod tests;
