//! The public keys of an issuer (RFC 7517, RFC 7518 §6, RFC 8037 §2): which of a document can be used, and which one
//! a token is checked with. Pure: fetching is another's.
//!
//! A key that cannot be used is left out, with a word that says why, and the others stay. A key fits algorithms, never
//! the other way round: a token chooses among what its key allows.
//!
//! | key | fits | left out when |
//! |--|--|--|
//! | RSA | RS256 … RS512, PS256 … PS512 | modulus not of 2048 to 8192 bits or even; exponent even, below 3 or above 2^33 |
//! | EC P-256 | ES256 | not a point of the curve |
//! | EC P-384 | ES384 | the same |
//! | OKP Ed25519 | EdDSA | not 32 bytes; a point of small order |
//!
//! | token | keys | [`Found`] |
//! |--|--|--|
//! | names a key | the key of that id, and it fits | Key |
//! | | it does not fit | Unfit |
//! | | none of that id; the only one that fits has no id | Key |
//! | | none of that id | Unknown |
//! | names none | exactly one fits | Key |
//! | | none fits | Unknown |
//! | | several | Ambiguous |

use super::{json, small_order};
use aws_lc_rs::signature as backend;
use aws_lc_rs::signature::{ParsedPublicKey, RsaParameters, RsaPublicKeyComponents, VerificationAlgorithm};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};
use std::fmt;
use std::str::FromStr;

/// Longest document, bytes.
pub const LONGEST: usize = 256 << 10;
/// Most keys in a document.
pub const MOST: usize = 100;
/// Longest id of a key, bytes.
pub(super) const LONGEST_KID: usize = 256;

/// The usable public keys of an issuer, in the order of its document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeySet {
    keys: Vec<Key>,
}

/// One key.
#[derive(Clone)]
pub struct Key {
    kid: Option<Box<str>>,
    /// Made ready once for each algorithm it fits; at least one.
    ready: Vec<(Algorithm, ParsedPublicKey)>,
}

/// What there is for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found<'a> {
    /// The one key.
    Key(&'a Key),
    /// The key it names is for other algorithms.
    Unfit,
    /// None.
    Unknown,
    /// Several, and the token names none.
    Ambiguous,
}

/// A key that is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ignored {
    /// Which of the document, from 0.
    pub index: usize,
    /// Why.
    pub reason: Reason,
}

/// Why a key is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A member is missing, of another type, or not base64url.
    Malformed,
    /// A secret shared with the issuer (`kty: oct`).
    Symmetric,
    /// The document tells the private half: whoever can read it can sign.
    Private,
    /// For something else than signatures (`use`, `key_ops`).
    Use,
    /// A kind of key or a curve that is not known here.
    Kind,
    /// Bound to an algorithm that is not known here or that it cannot do.
    Algorithm,
    /// RSA of less than 2048 or more than 8192 bits, or an exponent that protects nothing.
    Weak,
    /// Not a point of its curve, or one that protects nothing.
    Point,
    /// An id no token can name.
    Kid,
    /// An id an earlier key has.
    Twice,
}

impl Reason {
    /// The word in logs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Symmetric => "symmetric",
            Self::Private => "private",
            Self::Use => "use",
            Self::Kind => "kind",
            Self::Algorithm => "algorithm",
            Self::Weak => "weak",
            Self::Point => "point",
            Self::Kid => "kid",
            Self::Twice => "twice",
        }
    }
}

/// A document without a key that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.word())]
pub enum KeysError {
    /// Longer than [`LONGEST`].
    TooLong,
    /// Not a JSON object with a list `keys`, or a member stands twice.
    Malformed,
    /// More than [`MOST`] keys.
    TooMany,
    /// No key is left. The first reason, when there was a key.
    NoneUsable(Option<Reason>),
}

impl KeysError {
    /// The word in logs and metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Malformed => "malformed",
            Self::TooMany => "too_many",
            Self::NoneUsable(_) => "none_usable",
        }
    }
}

