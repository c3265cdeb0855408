//! Passports and stamps by a hand of our own: sound unless told otherwise. Nothing of the product signs here.

use super::member::Member;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_ca::names::Fingerprint;
use serde_json::{Value, json};

/// The type of a passport.
pub(super) const PASSPORT: &str = "txntoken+jwt";
/// The type of a stamp.
pub(super) const STAMP: &str = "portcullis-stamp+jwt";

/// Header names and values.
pub(super) type Fields = Vec<(String, String)>;

/// A passport, its stamps, and who signed.
#[derive(Clone)]
pub(super) struct Evidence<'a> {
    /// The passport.
    pub(super) passport: String,
    /// The stamps, the oldest first.
    pub(super) stamps: Vec<String>,
    signers: Vec<&'a Member>,
}

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    portcullis_ca::clock::wall().0
}

/// Base64url without padding.
pub(super) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// `patch` laid over `base`; null takes a member out.
pub(super) fn patched(mut base: Value, patch: &Value) -> Value {
    for (name, value) in patch.as_object().into_iter().flatten() {
        match value {
            Value::Null => drop(base.as_object_mut().expect("an object").remove(name)),
            value => base[name] = value.clone(),
        }
    }
    base
}

/// ES256 over this text.
pub(super) fn signature(by: &Member, text: &str) -> Vec<u8> {
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, by.identity.key.pkcs8());
    let signed = key.expect("a key").sign(&SystemRandom::new(), text.as_bytes());
    signed.expect("a signature").as_ref().to_vec()
}

/// The header `by` writes.
pub(super) fn header(by: &Member, typ: &str) -> Value {
    json!({ "alg": "ES256", "typ": typ, "x5t#S256": by.leaf() })
}

/// A JWS with this header, signed by `by` whatever the header says.
pub(super) fn jws(by: &Member, header: &Value, claims: &Value) -> String {
    let text = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
    let signature = b64(signature(by, &text));
    format!("{text}.{signature}")
}

/// What a passport of `by` for alice says.
pub(super) fn claims(by: &Member) -> Value {
    let (iss, iat) = (by.id(), now());
    json!({
        "iss": iss, "req_wl": iss, "aud": "shop.example", "sub": "alice", "scope": "orders:write",
        "roles": ["buyer"], "txn": "0af7651916cd43dd8448eb211c80319c", "iat": iat, "exp": iat + 60, "rctx": {},
    })
}

impl<'a> Evidence<'a> {
    /// A passport by `by` for alice, changed by `patch`, without stamps.
    pub(super) fn by(by: &'a Member, patch: &Value) -> Self {
        Self::with(jws(by, &header(by, PASSPORT), &patched(claims(by), patch)), by)
    }

    /// A passport that is there; `by` is said to have signed it.
    pub(super) fn with(passport: String, by: &'a Member) -> Self {
        Self { passport, stamps: Vec::new(), signers: vec![by] }
    }

    /// Handed by `by` to `to`.
    pub(super) fn handed(self, by: &'a Member, to: &str) -> Self {
        self.handed_with(by, to, &json!({}))
    }

    /// The same with other claims.
    pub(super) fn handed_with(mut self, by: &'a Member, to: &str, patch: &Value) -> Self {
        let before = self.stamps.last().unwrap_or(&self.passport);
        let prev = b64(Fingerprint::of(before.as_bytes()).as_bytes());
        // A stamp ends with its passport.
        let middle = self.passport.split('.').nth(1).unwrap_or_default();
        let said: Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(middle).unwrap_or_default()).unwrap_or_default();
        let iat = now();
        let exp = said["exp"].as_i64().unwrap_or(iat + 60);
        let iat = iat.min(exp - 1);
        let claims = json!({ "iss": by.id(), "aud": to, "prev": prev, "iat": iat, "exp": exp });
        self.stamps.push(jws(by, &header(by, STAMP), &patched(claims, patch)));
        self.signers.push(by);
        self
    }

    /// As `by` sends it: with the chain of everybody else who signed.
    pub(super) fn fields(&self, by: &Member) -> Fields {
        let mut fields = self.bare();
        let mut others: Vec<String> =
            self.signers.iter().filter(|one| one.leaf() != by.leaf()).map(|one| one.chain()).collect();
        others.dedup();
        if !others.is_empty() {
            fields.push(("portcullis-chains".into(), others.join(", ")));
        }
        fields
    }

    /// Without anybody's chain.
    pub(super) fn bare(&self) -> Fields {
        let mut fields = vec![("txn-token".into(), self.passport.clone())];
        if !self.stamps.is_empty() {
            fields.push(("portcullis-stamps".into(), self.stamps.join(", ")));
        }
        fields
    }
}
