//! Keys that sign tokens, and tokens signed with them, written by hand.

use super::base64url;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use std::sync::Arc;

/// A key for ES256.
#[derive(Debug, Clone)]
pub struct SigningKey {
    kid: String,
    pair: Arc<EcdsaKeyPair>,
}

impl SigningKey {
    /// A new one.
    pub fn new(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        Self { kid: kid.to_owned(), pair: Arc::new(pair) }
    }

    /// Its name.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Its public half, as issuers show it.
    pub fn jwk(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let (x, y) = point.get(1..).expect("an uncompressed point").split_at(32);
        json!({
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.kid,
            "x": base64url(x), "y": base64url(y),
        })
    }

    /// A token: the usual header with these members, and the claims.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let mut whole = json!({ "alg": "ES256", "typ": "JWT", "kid": self.kid });
        super::merge(&mut whole, header.clone());
        self.sign_text(&whole.to_string(), &claims.to_string())
    }

    /// A token of any two texts.
    pub fn sign_text(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", base64url(header), base64url(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).expect("signed");
        format!("{signed}.{}", base64url(signature.as_ref()))
    }
}
