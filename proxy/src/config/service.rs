//! `services:`: what stands behind the proxy.

use super::route::Sticky;
use http::HeaderName;
use portcullis_ca::spiffe::SpiffeId;
use std::fmt;
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
    /// Where it is, or who knows.
    pub source: Source,
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
    /// What is asked of endpoints besides requests; `None` = nothing.
    pub health: Option<Health>,
    /// What is tried again. `None` = only what was certainly not sent.
    pub retry: Option<Retry>,
    /// Most exchanges at once; `None` = as many as come.
    pub bulkhead: Option<Bulkhead>,
    /// When it is left in peace; `None` = never.
    pub breaker: Option<Breaker>,
    /// When one endpoint is left out; `None` = never.
    pub outlier: Option<Outlier>,
    /// How long a new endpoint takes to get its whole share; `None` = at once.
    pub slow_start: Option<Duration>,
}

impl Service {
    /// The endpoints that stand in the file; empty when somebody else knows them.
    pub fn listed(&self) -> &[Endpoint] {
        match &self.source {
            Source::Listed(endpoints) => endpoints,
            Source::File(_) | Source::Dns(_) => &[],
        }
    }
}

/// Where a service is, or who knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `endpoints:`: at least one.
    Listed(Vec<Endpoint>),
    /// `file:`: a list like `endpoints:` in a file of its own, watched.
    File(PathBuf),
    /// `dns:` or `srv:`.
    Dns(Dns),
}

/// As people call it: `10.0.0.1:80, 10.0.0.2:80`, `file endpoints.yaml`, `dns order.internal:8002`.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listed(endpoints) => {
                for (at, endpoint) in endpoints.iter().enumerate() {
                    write!(f, "{}{}", if at > 0 { ", " } else { "" }, endpoint.address)?;
                }
                Ok(())
            }
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Dns(dns) => match &dns.name {
                DnsName::Host(host, port) => write!(f, "dns {host}:{port}"),
                DnsName::Service(name) => write!(f, "srv {name}"),
            },
        }
    }
}

/// A name and how it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dns {
    /// What is asked.
    pub name: DnsName,
    /// Name servers; empty = those of the machine.
    pub servers: Vec<SocketAddr>,
    /// Answers are believed for so long at least and at most, whatever they say. Default 1 s and 60 s.
    pub ttl: (Duration, Duration),
    /// How long the last good answer counts while nobody answers. Default 10 min.
    pub stale: Duration,
    /// Whether answers may point at this machine and at link-local addresses. Default: no.
    pub allow_local: bool,
}

/// What is asked of DNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DnsName {
    /// `dns: order.internal:8002`: A and AAAA.
    Host(Arc<str>, u16),
    /// `srv: _http._tcp.order.internal`: SRV; priorities are tiers, weights are weights.
    Service(Arc<str>),
}

/// Active health checks of every endpoint, by the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// What is asked.
    pub probe: Probe,
    /// From the end of one check to the beginning of the next, ± 10 %. Default 5 s.
    pub interval: Duration,
    /// How long a check may take. Default 1 s.
    pub timeout: Duration,
    /// So many good ones in a row bring an endpoint back. Default 2.
    pub healthy: u32,
    /// So many bad ones in a row take it out. Default 3.
    pub unhealthy: u32,
    /// Another port than requests go to.
    pub port: Option<u16>,
}

/// What is asked of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// `GET path`, good with a status in this range (both ends count; default 200 to 299).
    Http {
        /// Path and query.
        path: Arc<str>,
        /// `Host`. Default: the name of the service.
        host: Option<Arc<str>>,
        /// Good statuses.
        expect: (u16, u16),
    },
    /// `grpc.health.v1.Health/Check` of this service; empty = the server as a whole.
    Grpc(Arc<str>),
    /// A connection can be made.
    Tcp,
}

