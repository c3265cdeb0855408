//! A token taken apart (RFC 7515 §3.1, §7.1): three parts, each in the one spelling it has, and a header that asks for
//! nothing but an algorithm and a key. Nothing of it is believed yet. Pure.
//!
//! | header | is | else |
//! |--|--|--|
//! | `alg` | one of those the rule names | algorithm |
//! | `typ` | absent, `JWT`, `at+jwt`, `application/at+jwt` in any case (RFC 7519 §5.1, RFC 9068 §2.1) | type |
//! | `kid` | absent, or 1 to 256 visible ASCII characters | malformed |
//! | `crit`, `b64`, `zip`, `enc` | absent | critical |
//! | `jwk`, `jku`, `x5u`, `x5c` | absent: a token does not say with which key it is checked | embedded_key |
//! | others | not looked at | – |

use super::refused::Refused;
use super::{json, keys};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};
use std::str::FromStr;

/// Longest token, bytes.
pub(super) const LONGEST: usize = 16 << 10;
/// Longest header, bytes of JSON.
const LONGEST_HEADER: usize = 4 << 10;
/// Longest `iss` that may choose among providers.
const LONGEST_ISSUER: usize = 1 << 10;
const EXTENSIONS: [&str; 4] = ["crit", "b64", "zip", "enc"];
const KEYS: [&str; 4] = ["jwk", "jku", "x5u", "x5c"];
const TYPES: [&str; 3] = ["jwt", "at+jwt", "application/at+jwt"];

/// A token taken apart.
pub(super) struct Token<'a> {
    pub(super) algorithm: Algorithm,
    /// The key it names.
    pub(super) kid: Option<Box<str>>,
    /// What the signature is over: header and claims as they stand.
    pub(super) signed: &'a [u8],
    pub(super) signature: Vec<u8>,
    claims: &'a str,
}

impl<'a> Token<'a> {
    /// Takes `text` apart; `algorithms`: those the rule names.
    pub(super) fn read(text: &'a str, algorithms: &[Algorithm]) -> Result<Self, Refused> {
        let (header, claims, signature) = parts(text)?;
        if header.len() > LONGEST_HEADER.div_ceil(3) * 4 {
            return Err(Refused::TooLong);
        }
        let header = json::object(&decode(header)?).map_err(|_| Refused::Malformed)?;
        if EXTENSIONS.iter().any(|name| header.contains_key(*name)) {
            return Err(Refused::Critical);
        }
        if KEYS.iter().any(|name| header.contains_key(*name)) {
            return Err(Refused::EmbeddedKey);
        }
        let algorithm = algorithm(&header, algorithms)?;
        check_type(&header)?;
        let kid = kid(&header)?;
        let signed = text.rsplit_once('.').map_or("", |(signed, _)| signed).as_bytes();
        Ok(Self { algorithm, kid, signed, signature: decode(signature)?, claims })
    }

    /// What it says.
    pub(super) fn claims(&self) -> Result<Map<String, Value>, Refused> {
        said(self.claims)
    }
}

/// Whether a text has the form of a token: three parts of base64url, the first of which begins an object. For telling
/// it from one that only its issuer can read; nothing is decoded.
pub fn looks_like_jwt(token: &str) -> bool {
    let Ok((header, claims, signature)) = parts(token) else { return false };
    let in_alphabet =
        |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    // `{` is 0x7b: the first six bits are `e`, the next two begin what follows.
    let mut first = header.bytes();
    let object = first.next() == Some(b'e')
        && first.next().is_some_and(|byte| matches!(byte, b'w'..=b'z' | b'0'..=b'9' | b'-' | b'_'));
    object && !claims.is_empty() && [header, claims, signature].into_iter().all(in_alphabet)
}

/// The `iss` it claims, at most 1 KiB. Not verified: good for nothing but choosing by whose rule it is judged.
pub fn issuer_of(token: &str) -> Option<Box<str>> {
    let (_, claims, _) = parts(token).ok()?;
    match said(claims).ok()?.remove("iss") {
        Some(Value::String(issuer)) if issuer.len() <= LONGEST_ISSUER => Some(issuer.into()),
        _ => None,
    }
}

/// Header, claims, signature.
fn parts(text: &str) -> Result<(&str, &str, &str), Refused> {
    if text.len() > LONGEST {
        return Err(Refused::TooLong);
    }
    let mut parts = text.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(header), Some(claims), Some(signature), None) => Ok((header, claims, signature)),
        _ => Err(Refused::Malformed),
    }
}

fn said(claims: &str) -> Result<Map<String, Value>, Refused> {
    json::object(&decode(claims)?).map_err(|_| Refused::Malformed)
}

/// The bytes of the one spelling: no padding, no other alphabet, no bits left over.
fn decode(part: &str) -> Result<Vec<u8>, Refused> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Refused::Malformed)
}

fn algorithm(header: &Map<String, Value>, algorithms: &[Algorithm]) -> Result<Algorithm, Refused> {
    let named = header.get("alg").and_then(Value::as_str).ok_or(Refused::Algorithm)?;
    let algorithm = Algorithm::from_str(named).map_err(|_| Refused::Algorithm)?;
    if algorithms.contains(&algorithm) { Ok(algorithm) } else { Err(Refused::Algorithm) }
}

fn check_type(header: &Map<String, Value>) -> Result<(), Refused> {
    let known = |typ: &Value| {
        typ.as_str().is_some_and(|typ| TYPES.iter().any(|known| typ.eq_ignore_ascii_case(known)))
    };
    if header.get("typ").is_none_or(known) { Ok(()) } else { Err(Refused::Type) }
}

fn kid(header: &Map<String, Value>) -> Result<Option<Box<str>>, Refused> {
    match header.get("kid") {
        None => Ok(None),
        Some(Value::String(kid)) if keys::is_kid(kid) => Ok(Some(kid.as_str().into())),
        Some(_) => Err(Refused::Malformed),
    }
}
