//! Passports and stamps nobody gave: written by hand as the receiver expects them, each wrong in one way.
//!
//! On purpose it uses nothing of the code that writes and reads the real ones. What is forged: the header `Txn-Token`
//! with a JWS of the asserter, `Portcullis-Stamps` with one from each hand to the next, `Portcullis-Chains` with
//! certificates of signers.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use portcullis_ca::key::Key;
use portcullis_ca::names::Fingerprint;
use serde_json::{Value, json};

pub(super) const PASSPORT: &str = "txntoken+jwt";
const STAMP: &str = "portcullis-stamp+jwt";

/// No signature: randomness is missing, or the key is of another kind.
pub(super) type Failed = jsonwebtoken::errors::Error;

/// Who signs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pen<'a> {
    pub(super) key: &'a Key,
    /// The certificate that is named.
    pub(super) leaf: &'a Fingerprint,
}

impl Pen<'_> {
    /// A sound header.
    pub(super) fn header(&self, typ: &str) -> Value {
        json!({ "alg": "ES256", "typ": typ, "x5t#S256": encode(self.leaf.as_bytes()) })
    }

    /// Signed as it should be.
    pub(super) fn sign(&self, header: &Value, claims: &Value) -> Result<String, Failed> {
        finish(header, claims, &EncodingKey::from_ec_der(self.key.pkcs8()), Algorithm::ES256)
    }

    /// Signed with the public key as if it were a shared secret.
    pub(super) fn confuse(&self, header: &Value, claims: &Value) -> Result<String, Failed> {
        finish(header, claims, &EncodingKey::from_secret(self.key.public()), Algorithm::HS256)
    }

    /// A stamp by `iss` for `aud` on what stands `before`.
    fn stamp(&self, (iss, aud): (&str, &str), before: &str, now: i64) -> Result<String, Failed> {
        let prev = encode(Fingerprint::of(before.as_bytes()).as_bytes());
        let claims = json!({ "iss": iss, "aud": aud, "prev": prev, "iat": now, "exp": now + 60 });
        self.sign(&self.header(STAMP), &claims)
    }

    /// Stamps on `passport` through `hands`: from each to the next.
    pub(super) fn stamps(&self, passport: &str, hands: &[&str], now: i64) -> Result<String, Failed> {
        let mut stamps: Vec<String> = Vec::new();
        for pair in hands.windows(2) {
            let [from, to] = pair else { continue };
            let before = stamps.last().map_or(passport, String::as_str);
            stamps.push(self.stamp((from, to), before, now)?);
        }
        Ok(stamps.join(", "))
    }
}

/// What a passport says that `iss` made for an administrator.
pub(super) fn claims(iss: &str, domain: &str, now: i64) -> Value {
    json!({
        "iss": iss, "aud": domain, "sub": "selftest-admin", "scope": "admin", "roles": ["admin"],
        "txn": format!("{:032x}", fastrand::u128(..)), "iat": now, "exp": now + 60, "req_wl": iss, "rctx": {},
    })
}

/// `value` with one member more, or another.
pub(super) fn with(mut value: Value, name: &str, member: Value) -> Value {
    if let Some(object) = value.as_object_mut() {
        object.insert(name.to_owned(), member);
    }
    value
}

/// Without any signature.
pub(super) fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.{}.", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()))
}

/// Certificates as they travel beside stamps.
pub(super) fn chain(chain: &[Vec<u8>]) -> String {
    chain.iter().map(|der| encode(der)).collect::<Vec<_>>().join(".")
}

/// The key as a header would carry it (RFC 7517).
pub(super) fn jwk(key: &Key) -> Value {
    // The point is at the end: 0x04, then x and y.
    let public = key.public();
    let point = public.get(public.len().saturating_sub(64)..).unwrap_or_default();
    let (x, y) = point.split_at_checked(32).unwrap_or_default();
    json!({ "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y) })
}

fn finish(header: &Value, claims: &Value, key: &EncodingKey, how: Algorithm) -> Result<String, Failed> {
    let unsigned = unsigned(header, claims);
    let text = unsigned.trim_end_matches('.');
    let signature = crypto::sign(text.as_bytes(), key, how)?;
    Ok(format!("{text}.{signature}"))
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::DecodingKey;

    fn parts(token: &str) -> Vec<String> {
        token.split('.').map(ToOwned::to_owned).collect()
    }

    fn json_of(part: &str) -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    #[test]
    fn a_forged_passport_is_sound_but_for_who_signed_it() {
        let (key, leaf) = (Key::generate().unwrap(), Fingerprint::of(b"leaf"));
        let pen = Pen { key: &key, leaf: &leaf };

        let token = pen.sign(&pen.header(PASSPORT), &claims("spiffe://a/edge", "a", 100)).unwrap();

        let [header, claims, signature] = parts(&token).try_into().unwrap();
        assert_eq!(json_of(&header)["alg"], "ES256");
        assert_eq!(json_of(&claims)["exp"], 160);
        let public = key.public();
        let point = DecodingKey::from_ec_der(&public[public.len() - 65..]);
        let signed = format!("{header}.{claims}");
        assert!(crypto::verify(&signature, signed.as_bytes(), &point, Algorithm::ES256).unwrap());
    }

    #[test]
    fn stamps_lead_from_hand_to_hand_and_name_what_stands_before() {
        let (key, leaf) = (Key::generate().unwrap(), Fingerprint::of(b"leaf"));
        let pen = Pen { key: &key, leaf: &leaf };

        let stamps = pen.stamps("passport", &["edge", "me", "me"], 100).unwrap();

        let stamps: Vec<Vec<String>> = stamps.split(", ").map(parts).collect();
        let said: Vec<Value> = stamps.iter().map(|stamp| json_of(&stamp[1])).collect();
        assert_eq!((said.len(), &said[0]["iss"], &said[0]["aud"]), (2, &json!("edge"), &json!("me")));
        assert_eq!(said[0]["prev"], encode(Fingerprint::of(b"passport").as_bytes()));
        assert_eq!(said[1]["prev"], encode(Fingerprint::of(stamps[0].join(".").as_bytes()).as_bytes()));
        assert_eq!(pen.stamps("passport", &[], 100).unwrap(), "");
    }

    #[test]
    fn a_token_without_a_signature_ends_with_a_dot_and_a_confused_one_is_short() {
        let (key, leaf) = (Key::generate().unwrap(), Fingerprint::of(b"leaf"));
        let pen = Pen { key: &key, leaf: &leaf };

        assert!(unsigned(&json!({"alg": "none"}), &json!({})).ends_with('.'));
        let confused = pen.confuse(&json!({"alg": "HS256"}), &json!({})).unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(&parts(&confused)[2]).unwrap().len(), 32);
        assert_eq!(jwk(&key)["x"].as_str().unwrap().len(), 43);
    }
}
