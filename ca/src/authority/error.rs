//! What goes wrong at the authority, in words that say what to do next.
//!
//! [`AuthorityError`] is for the operator. [`Refusal`] is what a workload gets: its kind goes over the wire, its
//! words into the audit file, so that a guesser of tokens learns nothing from the answer.

use crate::audit::{AuditError, Event};
use crate::certificate::{CertificateError, SvidError};
use crate::csr::CsrError;
use crate::issuer::IssueError;
use crate::key::KeyError;
use crate::names::{AuthorityId, InstanceId, Serial};
use crate::policy::{self, EntryError};
use crate::rotation::Refused;
use crate::spiffe::{SpiffeId, SpiffeIdError};
use crate::store::StoreError;
use crate::time::Timestamp;
use std::path::PathBuf;

/// Why the authority could not do what the operator asked.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// No authority was made in the folder.
    #[error("no authority in {0}: make one with `portcullis ca init`, or name its folder with --dir")]
    NotInitialised(PathBuf),
    /// There is one already.
    #[error("{0} holds an authority already; nothing was changed")]
    AlreadyInitialised(PathBuf),
    /// A folder that should be new.
    #[error("{0} is not empty; nothing was changed")]
    NotEmpty(PathBuf),
    /// A private key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The audit file.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// Signing.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// A certificate that cannot be read.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A step of the rotation is not allowed now.
    #[error(transparent)]
    Rotation(#[from] Refused),
    /// An entry that cannot be.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// A malformed name.
    #[error(transparent)]
    SpiffeId(#[from] SpiffeIdError),
    /// The entry is of another trust domain.
    #[error("{id} is not in the trust domain of this authority, {ours}")]
    ForeignEntry {
        /// The entry.
        id: SpiffeId,
        /// Whose authority this is.
        ours: String,
    },
    /// The entry is there and nobody said to replace it.
    #[error("there is an entry {0} already; --replace changes it")]
    EntryExists(SpiffeId),
    /// There is no such entry.
    #[error("there is no entry {id}; make one with `portcullis ca entry create {short}`", id = .0, short = .0.path().trim_start_matches('/'))]
    NoEntry(SpiffeId),
    /// There is no such instance.
    #[error("there is no instance {0}; `portcullis ca bundle status` lists them")]
    NoInstance(InstanceId),
    /// Nothing was ever issued with this serial.
    #[error("the ledger has no certificate {0}; `portcullis ca list` shows those it has")]
    NoCertificate(Serial),
    /// The rule is not on the deny-list.
    #[error("that is not on the deny-list; `portcullis ca revoke --list` shows what is")]
    NotDenied,
    /// What must not be on the deny-list.
    #[error("{what} cannot be revoked so: {instead}")]
    NotRevocable {
        /// What.
        what: String,
        /// What to do.
        instead: &'static str,
    },
    /// The folder is somebody else's.
    #[error(
        "{path} belongs to uid {owner}, and files made by another user would be closed to it: run this as that user, as in `sudo -u '#{owner}' portcullis ca …`"
    )]
    WrongUser {
        /// The folder.
        path: PathBuf,
        /// Whose.
        owner: u32,
    },
    /// The intermediate that would sign is too old.
    #[error(
        "{intermediate}, which would sign then, expires at {not_after}, too soon: `portcullis ca intermediate rotate --root {root}` first"
    )]
    IntermediateOld {
        /// Which.
        intermediate: AuthorityId,
        /// When.
        not_after: Timestamp,
        /// The root above.
        root: AuthorityId,
    },
    /// The root is not believed, so nothing is signed under it.
    #[error("{0} is not believed: `portcullis ca root show` names the roots that are")]
    NotBelieved(AuthorityId),
    /// A span outside its bounds.
    #[error("{what} must be from {least} to {most}")]
    OutOfBounds {
        /// What.
        what: &'static str,
        /// Its bounds, as people write them.
        least: &'static str,
        /// See `least`.
        most: &'static str,
    },
    /// An address that cannot be.
    #[error("{0:?} is no address of an authority: write it as https://ca.shop.example:8443")]
    Url(String),
    /// More than members would take.
    #[error("there may be at most {most} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        most: usize,
    },
    /// The root's key is kept elsewhere.
    #[error("the key of {root} is not at {path}: bring it there, or name its place with --root-key")]
    RootKeyAway {
        /// Which root.
        root: AuthorityId,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A root that can sign no more intermediates.
    #[error(
        "{root} expires at {not_after}, too soon for a new intermediate: rotate the root (`portcullis ca root prepare`)"
    )]
    RootExpires {
        /// Which root.
        root: AuthorityId,
        /// When.
        not_after: Timestamp,
    },
    /// The acknowledgement is of a sequence that never was.
    #[error("sequence {said} is acknowledged, but there are only {known}")]
    UnknownSequence {
        /// What was acknowledged.
        said: u64,
        /// The newest.
        known: u64,
    },
    /// Records that contradict each other.
    #[error("the store is damaged ({0}): restore a backup with `portcullis ca restore`")]
    Inconsistent(&'static str),
    /// The system gave no random bytes.
    #[error("the system gives no random numbers")]
    NoRandomness,
    /// A file or folder.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Why a workload gets no certificate.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The token was never made here, or is no token at all.
    #[error("the join token is unknown")]
    UnknownToken,
    /// The token's time is over.
    #[error("the join token of {entry} expired at {expires}")]
    TokenExpired {
        /// Whose it was.
        entry: SpiffeId,
        /// When.
        expires: Timestamp,
    },
    /// The token was used with another key.
    #[error("the join token of {entry} was used already, at {at}: somebody else has it too")]
    TokenSpent {
        /// Whose it was.
        entry: SpiffeId,
        /// When it was used.
        at: Timestamp,
        /// The certificate it brought.
        serial: Serial,
    },
    /// The request for a certificate.
    #[error(transparent)]
    Csr(#[from] CsrError),
    /// What was asked for is not what the entry allows.
    #[error(transparent)]
    Policy(#[from] policy::Refusal),
    /// The caller's certificate is not an SVID.
    #[error(transparent)]
    Svid(#[from] SvidError),
    /// There is no entry any more.
    #[error("{0} is not registered any more")]
    NoEntry(SpiffeId),
    /// The caller is on the deny-list.
    #[error("{0} is revoked")]
    Denied(SpiffeId),
    /// Signed by us, it seems, but the ledger does not know it.
    #[error(
        "certificate {0} is not in the ledger: if nobody restored a backup, the signing key may be stolen"
    )]
    NotInLedger(Serial),
    /// The entry was deleted and registered anew since.
    #[error("its certificate is older than the entry {id}, which was registered anew at {created}")]
    OlderThanEntry {
        /// Which entry.
        id: SpiffeId,
        /// Since when.
        created: Timestamp,
    },
    /// A newer certificate of the same instance is in use.
    #[error(
        "certificate {serial} was renewed and {by} is in use: the workload's state was copied, or stolen"
    )]
    Superseded {
        /// The old one.
        serial: Serial,
        /// The newest.
        by: Serial,
    },
    /// The key is somebody else's.
    #[error("the public key is in use by {0}: make a new key for each workload")]
    KeyTaken(SpiffeId),
    /// The authority itself is in trouble.
    #[error(transparent)]
    Unavailable(Box<AuthorityError>),
}

