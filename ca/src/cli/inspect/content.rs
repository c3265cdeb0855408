//! What some bytes are: by what they hold, never by the name of the file.
//!
//! | it begins with | it is |
//! |--|--|
//! | `pct1.` | a join token |
//! | `{`, with `"keys"` | a bundle (SPIFFE JSON Web Key Set) |
//! | `-----BEGIN` somewhere | PEM: as many pieces as it has blocks |
//! | 0x30 | DER: a certificate, request, revocation list or key, whichever it reads as |
//!
//! Pure. It must not open a private key: [`super::gather`] asks [`crate::key`] for what may be told of one.

use crate::bundle::{Bundle, BundleError};
use crate::certificate::{self, CertificateError};
use crate::cli::words::harmless;
use crate::csr::CsrError;
use crate::key::KeyError;
use crate::spiffe::{SpiffeId, TrustDomain};
use crate::token::TokenError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pkcs8::{EncryptedPrivateKeyInfoRef, LineEnding, PrivateKeyInfoRef, SecretDocument};
use serde_json::Value;
use std::time::Duration;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;
use x509_parser::x509::SubjectPublicKeyInfo;
use zeroize::Zeroizing;

/// A PEM text has no more blocks.
const MAX_PIECES: usize = 64;
/// How a join token begins.
pub(super) const TOKEN: &str = "pct1.";
/// Of a label so many characters are repeated.
const MAX_LABEL: usize = 40;
const BEGIN: &str = "-----BEGIN ";

/// One thing.
pub(super) enum Piece<'a> {
    /// DER.
    Certificate(Vec<u8>),
    /// PKCS#10, DER.
    Request(Vec<u8>),
    /// DER.
    RevocationList(Vec<u8>),
    /// SubjectPublicKeyInfo, DER.
    PublicKey(Vec<u8>),
    /// A private key as PEM, and the label of its block.
    PrivateKey { label: String, pem: Zeroizing<String> },
    /// A JSON Web Key Set.
    Bundle(&'a str),
    /// The text of a join token.
    Token(&'a str),
    /// A PEM block of another kind; its label.
    Other(String),
}

/// Says what `bytes` are.
///
/// # Errors
/// When they are nothing known, or damaged.
pub(super) fn pieces(bytes: &[u8]) -> Result<Vec<Piece<'_>>, ContentError> {
    if let Some(piece) = der(bytes) {
        return Ok(vec![piece]);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| ContentError::Unknown)?;
    // A byte order mark is no part of a text.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim();
    if text.starts_with(TOKEN) {
        Ok(vec![Piece::Token(text)])
    } else if text.starts_with('{') && text.contains("\"keys\"") {
        Ok(vec![Piece::Bundle(text)])
    } else if text.contains(BEGIN) {
        pem(text)
    } else {
        Err(ContentError::Unknown)
    }
}

/// The certificates in `bytes`, PEM or DER, when there is nothing else.
///
/// # Errors
/// When there is.
pub(super) fn certificates(bytes: &[u8]) -> Result<Vec<Vec<u8>>, ContentError> {
    if let Some(Piece::Certificate(der)) = der(bytes) {
        return Ok(vec![der]);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| CertificateError::None)?;
    Ok(certificate::certificates_from_pem(text)?)
}

/// Reads a bundle: a JSON Web Key Set, PEM, or one root as DER. `whose`: its trust domain, where somebody said it; else
/// the one its roots name. The name is `None` when nobody does, and the bundle is then of `unnamed`.
///
/// # Errors
/// When it is no bundle of that trust domain.
pub(super) fn bundle(
    bytes: &[u8],
    whose: Option<&TrustDomain>,
) -> Result<(Bundle, Option<TrustDomain>), ContentError> {
    let text = std::str::from_utf8(bytes).map(str::trim).unwrap_or_default();
    let roots = if text.starts_with('{') { roots_of(text) } else { certificates(bytes)? };
    let named = whose.cloned().or_else(|| roots.iter().find_map(|root| named_by(root)));
    let trust_domain = match &named {
        Some(named) => named.clone(),
        None => "unnamed".parse().map_err(|_| ContentError::Unknown)?,
    };
    let bundle = if text.starts_with('{') {
        Bundle::from_jwks(text, &trust_domain)?
    } else {
        Bundle::new(trust_domain, roots, 0, Duration::ZERO)?
    };
    Ok((bundle, named))
}

/// The certificates in a JSON Web Key Set: a first look, to learn whose it is. [`Bundle::from_jwks`] is the strict one.
fn roots_of(text: &str) -> Vec<Vec<u8>> {
    let set: Value = serde_json::from_str(text).unwrap_or_default();
    let keys = set.get("keys").and_then(Value::as_array).into_iter().flatten();
    keys.filter_map(|key| STANDARD.decode(key.get("x5c")?.get(0)?.as_str()?).ok()).collect()
}

