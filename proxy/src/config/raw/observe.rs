//! `observe:` and `tests:` as written.

use crate::config::leaf::{HeaderText, Named};
use crate::config::tree::{Spanned, Text};
use schemars::JsonSchema;
use serde::Deserialize;

/// Logs, metrics and trace headers.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Observe {
    /// The access log, one JSON object a line.
    pub(in crate::config) access_log: AccessLog,
    /// A listener of its own for `/metrics`; the admin listener has it too.
    pub(in crate::config) metrics: Option<Spanned<Metrics>>,
    /// Trace headers.
    pub(in crate::config) traces: Traces,
}

/// The access log.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct AccessLog {
    /// `stdout`, `stderr`, `off` or `file:PATH`. Default: stdout.
    #[schemars(regex(pattern = "^(stdout|stderr|off|file:.+)$"))]
    pub(in crate::config) to: Option<Text>,
    /// What is written as REDACTED: `query.NAME`.
    #[schemars(inner(regex(pattern = "^query\\..+")))]
    pub(in crate::config) redact: Vec<Text>,
}

/// A listener for `/metrics`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["bind"]))]
pub(in crate::config) struct Metrics {
    /// Address and port.
    pub(in crate::config) bind: Option<Text>,
}

/// Trace headers.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Traces {
    /// Headers read and written; w3c is always there. Default: [w3c].
    pub(in crate::config) propagation: Option<Spanned<Vec<Spanned<Propagation>>>>,
}

/// A family of trace headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Propagation {
    /// `traceparent` and `tracestate`.
    W3c,
    /// One `b3` header.
    B3,
    /// `X-B3-TraceId`, `X-B3-SpanId`, `X-B3-Sampled`.
    B3multi,
}

/// A request and what should become of it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["name", "send", "expect"]))]
pub(in crate::config) struct Test {
    /// What the test is called.
    pub(in crate::config) name: Option<Text>,
    /// Method and target: `POST /orders?dry=1`.
    pub(in crate::config) send: Option<Text>,
    /// The Host to ask for.
    pub(in crate::config) host: Option<Text>,
    /// Request headers.
    pub(in crate::config) headers: Named<HeaderText>,
    /// SPIFFE ID of the peer that sends it; without one, the application does. Of a sidecar.
    #[schemars(regex(pattern = "^spiffe://"))]
    pub(in crate::config) from: Option<Text>,
    /// The user it is made for.
    pub(in crate::config) r#as: Option<Spanned<As>>,
    /// What must be so.
    pub(in crate::config) expect: Option<Spanned<Expect>>,
}

/// A user, taken as proved.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["user"]))]
pub(in crate::config) struct As {
    /// Its name.
    pub(in crate::config) user: Option<Text>,
    /// Its roles.
    pub(in crate::config) roles: Vec<Text>,
    /// Its scopes.
    pub(in crate::config) scopes: Vec<Text>,
    /// Its tier. Of an edge.
    pub(in crate::config) tier: Option<Text>,
    /// What else was said of it, by name of the claim. Of an edge.
    pub(in crate::config) claims: Named<HeaderText>,
}

/// What a test demands.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Expect {
    /// Status of the refusal; 200 = would be forwarded.
    #[schemars(range(min = 100, max = 599))]
    pub(in crate::config) status: Option<Spanned<u16>>,
    /// The stage that refuses.
    pub(in crate::config) stage: Option<Text>,
    /// The route that takes it.
    pub(in crate::config) route: Option<Text>,
    /// The service it goes to.
    pub(in crate::config) service: Option<Text>,
    /// The path that is sent.
    pub(in crate::config) path: Option<Text>,
    /// The headers that are sent.
    pub(in crate::config) upstream_headers: UpstreamHeaders,
}

/// What a test demands of the headers that are sent.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct UpstreamHeaders {
    /// Must not be sent.
    pub(in crate::config) absent: Vec<Text>,
    /// Must be sent with this value.
    pub(in crate::config) present: Named<HeaderText>,
}
