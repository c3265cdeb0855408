//! Why a token is nobody's. Pure.
//!
//! What is shown or logged of it is [`Refused::word`] and nothing else: no part of a token, of a key or of a claim.

use super::claims::ClaimFault;

/// Why a token is nobody's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.word())]
pub enum Refused {
    /// Longer than any token may be.
    TooLong,
    /// Not three parts in the one spelling of base64url, or not JSON where JSON must be.
    Malformed,
    /// An `alg` the rule does not name, or one the key is not for.
    Algorithm,
    /// A `typ` of something that is no token for us.
    Type,
    /// The header asks for an extension (`crit`, `b64`, `zip`, `enc`).
    Critical,
    /// The header brings its own key, or says where one is (`jwk`, `jku`, `x5c`, `x5u`).
    EmbeddedKey,
    /// No key of this id is known. Fetching the keys again may help; the id is the sender's: at most 256 visible ASCII
    /// characters, never to be shown.
    UnknownKey(Option<Box<str>>),
    /// It names no key, and several fit.
    AmbiguousKey,
    /// The signature does not hold.
    Signature,
    /// It is over, or does not say when it is.
    Expired,
    /// It has not begun.
    NotYetValid,
    /// Not of this issuer.
    Issuer,
    /// Not for us.
    Audience,
    /// A claim that is no moment where a moment must be.
    Moment,
    /// A claim that cannot be what the rule takes it for.
    Claims(ClaimFault),
}

impl Refused {
    /// The word in logs and metrics.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::Type => "type",
            Self::Critical => "critical",
            Self::EmbeddedKey => "embedded_key",
            Self::UnknownKey(_) => "unknown_key",
            Self::AmbiguousKey => "ambiguous_key",
            Self::Signature => "signature",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Moment => "moment",
            Self::Claims(fault) => fault.word(),
        }
    }
}

impl From<ClaimFault> for Refused {
    fn from(fault: ClaimFault) -> Self {
        Self::Claims(fault)
    }
}