/// What is tried again, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all, 2 … 5. Default 2.
    pub attempts: u32,
    /// First and longest pause: full jitter under a bound that doubles. Default 25 ms and 250 ms.
    pub backoff: (Duration, Duration),
    /// Tries again are at most so many per cent of requests, and …. Default 20.
    pub budget: u32,
    /// … so many a second besides, so that a quiet service can be tried again at all. Default 3.
    pub floor: u32,
    /// Statuses of answers that are tried again. Default 502, 503, 504.
    pub statuses: Vec<u16>,
    /// A request with this header may be tried again whatever its method is: the service knows it by its value.
    pub idempotency_key: Option<HeaderName>,
    /// Bytes of a body kept for another try; a longer one is sent once. Default 64 KiB.
    pub body: u64,
    /// A second try beside the first after this long; `None` = never.
    pub hedge: Option<Duration>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 2,
            backoff: (Duration::from_millis(25), Duration::from_millis(250)),
            budget: 20,
            floor: 3,
            statuses: vec![502, 503, 504],
            idempotency_key: None,
            body: 64 << 10,
            hedge: None,
        }
    }
}

/// Most exchanges of a service at once, in the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bulkhead {
    /// At once. Default 1024.
    pub concurrent: u32,
    /// Waiting. Default 128.
    pub queue: u32,
    /// How long one may wait. Default 1 s.
    pub wait: Duration,
    /// `concurrent` is only the ceiling: how many it really is follows from how long answers take.
    pub adaptive: bool,
}

impl Default for Bulkhead {
    fn default() -> Self {
        Self { concurrent: 1024, queue: 128, wait: Duration::from_secs(1), adaptive: false }
    }
}

/// When a service is left in peace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    /// What opens it.
    pub trip: Trip,
    /// How long it stays open. Default 30 s.
    pub open: Duration,
    /// Requests let through then, all of which must succeed. Default 3.
    pub probes: u32,
}

/// What opens a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trip {
    /// `failures: 50%` of the requests of a window, if there were enough.
    Ratio {
        /// Per cent, 1 … 100.
        percent: u32,
        /// Length of the window. Default 10 s.
        window: Duration,
        /// So many requests at least. Default 20.
        min_requests: u32,
    },
    /// `failures: 3` in a row.
    Consecutive(u32),
}

/// When one endpoint is left out. On by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outlier {
    /// So many failures in a row. Default 5.
    pub consecutive: u32,
    /// How long the first time; it doubles each time. Default 5 s.
    pub base: Duration,
    /// How long at most. Default 300 s.
    pub max: Duration,
    /// So many per cent of the endpoints at most, and never the last one. Default 50.
    pub max_ejected: u32,
    /// With less than so many per cent of the endpoints well, all that take connections are used; 0 = never. Default 50.
    pub panic: u32,
}

impl Default for Outlier {
    fn default() -> Self {
        let (base, max) = (Duration::from_secs(5), Duration::from_secs(300));
        Self { consecutive: 5, base, max, max_ejected: 50, panic: 50 }
    }
}

/// One address of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Address and port.
    pub address: SocketAddr,
    /// Share of the requests relative to the others, 1 … 1000. Default 1.
    pub weight: u32,
    /// Where it stands; those of our own `zone:` are preferred while enough of them are well.
    pub zone: Option<Arc<str>>,
}

/// How an endpoint is chosen; weights count in all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Balance {
    /// In turn (smooth weighted round-robin).
    RoundRobin,
    /// The less busy of two random ones (P2C). The default.
    #[default]
    LeastRequest,
    /// The one of two random ones that answers sooner (P2C over a peak-sensitive moving average).
    PeakEwma,
    /// The same endpoint for the same caller, as long as it is not too busy.
    Hash(Sticky),
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
    /// Of one attempt: from sending it to the head of the answer. `None` = as long as `request` lets it.
    pub per_try: Option<Duration>,
    /// Longest pause inside an answer's body and of an upgraded connection; without `request`, also before the answer.
    /// Default 60 s.
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
