//! What tests of identity need: members of a mesh, and a forger who signs whatever he is told, by a hand of his own.

use super::evidence::{CHAINS, Carried, Hands, Presented, Rejected, STAMPS, verify};
use super::passport::TXN_TOKEN;
use super::principal::Principal;
use crate::mesh::support::{Ca, EDGE, ORDER, PAYMENT};
use crate::mesh::{Believed, Own, now};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue};
use jsonwebtoken::{Algorithm, EncodingKey};
use portcullis_ca::names::Fingerprint;
use portcullis_ca::spiffe::SpiffeId;
use portcullis_ca::time::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) const PASSPORT: &str = "txntoken+jwt";
pub(super) const STAMP: &str = "portcullis-stamp+jwt";

/// An edge that may introduce users, two services, and the moment.
pub(super) struct World {
    pub(super) ca: Ca,
    pub(super) edge: Own,
    pub(super) order: Own,
    pub(super) payment: Own,
    pub(super) trust: Arc<Believed>,
    pub(super) now: Timestamp,
}

impl World {
    pub(super) fn new() -> Self {
        let ca = Ca::new();
        let [edge, order, payment] = [EDGE, ORDER, PAYMENT].map(|id| ca.own(id));
        Self { edge, order, payment, trust: ca.believed(Vec::new()), now: now(), ca }
    }

    /// Alice's passport by the edge, changed by `patch`, handed to order.
    pub(super) fn evidence(&self, patch: &Value) -> Evidence {
        Evidence::by(&self.edge, self.now, patch).handed(&self.edge, ORDER)
    }

    /// What order says to evidence the edge brings.
    pub(super) fn at_order(&self, evidence: &Evidence) -> Result<Carried, Rejected> {
        self.judge(evidence, &self.edge, &self.order)
    }

    /// What `to` says to evidence `by` brings.
    pub(super) fn judge(&self, evidence: &Evidence, by: &Own, to: &Own) -> Result<Carried, Rejected> {
        let presented = evidence.presented(by)?;
        verify(&presented, &self.hands(by, to), self.now)
    }

    /// In the hands of `to`, out of those of `by`.
    pub(super) fn hands<'a>(&'a self, by: &'a Own, to: &'a Own) -> Hands<'a> {
        Hands {
            me: &to.svid.id,
            peer_id: &by.svid.id,
            peer_leaf: by.leaf,
            peer_chain: &by.chain,
            trust: &self.trust,
            asserts: &only_the_edge,
        }
    }
}

pub(super) fn only_the_edge(id: &SpiffeId) -> bool {
    id.as_str() == EDGE
}

pub(super) fn nobody(_: &SpiffeId) -> bool {
    false
}

pub(super) fn alice() -> Principal {
    Principal {
        user: "alice".into(),
        roles: vec!["buyer".into()],
        scopes: vec!["orders:read".into(), "orders:write".into()],
    }
}

pub(super) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn hash(text: &str) -> String {
    b64(Fingerprint::of(text.as_bytes()).as_bytes())
}

/// The header `by` writes.
pub(super) fn header(by: &Own, typ: &str) -> Value {
    json!({ "alg": "ES256", "typ": typ, "x5t#S256": b64(by.leaf.as_bytes()) })
}

/// A JWS of these texts, signed by `by` whatever they say.
pub(super) fn jws(by: &Own, header: &str, claims: &str) -> String {
    let text = format!("{}.{}", b64(header), b64(claims));
    let key = EncodingKey::from_ec_der(by.key.pkcs8());
    let signature = jsonwebtoken::crypto::sign(text.as_bytes(), &key, Algorithm::ES256).unwrap();
    format!("{text}.{signature}")
}

/// `patch` laid over `base`; null takes a member out.
pub(super) fn patched(mut base: Value, patch: &Value) -> Value {
    for (name, value) in patch.as_object().into_iter().flatten() {
        match value {
            Value::Null => drop(base.as_object_mut().unwrap().remove(name)),
            value => base[name] = value.clone(),
        }
    }
    base
}

/// What a passport of `by` for alice says.
pub(super) fn claims(by: &Own, now: Timestamp) -> Value {
    let (iss, iat) = (by.svid.id.as_str(), now.0);
    json!({
        "iss": iss, "req_wl": iss, "aud": "shop.example", "sub": "alice", "scope": "orders:read orders:write",
        "roles": ["buyer"], "txn": "0af7651916cd43dd8448eb211c80319c", "iat": iat, "exp": iat + 60, "rctx": {},
    })
}

/// A passport, its stamps, and the certificates of all who signed.
#[derive(Clone)]
pub(super) struct Evidence {
    pub(super) passport: String,
    pub(super) stamps: Vec<String>,
    pub(super) chains: Vec<Vec<Vec<u8>>>,
    pub(super) issued: i64,
    pub(super) expires: i64,
}

impl Evidence {
    /// A passport by `by`, changed by `patch`, without stamps.
    pub(super) fn by(by: &Own, now: Timestamp, patch: &Value) -> Self {
        let claims = patched(claims(by, now), patch);
        let passport = jws(by, &header(by, PASSPORT).to_string(), &claims.to_string());
        Self::of(passport, by, now)
    }

    /// A passport that is there; `by` is said to have signed it.
    pub(super) fn of(passport: String, by: &Own, now: Timestamp) -> Self {
        let chains = vec![by.chain.clone()];
        Self { passport, stamps: Vec::new(), chains, issued: now.0, expires: now.0 + 60 }
    }

    /// Stamps that begin and end at other times than a passport made now.
    pub(super) fn stamped_at(mut self, issued: i64, expires: i64) -> Self {
        (self.issued, self.expires) = (issued, expires);
        self
    }

    /// Handed by `by` to `to`.
    pub(super) fn handed(self, by: &Own, to: &str) -> Self {
        self.handed_with(by, to, &json!({}))
    }

    /// The same, saying something else.
    pub(super) fn handed_with(mut self, by: &Own, to: &str, patch: &Value) -> Self {
        let before = self.stamps.last().unwrap_or(&self.passport);
        let said = json!({
            "iss": by.svid.id.as_str(), "aud": to, "prev": hash(before),
            "iat": self.issued, "exp": self.expires,
        });
        let said = patched(said, patch).to_string();
        self.stamps.push(jws(by, &header(by, STAMP).to_string(), &said));
        if !self.chains.contains(&by.chain) {
            self.chains.push(by.chain.clone());
        }
        self
    }

    /// As `by` sends it: with everybody's certificates but its own.
    pub(super) fn fields(&self, by: &Own) -> HeaderMap {
        let others = self.chains.iter().filter(|chain| **chain != by.chain);
        let others: Vec<String> =
            others.map(|chain| chain.iter().map(b64).collect::<Vec<_>>().join(".")).collect();
        let mut headers = HeaderMap::new();
        headers.insert(TXN_TOKEN, HeaderValue::try_from(&self.passport).unwrap());
        if !self.stamps.is_empty() {
            headers.insert(STAMPS, HeaderValue::try_from(self.stamps.join(", ")).unwrap());
        }
        if !others.is_empty() {
            headers.insert(CHAINS, HeaderValue::try_from(others.join(", ")).unwrap());
        }
        headers
    }

    /// As it arrives.
    pub(super) fn presented(&self, by: &Own) -> Result<Presented, Rejected> {
        Presented::take(&mut self.fields(by)).map(|presented| presented.expect("a passport"))
    }
}
