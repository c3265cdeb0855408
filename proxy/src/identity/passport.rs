//! The passport: who introduces which user, for at most a minute. Pure.
//!
//! A profile of draft-ietf-oauth-transaction-tokens: header `Txn-Token`, `typ: txntoken+jwt`. It never contains the
//! caller's own token. What it is worth is for [`super::evidence`] to say.

use super::evidence::Rejected;
use super::jws::{self, Jws, SignError};
use super::principal::Principal;
use crate::mesh::Own;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};
use portcullis_ca::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The header it travels in.
pub const TXN_TOKEN: HeaderName = HeaderName::from_static("txn-token");
/// Its type.
pub(super) const TYPE: &str = "txntoken+jwt";
/// Longest life, seconds.
pub(super) const LIFE: i64 = 60;
/// Longest passport, bytes.
pub(super) const LONGEST: usize = 4096;
/// How far clocks may differ, seconds.
pub(super) const SKEW: i64 = 5;

/// What it says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Claims {
    pub(super) iss: String,
    pub(super) aud: String,
    pub(super) sub: String,
    pub(super) scope: String,
    pub(super) roles: Vec<Box<str>>,
    pub(super) txn: String,
    pub(super) iat: i64,
    pub(super) exp: i64,
    pub(super) req_wl: String,
    #[serde(default)]
    pub(super) rctx: BTreeMap<String, serde_json::Value>,
}

/// Takes the passport off; the other evidence is left. `None`: there is none.
///
/// # Errors
/// More than one, or one that cannot be any.
pub fn take(headers: &mut HeaderMap) -> Result<Option<HeaderValue>, Rejected> {
    take_one(headers, &TXN_TOKEN, LONGEST)
}

/// Takes a header off that there may be once.
pub(super) fn take_one(
    headers: &mut HeaderMap,
    name: &HeaderName,
    longest: usize,
) -> Result<Option<HeaderValue>, Rejected> {
    if !headers.contains_key(name) {
        return Ok(None);
    }
    let twice = headers.get_all(name).iter().nth(1).is_some();
    let value = headers.remove(name);
    match value {
        _ if twice => Err(Rejected::Duplicate),
        Some(value) if value.len() > longest => Err(Rejected::TooLarge),
        // Copied: a value keeps the whole head alive it was read from, and this one may be remembered.
        Some(value) => {
            HeaderValue::from_bytes(value.as_bytes()).map(Some).map_err(|_never| Rejected::Malformed)
        }
        None => Ok(None),
    }
}

/// Makes one. `txn`: the transaction, random.
pub(super) fn make(
    principal: &Principal,
    own: &Own,
    now: Timestamp,
    txn: u128,
) -> Result<(String, Timestamp), SignError> {
    let iss = own.svid.id.to_string();
    let expires = Timestamp(now.0.saturating_add(LIFE));
    let claims = Claims {
        aud: own.svid.id.trust_domain().to_string(),
        sub: principal.user.to_string(),
        scope: principal.scopes.join(" "),
        roles: principal.roles.clone(),
        txn: format!("{txn:032x}"),
        iat: now.0,
        exp: expires.0,
        req_wl: iss.clone(),
        rctx: BTreeMap::new(),
        iss,
    };
    Ok((jws::sign(TYPE, &own.leaf, &claims, &own.key)?, expires))
}

impl Claims {
    /// Reads them.
    pub(super) fn read(passport: &Jws<'_>) -> Result<Self, Rejected> {
        let claims: Self = passport.claims()?;
        let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let numbered = claims.txn.len() == 32 && claims.txn.bytes().all(digit);
        // The context of a request is not told.
        let sound = numbered && claims.rctx.is_empty();
        sound.then_some(claims).ok_or(Rejected::Malformed)
    }

    /// Whom it introduces.
    pub(super) fn principal(&self) -> Result<Principal, Rejected> {
        // None at all, or names with one space between them: anything else leaves an empty name, which is not sound.
        let scopes = self.scope.split(' ').filter(|_| !self.scope.is_empty()).map(Box::from).collect();
        let principal = Principal { user: self.sub.as_str().into(), roles: self.roles.clone(), scopes };
        principal.is_sound().then_some(principal).ok_or(Rejected::Malformed)
    }

    /// Whether it is good now.
    pub(super) fn check_times(&self, now: Timestamp) -> Result<(), Rejected> {
        in_time(self.iat, self.exp, now)
    }
}

/// Whether something issued and expiring then is good now; the rule for passports and stamps alike.
pub(super) fn in_time(iat: i64, exp: i64, now: Timestamp) -> Result<(), Rejected> {
    match exp.checked_sub(iat) {
        Some(life) if (1..=LIFE).contains(&life) => {}
        _ => return Err(Rejected::TooLong),
    }
    if iat > now.0.saturating_add(SKEW) {
        return Err(Rejected::NotYet);
    }
    if now.0 > exp.saturating_add(SKEW) { Err(Rejected::Expired) } else { Ok(()) }
}
