//! The trust bundle: the roots of one trust domain.
//!
//! Decides which certificate can be a root ([`check_root`]) and how a bundle is written and read: as a JSON Web Key
//! Set after the SPIFFE "Trust Domain and Bundle" standard (section 4) and X509-SVID (section 6), and as PEM. What
//! the standard forbids is refused, what it says to ignore is ignored: entries with another `use` or an unknown kind of
//! key. Bundles are never merged: each is for its own trust domain. An empty one means: believe nobody. Pure: it must
//! not know files, the network or a clock.

use crate::certificate::{self, CertificateError};
use crate::names::Fingerprint;
use crate::spiffe::{SpiffeId, SpiffeIdError, TrustDomain};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::time::Duration;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

/// A bundle holds no more roots: two during a rotation, and room for what was imported.
pub const MAX_ROOTS: usize = 16;
/// A root's certificate is no longer.
const MAX_ROOT: usize = 16 << 10;
const MAX_JWKS: usize = 1 << 20;
/// How long to wait before asking again when nobody said: 5 min.
pub const REFRESH_HINT: Duration = Duration::from_secs(300);
/// A longer hint counts as this: a day.
const MAX_REFRESH_HINT: Duration = Duration::from_secs(86_400);
const USE: &str = "x509-svid";

/// The roots of a trust domain, as of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// Whose.
    pub trust_domain: TrustDomain,
    /// DER; none: believe nobody.
    pub roots: Vec<Vec<u8>>,
    /// Grows with every change.
    pub sequence: u64,
    /// How long to wait before asking again, whole seconds.
    pub refresh_hint: Duration,
}

impl Bundle {
    /// A bundle of these roots (DER), in their order; one that stands there twice is taken once. `refresh_hint` of zero
    /// means that nobody said.
    ///
    /// # Errors
    /// When there are more than 16, or one cannot be a root of this trust domain.
    pub fn new(
        trust_domain: TrustDomain,
        candidates: impl IntoIterator<Item = Vec<u8>>,
        sequence: u64,
        refresh_hint: Duration,
    ) -> Result<Self, BundleError> {
        let mut roots = Vec::new();
        for (number, root) in candidates.into_iter().enumerate() {
            check_root(&root, &trust_domain).map_err(|why| BundleError::Root { number: number + 1, why })?;
            if !roots.contains(&root) {
                roots.push(root);
            }
            if roots.len() > MAX_ROOTS {
                return Err(BundleError::TooMany);
            }
        }
        let refresh_hint =
            if refresh_hint.is_zero() { REFRESH_HINT } else { refresh_hint.min(MAX_REFRESH_HINT) };
        Ok(Self { trust_domain, roots, sequence, refresh_hint })
    }

    /// The SHA-256 of each root, in their order.
    pub fn fingerprints(&self) -> Vec<Fingerprint> {
        self.roots.iter().map(|root| Fingerprint::of(root)).collect()
    }

    /// The JSON Web Key Set, indented for people. A root whose kind of key nothing here could verify under is left out;
    /// no bundle that was read has one.
    pub fn to_jwks(&self) -> String {
        let keys: Vec<_> = self.roots.iter().filter_map(|root| jwk(root)).collect();
        let set = json!({
            "keys": keys,
            "spiffe_sequence": self.sequence,
            "spiffe_refresh_hint": self.refresh_hint.as_secs(),
        });
        format!("{set:#}\n")
    }

    /// Reads a JSON Web Key Set, which is said to be of `trust_domain`: the set itself does not name it.
    ///
    /// # Errors
    /// When it is not one, breaks the standard, or holds what cannot be a root of this trust domain.
    pub fn from_jwks(text: &str, trust_domain: &TrustDomain) -> Result<Self, BundleError> {
        if text.len() > MAX_JWKS {
            return Err(BundleError::TooLong);
        }
        let set: Set = serde_json::from_str(text).map_err(BundleError::Json)?;
        let mut roots = Vec::new();
        for (number, entry) in set.keys.ok_or(BundleError::NoKeys)?.iter().enumerate() {
            let root = read_entry(entry).map_err(|why| BundleError::Entry { number: number + 1, why })?;
            roots.extend(root);
        }
        let refresh_hint = Duration::from_secs(set.spiffe_refresh_hint.unwrap_or(0));
        Self::new(trust_domain.clone(), roots, set.spiffe_sequence.unwrap_or(0), refresh_hint)
    }

