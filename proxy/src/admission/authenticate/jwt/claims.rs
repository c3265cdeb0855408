//! What an issuer says of a token: when, by whom, for whom (RFC 7519 §4.1), and who the user is. Pure.
//!
//! | claim | must be |
//! |--|--|
//! | `exp` | a moment that with the leeway is still to come; required |
//! | `nbf` | a moment that with the leeway has come, if there |
//! | `iat` | a moment, if there |
//! | `iss` | the issuer of the rule, byte for byte |
//! | `aud` | a text or a list of texts, one of them an audience of the rule |
//! | the user | a text that can be a user's name; required |
//! | roles | a list of names, or names in one text with spaces or commas between |
//! | scopes | the same, with spaces |
//! | the tier | a name |
//! | what rules ask about | texts, numbers, truths, or a list of them |
//!
//! A claim of another type refuses the token: a role that was not understood may be the one that was to deny. `null` says
//! what absence says. [`caller`] also reads what an issuer answers about a token (RFC 7662).

use super::refused::Refused;
use crate::admission::authenticate::Caller;
use crate::config::auth::{ClaimMap, JwtRule};
use crate::identity::principal::Principal;
use portcullis_ca::time::Timestamp;
use serde_json::{Map, Value};

/// Most roles, scopes, and values of one claim.
const MOST: usize = 64;
/// Longest value of a claim, and of a tier, bytes.
const LONGEST: usize = 256;
/// The last second of 9999: moments after it are it.
const LATEST: i64 = 253_402_300_799;
/// Above this, a number with a point or an exponent is no longer one number.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Why claims name nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.word())]
pub enum ClaimFault {
    /// There is no user.
    UserMissing,
    /// A claim of another type.
    Type,
    /// More or longer values than are kept.
    Size,
    /// A name that could be taken for several, or does not fit a header.
    Name,
}

impl ClaimFault {
    /// The word in logs and metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::UserMissing => "user_missing",
            Self::Type => "claim_type",
            Self::Size => "claim_size",
            Self::Name => "claim_name",
        }
    }
}

/// Checks when, by whom and for whom a token is; `now` is the wall clock. When it ends, without the leeway.
pub(super) fn check(
    rule: &JwtRule,
    claims: &Map<String, Value>,
    now: Timestamp,
) -> Result<Timestamp, Refused> {
    if claims.get("iss").and_then(Value::as_str) != Some(&*rule.issuer) {
        return Err(Refused::Issuer);
    }
    if !claims.get("aud").is_some_and(|aud| is_for(aud, &rule.audiences)) {
        return Err(Refused::Audience);
    }
    let at = |name: &str| claims.get(name).map(|value| moment(value).ok_or(Refused::Moment)).transpose();
    let (expires, begins, _) = (at("exp")?.ok_or(Refused::Expired)?, at("nbf")?, at("iat")?);
    if now >= expires.after(rule.leeway) {
        return Err(Refused::Expired);
    }
    if begins.is_some_and(|begins| now.after(rule.leeway) < begins) {
        return Err(Refused::NotYetValid);
    }
    Ok(expires)
}

/// A NumericDate (RFC 7519 §2): seconds since 1970, parts of one dropped. `None`: it is none, or before 1970.
pub fn moment(value: &Value) -> Option<Timestamp> {
    let Value::Number(number) = value else { return None };
    if let Some(whole) = number.as_u64() {
        return Some(Timestamp(i64::try_from(whole).unwrap_or(LATEST).min(LATEST)));
    }
    let parts = number.as_f64().filter(|parts| *parts >= 0.0 && parts.is_finite())?;
    // A cast of a float stops at the ends of the type.
    Some(Timestamp((parts as i64).min(LATEST)))
}

fn is_for(aud: &Value, audiences: &[Box<str>]) -> bool {
    let ours = |aud: &str| audiences.iter().any(|ours| **ours == *aud);
    match aud {
        Value::String(aud) => ours(aud),
        Value::Array(list) => {
            list.iter().all(Value::is_string) && list.iter().filter_map(Value::as_str).any(ours)
        }
        _ => false,
    }
}

