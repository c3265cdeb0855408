//! `listeners:` and `admin:`: where connections arrive and how many may.

use super::ServiceId;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// One address clients connect to.
#[derive(Debug, Clone)]
pub struct Listener {
    /// Who connects here, and what becomes of their requests.
    pub role: Role,
    /// Address to bind; port 0 lets the system choose (the log says which).
    pub bind: SocketAddr,
    /// TLS settings; `None` = plain.
    pub tls: Option<Tls>,
    /// Take HTTP/1.1.
    pub h1: bool,
    /// Take HTTP/2: by ALPN on TLS, by prior knowledge on plain.
    pub h2: bool,
    /// Answer every request with 308 to the same address on https; holds the port to name (443 is left out).
    pub redirect_https: Option<u16>,
    /// Every connection starts with a PROXY protocol header (v1 or v2), taken from `trust.proxies` only.
    pub proxy_protocol: bool,
    /// How many connections there may be.
    pub caps: Caps,
    /// How long a client may take.
    pub timeouts: Timeouts,
}

/// Who connects to a listener, and what becomes of their requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Role {
    /// Clients outside; the routes of the file. The default.
    #[default]
    Edge,
    /// Peers of the mesh, over mutual TLS; what is authorised goes to the application.
    Inbound {
        /// Takes plaintext too, from nobody in particular.
        permissive: bool,
    },
    /// The application; the service it calls is told by Host.
    Outbound,
    /// The application; everything goes to one service.
    Local(ServiceId),
    /// The application, its connections taken by the kernel; the service is told by where they were going.
    Captured,
}

impl Role {
    /// Whether peers of the mesh connect there.
    pub const fn is_inbound(&self) -> bool {
        matches!(self, Self::Inbound { .. })
    }

    /// The role whose routes hold for connections of this one.
    pub const fn table(self) -> Self {
        match self {
            Self::Inbound { .. } => Self::Inbound { permissive: false },
            Self::Captured => Self::Outbound,
            other => other,
        }
    }
}

/// Certificates of a TLS listener.
#[derive(Debug, Clone)]
pub struct Tls {
    /// At least one; the first is the default when no name matches.
    pub certificates: Vec<Certificate>,
    /// PEM bundle: ask clients for a certificate and check it against this.
    pub client_ca: Option<PathBuf>,
}

/// A certificate chain and its key, both PEM, already read and known to parse.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// File of the chain, leaf first.
    pub cert: PathBuf,
    /// File of the PKCS#8, PKCS#1 or SEC1 key.
    pub key: PathBuf,
}

/// Connection caps; they hold for the whole process, not for a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Connections open at once. Default: half of the file limit less 200, at most 10,000.
    pub connections: usize,
    /// Connections open at once from one address (IPv6: from one /64). Default 100; loopback is not counted.
    pub per_address: usize,
    /// TLS handshakes going on at once. Default 128.
    pub handshakes: usize,
}

/// How long a client may take; all are checked by a coarse sweep (100 ms).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// TLS handshake and PROXY header. Default 10 s.
    pub handshake: Duration,
    /// From the first byte of a request to the end of its head. Default 10 s.
    pub header: Duration,
    /// Longest pause inside a request body. Default 30 s.
    pub body: Duration,
    /// Longest time the client may refuse to read. Default 60 s.
    pub write: Duration,
    /// Keep-alive: longest time between requests. Default 75 s.
    pub idle: Duration,
}

/// The admin listener.
#[derive(Clone)]
pub struct Admin {
    /// Where it listens.
    pub bind: AdminBind,
    /// Bearer token, read from its file; demanded when the bind is not loopback.
    pub token: Option<String>,
    /// Where the token was read from: `file:PATH` or `env:NAME`.
    pub token_from: Option<String>,
}

impl std::fmt::Debug for Admin {
    /// Without the token: a debug line is not a place for secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { bind, token: _, token_from } = self;
        f.debug_struct("Admin").field("bind", bind).field("token_from", token_from).finish_non_exhaustive()
    }
}

/// Address of the admin listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminBind {
    /// TCP, loopback unless a token is set.
    Tcp(SocketAddr),
    /// A unix socket, created 0600.
    Unix(PathBuf),
}