    /// The roots as PEM, for those who know no JSON Web Key Sets. Empty when there is none.
    pub fn to_pem(&self) -> String {
        self.roots.iter().map(|root| certificate::pem("CERTIFICATE", root)).collect()
    }

    /// Reads roots from PEM. It says nothing of the sequence (which becomes 0) and the refresh hint. An empty text is
    /// an error here: it is more likely a mistake than a wish to believe nobody.
    ///
    /// # Errors
    /// When it holds no certificate, something else than certificates, or one that cannot be a root of this trust
    /// domain.
    pub fn from_pem(text: &str, trust_domain: &TrustDomain) -> Result<Self, BundleError> {
        let roots = certificate::certificates_from_pem(text).map_err(BundleError::Pem)?;
        Self::new(trust_domain.clone(), roots, 0, REFRESH_HINT)
    }
}

/// Checks that a certificate (DER) can be a root of the trust domain: an authority by its basic constraints and its key
/// usage, with a key [`verify`](crate::verify) can use, and no SPIFFE ID but that of the trust domain itself. Whether
/// it is in force is for the moment of use; that it is believed is for who brought it.
///
/// # Errors
/// When it cannot.
pub fn check_root(der: &[u8], trust_domain: &TrustDomain) -> Result<(), RootError> {
    if der.len() > MAX_ROOT {
        return Err(RootError::TooLong);
    }
    let facts = certificate::read(der)?;
    if !facts.ca || !facts.signs_certificates {
        return Err(RootError::NotAuthority);
    }
    if public_key(der).is_none() {
        return Err(RootError::Key(facts.key_kind));
    }
    for uri in &facts.uris {
        let id: SpiffeId = uri.parse().map_err(RootError::Id)?;
        if id.trust_domain() != trust_domain {
            return Err(RootError::Foreign(id.trust_domain().clone()));
        }
        if !id.path().is_empty() {
            return Err(RootError::Workload(id));
        }
    }
    Ok(())
}

/// The members of a JWK that are its public key (RFC 7518, section 6.2; RFC 8037, section 2).
struct PublicKey {
    kty: &'static str,
    crv: &'static str,
    x: String,
    y: Option<String>,
}

/// The public key of a certificate; `None`: not of a kind that signs certificates here.
fn public_key(der: &[u8]) -> Option<PublicKey> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let key = certificate.public_key();
    let point = key.subject_public_key.data.as_ref();
    let ec = |crv, length: usize| {
        // SEC 1, section 2.3.3: 4 stands for "uncompressed", the only form a JWK can come from without arithmetic.
        let (x, y) = point.strip_prefix(&[4]).filter(|rest| rest.len() == 2 * length)?.split_at(length);
        Some(PublicKey { kty: "EC", crv, x: URL_SAFE_NO_PAD.encode(x), y: Some(URL_SAFE_NO_PAD.encode(y)) })
    };
    match certificate::key_kind(key).as_str() {
        "P-256" => ec("P-256", 32),
        "P-384" => ec("P-384", 48),
        "Ed25519" if point.len() == 32 => {
            Some(PublicKey { kty: "OKP", crv: "Ed25519", x: URL_SAFE_NO_PAD.encode(point), y: None })
        }
        _ => None,
    }
}

fn jwk(root: &[u8]) -> Option<Value> {
    let key = public_key(root)?;
    let mut entry =
        json!({ "use": USE, "kty": key.kty, "crv": key.crv, "x": key.x, "x5c": [STANDARD.encode(root)] });
    if let (Some(y), Some(entry)) = (key.y, entry.as_object_mut()) {
        entry.insert("y".to_owned(), y.into());
    }
    Some(entry)
}

/// The outer object; other members are ignored (RFC 7517, section 5).
#[derive(Deserialize)]
struct Set {
    keys: Option<Vec<Map<String, Value>>>,
    spiffe_sequence: Option<u64>,
    spiffe_refresh_hint: Option<u64>,
}

