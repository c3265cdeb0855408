//! `services:` as written.

use crate::config::leaf::{Time, TimeOrNone};
use crate::config::tree::{Spanned, Text};
use schemars::JsonSchema;
use serde::Deserialize;

/// One service and how to reach it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["endpoints"]))]
pub(in crate::config) struct Service {
    /// Addresses, as in `["127.0.0.1:8001", "127.0.0.1:8002"]`.
    pub(in crate::config) endpoints: Option<Spanned<Vec<Spanned<Endpoint>>>>,
    /// How an endpoint is chosen. Default: least-request.
    pub(in crate::config) balance: Option<Spanned<Balance>>,
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
}

/// `"127.0.0.1:8001"`, or `{ address: "127.0.0.1:8001", weight: 3 }`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename = "$ValueOrMap")]
#[schemars(rename = "Endpoint", untagged)]
pub(in crate::config) enum Endpoint {
    /// Address and port.
    Address(Text),
    /// Address, port and weight.
    Full(FullEndpoint),
}

/// An endpoint with its weight.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["address"]))]
pub(in crate::config) struct FullEndpoint {
    /// Address and port.
    pub(in crate::config) address: Option<Text>,
    /// Share of the requests relative to the others. Default: 1.
    #[schemars(range(min = 1, max = 1000))]
    pub(in crate::config) weight: Option<Spanned<u32>>,
}

/// How an endpoint is chosen; weights count in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum Balance {
    /// The less busy of two random ones.
    LeastRequest,
    /// In turn.
    RoundRobin,
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
    /// From the whole request head to the head of the answer. Default: 15s.
    pub(in crate::config) request: Option<TimeOrNone>,
    /// Longest pause inside an answer's body. Default: 60s.
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
