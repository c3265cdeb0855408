//! What an issuer says about a token. Pure.
//!
//! | answer | verdict |
//! |--|--|
//! | a strict JSON object, `active` is true, `exp` and `nbf` are absent or hold now | its members |
//! | `active` is false | inactive |
//! | `exp` is over by more than 30 s | expired |
//! | `nbf` is more than 30 s ahead | not_yet |
//! | anything else: `active` is no boolean, a time is none, a member stands twice | unsound: nobody is let in or refused |
//!
//! Source: RFC 7662 §2.2; the times are numbers of seconds as in RFC 7519 §2.

use crate::admission::authenticate::jwt::claims::{self, ClaimFault};
use crate::admission::authenticate::jwt::json;
use portcullis_ca::time::Timestamp;
use serde_json::{Map, Value};
use std::time::Duration;

/// How far the issuer's clock may be off.
const LEEWAY: Duration = Duration::from_secs(30);

/// A token that its issuer vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Active {
    /// All members of the answer.
    pub members: Map<String, Value>,
    /// `exp`, rounded down.
    pub expires: Option<Timestamp>,
}

/// Why a token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.word())]
pub enum Refused {
    /// The issuer does not vouch for it.
    Inactive,
    /// It is over.
    Expired,
    /// It is from the future.
    NotYet,
    /// It names nobody, or somebody that cannot be named to services.
    Claims(ClaimFault),
}

impl Refused {
    /// The word in logs and metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Expired => "expired",
            Self::NotYet => "not_yet",
            Self::Claims(fault) => fault.word(),
        }
    }
}

/// The answer says nothing about the token that could be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer is not what RFC 7662 asks for")]
pub struct Unsound;

/// Judges the body of an answer with a status of success.
pub fn judge(body: &[u8], now: Timestamp) -> Result<Result<Active, Refused>, Unsound> {
    let members = json::object(body).map_err(|_not_strict| Unsound)?;
    let Some(Value::Bool(active)) = members.get("active") else { return Err(Unsound) };
    if !active {
        return Ok(Err(Refused::Inactive));
    }
    let (expires, begins) = (moment(&members, "exp")?, moment(&members, "nbf")?);
    if expires.is_some_and(|expires| expires.after(LEEWAY) <= now) {
        return Ok(Err(Refused::Expired));
    }
    if begins.is_some_and(|begins| begins > now.after(LEEWAY)) {
        return Ok(Err(Refused::NotYet));
    }
    Ok(Ok(Active { members, expires }))
}

fn moment(members: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, Unsound> {
    members.get(name).map(|value| claims::moment(value).ok_or(Unsound)).transpose()
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