impl KeySet {
    /// Reads a JWK Set (RFC 7517 §5): the keys that can be used, and why others cannot.
    ///
    /// # Errors
    /// When it is no such document, or no key can be used.
    pub fn parse(document: &[u8]) -> Result<(Self, Vec<Ignored>), KeysError> {
        if document.len() > LONGEST {
            return Err(KeysError::TooLong);
        }
        let members = json::object(document).map_err(|_| KeysError::Malformed)?;
        let Some(Value::Array(list)) = members.get("keys") else { return Err(KeysError::Malformed) };
        if list.len() > MOST {
            return Err(KeysError::TooMany);
        }
        let mut keys: Vec<Key> = Vec::with_capacity(list.len());
        let mut ignored = Vec::new();
        for (index, jwk) in list.iter().enumerate() {
            match Key::read(jwk) {
                Ok(key) if key.kid.is_some() && keys.iter().any(|earlier| earlier.kid == key.kid) => {
                    ignored.push(Ignored { index, reason: Reason::Twice });
                }
                Ok(key) => keys.push(key),
                Err(reason) => ignored.push(Ignored { index, reason }),
            }
        }
        if keys.is_empty() {
            return Err(KeysError::NoneUsable(ignored.first().map(|first| first.reason)));
        }
        Ok((Self { keys }, ignored))
    }

    /// The key a token with this `kid` and `alg` is checked with; see the page.
    pub fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Found<'_> {
        if let Some(named) = self.keys.iter().find(|key| kid.is_some() && key.kid.as_deref() == kid) {
            return if named.fits(algorithm) { Found::Key(named) } else { Found::Unfit };
        }
        let mut fitting = self.keys.iter().filter(|key| key.fits(algorithm));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) if kid.is_none() || key.kid.is_none() => Found::Key(key),
            (Some(_), Some(_)) if kid.is_none() => Found::Ambiguous,
            _ => Found::Unknown,
        }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none; only a set that was not parsed is so.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

impl Key {
    /// Whether tokens of this `alg` can be checked with it.
    pub fn fits(&self, algorithm: Algorithm) -> bool {
        self.ready.iter().any(|(fit, _)| *fit == algorithm)
    }

    /// Whether its owner signed `message`.
    pub(super) fn holds(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let ready = self.ready.iter().find(|(fit, _)| *fit == algorithm);
        ready.is_some_and(|(_, key)| key.verify_sig(message, signature).is_ok())
    }

    fn read(jwk: &Value) -> Result<Self, Reason> {
        let Value::Object(jwk) = jwk else { return Err(Reason::Malformed) };
        check_use(jwk)?;
        let mut ready = match text(jwk, "kty")? {
            "oct" => return Err(Reason::Symmetric),
            _ if jwk.contains_key("d") => return Err(Reason::Private),
            "RSA" => rsa(jwk)?,
            "EC" => point(jwk)?,
            "OKP" => edwards(jwk)?,
            _ => return Err(Reason::Kind),
        };
        if let Some(only) = optional(jwk, "alg")? {
            ready.retain(|(fit, _)| Algorithm::from_str(only).is_ok_and(|only| only == *fit));
            if ready.is_empty() {
                return Err(Reason::Algorithm);
            }
        }
        let kid = optional(jwk, "kid")?;
        if kid.is_some_and(|kid| !is_kid(kid)) {
            return Err(Reason::Kid);
        }
        Ok(Self { kid: kid.map(Into::into), ready })
    }
}

/// Public, but long: its id and what it fits.
impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits: Vec<Algorithm> = self.ready.iter().map(|(fit, _)| *fit).collect();
        out.debug_struct("Key").field("kid", &self.kid).field("fits", &fits).finish_non_exhaustive()
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        let same = |(one, other): (&(Algorithm, ParsedPublicKey), &(Algorithm, ParsedPublicKey))| {
            one.0 == other.0 && one.1.as_ref() == other.1.as_ref()
        };
        self.kid == other.kid
            && self.ready.len() == other.ready.len()
            && self.ready.iter().zip(&other.ready).all(same)
    }
}

impl Eq for Key {}

