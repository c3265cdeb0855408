//! API keys: who holds a secret that a client shows in a header.
//!
//! Decides what a key file says about a shown secret. It must not know where the file lies, when it is read again, or
//! what a route does with the answer. Pure: `now` and randomness come in.
//!
//! | what is shown | answer |
//! |--|--|
//! | the header is not there | [`shown`]: nothing, somebody else may know the client |
//! | the header is there twice | `several` |
//! | neither of our form nor 16 … 256 visible ASCII characters; ours, but cut or mistyped | `malformed`, without a look-up |
//! | no key has this digest | `unknown` |
//! | its key has ended | `expired` |
//! | anything else | the [`Caller`] of that key |

pub mod edit;
mod file;
pub mod secret;

pub use file::{Key, KeyFile, KeyFileError};

use super::Caller;
use http::{HeaderMap, HeaderName};

/// Why a shown secret does not say who the client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No key has this digest.
    #[error("no key has this secret")]
    Unknown,
    /// It was a key, until it ended.
    #[error("the key has expired")]
    Expired,
    /// It cannot be a secret: cut, mistyped, or not 16 … 256 visible ASCII characters.
    #[error(
        "this is no whole secret: `pck_` and 49 characters that check out, or 16 to 256 visible ASCII characters"
    )]
    Malformed,
    /// The header came more than once.
    #[error("the header came more than once")]
    Several,
}

impl Refused {
    /// The word for logs and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Malformed => "malformed",
            Self::Several => "several",
        }
    }
}

/// What a client shows in `header`; `None` when the header is not there.
///
/// # Errors
/// [`Refused::Several`] when it is there twice, be it with the same value: who is asked is not who chose.
/// [`Refused::Malformed`] when it holds more than visible ASCII.
pub fn shown<'a>(headers: &'a HeaderMap, header: &HeaderName) -> Result<Option<&'a str>, Refused> {
    let mut values = headers.get_all(header).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(Refused::Several),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| Refused::Malformed),
    }
}

#[cfg(test)]
#[path = "api_key_tests.rs"]
mod tests;
