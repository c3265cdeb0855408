//! What the authority remembers, and how it is kept.
//!
//! Decides the shape of the records and what must be atomic: everything between [`Store::write`] and
//! [`Writing::commit`] happens wholly and durably, or not at all; two writers never overlap, in one process or in
//! several. It must not decide anything about certificates. `sqlite` is the store that comes with portcullis;
//! another one (shared by several authorities) implements the same traits.

mod sqlite;

use crate::deny::Denial;
use crate::entry::{Entry, Spent, Token};
use crate::names::{AuthorityId, Fingerprint, InstanceId, Serial};
use crate::rotation::Phase;
use crate::spiffe::{SpiffeId, TrustDomain};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

pub use sqlite::Sqlite;

/// Keeps the records. Shared between threads; a transaction belongs to one.
pub trait Store: Send + Sync {
    /// Looks at one moment of the records.
    ///
    /// # Errors
    /// When they cannot be read.
    fn read(&self) -> Result<Box<dyn Reading + '_>, StoreError>;

    /// Begins a change; waits (up to 5 s) for a change somebody else has begun. Dropping it undoes it.
    ///
    /// # Errors
    /// When the records cannot be written, or another writer does not end.
    fn write(&self) -> Result<Box<dyn Writing + '_>, StoreError>;

    /// A number that differs from the one before when this or another process may have committed a change. Cheap:
    /// asked several times a second.
    ///
    /// # Errors
    /// When the records cannot be read.
    fn version(&self) -> Result<u64, StoreError>;
}

/// Reads. Lists come in the order of their first column.
pub trait Reading {
    /// What holds for the whole authority.
    fn settings(&self) -> Result<Settings, StoreError>;
    /// All entries, by SPIFFE ID.
    fn entries(&self) -> Result<Vec<Entry>, StoreError>;
    /// One entry.
    fn entry(&self, id: &SpiffeId) -> Result<Option<Entry>, StoreError>;
    /// One token, by the SHA-256 of its secret.
    fn token(&self, hash: &Fingerprint) -> Result<Option<Token>, StoreError>;
    /// Tokens neither spent nor expired.
    fn fresh_tokens(&self, now: Timestamp) -> Result<Vec<Token>, StoreError>;
    /// One certificate.
    fn issued(&self, serial: &Serial) -> Result<Option<Issued>, StoreError>;
    /// Certificates, the newest first, without their DER: see [`Self::issued`].
    fn ledger(&self, filter: &Filter) -> Result<Vec<Issued>, StoreError>;
    /// Whose unexpired certificate has this public key. Used to refuse one key under two names.
    fn key_holder(&self, key: &Fingerprint, now: Timestamp) -> Result<Option<SpiffeId>, StoreError>;
    /// One instance.
    fn instance(&self, id: &InstanceId) -> Result<Option<Instance>, StoreError>;
    /// Instances whose last certificate has not expired, by SPIFFE ID.
    fn live_instances(&self, now: Timestamp) -> Result<Vec<Instance>, StoreError>;
    /// The deny-list, the oldest rule first.
    fn denials(&self) -> Result<Vec<Denied>, StoreError>;
    /// Roots and intermediates, the oldest first.
    fn authorities(&self) -> Result<Vec<AuthorityRecord>, StoreError>;
    /// Audit events not yet in the audit file, in order: number and JSON.
    fn audit_pending(&self) -> Result<Vec<(u64, String)>, StoreError>;
    /// The number and hash of the last line of the audit file, as far as the store knows.
    fn audit_head(&self) -> Result<Option<AuditHead>, StoreError>;
}

/// Reads and changes, all of it at once with [`Self::commit`].
pub trait Writing: Reading {
    /// Makes the change durable: when this returns, it survives a power cut.
    fn commit(self: Box<Self>) -> Result<(), StoreError>;
    /// Replaces the settings.
    fn put_settings(&self, settings: &Settings) -> Result<(), StoreError>;
    /// Adds an entry or replaces the one with its SPIFFE ID.
    fn put_entry(&self, entry: &Entry) -> Result<(), StoreError>;
    /// Deletes an entry with its fresh tokens. False: there was none.
    fn delete_entry(&self, id: &SpiffeId) -> Result<bool, StoreError>;
    /// Adds a token.
    fn add_token(&self, token: &Token) -> Result<(), StoreError>;
    /// Spends a token. False: it is not there or spent already.
    fn spend_token(&self, hash: &Fingerprint, spent: &Spent) -> Result<bool, StoreError>;
    /// Deletes the tokens that are not spent. Returns how many.
    fn drop_fresh_tokens(&self) -> Result<u64, StoreError>;
    /// Adds a certificate to the ledger.
    fn add_issued(&self, issued: &Issued) -> Result<(), StoreError>;
    /// Adds an instance or replaces the one with its name.
    fn put_instance(&self, instance: &Instance) -> Result<(), StoreError>;
    /// Adds a rule to the deny-list; one that is there already stays as it is.
    fn add_denied(&self, denied: &Denied) -> Result<(), StoreError>;
    /// Takes a rule off the deny-list. False: it was not there.
    fn remove_denied(&self, rule: &Denial) -> Result<bool, StoreError>;
    /// Adds a root or intermediate.
    fn add_authority(&self, record: &AuthorityRecord) -> Result<(), StoreError>;
    /// Keeps an audit event until it is in the audit file; its number is one more than the last.
    fn add_audit(&self, event: &str) -> Result<u64, StoreError>;
    /// Forgets the events up to `head`, which are in the audit file.
    fn audit_written(&self, head: &AuditHead) -> Result<(), StoreError>;
    /// Deletes what is of no use any more: tokens that expired, and certificates, instances and rules of the
    /// deny-list whose time was over before `before`. Returns how many rows went.
    fn prune(&self, now: Timestamp, before: Timestamp) -> Result<u64, StoreError>;
}

