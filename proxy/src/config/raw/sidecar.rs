//! `workload:`, `inbound:`, `outbound:`, `ready:` and `authorize:` as written: what makes a file a sidecar's.

use super::{Body, Bulkhead, Caps, OrNone, Paths, Protocol, ServiceTimeout, Spends, Timeouts};
use crate::config::leaf::Time;
use crate::config::tree::{Spanned, Text};
use schemars::JsonSchema;
use serde::Deserialize;

/// The service this process stands beside. Its presence makes the file a sidecar's.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["service", "app"]))]
pub(in crate::config) struct Workload {
    /// What it is called: a-z, 0-9, `-`, `_` and `.`.
    #[schemars(regex(pattern = "^[a-z0-9_.-]{1,64}$"))]
    pub(in crate::config) service: Option<Text>,
    /// Where the application listens, as in `127.0.0.1:8080`.
    pub(in crate::config) app: Option<Text>,
    /// What is spoken to it. Default: h1.
    pub(in crate::config) protocol: Option<Spanned<Protocol>>,
    /// How it is known that the application is ready. Default: it takes connections.
    pub(in crate::config) health: Option<Spanned<Health>>,
    /// How long the application may take.
    pub(in crate::config) timeout: ServiceTimeout,
    /// Most exchanges with it at once; `none` = as many as come. Default: on, with the defaults of its keys; of tcp none.
    pub(in crate::config) bulkhead: Option<Spanned<OrNone<Bulkhead>>>,
}

/// How it is known that the application is ready.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Health {
    /// A path that answers 2xx. Default: a connection is enough.
    #[schemars(regex(pattern = "^/"))]
    pub(in crate::config) path: Option<Text>,
    /// Between two questions. Default: 1s.
    pub(in crate::config) interval: Option<Time>,
    /// How long an answer may take. Default: 1s.
    pub(in crate::config) timeout: Option<Time>,
}

/// Where peers connect, over mutual TLS.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["bind"]))]
pub(in crate::config) struct Inbound {
    /// Address and port, as in `0.0.0.0:15108`.
    pub(in crate::config) bind: Option<Text>,
    /// Take plaintext too, from whoever connects. Default: false.
    pub(in crate::config) permissive: Option<Spanned<bool>>,
    /// How many connections there may be. `per_address` is by default as many as `connections`.
    pub(in crate::config) caps: Caps,
    /// How long a peer may take.
    pub(in crate::config) timeouts: Timeouts,
    /// What paths may contain that is refused by default.
    pub(in crate::config) paths: Option<Spanned<Paths>>,
    /// Limits on the request body.
    pub(in crate::config) body: Option<Spanned<Body>>,
    /// How often peers may ask, by limits of `limits:`. Default: as often as they like.
    pub(in crate::config) limits: Option<Spends>,
}

/// Where the application connects to call others by name.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["bind"]))]
pub(in crate::config) struct Outbound {
    /// Address and port on this machine, as in `127.0.0.1:15101`.
    pub(in crate::config) bind: Option<Text>,
    /// Whether the kernel sends the application's connections here. Default: none.
    pub(in crate::config) capture: Option<Spanned<Capture>>,
    /// How many connections there may be, here and on each `local:`.
    pub(in crate::config) caps: Caps,
    /// How long the application may take, here and on each `local:`.
    pub(in crate::config) timeouts: Timeouts,
}

/// Whether the kernel sends connections here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Capture {
    /// The application connects by itself.
    None,
    /// Rules of nft or iptables redirect its connections; where they went is asked of the kernel.
    Redirect,
}

/// Where readiness is told: `/ready` and `/live`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["bind"]))]
pub(in crate::config) struct Ready {
    /// Address and port, as in `0.0.0.0:15121`.
    pub(in crate::config) bind: Option<Text>,
}

/// Who may call the workload, and for what. Deny beats allow beats nothing.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["id", "from"]))]
pub(in crate::config) struct Rule {
    /// What it is called in logs: a-z, 0-9, `-`, `_` and `.`.
    #[schemars(regex(pattern = "^[a-z0-9_.-]{1,64}$"))]
    pub(in crate::config) id: Option<Text>,
    /// Forbid what fits instead of allowing it. Default: false.
    pub(in crate::config) deny: Option<Spanned<bool>>,
    /// `audit` only logs what it would do. Default: enforce.
    pub(in crate::config) mode: Option<Spanned<Mode>>,
    /// SPIFFE IDs of peers; `*` may stand for the whole last segment.
    #[schemars(inner(regex(pattern = "^spiffe://")))]
    pub(in crate::config) from: Option<Spanned<Vec<Text>>>,
    /// What they ask for. Default: anything.
    pub(in crate::config) to: Option<Spanned<To>>,
    /// Whether there must be a user. Default: optional; required with `scopes`.
    pub(in crate::config) user: Option<Spanned<UserRule>>,
    /// Scopes the user must have, all of them.
    pub(in crate::config) scopes: Option<Spanned<Vec<Text>>>,
}

/// What peers ask for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct To {
    /// Methods, as in `[GET, POST]`; GET is HEAD too. Default: every method.
    pub(in crate::config) methods: Option<Spanned<Vec<Text>>>,
    /// Paths, as in `/orders`, `/orders/{id}`, `/orders/*` or `/orders/**`. Default: every path.
    #[schemars(inner(regex(pattern = "^/")))]
    pub(in crate::config) paths: Option<Spanned<Vec<Text>>>,
}

/// Whether a rule is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Mode {
    /// It is.
    Enforce,
    /// What it would do is only logged.
    Audit,
}

/// Whether a rule wants a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum UserRule {
    /// There must be one.
    Required,
    /// Either way.
    Optional,
    /// There must be none.
    Forbidden,
}
