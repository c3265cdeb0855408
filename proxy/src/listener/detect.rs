//! What is spoken on a connection nobody declared: first bytes in, a protocol out; then what to do about it. Pure.
//!
//! Decides from bytes that were peeked at, and how long to wait is the caller's. Must not know the rules, only whether
//! any of them reads HTTP: bytes never pass such rules unread, they are refused.
//!
//! | first bytes | detected |
//! |--|--|
//! | `0x16 0x03` | a TLS record with a handshake (RFC 8446 §5.1) |
//! | `PRI * HTTP/2.0` | HTTP/2 with prior knowledge (RFC 9113 §3.4) |
//! | 1 … 16 token characters and a space | HTTP/1 (RFC 9112 §3) |
//! | a beginning of one of these | more is needed |
//! | anything else | other |
//!
//! | declared | port | detected | no rule reads HTTP | one does |
//! |--|--|--|--|--|
//! | `h1`, `h2` | any | not asked | that HTTP | that HTTP |
//! | `tcp` | any | not asked | bytes | refused |
//! | – | the server speaks first | not asked | bytes | refused |
//! | – | other | HTTP/1, HTTP/2 | that HTTP | that HTTP |
//! | – | other | TLS, other | bytes | refused |
//! | – | other | nothing within 200 ms | bytes | refused |

use super::greet::Http;
use crate::config::service::Protocol;
use std::time::Duration;
use thiserror::Error;

/// How long a client may take to show what it speaks, when nobody declared it.
pub const PATIENCE: Duration = Duration::from_millis(200);

/// Ports on which the server speaks first, or whose protocol nobody here could tell: SMTP, MySQL, Galera, PostgreSQL,
/// Redis, Elasticsearch's transport, memcached (Linkerd's list of opaque ports) and NATS. Nothing is waited for there.
pub const SERVER_FIRST: [u16; 10] = [25, 587, 3306, 4444, 5432, 6379, 9300, 11211, 4222, 6222];

/// How an HTTP/2 client with prior knowledge begins; the rest of the preface is checked by who reads it.
const PREFACE: &[u8] = b"PRI * HTTP/2.0";
/// Longest method taken for one.
const MAX_METHOD: usize = 16;

/// What the first bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detected {
    /// Too few to tell.
    NeedMore,
    /// A method and a space.
    Http1,
    /// The preface of HTTP/2.
    Http2,
    /// A TLS handshake.
    Tls,
    /// None of these.
    Other,
}

/// What to do with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Serve requests.
    Http(Http),
    /// Pass bytes on, unread.
    Tcp,
    /// Close it.
    Refuse(Unreadable),
}

/// Why bytes cannot be judged by rules that read HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unreadable {
    /// The service is declared to speak no HTTP.
    #[error("rules read HTTP here, but the service is declared `protocol: tcp`")]
    DeclaredTcp,
    /// On this port the server speaks first.
    #[error("rules read HTTP here, but on this port the server speaks first: declare `protocol:`")]
    ServerFirst,
    /// Nothing that could be told came in time.
    #[error("rules read HTTP here, but the client did not show in time what it speaks: declare `protocol:`")]
    Timeout,
    /// TLS from end to end.
    #[error("rules read HTTP here, but the client speaks TLS to the service, which cannot be read")]
    Encrypted,
    /// Some other protocol.
    #[error("rules read HTTP here, but this is not HTTP")]
    NotHttp,
}

/// Tells a protocol by its first bytes. Once it has told, more bytes do not change the answer.
pub fn detect(first_bytes: &[u8]) -> Detected {
    match first_bytes {
        [] | [0x16] => Detected::NeedMore,
        [0x16, 0x03, ..] => Detected::Tls,
        _ if first_bytes.starts_with(PREFACE) => Detected::Http2,
        _ if PREFACE.starts_with(first_bytes) => Detected::NeedMore,
        _ => method(first_bytes),
    }
}

/// Whether on this port the server speaks first.
pub fn speaks_first(port: u16) -> bool {
    SERVER_FIRST.contains(&port)
}

/// Whether [`plan`] wants to be told what was detected.
pub fn must_detect(declared: Option<Protocol>, port: u16) -> bool {
    declared.is_none() && !speaks_first(port)
}

/// Decides what to do with a connection.
///
/// `port` is the one the connection was going to. `has_l7_policy`: any rule for it reads HTTP. `detected` is `None`
/// when nothing came in time; [`Detected::NeedMore`], all there was when time ran out, means the same.
pub fn plan(declared: Option<Protocol>, port: u16, has_l7_policy: bool, detected: Option<Detected>) -> Plan {
    let unread = match (declared, detected) {
        (Some(Protocol::H1), _) => return Plan::Http(Http::H1),
        (Some(Protocol::H2), _) => return Plan::Http(Http::H2),
        (Some(Protocol::Tcp), _) => Unreadable::DeclaredTcp,
        (None, _) if speaks_first(port) => Unreadable::ServerFirst,
        (None, Some(Detected::Http1)) => return Plan::Http(Http::H1),
        (None, Some(Detected::Http2)) => return Plan::Http(Http::H2),
        (None, Some(Detected::Tls)) => Unreadable::Encrypted,
        (None, Some(Detected::Other)) => Unreadable::NotHttp,
        (None, Some(Detected::NeedMore) | None) => Unreadable::Timeout,
    };
    if has_l7_policy { Plan::Refuse(unread) } else { Plan::Tcp }
}

/// A method and the space behind it.
fn method(bytes: &[u8]) -> Detected {
    match bytes.iter().take(MAX_METHOD + 1).position(|byte| !is_token(*byte)) {
        Some(length) if length > 0 && bytes.get(length) == Some(&b' ') => Detected::Http1,
        None if bytes.len() <= MAX_METHOD => Detected::NeedMore,
        _ => Detected::Other,
    }
}

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
#[path = "detect_tests.rs"]
mod tests;
