//! `listeners:`, `trust:`, `strict:`, `admin:` and `drain:` as written.

use crate::config::leaf::Time;
use crate::config::tree::{Spanned, Text};
use schemars::JsonSchema;
use serde::Deserialize;

/// One address clients connect to.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["bind"]))]
pub(in crate::config) struct Listener {
    /// Address and port, as in `0.0.0.0:8443` or `[::]:8443`.
    pub(in crate::config) bind: Option<Text>,
    /// Take TLS. Default: plain.
    pub(in crate::config) tls: Option<Spanned<Tls>>,
    /// Versions of HTTP to take. Default: both.
    pub(in crate::config) http: Option<Spanned<Vec<Spanned<Version>>>>,
    /// Answer every request with 308 to the same address on https.
    pub(in crate::config) redirect: Option<Spanned<Redirect>>,
    /// Every connection starts with a PROXY protocol header (v1 or v2); taken from `trust.proxies` only.
    pub(in crate::config) proxy_protocol: Option<Spanned<bool>>,
    /// How many connections there may be.
    pub(in crate::config) caps: Caps,
    /// How long a client may take.
    pub(in crate::config) timeouts: Timeouts,
}

/// Certificates of a listener.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["certificates"]))]
pub(in crate::config) struct Tls {
    /// Chosen by the name the client asks for; the first one when no name matches.
    pub(in crate::config) certificates: Option<Spanned<Vec<Spanned<Certificate>>>>,
    /// PEM bundle: ask clients for a certificate and check it against this.
    pub(in crate::config) client_ca: Option<Text>,
}

/// A certificate chain and its key.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["cert", "key"]))]
pub(in crate::config) struct Certificate {
    /// PEM file of the chain, leaf first.
    pub(in crate::config) cert: Option<Text>,
    /// PEM file of the private key, as `file:PATH`.
    #[schemars(regex(pattern = "^file:.+"))]
    pub(in crate::config) key: Option<Text>,
}

/// A version of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Version {
    /// HTTP/1.1.
    H1,
    /// HTTP/2.
    H2,
}

/// `https`, or `{ https: PORT }`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename = "$ValueOrMap")]
#[schemars(rename = "Redirect", untagged)]
pub(in crate::config) enum Redirect {
    /// To port 443.
    Word(RedirectWord),
    /// To another port.
    Port(RedirectPort),
}

/// Where to redirect to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum RedirectWord {
    /// The same host on port 443.
    Https,
}

/// Where to redirect to, with the port clients see.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["https"]))]
pub(in crate::config) struct RedirectPort {
    /// The port clients see.
    #[schemars(range(min = 1))]
    pub(in crate::config) https: Option<Spanned<u16>>,
}

/// Connection caps; for the whole process, not for a worker.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Caps {
    /// Connections open at once. Default: half of the file limit less 200, at most 10000.
    #[schemars(range(min = 1))]
    pub(in crate::config) connections: Option<Spanned<u32>>,
    /// Connections open at once from one address (IPv6: one /64); loopback is not counted. Default: 100.
    #[schemars(range(min = 1))]
    pub(in crate::config) per_address: Option<Spanned<u32>>,
    /// TLS handshakes going on at once. Default: 128.
    #[schemars(range(min = 1))]
    pub(in crate::config) handshakes: Option<Spanned<u32>>,
}

/// How long a client may take.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Timeouts {
    /// TLS handshake and PROXY header. Default: 10s.
    pub(in crate::config) handshake: Option<Time>,
    /// From the first byte of a request to the end of its head. Default: 10s.
    pub(in crate::config) header: Option<Time>,
    /// Longest pause inside a request body. Default: 30s.
    pub(in crate::config) body: Option<Time>,
    /// Longest time a client may refuse to read. Default: 60s.
    pub(in crate::config) write: Option<Time>,
    /// Longest time between two requests of a connection. Default: 75s.
    pub(in crate::config) idle: Option<Time>,
}

/// Whose word about the client's address counts.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Trust {
    /// Networks whose X-Forwarded-For and PROXY header count, as in `10.0.0.0/8`. Default: none.
    pub(in crate::config) proxies: Vec<Text>,
    /// How many trusted proxies stand in front. Default: 1.
    #[schemars(range(min = 1, max = 32))]
    pub(in crate::config) hops: Option<Spanned<u32>>,
}

/// What to do with things that are legal but dangerous.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Strict {
    /// Header names with `_`, which applications mistake for `-`. Default: refuse.
    pub(in crate::config) underscores: Option<Spanned<Strictness>>,
    /// HTTP/1.0 requests: refuse or keep. Default: refuse.
    pub(in crate::config) http10: Option<Spanned<Strictness>>,
}

/// What to do with something dangerous.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Strictness {
    /// Answer with an error.
    Refuse,
    /// Take it out and go on.
    Drop,
    /// Let it pass.
    Keep,
}

/// The admin listener.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["bind"]))]
pub(in crate::config) struct Admin {
    /// `127.0.0.1:9901` or `unix:PATH`. Anything but loopback demands a token.
    pub(in crate::config) bind: Option<Text>,
    /// Bearer token, as `file:PATH` or `env:NAME`.
    #[schemars(regex(pattern = "^(file|env):.+"))]
    pub(in crate::config) token: Option<Text>,
}

/// How the process ends after SIGTERM.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Drain {
    /// Not ready any more, but still accepting, so that load balancers can look away. Default: 5s.
    pub(in crate::config) delay: Option<Time>,
    /// How long requests in flight may go on after that. Default: 30s.
    pub(in crate::config) timeout: Option<Time>,
}