/// The trust domain a root is of, by its URI name.
fn named_by(root: &[u8]) -> Option<TrustDomain> {
    let facts = certificate::read(root).ok()?;
    let id: SpiffeId = facts.uris.first()?.parse().ok()?;
    Some(id.trust_domain().clone())
}

fn pem(text: &str) -> Result<Vec<Piece<'_>>, ContentError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(BEGIN) {
        let block = rest.get(start..).unwrap_or_default();
        let (label, _) = block
            .strip_prefix(BEGIN)
            .and_then(|after| after.split_once("-----"))
            .ok_or(CertificateError::Pem)?;
        let end = format!("-----END {label}-----");
        let length = block.find(&end).ok_or_else(|| {
            ContentError::Unfinished(harmless(&label.chars().take(MAX_LABEL).collect::<String>()))
        })? + end.len();
        let (block, after) = block.split_at(length);
        pieces.push(piece(label, block)?);
        if pieces.len() > MAX_PIECES {
            return Err(ContentError::TooMany);
        }
        rest = after;
    }
    Ok(pieces)
}

fn piece<'a>(label: &str, block: &str) -> Result<Piece<'a>, ContentError> {
    // Before anything is decoded: what a private key holds is for `key` alone.
    if label.ends_with("PRIVATE KEY") {
        let pem = Zeroizing::new(format!("{block}\n"));
        return Ok(Piece::PrivateKey { label: label.to_owned(), pem });
    }
    let make = match label {
        "CERTIFICATE" => Piece::Certificate,
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => Piece::Request,
        "X509 CRL" => Piece::RevocationList,
        "PUBLIC KEY" => Piece::PublicKey,
        _ => return Ok(Piece::Other(label.to_owned())),
    };
    let content = certificate::blocks(block)?.into_iter().next().map(|(_, der)| der);
    Ok(make(content.unwrap_or_default()))
}

/// What DER is, by the first reader that takes all of it.
fn der<'a>(bytes: &[u8]) -> Option<Piece<'a>> {
    if bytes.first() != Some(&0x30) {
        return None;
    }
    // One with something wrong in it is a certificate all the same.
    if !matches!(certificate::read(bytes), Err(CertificateError::Malformed)) {
        return Some(Piece::Certificate(bytes.to_vec()));
    }
    if X509CertificationRequest::from_der(bytes).is_ok() {
        return Some(Piece::Request(bytes.to_vec()));
    }
    if CertificateRevocationList::from_der(bytes).is_ok() {
        return Some(Piece::RevocationList(bytes.to_vec()));
    }
    if SubjectPublicKeyInfo::from_der(bytes).is_ok() {
        return Some(Piece::PublicKey(bytes.to_vec()));
    }
    private_key(bytes)
}

fn private_key<'a>(bytes: &[u8]) -> Option<Piece<'a>> {
    let label = if PrivateKeyInfoRef::try_from(bytes).is_ok() {
        "PRIVATE KEY"
    } else if EncryptedPrivateKeyInfoRef::try_from(bytes).is_ok() {
        "ENCRYPTED PRIVATE KEY"
    } else {
        old_label(bytes)?
    };
    let pem = SecretDocument::try_from(bytes).ok()?.to_pem(label, LineEnding::LF).ok()?;
    Some(Piece::PrivateKey { label: label.to_owned(), pem })
}

/// Keys of the time before PKCS#8, by their first members: version 1 and an octet string (RFC 5915), version 0 and a
/// number (RFC 8017).
fn old_label(bytes: &[u8]) -> Option<&'static str> {
    let head = match bytes.get(1)? {
        ..0x80 => 2,
        length => 2 + usize::from(length & 0x7f),
    };
    match bytes.get(head..head.checked_add(4)?)? {
        [2, 1, 1, 4] => Some("EC PRIVATE KEY"),
        [2, 1, 0, 2] => Some("RSA PRIVATE KEY"),
        _ => None,
    }
}

/// Why bytes are nothing that can be looked at. Never quotes them.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum ContentError {
    /// Nothing we know.
    #[error(
        "this is nothing known here: not a certificate, request, private key or revocation list (PEM or DER), a bundle (JSON) or a join token (pct1.…)"
    )]
    Unknown,
    /// A PEM block that does not end; its label.
    #[error("the {0} in it is cut off: there is no -----END {0}-----. Copy the file again, whole")]
    Unfinished(String),
    /// Too many PEM blocks.
    #[error("there are more than {MAX_PIECES} things in it")]
    TooMany,
    /// A certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A request for one.
    #[error(transparent)]
    Request(#[from] CsrError),
    /// A private key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A public key.
    #[error("the public key is damaged: make it anew with `openssl pkey -pubout`")]
    PublicKey,
    /// A revocation list.
    #[error("the revocation list is damaged: make it anew with `portcullis ca crl`")]
    RevocationList,
    /// A bundle.
    #[error("{0}; get it anew with `portcullis ca bundle export`")]
    Bundle(#[from] BundleError),
    /// A join token.
    #[error(transparent)]
    Token(#[from] TokenError),
}
