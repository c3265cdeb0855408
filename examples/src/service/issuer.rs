//! The issuer: signs tokens (RFC 7519) about users, with one key it makes when it starts. It believes anybody who asks:
//! what a login, passwords and a register of clients would be is left out. For the demo only.
//!
//! | request | answer |
//! |--|--|
//! | `GET /jwks.json` | the public half of its key (RFC 7517): all that the edge needs of it |
//! | `GET /token?user=carol&plan=free&role=buyer` | a token about carol as text, good for ten minutes; `role=a,b` is two roles |
//! | `GET /` | a warning |

use super::{Answer, Request, Service};
use anyhow::Context as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::StatusCode;
use serde_json::{Value, json};

const PAGE: &str = "Tokens for whoever asks, in anybody's name: GET /token?user=carol&plan=free&role=buyer\n\
                    This issuer believes everything it is told. It is for the demo only.";
/// Whom its tokens are for: the shop.
const AUDIENCE: &str = "shop-api";
/// What everybody may do on whose behalf a token is shown.
const SCOPE: &str = "orders:write";
/// How long a token is good, in seconds.
const LIFE: i64 = 600;
/// Longest question it answers.
const MAX_QUERY: usize = 1000;

/// A key for ES256 and in whose name it signs.
pub struct Issuer {
    name: String,
    key: EcdsaKeyPair,
}

impl Issuer {
    /// With a new key; `port` of this machine is in its name.
    pub fn at(port: u16) -> anyhow::Result<Self> {
        let key =
            EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).context("no key for the issuer")?;
        Ok(Self { name: format!("http://127.0.0.1:{port}"), key })
    }

    /// Both coordinates of the public key, as JSON has them.
    fn point(&self) -> (String, String) {
        // 4, x, y: uncompressed (SEC 1, 2.3.3).
        let (x, y) = self.key.public_key().as_ref().get(1..).unwrap_or_default().split_at(32);
        (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y))
    }

    /// Of each key another one, so that nobody takes the key of the last start for this.
    fn key_id(&self) -> String {
        self.point().0.chars().take(16).collect()
    }

    fn keys(&self) -> Value {
        let (x, y) = self.point();
        let key = json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.key_id(), "x": x, "y": y,
        });
        json!({ "keys": [key] })
    }

    /// What is claimed about somebody; `now` in seconds since 1970.
    fn claims(&self, asked: &Request, now: i64) -> Option<Value> {
        let user = asked.parameter("user").filter(|user| !user.is_empty())?;
        let roles = asked.parameter("role").unwrap_or_default();
        let roles: Vec<_> = roles.split(',').filter(|role| !role.is_empty()).collect();
        let mut claims = json!({
            "iss": self.name, "aud": AUDIENCE, "sub": user, "iat": now, "exp": now + LIFE,
            "scope": SCOPE, "roles": roles,
        });
        if let Some(plan) = asked.parameter("plan") {
            claims["plan"] = plan.into();
        }
        Some(claims)
    }

    fn signed(&self, claims: &Value) -> anyhow::Result<String> {
        let header = json!({ "alg": "ES256", "typ": "JWT", "kid": self.key_id() });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(claims));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).context("not signed")?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref())))
    }

    fn token(&self, asked: &Request, now: i64) -> Answer {
        let claims = self.claims(asked, now).filter(|_| asked.query.len() <= MAX_QUERY);
        let Some(claims) = claims else {
            return Answer::fault(StatusCode::BAD_REQUEST, "say for whom, in few words: /token?user=carol");
        };
        let token = self.signed(&claims);
        token.map_or_else(
            |fault| Answer::fault(StatusCode::INTERNAL_SERVER_ERROR, &format!("{fault:#}")),
            |token| Answer::ok(token.into()),
        )
    }
}

impl Service for Issuer {
    fn answer(&mut self, request: &Request) -> Answer {
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/") => Answer::ok(PAGE.into()),
            ("GET", "/jwks.json") => Answer::ok(self.keys()),
            ("GET", "/token") => self.token(request, portcullis::clock::wall_seconds().0),
            _ => Answer::not_found(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::request;
    use super::*;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    fn decoded(part: &Value) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(part.as_str().unwrap()).unwrap()
    }

    fn claims_of(token: &Answer) -> Value {
        let claims = token.body.as_str().unwrap().split('.').nth(1).unwrap();
        serde_json::from_slice(&decoded(&claims.into())).unwrap()
    }

    #[test]
    fn a_token_is_signed_with_the_key_that_is_shown() {
        let mut issuer = Issuer::at(8105).unwrap();

        let keys = issuer.answer(&request("GET /jwks.json", "")).body;
        let token = issuer.answer(&request("GET /token?user=carol", "")).body;

        let (signed, signature) = token.as_str().unwrap().rsplit_once('.').unwrap();
        let key = &keys["keys"][0];
        let point = [vec![4], decoded(&key["x"]), decoded(&key["y"])].concat();
        let verified = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .verify(signed.as_bytes(), &decoded(&signature.into()));
        assert!(verified.is_ok());
        let header: Value = serde_json::from_slice(&decoded(&signed.split('.').next().into())).unwrap();
        assert_eq!((&header["alg"], &header["kid"]), (&json!("ES256"), &key["kid"]));
        assert!(key.get("d").is_none());
    }

    #[test]
    fn a_token_says_what_was_asked_for_and_ends() {
        let issuer = Issuer::at(8105).unwrap();

        let carol = issuer.token(&request("GET /token?user=carol&plan=free&role=buyer,analyst", ""), 1000);
        let dave = issuer.token(&request("GET /token?user=dave", ""), 1000);

        let expected = json!({
            "iss": "http://127.0.0.1:8105", "aud": "shop-api", "sub": "carol", "iat": 1000, "exp": 1600,
            "scope": "orders:write", "roles": ["buyer", "analyst"], "plan": "free",
        });
        assert_eq!(claims_of(&carol), expected);
        assert_eq!((claims_of(&dave).get("plan"), claims_of(&dave)["roles"].clone()), (None, json!([])));
    }

    #[test]
    fn a_token_for_nobody_is_not_made() {
        let mut issuer = Issuer::at(8105).unwrap();

        let long = format!("GET /token?user={}", "x".repeat(MAX_QUERY));
        for line in ["GET /token", "GET /token?user=", "GET /token?plan=free", &long] {
            assert_eq!(issuer.answer(&request(line, "")).status, 400, "{line}");
        }
        assert_eq!(issuer.answer(&request("POST /token?user=carol", "")).status, 404);
    }

    #[test]
    fn two_keys_have_two_names() {
        let [one, other] = [1, 2].map(|port| Issuer::at(port).unwrap().key_id());

        assert_ne!(one, other);
    }
}
