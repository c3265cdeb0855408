//! Hosts: the one form of a host, and the host patterns of routes.
//!
//! Must not know ports as anything but noise to drop. Whether a `Host` header is acceptable at all has been
//! decided before: here nothing is refused, a strange host just matches no route that names hosts.

use crate::config::route::HostPattern;
use std::borrow::Cow;
use thiserror::Error;

/// Brings a host into the form routes compare: lower case, without port and without the dot of the DNS root.
///
/// Takes the value of `Host` or `:authority`. Borrows when nothing has to be lowered.
pub fn normalise(raw: &str) -> Cow<'_, str> {
    let host = without_port(raw);
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Owned(host.to_ascii_lowercase());
    }
    Cow::Borrowed(host)
}

fn without_port(raw: &str) -> &str {
    match raw.rsplit_once(':') {
        // The last colon of `[::1]` is inside the brackets.
        Some((host, port)) if !port.ends_with(']') && port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => raw,
    }
}

/// What `*.x` patterns compare: the host without its first label. `None` when there is none.
pub(super) fn parent(host: &str) -> Option<&str> {
    host.split_once('.').filter(|(label, _)| !label.is_empty()).map(|(_, parent)| parent)
}

/// Whether a host in normal form is meant by a pattern.
pub(super) fn matches(pattern: &HostPattern, host: &str) -> bool {
    match pattern {
        HostPattern::Exact(exact) => **exact == *host,
        HostPattern::Wildcard(suffix) => parent(host) == Some(suffix),
    }
}

/// Writes a pattern as it stands in a file.
pub fn text_of(pattern: &HostPattern) -> String {
    match pattern {
        HostPattern::Exact(host) => host.to_string(),
        HostPattern::Wildcard(suffix) => format!("*.{suffix}"),
    }
}

/// Reads a host pattern of a file: `api.example` or `*.example` (one label); letters are lowered.
pub fn parse_pattern(text: &str) -> Result<HostPattern, HostPatternError> {
    let lower = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    if lower.is_empty() {
        return Err(HostPatternError::Empty);
    }
    if lower == "*" {
        return Err(HostPatternError::Any);
    }
    if is_ipv6(&lower) {
        return Ok(HostPattern::Exact(lower.into()));
    }
    if lower.contains(':') {
        return Err(HostPatternError::Port);
    }
    if let Some(suffix) = lower.strip_prefix("*.") {
        check_name(suffix)?;
        if suffix.bytes().all(is_address_byte) {
            return Err(HostPatternError::WildcardAddress);
        }
        return Ok(HostPattern::Wildcard(suffix.into()));
    }
    check_name(&lower)?;
    Ok(HostPattern::Exact(lower.into()))
}

/// Why a host pattern cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HostPatternError {
    /// Nothing there.
    #[error("a host is empty")]
    Empty,
    /// `*` alone.
    #[error("`*` alone is not a host: leave `hosts` out to take every host")]
    Any,
    /// `api.example:443`.
    #[error("a host has no port here: ports belong to `listeners`")]
    Port,
    /// A `*` that is not the whole first label.
    #[error("`*` may only stand for the whole first label, as in `*.example.com`")]
    Star,
    /// `*.0.0.1`.
    #[error("`*.` cannot stand in front of numbers: write the addresses out")]
    WildcardAddress,
    /// A character no host name has.
    #[error("`{0}` cannot stand in a host name (names beyond ASCII are written in their `xn--` form)")]
    Character(char),
    /// `a..b`, or longer than 63.
    #[error("every label of a host name has 1 to 63 characters")]
    Label,
    /// Longer than DNS allows.
    #[error("a host name has at most 253 characters")]
    Length,
}

fn check_name(name: &str) -> Result<(), HostPatternError> {
    if name.contains('*') {
        return Err(HostPatternError::Star);
    }
    let strange = |letter: &char| !letter.is_ascii_alphanumeric() && !matches!(letter, '-' | '_' | '.');
    if let Some(letter) = name.chars().find(strange) {
        return Err(HostPatternError::Character(letter));
    }
    if name.len() > 253 {
        return Err(HostPatternError::Length);
    }
    if name.split('.').any(|label| label.is_empty() || label.len() > 63) {
        return Err(HostPatternError::Label);
    }
    Ok(())
}

fn is_ipv6(text: &str) -> bool {
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    inner.is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok())
}

fn is_address_byte(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'.'
}

#[cfg(test)]
#[path = "host_tests.rs"]
mod tests;