/// What holds for the whole authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Whose authority it is.
    pub trust_domain: TrustDomain,
    /// Where its clients reach it: `https://ca.shop.example:8443`; several for several servers.
    pub urls: Vec<String>,
    /// The life of a certificate nobody asked a life for, in seconds.
    pub ttl_default: u64,
    /// Grows with every change of roots, deny-list and grants: what members acknowledge.
    pub sequence: u64,
    /// Where the rotation of the root stands.
    pub phase: Phase,
    /// How many roots and intermediates there have been: the numbers in their names.
    pub roots: u64,
    /// See `roots`.
    pub intermediates: u64,
    /// The intermediate that signs.
    pub signing: AuthorityId,
    /// When this store was last put back from a backup. Certificates of before that are renewed even when the
    /// ledger, older than they are, does not know them.
    #[serde(default)]
    pub restored: Option<Timestamp>,
}

/// A certificate that was given out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// Its serial number.
    pub serial: Serial,
    /// Its one URI.
    pub id: SpiffeId,
    /// Who holds it.
    pub instance: InstanceId,
    /// How it was asked for.
    pub how: How,
    /// SHA-256 of its public key (SubjectPublicKeyInfo, DER).
    pub key: Fingerprint,
    /// The intermediate that signed it, and the root above.
    pub issuer: AuthorityId,
    /// See `issuer`.
    pub root: AuthorityId,
    /// Its first second.
    pub not_before: Timestamp,
    /// Its last second.
    pub not_after: Timestamp,
    /// When it was signed.
    pub at: Timestamp,
    /// The certificate, DER.
    #[serde(skip)]
    pub der: Vec<u8>,
}

/// How a certificate was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// With a join token.
    Bootstrap,
    /// With the certificate before.
    Renew,
    /// By `ca issue`, key and certificate made here.
    Issue,
    /// By `ca sign`, for a request somebody brought.
    Sign,
}

/// Which part of the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this SPIFFE ID.
    pub id: Option<SpiffeId>,
    /// Not expired at this moment.
    pub live_at: Option<Timestamp>,
    /// Under this root.
    pub root: Option<AuthorityId>,
    /// At most so many.
    pub limit: Option<u64>,
}

/// A workload over all its renewals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Its name.
    pub instance: InstanceId,
    /// Who it is.
    pub id: SpiffeId,
    /// The last sequence it said it has stored; 0: none.
    pub acknowledged: u64,
    /// When it said so, or was first seen.
    pub seen: Timestamp,
    /// Its newest certificate.
    pub serial: Serial,
    /// When that expires.
    pub not_after: Timestamp,
    /// Whether it has shown that one to us: the answer that brought it was not lost, and the one before is of no use
    /// to it any more.
    pub shown: bool,
}

/// A rule of the deny-list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denied {
    /// What is denied.
    pub rule: Denial,
    /// Why, in the words of who did it.
    pub reason: String,
    /// Since when.
    pub at: Timestamp,
    /// From when on nothing is left to deny; `None`: never.
    pub until: Option<Timestamp>,
}

/// A root or intermediate. Its key is a file, not a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorityRecord {
    /// Its name.
    pub id: AuthorityId,
    /// The root above; `None`: it is one.
    pub root: Option<AuthorityId>,
    /// Its certificate, DER.
    #[serde(skip)]
    pub der: Vec<u8>,
    /// Its first second.
    pub not_before: Timestamp,
    /// Its last second.
    pub not_after: Timestamp,
}

/// The end of the audit file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditHead {
    /// The number of its last line; the first is 1.
    pub number: u64,
    /// The SHA-256 of that line.
    pub hash: Fingerprint,
}

/// What went wrong in the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is none.
    #[error("{0} is not there")]
    Missing(PathBuf),
    /// It was made by a newer portcullis.
    #[error(
        "{path} has schema version {found}, this portcullis knows up to {known}: use the newer portcullis that wrote it"
    )]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest we know.
        known: u32,
    },
    /// Others than its owner may read or write the file.
    #[error(
        "{0} may be read or written by others: close it with chmod 600, and look who could have changed it"
    )]
    Exposed(PathBuf),
    /// A record cannot be what it should be.
    #[error("the store is damaged ({0}): restore a backup with `portcullis ca restore`")]
    Damaged(&'static str),
    /// The disk is full.
    #[error("the disk is full; nothing was changed")]
    Full,
    /// A part of the change could not be written, so none of it was.
    #[error("a part of the change could not be written; nothing was changed")]
    Undone,
    /// Another writer does not end.
    #[error("the store is busy: another process has been writing for 5 s")]
    Busy,
    /// Anything else.
    #[error("the store: {0}")]
    Sqlite(#[source] rusqlite::Error),
    /// A file of the store.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}