/// Whom `claims` name. `wanted`: the claims rules ask about. `expires`: when what was shown ends.
///
/// # Errors
/// When they name nobody, or a claim is not what it is taken for.
pub fn caller(
    map: &ClaimMap,
    wanted: &[Box<str>],
    claims: &Map<String, Value>,
    expires: Option<Timestamp>,
) -> Result<Caller, ClaimFault> {
    let user = text(claims, &map.user)?.ok_or(ClaimFault::UserMissing)?;
    let principal = Principal {
        user: user.into(),
        roles: names(claims, &map.roles, &[' ', ','])?,
        scopes: names(claims, &map.scopes, &[' '])?,
    };
    if !principal.is_sound() {
        return Err(ClaimFault::Name);
    }
    let tier = map.tier.as_ref().map(|name| text(claims, name)).transpose()?.flatten();
    if tier.is_some_and(|tier| !is_tier(tier)) {
        return Err(ClaimFault::Name);
    }
    let mut kept = Vec::new();
    for name in wanted {
        keep(name, claims, &mut kept)?;
    }
    Ok(Caller { principal, tier: tier.map(Into::into), claims: kept, api_key: None, expires })
}

/// The claim of this very name; else dots lead into objects. `None`: absent or `null`.
fn claim<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let inside = || {
        let (first, rest) = name.split_once('.')?;
        rest.split('.').try_fold(claims.get(first)?, |value, step| value.as_object()?.get(step))
    };
    claims.get(name).or_else(inside).filter(|value| !value.is_null())
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, ClaimFault> {
    claim(claims, name).map(|value| value.as_str().ok_or(ClaimFault::Type)).transpose()
}

fn names(claims: &Map<String, Value>, name: &str, separators: &[char]) -> Result<Vec<Box<str>>, ClaimFault> {
    let names: Vec<Box<str>> = match claim(claims, name) {
        None => Vec::new(),
        // One more than there may be is enough to know.
        Some(Value::String(text)) => {
            let words = text.split(separators).filter(|word| !word.is_empty());
            words.take(MOST + 1).map(Into::into).collect()
        }
        Some(Value::Array(list)) => {
            let name = |value: &Value| value.as_str().map(Into::into).ok_or(ClaimFault::Type);
            list.iter().take(MOST + 1).map(name).collect::<Result<_, _>>()?
        }
        Some(_) => return Err(ClaimFault::Type),
    };
    if names.len() > MOST { Err(ClaimFault::Size) } else { Ok(names) }
}

fn is_tier(name: &str) -> bool {
    (1..=LONGEST).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Adds each value of a claim to `kept`.
fn keep(
    name: &str,
    claims: &Map<String, Value>,
    kept: &mut Vec<(Box<str>, Box<str>)>,
) -> Result<(), ClaimFault> {
    let values = match claim(claims, name) {
        None => return Ok(()),
        Some(Value::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    if values.len() > MOST {
        return Err(ClaimFault::Size);
    }
    for value in values {
        kept.push((name.into(), plain(value)?));
    }
    Ok(())
}

/// A value as rules compare it: a number as JSON writes it.
fn plain(value: &Value) -> Result<Box<str>, ClaimFault> {
    let text: Box<str> = match value {
        Value::String(text) if text.len() > LONGEST => return Err(ClaimFault::Size),
        Value::String(text) if text.contains(char::is_control) => return Err(ClaimFault::Name),
        Value::String(text) => text.as_str().into(),
        Value::Bool(truth) => truth.to_string().into(),
        // Two numbers too large to tell apart must not be one to a rule.
        Value::Number(number)
            if number.is_f64() && !number.as_f64().is_some_and(|parts| parts.abs() <= EXACT) =>
        {
            return Err(ClaimFault::Size);
        }
        Value::Number(number) => number.to_string().into(),
        _ => return Err(ClaimFault::Type),
    };
    Ok(text)
}

#[cfg(test)]
#[path = "claims_tests.rs"]
mod tests;
