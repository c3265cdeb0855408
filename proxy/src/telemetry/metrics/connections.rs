//! Connections of clients, counted by one worker.

use super::super::names::{self, label};
use super::cell::Count;
use super::text::{Encoder, Labels};

/// Why a connection was closed before its first request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// As many connections as the listener may have.
    Cap,
    /// The process is short of memory.
    Overload,
    /// As many connections as one address may have.
    PerAddress,
    /// As many TLS handshakes at once as there may be.
    HandshakeCap,
    /// TLS handshake or PROXY header took too long.
    HandshakeTimeout,
    /// The TLS handshake failed.
    TlsError,
    /// PROXY header missing, malformed or from an address that is not trusted.
    ProxyHeader,
    /// We have no certificate of the mesh yet.
    NotJoined,
    /// Where the connection was going is no service of ours, or it cannot be reached.
    NoService,
}

impl Refusal {
    const ALL: [Self; 9] = [
        Self::Cap,
        Self::Overload,
        Self::PerAddress,
        Self::HandshakeCap,
        Self::HandshakeTimeout,
        Self::TlsError,
        Self::ProxyHeader,
        Self::NotJoined,
        Self::NoService,
    ];

    /// The word used in the metric's label.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Cap => "cap",
            Self::Overload => "overload",
            Self::PerAddress => "per_address",
            Self::HandshakeCap => "handshake_cap",
            Self::HandshakeTimeout => "handshake_timeout",
            Self::TlsError => "tls_error",
            Self::ProxyHeader => "proxy_header",
            Self::NotJoined => "not_joined",
            Self::NoService => "no_service",
        }
    }
}

/// The numbers of one worker. Aligned, so that no other worker's numbers share the cache line.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Connections {
    pub(super) accepted: Count,
    pub(super) accept_errors: Count,
    pub(super) open: Count,
    pub(super) active: Count,
    cap: Count,
    overload: Count,
    per_address: Count,
    handshake_cap: Count,
    handshake_timeout: Count,
    tls_error: Count,
    proxy_header: Count,
    not_joined: Count,
    no_service: Count,
}

impl Connections {
    /// The counter of a refusal.
    pub(super) const fn refused(&self, why: Refusal) -> &Count {
        match why {
            Refusal::Cap => &self.cap,
            Refusal::Overload => &self.overload,
            Refusal::PerAddress => &self.per_address,
            Refusal::HandshakeCap => &self.handshake_cap,
            Refusal::HandshakeTimeout => &self.handshake_timeout,
            Refusal::TlsError => &self.tls_error,
            Refusal::ProxyHeader => &self.proxy_header,
            Refusal::NotJoined => &self.not_joined,
            Refusal::NoService => &self.no_service,
        }
    }
}

/// Writes the families of connections and the exchanges going on, added up over workers.
pub(super) fn encode(workers: &[&Connections], encoder: &mut Encoder) {
    let sum = |count: fn(&Connections) -> &Count| total(workers, count);
    encoder.number(&names::SERVER_ACTIVE, sum(|worker| &worker.active));
    encoder.number(&names::ACCEPTED, sum(|worker| &worker.accepted));
    encoder.number(&names::ACCEPT_ERRORS, sum(|worker| &worker.accept_errors));
    encoder.number(&names::OPEN, sum(|worker| &worker.open));
    let refused = Refusal::ALL.map(|why| {
        let labels = Labels::default().with(label::REASON, why.word());
        (labels, total(workers, |worker| worker.refused(why)))
    });
    encoder.numbers(&names::REFUSED, refused);
}

fn total(workers: &[&Connections], count: impl Fn(&Connections) -> &Count) -> u64 {
    workers.iter().fold(0, |sum, worker| sum.wrapping_add(count(worker).get()))
}
