//! `services:` as written.

use super::resilience::{Breaker, Bulkhead, OrNone, Outlier, Probe, Retry};
use super::routes::Sticky;
use crate::config::leaf::{Time, TimeOrNone};
use crate::config::tree::{Spanned, Text};
use schemars::JsonSchema;
use serde::Deserialize;

/// One service and how to reach it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("oneOf" = [
    { "required": ["endpoints"] },
    { "required": ["dns"] },
    { "required": ["srv"] },
    { "required": ["file"] },
]))]
pub(in crate::config) struct Service {
    /// Addresses, as in `["127.0.0.1:8001", "127.0.0.1:8002"]`; this, `dns`, `srv` or `file`.
    pub(in crate::config) endpoints: Option<Spanned<Vec<Spanned<Endpoint>>>>,
    /// A host name and a port, as in `order.internal:8002`: its A and AAAA records.
    pub(in crate::config) dns: Option<Text>,
    /// A name with SRV records, as in `_http._tcp.order.internal`.
    pub(in crate::config) srv: Option<Text>,
    /// A file with a list like `endpoints:`; a change of it is taken up at once.
    pub(in crate::config) file: Option<Text>,
    /// How the name is asked for. Of `dns` and `srv`.
    pub(in crate::config) resolve: Option<Spanned<Resolve>>,
    /// How an endpoint is chosen. Default: least-request.
    pub(in crate::config) balance: Option<Spanned<Balance>>,
    /// What keeps a caller on one endpoint. Demanded by, and only of `balance: hash`.
    pub(in crate::config) hash: Option<Spanned<Sticky>>,
    /// What is spoken to it. Default: h1; h2 with `mesh`.
    pub(in crate::config) protocol: Option<Spanned<Protocol>>,
    /// TLS towards it. Default: plain.
    pub(in crate::config) tls: Option<Spanned<UpstreamTls>>,
    /// Mutual TLS towards it, over h2: its SPIFFE ID, that identity and no other.
    #[schemars(regex(pattern = "^spiffe://"))]
    pub(in crate::config) mesh: Option<Text>,
    /// What it is told about users. Default: nothing; mesh services get a passport. Of an edge.
    pub(in crate::config) identity: Option<Spanned<TellIdentity>>,
    /// Hosts the application calls it by. Default: its name. Of a sidecar.
    pub(in crate::config) hosts: Option<Spanned<Vec<Text>>>,
    /// An address of its own on this machine for the application's calls of it. Of a sidecar.
    pub(in crate::config) local: Option<Text>,
    /// How long it may take.
    pub(in crate::config) timeout: ServiceTimeout,
    /// Connections kept for reuse.
    pub(in crate::config) pool: Pool,
    /// What endpoints are asked besides requests. Default: nothing.
    pub(in crate::config) health: Option<Spanned<Probe>>,
    /// What is tried again; `none` = only what was certainly not sent. Default: on, with the defaults of its keys; not of tcp.
    pub(in crate::config) retry: Option<Spanned<OrNone<Retry>>>,
    /// Most exchanges at once; `none` = as many as come. Default: on, with the defaults of its keys; of tcp none.
    pub(in crate::config) bulkhead: Option<Spanned<OrNone<Bulkhead>>>,
    /// When it is left in peace. Default: never. Not of tcp.
    pub(in crate::config) breaker: Option<Spanned<Breaker>>,
    /// When one endpoint is left out; `none` = never. Default: on, with the defaults of its keys; of tcp none.
    pub(in crate::config) outlier: Option<Spanned<OrNone<Outlier>>>,
    /// How long a new endpoint takes to get its whole share. Default: it gets it at once.
    pub(in crate::config) slow_start: Option<Time>,
}

/// How a name is asked for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Resolve {
    /// Name servers, as in `["10.0.0.2:53"]`. Default: those of the machine.
    pub(in crate::config) servers: Option<Spanned<Vec<Text>>>,
    /// An answer counts for so long at least, whatever it says. Default: 1s.
    pub(in crate::config) min_ttl: Option<Time>,
    /// An answer counts for so long at most, whatever it says. Default: 60s.
    pub(in crate::config) max_ttl: Option<Time>,
    /// How long the last good answer counts while nobody answers. Default: 10m.
    pub(in crate::config) stale: Option<Time>,
    /// `[local]`: answers may point at this machine and at link-local addresses. Default: those are left out.
    pub(in crate::config) allow: Option<Spanned<Vec<Spanned<Places>>>>,
}

/// Addresses answers do not usually point at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Places {
    /// This machine, and link-local addresses.
    Local,
}

/// `"127.0.0.1:8001"`, or `{ address: "127.0.0.1:8001", weight: 3, zone: eu-1a }`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename = "$ValueOrMap")]
#[schemars(rename = "Endpoint", untagged)]
pub(in crate::config) enum Endpoint {
    /// Address and port.
    Address(Text),
    /// Address, port, weight and zone.
    Full(FullEndpoint),
}

/// An endpoint with its weight and zone.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["address"]))]
pub(in crate::config) struct FullEndpoint {
    /// Address and port.
    pub(in crate::config) address: Option<Text>,
    /// Share of the requests relative to the others. Default: 1.
    #[schemars(range(min = 1, max = 1000))]
    pub(in crate::config) weight: Option<Spanned<u32>>,
    /// Where it stands; see `zone:` of the file.
    pub(in crate::config) zone: Option<Text>,
}

/// How an endpoint is chosen; weights count in all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum Balance {
    /// The less busy of two random ones.
    LeastRequest,
    /// In turn.
    RoundRobin,
    /// The one of two random ones that answers sooner.
    PeakEwma,
    /// The same for the same caller, as long as it is not too busy; `hash` says what a caller is.
    Hash,
}

/// What is spoken to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Protocol {
    /// HTTP/1.1.
    H1,
    /// HTTP/2.
    H2,
    /// Bytes, whatever they mean. Of a sidecar.
    Tcp,
}

/// What a service is told about users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum TellIdentity {
    /// Plain `X-Auth-*` headers.
    Headers,
}

/// TLS towards a service; verification cannot be switched off.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["name", "ca"]))]
pub(in crate::config) struct UpstreamTls {
    /// Name the certificate must carry; also sent as SNI.
    pub(in crate::config) name: Option<Text>,
    /// PEM bundle of the authorities to believe.
    pub(in crate::config) ca: Option<Text>,
}

/// How long a service may take.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct ServiceTimeout {
    /// Setting up one connection. Default: 1s.
    pub(in crate::config) connect: Option<Time>,
    /// From the whole request head to the head of the answer, further attempts included. Default: 15s.
    pub(in crate::config) request: Option<TimeOrNone>,
    /// Of one attempt: from sending it to the head of the answer. Default: as long as `request` lets it.
    pub(in crate::config) per_try: Option<Time>,
    /// Longest pause inside an answer's body and of a WebSocket; without `request`, also before the answer. Default: 60s.
    pub(in crate::config) idle: Option<Time>,
}

/// Connections kept for reuse, per worker and endpoint.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Pool {
    /// How long an unused connection is kept; must be shorter than the server keeps it. Default: 4s.
    pub(in crate::config) idle: Option<Time>,
    /// Unused connections kept; 0 = none. Default: 256.
    pub(in crate::config) max_idle: Option<Spanned<u32>>,
}
