//! JSON Web Signatures (RFC 7515), the one form we use: compact, ES256, the signer named by the SHA-256 of its
//! certificate. Pure.
//!
//! Everything that lets a signature choose how it is checked is refused: other algorithms, `none`, embedded keys, `kid`,
//! `crit`. The header is exactly `alg`, `typ` and `x5t#S256`; no member twice. Base64url without padding and with
//! the one spelling of its last character, so that one content has one form.

use super::evidence::Rejected;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER as BACKEND;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use portcullis_ca::key::Key;
use portcullis_ca::names::Fingerprint;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header<'a> {
    alg: &'a str,
    typ: &'a str,
    #[serde(rename = "x5t#S256")]
    leaf: &'a str,
}

/// Signing failed: no random numbers, or a key of another kind.
#[derive(Debug, thiserror::Error)]
#[error("cannot sign: {0}")]
pub struct SignError(#[from] jsonwebtoken::errors::Error);

/// Signs `claims` as `typ`. `leaf`: the certificate of `key`.
pub(super) fn sign(
    typ: &str,
    leaf: &Fingerprint,
    claims: &impl Serialize,
    key: &Key,
) -> Result<String, SignError> {
    let leaf = encode(leaf.as_bytes());
    let header = Header { alg: "ES256", typ, leaf: &leaf };
    let json = |value: Result<Vec<u8>, serde_json::Error>| value.map(|json| encode(&json));
    let header = json(serde_json::to_vec(&header)).map_err(jsonwebtoken::errors::Error::from)?;
    let claims = json(serde_json::to_vec(claims)).map_err(jsonwebtoken::errors::Error::from)?;
    let mut text = format!("{header}.{claims}");
    let key = EncodingKey::from_ec_der(key.pkcs8());
    // The backend by its name: what the crate would choose by itself panics where a second one is compiled in.
    let signer = (BACKEND.signer_factory)(&Algorithm::ES256, &key)?;
    let signature = signer.try_sign(text.as_bytes()).map_err(jsonwebtoken::errors::Error::from)?;
    text.push('.');
    text.push_str(&encode(&signature));
    Ok(text)
}

/// A signature taken apart; nothing of it is believed yet.
#[derive(Debug)]
pub(super) struct Jws<'a> {
    /// SHA-256 of the certificate it names as its signer's.
    pub(super) leaf: Fingerprint,
    claims: Vec<u8>,
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    /// Takes `text` apart.
    pub(super) fn read(text: &'a str, typ: &str) -> Result<Self, Rejected> {
        let (signed, signature) = text.rsplit_once('.').ok_or(Rejected::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(Rejected::Malformed)?;
        let signature = decode(signature)?;
        // r and s (RFC 7518 §3.4).
        if claims.contains('.') || signature.len() != 64 {
            return Err(Rejected::Malformed);
        }
        let header = decode(header)?;
        let header: Header<'_> = object(&header)?;
        if header.alg != "ES256" || header.typ != typ {
            return Err(Rejected::Malformed);
        }
        let leaf = Fingerprint::from_bytes(&decode(header.leaf)?).ok_or(Rejected::Malformed)?;
        Ok(Self { leaf, claims: decode(claims)?, signed, signature })
    }

    /// What it says.
    pub(super) fn claims<T: Deserialize<'a>>(&'a self) -> Result<T, Rejected> {
        object(&self.claims)
    }

    /// Whether the owner of `point` (an uncompressed point of P-256) signed it.
    pub(super) fn verify(&self, point: &[u8]) -> Result<(), Rejected> {
        let key = DecodingKey::from_ec_der(point);
        let verifier =
            (BACKEND.verifier_factory)(&Algorithm::ES256, &key).map_err(|_| Rejected::Signature)?;
        verifier.verify(self.signed.as_bytes(), &self.signature).map_err(|_| Rejected::Signature)
    }
}

/// Reads an object. serde alone would take an array of its members in their order as well.
fn object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, Rejected> {
    if json.first() != Some(&b'{') {
        return Err(Rejected::Malformed);
    }
    serde_json::from_slice(json).map_err(|_| Rejected::Malformed)
}

/// Base64url without padding.
pub(super) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of the one spelling.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, Rejected> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Rejected::Malformed)
}

/// SHA-256 of a text, as stamps name what stands before them.
pub(super) fn digest(text: &str) -> String {
    encode(Fingerprint::of(text.as_bytes()).as_bytes())
}

#[cfg(test)]
#[path = "jws_tests.rs"]
mod tests;
