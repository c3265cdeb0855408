//! Passports and stamps written by hand, right and wrong. Signed with aws-lc-rs, read by nobody here: a mistake of the
//! product's own code cannot hide in it.

use super::Svid;
use crate::Client;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

/// Seconds since 1970.
pub fn now() -> i64 {
    portcullis_ca::clock::wall().0
}

/// Base64url of SHA-256: how stamps name what they follow, and how signatures name certificates.
pub fn digest(bytes: impl AsRef<[u8]>) -> String {
    encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes.as_ref()))
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A passport or a stamp in the making.
#[derive(Debug, Clone)]
pub struct Forged {
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl Forged {
    /// A sound passport of `asserter` for `user`, with role `buyer` and scope `orders:write`.
    pub fn passport(asserter: &Svid, user: &str) -> Self {
        let (iss, now) = (asserter.id(), now());
        let claims = json!({
            "iss": iss, "aud": "shop.example", "sub": user, "scope": "orders:write", "roles": ["buyer"],
            "txn": format!("{:032x}", fastrand::u128(..)), "iat": now, "exp": now + 60, "req_wl": iss, "rctx": {},
        });
        Self::new("txntoken+jwt", asserter, claims)
    }

    /// A sound stamp: `signer` hands what ends in `before` to the workload `to` (a SPIFFE ID), until `exp`.
    pub fn stamp(signer: &Svid, to: &str, before: &str, exp: i64) -> Self {
        let iat = now().min(exp - 1);
        let claims = json!({ "iss": signer.id(), "aud": to, "prev": digest(before), "iat": iat, "exp": exp });
        Self::new("portcullis-stamp+jwt", signer, claims)
    }

    fn new(typ: &str, signer: &Svid, claims: Value) -> Self {
        let header = json!({ "alg": "ES256", "typ": typ, "x5t#S256": digest(&signer.chain()[0]) });
        let object = |value: Value| value.as_object().cloned().unwrap_or_default();
        Self { header: object(header), claims: object(claims) }
    }

    /// With this claim instead.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }

    /// Without this claim.
    pub fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// With this member of the header instead.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.into(), value.into());
        self
    }

    /// Without this member of the header.
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    /// A claim that is a number.
    pub fn number(&self, name: &str) -> i64 {
        self.claims.get(name).and_then(Value::as_i64).unwrap_or_default()
    }

    /// What is signed: both parts, without a signature.
    pub fn unsigned(&self) -> String {
        let part = |map: &Map<String, Value>| encode(Value::Object(map.clone()).to_string());
        format!("{}.{}", part(&self.header), part(&self.claims))
    }

    /// Signed with the key of `signer`, ES256.
    pub fn sign(&self, signer: &Svid) -> String {
        Self::sign_text(self.unsigned(), signer)
    }

    /// Signs any text with the key of `signer`.
    pub fn sign_text(text: String, signer: &Svid) -> String {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, signer.key()).expect("a key");
        let signature = key.sign(&SystemRandom::new(), text.as_bytes()).expect("a signature");
        format!("{text}.{}", encode(signature))
    }

    /// Signed with HMAC-SHA256 and these bytes as its secret.
    pub fn sign_hs256(&self, secret: &[u8]) -> String {
        let text = self.unsigned();
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
        let tag = aws_lc_rs::hmac::sign(&key, text.as_bytes());
        format!("{text}.{}", encode(tag))
    }
}

/// What proves a user, as it travels.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// `Txn-Token`.
    pub passport: String,
    /// `Portcullis-Stamps`, the oldest first.
    pub stamps: Vec<String>,
    /// `Portcullis-Chains`.
    pub chains: Vec<String>,
}

impl Evidence {
    /// Sound evidence for `user`: introduced by the first of `hands`, handed on by each to the next, and by the last to
    /// the workload `to` (a SPIFFE ID). Whoever brings it is the last of `hands`.
    ///
    /// # Panics
    /// When nobody introduces.
    pub fn of(user: &str, hands: &[&Svid], to: &str) -> Self {
        Self::with(&Forged::passport(hands[0], user), hands, to)
    }

    /// The same with a passport of the test's own, signed by the first of `hands`.
    pub fn with(passport: &Forged, hands: &[&Svid], to: &str) -> Self {
        let signed = passport.sign(hands[0]);
        Self::on(signed, passport.number("exp"), hands, to)
    }

    /// Sound stamps on any text taken for a passport that ends at `exp`.
    pub fn on(passport: String, exp: i64, hands: &[&Svid], to: &str) -> Self {
        let mut stamps: Vec<String> = Vec::new();
        for (index, signer) in hands.iter().enumerate() {
            let next = hands.get(index + 1).map_or_else(|| to.to_owned(), |svid| svid.id());
            let before = stamps.last().unwrap_or(&passport).clone();
            stamps.push(Forged::stamp(signer, &next, &before, exp).sign(signer));
        }
        let (_, earlier) = hands.split_last().expect("somebody");
        let chains = earlier.iter().map(|svid| Self::chain(svid)).collect();
        Self { passport, stamps, chains }
    }

    /// A chain as it travels.
    pub fn chain(svid: &Svid) -> String {
        svid.chain().iter().map(encode).collect::<Vec<_>>().join(".")
    }

    /// The same, handed on once more.
    pub fn handed_on(&self, signer: &Svid, to: &str, chain_of_signer_before: &Svid) -> Self {
        let before = self.stamps.last().unwrap_or(&self.passport);
        let mut out = self.clone();
        out.stamps.push(Forged::stamp(signer, to, before, now() + 30).sign(signer));
        out.chains.push(Self::chain(chain_of_signer_before));
        out
    }

    /// The headers, none for what is empty.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let fields = [
            ("Txn-Token", self.passport.clone()),
            ("Portcullis-Stamps", self.stamps.join(", ")),
            ("Portcullis-Chains", self.chains.join(", ")),
        ];
        fields.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }

    /// A request with it.
    pub fn to(&self, request: Client) -> Client {
        self.headers().iter().fold(request, |request, (name, value)| request.header(name, value))
    }
}
