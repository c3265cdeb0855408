//! What tests of tokens need: an issuer with a key of every kind, who signs whatever he is told.

use super::keys::KeySet;
use super::{Refused, verify};
use crate::admission::authenticate::Caller;
use crate::config::auth::{ClaimMap, JwtRule, KeySource};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512,
    RsaEncoding, RsaKeyPair, RsaPublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use portcullis_ca::time::Timestamp;
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

pub(super) const NOW: Timestamp = Timestamp(1_800_000_000);
pub(super) const ISSUER: &str = "https://id.shop.example/";

/// Every algorithm there is a key for.
pub(super) const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

pub(super) struct Issuer {
    pub(super) rsa: RsaKeyPair,
    pub(super) p256: EcdsaKeyPair,
    pub(super) p384: EcdsaKeyPair,
    pub(super) ed: Ed25519KeyPair,
}

/// Made once: RSA keys take their time.
pub(super) static ISSUED: LazyLock<Issuer> = LazyLock::new(|| Issuer {
    rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
    p256: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
    p384: EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap(),
    ed: Ed25519KeyPair::generate().unwrap(),
});

pub(super) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Issuer {
    pub(super) fn components(&self) -> RsaPublicKeyComponents<Vec<u8>> {
        RsaPublicKeyComponents::from(self.rsa.public_key())
    }

    pub(super) fn rsa_jwk(&self) -> Value {
        let RsaPublicKeyComponents { n, e } = self.components();
        json!({ "kty": "RSA", "kid": "rsa", "n": b64(n), "e": b64(e) })
    }

    pub(super) fn p256_jwk(&self) -> Value {
        let (x, y) = self.p256.public_key().as_ref()[1..].split_at(32);
        json!({ "kty": "EC", "crv": "P-256", "kid": "p256", "x": b64(x), "y": b64(y) })
    }

    pub(super) fn p384_jwk(&self) -> Value {
        let (x, y) = self.p384.public_key().as_ref()[1..].split_at(48);
        json!({ "kty": "EC", "crv": "P-384", "kid": "p384", "x": b64(x), "y": b64(y) })
    }

    pub(super) fn ed_jwk(&self) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": b64(self.ed.public_key()) })
    }

    /// The key set with all of them.
    pub(super) fn keys(&self) -> KeySet {
        keys(&[self.rsa_jwk(), self.p256_jwk(), self.p384_jwk(), self.ed_jwk()])
    }

    pub(super) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let rsa = |how: &'static dyn RsaEncoding| {
            let mut signature = vec![0; self.rsa.public_modulus_len()];
            self.rsa.sign(how, &random, message, &mut signature).unwrap();
            signature
        };
        match algorithm {
            Algorithm::RS256 => rsa(&RSA_PKCS1_SHA256),
            Algorithm::RS384 => rsa(&RSA_PKCS1_SHA384),
            Algorithm::RS512 => rsa(&RSA_PKCS1_SHA512),
            Algorithm::PS256 => rsa(&RSA_PSS_SHA256),
            Algorithm::PS384 => rsa(&RSA_PSS_SHA384),
            Algorithm::PS512 => rsa(&RSA_PSS_SHA512),
            Algorithm::ES256 => self.p256.sign(&random, message).unwrap().as_ref().to_vec(),
            Algorithm::ES384 => self.p384.sign(&random, message).unwrap().as_ref().to_vec(),
            Algorithm::EdDSA => self.ed.sign(message).as_ref().to_vec(),
            other => panic!("no key for {other:?}"),
        }
    }

    /// These very texts, signed with the key of `algorithm` whatever they say.
    pub(super) fn raw(
        &self,
        algorithm: Algorithm,
        header: impl AsRef<[u8]>,
        claims: impl AsRef<[u8]>,
    ) -> String {
        let text = format!("{}.{}", b64(header), b64(claims));
        let signature = b64(self.sign(algorithm, text.as_bytes()));
        format!("{text}.{signature}")
    }

    /// A token for alice, ES256, its header and claims changed by patches.
    pub(super) fn token(&self, header: &Value, claims: &Value) -> String {
        let base = json!({ "alg": "ES256", "typ": "JWT", "kid": "p256" });
        let (header, claims) = (patched(base, header), patched(said(), claims));
        self.raw(Algorithm::ES256, header.to_string(), claims.to_string())
    }
}

/// What a good token says.
pub(super) fn said() -> Value {
    json!({
        "iss": ISSUER, "aud": "shop-api", "sub": "alice", "exp": NOW.0 + 300, "iat": NOW.0,
        "roles": ["buyer"], "scope": "orders:read orders:write",
    })
}

/// `patch` laid over `base`; the text `absent` takes a member out.
pub(super) fn patched(mut base: Value, patch: &Value) -> Value {
    for (name, value) in patch.as_object().into_iter().flatten() {
        if value == "absent" {
            base.as_object_mut().unwrap().remove(name);
        } else {
            base[name] = value.clone();
        }
    }
    base
}

pub(super) fn keys(list: &[Value]) -> KeySet {
    let (keys, ignored) = KeySet::parse(json!({ "keys": list }).to_string().as_bytes()).unwrap();
    assert_eq!(ignored, []);
    keys
}

pub(super) fn rule() -> JwtRule {
    JwtRule {
        issuer: ISSUER.into(),
        audiences: vec!["shop-api".into(), "shop-admin".into()],
        algorithms: ALGORITHMS.to_vec(),
        keys: KeySource::File { path: "keys.json".into(), keys: Arc::default() },
        leeway: Duration::from_secs(30),
        identity: ClaimMap::default(),
        claims: Vec::new(),
    }
}

/// What the rule says to a token, with all keys of the issuer.
pub(super) fn judged(token: &str) -> Result<Caller, Refused> {
    verify(&rule(), token, &ISSUED.keys(), NOW)
}

/// The word it is refused with.
pub(super) fn word(token: &str) -> &'static str {
    judged(token).expect_err(token).word()
}

pub(super) fn b64_decoded(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}
