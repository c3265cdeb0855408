//! The file as users write it: one struct per section, all of it optional, nothing checked.
//!
//! The JSON Schema is made from these types, so their comments are what an editor shows. Shape rules: structs
//! and externally tagged enums only, so that every value keeps its place. Seen by this folder alone.

mod limits;
mod cors;
mod auth;
mod listeners;
mod mesh;
mod observe;
mod overload;
mod resilience;
mod routes;
mod services;
mod sidecar;

use super::leaf::Named;
use super::tree::{Spanned, Text};
use schemars::JsonSchema;
use serde::Deserialize;

pub(super) use auth::*;
pub(super) use cors::*;
pub(super) use limits::*;
pub(super) use listeners::*;
pub(super) use mesh::*;
pub(super) use observe::*;
pub(super) use overload::*;
pub(super) use resilience::*;
pub(super) use routes::*;
pub(super) use services::*;
pub(super) use sidecar::*;

/// Configuration of portcullis: of an edge, or with `workload:` of a sidecar.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "portcullis configuration")]
#[schemars(extend("required" = ["version"]))]
#[schemars(extend("oneOf" = [
    { "required": ["listeners"] },
    { "required": ["workload", "mesh", "inbound"] },
]))]
pub(in crate::config) struct File {
    /// Version of this format: 1.
    #[schemars(extend("const" = 1))]
    pub(in crate::config) version: Option<Spanned<u64>>,
    /// Worker threads. Default: one per core, in a sidecar at most two.
    #[schemars(range(min = 1, max = 1024))]
    pub(in crate::config) workers: Option<Spanned<u64>>,
    /// Where clients connect. Of an edge.
    pub(in crate::config) listeners: Option<Spanned<Vec<Spanned<Listener>>>>,
    /// Whose word about the client's address counts. Default: nobody's. Of an edge.
    pub(in crate::config) trust: Option<Spanned<Trust>>,
    /// What to do with things that are legal but dangerous.
    pub(in crate::config) strict: Strict,
    /// The admin listener. Default: none.
    pub(in crate::config) admin: Option<Spanned<Admin>>,
    /// How the process ends after SIGTERM.
    pub(in crate::config) drain: Drain,
    /// Where state is kept that processes share. Default: nowhere.
    pub(in crate::config) stores: Option<Spanned<Stores>>,
    /// What the process does when it gets more than it can carry.
    pub(in crate::config) overload: Overload,
    /// Membership of the mesh. Default: none.
    pub(in crate::config) mesh: Option<Spanned<Mesh>>,
    /// The service this process stands beside. Its presence makes the file a sidecar's.
    pub(in crate::config) workload: Option<Spanned<Workload>>,
    /// Where peers connect, over mutual TLS. Of a sidecar.
    pub(in crate::config) inbound: Option<Spanned<Inbound>>,
    /// Where the application connects to call others by name. Default: nowhere. Of a sidecar.
    pub(in crate::config) outbound: Option<Spanned<Outbound>>,
    /// Where readiness is told. Default: nowhere. Of a sidecar.
    pub(in crate::config) ready: Option<Spanned<Ready>>,
    /// Who may call the workload. What no rule allows is refused. Of a sidecar.
    pub(in crate::config) authorize: Option<Spanned<Vec<Spanned<Rule>>>>,
    /// Ways for clients outside to say who they are, by name. Of an edge.
    pub(in crate::config) auth: Option<Spanned<Named<Spanned<Provider>>>>,
    /// How often somebody may ask, by name; asked where `limits:` of a route names them.
    pub(in crate::config) limits: Option<Spanned<Named<Spanned<Limit>>>>,
    /// Where this process stands: endpoints of this zone are preferred. Default: nowhere in particular.
    pub(in crate::config) zone: Option<Text>,
    /// What stands behind the proxy, by name; of a sidecar: what the application may call.
    pub(in crate::config) services: Named<Service>,
    /// What every route does, unless it says otherwise. Of an edge.
    pub(in crate::config) defaults: Option<Spanned<Defaults>>,
    /// Which request goes where. A request that no route takes is answered 404. Of an edge.
    pub(in crate::config) routes: Option<Spanned<Vec<Spanned<Route>>>>,
    /// Logs, metrics and trace headers.
    pub(in crate::config) observe: Observe,
    /// Requests and what should become of them; run by `portcullis test`.
    pub(in crate::config) tests: Vec<Spanned<Test>>,
}

impl File {
    /// Whether this is the file of a sidecar. One that only lacks `workload:` is too.
    pub(in crate::config) fn is_sidecar(&self) -> bool {
        let parts =
            [self.inbound.is_some(), self.outbound.is_some(), self.ready.is_some(), self.authorize.is_some()];
        self.workload.is_some() || (self.listeners.is_none() && parts.contains(&true))
    }

    /// The routes as written.
    pub(in crate::config) fn routes(&self) -> &[Spanned<Route>] {
        self.routes.as_ref().map(|routes| routes.value.as_slice()).unwrap_or_default()
    }
}