/// Whether this can be the id of a key.
pub(super) fn is_kid(text: &str) -> bool {
    (1..=LONGEST_KID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// RFC 7517 §4.2, §4.3.
fn check_use(jwk: &Map<String, Value>) -> Result<(), Reason> {
    if optional(jwk, "use")?.is_some_and(|purpose| purpose != "sig") {
        return Err(Reason::Use);
    }
    match jwk.get("key_ops") {
        None => Ok(()),
        Some(Value::Array(list)) if list.iter().any(|name| name == "verify") => Ok(()),
        Some(Value::Array(_)) => Err(Reason::Use),
        Some(_) => Err(Reason::Malformed),
    }
}

type Ready = Vec<(Algorithm, ParsedPublicKey)>;

/// RFC 7518 §6.3.1.
fn rsa(jwk: &Map<String, Value>) -> Result<Ready, Reason> {
    const FITS: [(Algorithm, &RsaParameters); 6] = [
        (Algorithm::RS256, &backend::RSA_PKCS1_2048_8192_SHA256),
        (Algorithm::RS384, &backend::RSA_PKCS1_2048_8192_SHA384),
        (Algorithm::RS512, &backend::RSA_PKCS1_2048_8192_SHA512),
        (Algorithm::PS256, &backend::RSA_PSS_2048_8192_SHA256),
        (Algorithm::PS384, &backend::RSA_PSS_2048_8192_SHA384),
        (Algorithm::PS512, &backend::RSA_PSS_2048_8192_SHA512),
    ];
    let (n, e) = (bytes(jwk, "n")?, bytes(jwk, "e")?);
    // Some issuers write a sign in front, against §6.3.1.1: the number is the same.
    let (n, e) = (without_zeros(&n), without_zeros(&e));
    if !(2048..=8192).contains(&bits(n)) || !is_odd(n) || !is_odd(e) || !(2..=33).contains(&bits(e)) {
        return Err(Reason::Weak);
    }
    let components = RsaPublicKeyComponents { n, e };
    let ready = |(algorithm, how): (Algorithm, &'static RsaParameters)| {
        components.to_parsed_public_key(how).map(|key| (algorithm, key)).map_err(|_| Reason::Weak)
    };
    FITS.into_iter().map(ready).collect()
}

/// RFC 7518 §6.2.1: both coordinates at the full size of the curve.
fn point(jwk: &Map<String, Value>) -> Result<Ready, Reason> {
    let (algorithm, how, size): (_, &'static dyn VerificationAlgorithm, usize) = match text(jwk, "crv")? {
        "P-256" => (Algorithm::ES256, &backend::ECDSA_P256_SHA256_FIXED, 32),
        "P-384" => (Algorithm::ES384, &backend::ECDSA_P384_SHA384_FIXED, 48),
        _ => return Err(Reason::Kind),
    };
    let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
    if x.len() != size || y.len() != size {
        return Err(Reason::Point);
    }
    // Uncompressed (SEC 1 §2.3.3). Reading it checks that it lies on the curve.
    let point = [&[4], x.as_slice(), y.as_slice()].concat();
    let key = ParsedPublicKey::new(how, point).map_err(|_| Reason::Point)?;
    Ok(vec![(algorithm, key)])
}

/// RFC 8037 §2.
fn edwards(jwk: &Map<String, Value>) -> Result<Ready, Reason> {
    if text(jwk, "crv")? != "Ed25519" {
        return Err(Reason::Kind);
    }
    let x = <[u8; 32]>::try_from(bytes(jwk, "x")?).map_err(|_| Reason::Point)?;
    if small_order::is_small(&x) {
        return Err(Reason::Point);
    }
    let key = ParsedPublicKey::new(&backend::ED25519, x).map_err(|_| Reason::Point)?;
    Ok(vec![(Algorithm::EdDSA, key)])
}

fn text<'a>(jwk: &'a Map<String, Value>, name: &str) -> Result<&'a str, Reason> {
    optional(jwk, name)?.ok_or(Reason::Malformed)
}

fn optional<'a>(jwk: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Reason> {
    jwk.get(name).map(|value| value.as_str().ok_or(Reason::Malformed)).transpose()
}

fn bytes(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, Reason> {
    URL_SAFE_NO_PAD.decode(text(jwk, name)?).map_err(|_| Reason::Malformed)
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// How many bits a number without leading zero bytes has.
fn bits(number: &[u8]) -> usize {
    let unused = number.first().map_or(0, |first| first.leading_zeros() as usize);
    (number.len() * 8).saturating_sub(unused)
}

fn is_odd(number: &[u8]) -> bool {
    number.last().is_some_and(|last| last & 1 == 1)
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
