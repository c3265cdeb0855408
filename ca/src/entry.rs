//! Registration entries and join tokens: who may get which certificate, and what proves it the first time.
//!
//! Decides their shape and how a token is written. What may be issued to an entry decides `policy`. Pure.
//!
//! | token | until |
//! |--|--|
//! | fresh | its certificate is issued, or it expires |
//! | spent | for ever; the same public key gets the same certificate again until the token expires |

use crate::names::{Fingerprint, Serial};
use crate::spiffe::SpiffeId;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Who may get what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The one URI of its certificates.
    pub id: SpiffeId,
    /// DNS names its certificates carry besides; lower case, no wildcard.
    pub dns: Vec<String>,
    /// The longest life of its certificates, in seconds.
    pub ttl_max: u64,
    /// What it may do beyond being itself.
    pub grants: Grants,
    /// When it was registered.
    pub created: Timestamp,
}

/// What a workload may do beyond being itself. Nobody has a grant by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Grants {
    /// Introduce users: sign passports.
    pub assert: bool,
    /// Ask the authority's administrative questions.
    pub admin: bool,
}

/// A join token as the store has it: its secret is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// SHA-256 of the secret.
    pub hash: Fingerprint,
    /// The entry it is for.
    pub entry: SpiffeId,
    /// The roots it names: who joins with it believes one of these.
    pub roots: Vec<Fingerprint>,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it is worth nothing.
    pub expires: Timestamp,
    /// What it was used for.
    pub spent: Option<Spent>,
}

/// What a token was used for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// When.
    pub at: Timestamp,
    /// SHA-256 of the public key (SubjectPublicKeyInfo, DER) it was used with.
    pub key: Fingerprint,
    /// The certificate it brought.
    pub serial: Serial,
}