/// The root in an entry; `None`: the entry is to be ignored.
fn read_entry(entry: &Map<String, Value>) -> Result<Option<Vec<u8>>, EntryError> {
    let (usage, kind) = (text(entry, "use")?, text(entry, "kty")?);
    // An ignored entry is ignored wholly: whatever else stands in it means nothing here.
    if usage.is_some_and(|usage| usage != USE) || kind.is_some_and(|kind| !matches!(kind, "EC" | "OKP")) {
        return Ok(None);
    }
    usage.ok_or(EntryError::Missing("use"))?;
    let kind = kind.ok_or(EntryError::Missing("kty"))?;
    let curve = text(entry, "crv")?.ok_or(EntryError::Missing("crv"))?;
    if !matches!((kind, curve), ("EC", "P-256" | "P-384") | ("OKP", "Ed25519")) {
        return Ok(None);
    }
    if entry.contains_key("kid") {
        return Err(EntryError::Kid);
    }
    let Some([Value::String(encoded)]) = entry.get("x5c").and_then(Value::as_array).map(Vec::as_slice) else {
        return Err(EntryError::X5c);
    };
    let root = STANDARD.decode(encoded).map_err(|_| EntryError::X5c)?;
    let key = public_key(&root).ok_or(EntryError::OtherKey)?;
    let same = key.kty == kind && key.crv == curve && text(entry, "x")? == Some(&key.x);
    if same && text(entry, "y")? == key.y.as_deref() { Ok(Some(root)) } else { Err(EntryError::OtherKey) }
}

fn text<'a>(entry: &'a Map<String, Value>, member: &'static str) -> Result<Option<&'a str>, EntryError> {
    match entry.get(member) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(EntryError::NotText(member)),
    }
}

/// Why something is not a bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// More than 1 MiB.
    #[error("it is too long for a bundle: at most {MAX_JWKS} bytes")]
    TooLong,
    /// Not JSON, or a member of the wrong kind.
    #[error("it is not a JSON Web Key Set: {0}")]
    Json(#[source] serde_json::Error),
    /// No `keys`.
    #[error("it has no \"keys\"; a bundle without roots has an empty list there")]
    NoKeys,
    /// An entry that breaks the standard.
    #[error("entry {number} of \"keys\": {why}")]
    Entry {
        /// From 1 on.
        number: usize,
        /// What is wrong.
        why: EntryError,
    },
    /// Not PEM certificates.
    #[error(transparent)]
    Pem(CertificateError),
    /// A certificate that cannot be a root.
    #[error("root {number}: {why}")]
    Root {
        /// From 1 on.
        number: usize,
        /// What is wrong.
        why: RootError,
    },
    /// Too many.
    #[error("there are more than {MAX_ROOTS} roots in it: take out those that sign nothing any more")]
    TooMany,
}

/// Why an entry of a JSON Web Key Set is not as the standard wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// A member that must be there.
    #[error("{0:?} is missing")]
    Missing(&'static str),
    /// A member that must be text.
    #[error("{0:?} is not text")]
    NotText(&'static str),
    /// An X.509 entry has no `kid`.
    #[error("an entry for {USE} must not have a \"kid\"")]
    Kid,
    /// Not exactly one certificate.
    #[error("\"x5c\" must hold exactly one certificate, DER in base64")]
    X5c,
    /// The certificate has another key.
    #[error("the certificate in \"x5c\" is damaged or has another key than the entry")]
    OtherKey,
}

/// Why a certificate cannot be a root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RootError {
    /// More than 16 KiB.
    #[error("the certificate is longer than {MAX_ROOT} bytes")]
    TooLong,
    /// Not a certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// It may not sign certificates.
    #[error("the certificate is not that of an authority: it lacks CA:TRUE or the key usage keyCertSign")]
    NotAuthority,
    /// Another kind of key.
    #[error("its key is {0}; only P-256, P-384 and Ed25519 are believed")]
    Key(String),
    /// It is the root of others.
    #[error("it is a root of the trust domain {0}, and bundles are never merged")]
    Foreign(TrustDomain),
    /// It has the name of a workload.
    #[error("it has the SPIFFE ID of a workload, {0}; a root has none or that of its trust domain")]
    Workload(SpiffeId),
    /// It has a URI name that is no SPIFFE ID.
    #[error("its URI name is not a SPIFFE ID: {0}")]
    Id(#[source] SpiffeIdError),
}

#[cfg(test)]
#[path = "bundle_tests.rs"]
mod tests;
