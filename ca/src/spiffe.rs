//! SPIFFE IDs: parsed once, strictly, then trusted by type.
//!
//! Decides what is a well-formed trust domain and SPIFFE ID (SPIFFE-ID standard, sections 2.1 to 2.4). Two IDs
//! name the same workload exactly when their bytes are equal, so there is one spelling of each: the scheme and the
//! trust domain in lower case, no escapes, nothing that software further on could fold or resolve.
//!
//! Pure: it must not know certificates, files or the network.

use crate::names::text_serde;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

const SCHEME: &str = "spiffe://";
const MAX_ID: usize = 2048;
const MAX_TRUST_DOMAIN: usize = 255;

/// The path of the authority's own SPIFFE ID: no entry may have it, and nobody may deny it.
pub const AUTHORITY_PATH: &str = "/ca";

/// The root of trust an ID belongs to: 1 to 255 bytes of `a-z 0-9 . - _`, as in `shop.example`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrustDomain(Box<str>);

impl TrustDomain {
    /// The name without a scheme: `shop.example`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TrustDomain {
    type Err = SpiffeIdError;

    /// Reads a bare name; `spiffe://…`, a port and user information are errors.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(SpiffeIdError::NoTrustDomain);
        }
        if text.len() > MAX_TRUST_DOMAIN {
            return Err(SpiffeIdError::TrustDomainTooLong);
        }
        match text.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '.' | '-' | '_')) {
            Some(character) => Err(SpiffeIdError::TrustDomainCharacter(character)),
            None => Ok(Self(text.into())),
        }
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The identity of a workload: `spiffe://shop.example/svc/order`. An ID without a path names the trust domain itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpiffeId {
    text: Box<str>,
    trust_domain: TrustDomain,
}

impl SpiffeId {
    /// The ID of `path` inside `trust_domain`; the path is empty or starts with `/`.
    ///
    /// # Errors
    /// When the path is malformed or the whole would be longer than 2048 bytes.
    pub fn new(trust_domain: TrustDomain, path: &str) -> Result<Self, SpiffeIdError> {
        check_path(path)?;
        let text = format!("{SCHEME}{trust_domain}{path}");
        if text.len() > MAX_ID {
            return Err(SpiffeIdError::TooLong);
        }
        Ok(Self { text: text.into(), trust_domain })
    }

    /// The whole ID, as it stands in a certificate.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The trust domain it belongs to.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// The path with its leading slash; empty when the ID names the trust domain itself.
    pub fn path(&self) -> &str {
        self.text.get(SCHEME.len() + self.trust_domain.as_str().len()..).unwrap_or_default()
    }
}

impl FromStr for SpiffeId {
    type Err = SpiffeIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Before anything else: the name may come from a certificate a stranger made.
        if text.len() > MAX_ID {
            return Err(SpiffeIdError::TooLong);
        }
        let rest = text.strip_prefix(SCHEME).ok_or(SpiffeIdError::Scheme)?;
        let (trust_domain, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        Self::new(trust_domain.parse()?, path)
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

text_serde!(TrustDomain);
text_serde!(SpiffeId);

/// Why a text is not a SPIFFE ID or a trust domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SpiffeIdError {
    /// It does not start with `spiffe://`, in lower case.
    #[error("a SPIFFE ID starts with spiffe://")]
    Scheme,
    /// Nothing stands where the trust domain should.
    #[error("the trust domain is missing")]
    NoTrustDomain,
    /// The trust domain is longer than 255 bytes.
    #[error("the trust domain is longer than {MAX_TRUST_DOMAIN} bytes")]
    TrustDomainTooLong,
    /// The trust domain holds something else than `a-z 0-9 . - _`; a port, user information and `?` end here too.
    #[error("{0:?} may not stand in a trust domain, only a-z 0-9 . - _")]
    TrustDomainCharacter(char),
    /// The path ends in a slash, has a double one or does not start with one.
    #[error("the path has an empty segment or ends with a slash")]
    EmptySegment,
    /// A segment is `.` or `..`.
    #[error("the path has a segment . or ..")]
    DotSegment,
    /// A segment holds something else than `A-Z a-z 0-9 . - _`; `%`, `?` and `#` end here too.
    #[error("{0:?} may not stand in a path, only A-Z a-z 0-9 . - _")]
    PathCharacter(char),
    /// The whole is longer than 2048 bytes.
    #[error("the ID is longer than {MAX_ID} bytes")]
    TooLong,
}

fn check_path(path: &str) -> Result<(), SpiffeIdError> {
    if path.is_empty() {
        return Ok(());
    }
    path.strip_prefix('/').ok_or(SpiffeIdError::EmptySegment)?.split('/').try_for_each(check_segment)
}

fn check_segment(segment: &str) -> Result<(), SpiffeIdError> {
    if segment.is_empty() {
        return Err(SpiffeIdError::EmptySegment);
    }
    if matches!(segment, "." | "..") {
        return Err(SpiffeIdError::DotSegment);
    }
    match segment.chars().find(|c| !matches!(c, 'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_')) {
        Some(character) => Err(SpiffeIdError::PathCharacter(character)),
        None => Ok(()),
    }
}

#[cfg(test)]
#[path = "spiffe_tests.rs"]
mod tests;
