//! The token of `Authorization: Bearer` (RFC 6750 §2.1). Nowhere else is one looked for: not in the query, which ends
//! up in logs and in `Referer`, not in a body. Pure.
//!
//! | `Authorization` | is |
//! |--|--|
//! | absent, or of another scheme | no token |
//! | `Bearer` in any case, one space, a token of the alphabet of RFC 6750 | that token |
//! | twice | a fault: who reads the other one sees another user |
//! | `Bearer` and anything else; no scheme at all | a fault |

use http::HeaderMap;
use http::header::AUTHORIZATION;

/// What cannot be one token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.word())]
pub enum BearerFault {
    /// More than one `Authorization`.
    Twice,
    /// Not a scheme, one space and one token.
    Malformed,
}

impl BearerFault {
    /// The word in logs and metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Twice => "authorization_twice",
            Self::Malformed => "authorization_malformed",
        }
    }
}

/// The token; `None` when there is none. Its length is bounded by that of headers alone.
///
/// # Errors
/// When there is something that cannot be one token: that is not the same as none.
pub fn bearer(headers: &HeaderMap) -> Result<Option<&str>, BearerFault> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let Some(field) = fields.next() else { return Ok(None) };
    if fields.next().is_some() {
        return Err(BearerFault::Twice);
    }
    let value = field.as_bytes();
    let end = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
    let (scheme, rest) = value.split_at_checked(end).ok_or(BearerFault::Malformed)?;
    if scheme.is_empty() || !scheme.iter().all(is_token_char) {
        return Err(BearerFault::Malformed);
    }
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Ok(None);
    }
    let token = rest.strip_prefix(b" ").filter(|token| is_b64token(token)).ok_or(BearerFault::Malformed)?;
    std::str::from_utf8(token).map(Some).map_err(|_| BearerFault::Malformed)
}

/// RFC 9110 §5.6.2.
fn is_token_char(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)
}

/// RFC 6750 §2.1.
fn is_b64token(token: &[u8]) -> bool {
    let padding = token.iter().rev().take_while(|byte| **byte == b'=').count();
    let body = token.get(..token.len() - padding).unwrap_or_default();
    !body.is_empty() && body.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte))
}

#[cfg(test)]
#[path = "bearer_tests.rs"]
mod tests;
