//! `services:`: what stands behind the proxy.

use portcullis_ca::spiffe::SpiffeId;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Index into [`super::Config::services`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceId(pub usize);

/// One service and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Name of the service in the file.
    pub name: Arc<str>,
    /// At least one.
    pub endpoints: Vec<Endpoint>,
    /// How an endpoint is chosen.
    pub balance: Balance,
    /// What is spoken to it.
    pub protocol: Protocol,
    /// The file says so; otherwise connections of the application that the kernel captured are looked at first.
    pub declared: bool,
    /// TLS towards it; `None` = plain.
    pub tls: Option<UpstreamTls>,
    /// Mutual TLS towards it: that identity and no other.
    pub mesh: Option<SpiffeId>,
    /// Plain `X-Auth-*` headers are written towards it (never towards mesh services: those get a passport).
    pub plain_identity: bool,
    /// Listens here for the application's calls of it.
    pub local: Option<SocketAddr>,
    /// Connect, request and idle times.
    pub timeout: ServiceTimeout,
    /// Connections kept for reuse.
    pub pool: Pool,
}

/// One address of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// Address and port.
    pub address: SocketAddr,
    /// Share of the requests relative to the others, 1 … 1000. Default 1.
    pub weight: u32,
}

/// How an endpoint is chosen; weights count in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Balance {
    /// In turn (smooth weighted round-robin).
    RoundRobin,
    /// The less busy of two random ones (P2C). The default.
    #[default]
    LeastRequest,
}

/// What is spoken to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    H1,
    /// HTTP/2: ALPN on TLS, prior knowledge on plain.
    H2,
    /// Bytes, whatever they mean; towards mesh services inside a CONNECT tunnel.
    Tcp,
}

/// TLS towards a service. Verification cannot be switched off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamTls {
    /// Name the certificate must carry, also sent as SNI.
    pub name: String,
    /// PEM bundle of the authorities to believe.
    pub ca: PathBuf,
}

/// Times of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceTimeout {
    /// TCP and TLS set-up of one connection. Default 1 s.
    pub connect: Duration,
    /// From the whole request head to the head of the answer, waiting and resending included. `None` = no limit. Default 15 s.
    pub request: Option<Duration>,
    /// Longest pause inside an answer's body. Default 60 s.
    pub idle: Duration,
}

/// Connections kept for reuse, per worker and endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// How long an unused connection is kept; shorter than the server's own limit (Node closes after 5 s). Default 4 s.
    /// A `Keep-Alive: timeout=` of the server shortens it further.
    pub idle: Duration,
    /// Unused connections kept. Default 256.
    pub max_idle: usize,
}