/// What a refusal means to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// It did not prove who it is.
    Unauthenticated,
    /// It may not have this.
    NotPermitted,
    /// What it sent is wrong.
    BadRequest,
    /// Not its fault: try again.
    Unavailable,
}

impl Refusal {
    /// What it means to the caller.
    pub fn kind(&self) -> RefusalKind {
        match self {
            Self::UnknownToken | Self::TokenExpired { .. } | Self::TokenSpent { .. } => {
                RefusalKind::Unauthenticated
            }
            Self::NoEntry(_)
            | Self::Denied(_)
            | Self::NotInLedger(_)
            | Self::OlderThanEntry { .. }
            | Self::Superseded { .. }
            | Self::KeyTaken(_) => RefusalKind::NotPermitted,
            Self::Policy(policy::Refusal::IssuerExpires { .. } | policy::Refusal::DeniedUntil(_))
            | Self::Unavailable(_) => RefusalKind::Unavailable,
            Self::Csr(_) | Self::Policy(_) | Self::Svid(_) => RefusalKind::BadRequest,
        }
    }
}

impl Refusal {
    /// Puts into the event whom and which certificate it is about, as far as the refusal knows.
    pub(super) fn about(&self, event: &mut Event) {
        let (id, serial) = match self {
            Self::TokenExpired { entry, .. } => (Some(entry), None),
            Self::TokenSpent { entry, serial, .. } => (Some(entry), Some(serial)),
            Self::NoEntry(id) | Self::Denied(id) | Self::OlderThanEntry { id, .. } => (Some(id), None),
            Self::Superseded { serial, .. } | Self::NotInLedger(serial) => (None, Some(serial)),
            _ => (None, None),
        };
        event.spiffe_id = event.spiffe_id.take().or_else(|| id.cloned());
        event.serial = event.serial.or(serial.copied());
    }
}

impl From<AuthorityError> for Refusal {
    fn from(error: AuthorityError) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        AuthorityError::from(error).into()
    }
}

impl From<IssueError> for Refusal {
    fn from(error: IssueError) -> Self {
        AuthorityError::from(error).into()
    }
}
