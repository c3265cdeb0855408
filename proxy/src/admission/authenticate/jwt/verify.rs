//! Whether a token holds under a rule, and whom it names. Pure.
//!
//! | # | what | else |
//! |--|--|--|
//! | 1 | its size, its form, its header ([`super::token`]) | too_long, malformed, algorithm, type, critical, embedded_key |
//! | 2 | one key of the issuer fits it ([`super::keys`]) | unknown_key, ambiguous_key, algorithm |
//! | 3 | the signature | signature |
//! | 4 | `exp`, `nbf`, `iat`, `iss`, `aud` ([`super::claims`]) | malformed, moment, expired, not_yet_valid, issuer, audience |
//! | 5 | the user and what is known of it | user_missing, claim_type, claim_size, claim_name |
//!
//! The claims are not read before the signature holds, so the words of 4 and 5 tell a stranger nothing.

use super::claims;
use super::keys::{Found, KeySet};
use super::refused::Refused;
use super::token::Token;
use crate::admission::authenticate::Caller;
use crate::config::auth::JwtRule;
use portcullis_ca::time::Timestamp;

/// Whom `token` names, if `rule` takes it at `now`. [`Caller::expires`] is its `exp`, without the leeway.
///
/// # Errors
/// See the page. [`Refused::UnknownKey`] is worth fetching the keys again, once.
pub fn verify(rule: &JwtRule, token: &str, keys: &KeySet, now: Timestamp) -> Result<Caller, Refused> {
    let token = Token::read(token, &rule.algorithms)?;
    let key = match keys.find(token.kid.as_deref(), token.algorithm) {
        Found::Key(key) => key,
        Found::Unfit => return Err(Refused::Algorithm),
        Found::Unknown => return Err(Refused::UnknownKey(token.kid)),
        Found::Ambiguous => return Err(Refused::AmbiguousKey),
    };
    if !key.holds(token.algorithm, token.signed, &token.signature) {
        return Err(Refused::Signature);
    }
    let said = token.claims()?;
    let expires = claims::check(rule, &said, now)?;
    Ok(claims::caller(&rule.identity, &rule.claims, &said, Some(expires))?)
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "hostile_tests.rs"]
mod hostile;
