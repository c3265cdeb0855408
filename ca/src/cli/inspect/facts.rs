//! What is told of each thing: the records that `--json` prints and [`super::text`] words.
//!
//! Decides what may be told of a secret: of a private key its kind, whether it is encrypted, and the fingerprint of its
//! public key; of a join token all but its secret. There is no field for more.

use crate::names::Fingerprint;
use crate::time::Timestamp;
use serde::Serialize;

/// One thing that was found.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Found {
    Certificate(Box<Certificate>),
    CertificateRequest(Request),
    PrivateKey(PrivateKey),
    PublicKey(PublicKey),
    RevocationList(RevocationList),
    Bundle(Roots),
    JoinToken(Token),
    /// A PEM block of another kind.
    Other {
        label: String,
    },
}

/// A certificate.
#[derive(Debug, Serialize)]
pub(super) struct Certificate {
    pub(super) role: Role,
    /// Why it is none of ours, though it is not an authority's.
    pub(super) not_svid: Option<String>,
    pub(super) uris: Vec<String>,
    pub(super) dns: Vec<String>,
    pub(super) other_names: Vec<String>,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
    pub(super) state: State,
    /// Hex digits.
    pub(super) serial: String,
    pub(super) subject: String,
    pub(super) issuer: String,
    /// Which certificate of the same input signed it, from 1 on: the signature was checked.
    pub(super) signed_by: Option<usize>,
    pub(super) key_kind: String,
    /// SHA-256 of the public key.
    pub(super) key: Fingerprint,
    /// SHA-256 of the certificate.
    pub(super) fingerprint: Fingerprint,
    pub(super) usages: Vec<String>,
    pub(super) path_len: Option<u32>,
}

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Role {
    /// It says who a workload is.
    Workload,
    Intermediate,
    Root,
    /// Neither an SVID nor an authority's.
    Other,
}

/// How its life stands to the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    NotYetValid,
    Valid,
    Expired,
}

/// A request for a certificate.
#[derive(Debug, Serialize)]
pub(super) struct Request {
    pub(super) key_kind: String,
    pub(super) key: Fingerprint,
    pub(super) subject: String,
    pub(super) uris: Vec<String>,
    pub(super) dns: Vec<String>,
    /// Asks for names of other kinds.
    pub(super) other_names: bool,
    /// Asks to be an authority.
    pub(super) ca: bool,
    /// Why nothing is signed for it; `None`: its form and its signature are good.
    pub(super) refused: Option<String>,
}

/// A private key: nothing of the key itself.
#[derive(Debug, Serialize)]
pub(super) struct PrivateKey {
    /// The label of the PEM block.
    pub(super) form: String,
    pub(super) encrypted: bool,
    /// `None`: it is encrypted and there was no password.
    pub(super) key_kind: Option<String>,
    /// SHA-256 of its public key; `None`: it cannot be told.
    pub(super) key: Option<Fingerprint>,
    /// What is wrong with it, for use here.
    pub(super) problem: Option<String>,
    /// The permissions of its file, where others can read or change it.
    pub(super) exposed: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct PublicKey {
    pub(super) key_kind: String,
    pub(super) key: Fingerprint,
}

/// A list of revoked certificates (RFC 5280, section 5).
#[derive(Debug, Serialize)]
pub(super) struct RevocationList {
    pub(super) issuer: String,
    pub(super) number: Option<String>,
    pub(super) this_update: Timestamp,
    pub(super) next_update: Option<Timestamp>,
    pub(super) state: State,
    pub(super) revoked: Vec<Revoked>,
}

#[derive(Debug, Serialize)]
pub(super) struct Revoked {
    pub(super) serial: String,
    pub(super) at: Timestamp,
}

/// A trust bundle.
#[derive(Debug, Serialize)]
pub(super) struct Roots {
    /// `None`: no root says it.
    pub(super) trust_domain: Option<String>,
    pub(super) sequence: u64,
    /// In seconds.
    pub(super) refresh_hint: u64,
    pub(super) roots: Vec<Certificate>,
}

/// A join token without its secret.
#[derive(Debug, Serialize)]
pub(super) struct Token {
    pub(super) trust_domain: String,
    pub(super) urls: Vec<String>,
    /// SHA-256 of the roots it makes believe.
    pub(super) roots: Vec<Fingerprint>,
    /// SHA-256 of the secret: what the authority knows it by.
    pub(super) hash: Fingerprint,
}
