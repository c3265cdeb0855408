//! The file as users write it: one struct per section, all of it optional, nothing checked.
//!
//! The JSON Schema is made from these types, so their comments are what an editor shows. Shape rules: structs
//! and externally tagged enums only, so that every value keeps its place. Seen by this folder alone.

mod listeners;
mod observe;
mod routes;
mod services;

use super::leaf::Named;
use super::tree::Spanned;
use schemars::JsonSchema;
use serde::Deserialize;

pub(super) use listeners::*;
pub(super) use observe::*;
pub(super) use routes::*;
pub(super) use services::*;

/// Configuration of portcullis.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "portcullis configuration")]
#[schemars(extend("required" = ["version", "listeners"]))]
pub(in crate::config) struct File {
    /// Version of this format: 1.
    #[schemars(extend("const" = 1))]
    pub(in crate::config) version: Option<Spanned<u64>>,
    /// Worker threads. Default: one per core.
    #[schemars(range(min = 1, max = 1024))]
    pub(in crate::config) workers: Option<Spanned<u64>>,
    /// Where clients connect.
    pub(in crate::config) listeners: Option<Spanned<Vec<Spanned<Listener>>>>,
    /// Whose word about the client's address counts. Default: nobody's.
    pub(in crate::config) trust: Trust,
    /// What to do with things that are legal but dangerous.
    pub(in crate::config) strict: Strict,
    /// The admin listener. Default: none.
    pub(in crate::config) admin: Option<Spanned<Admin>>,
    /// How the process ends after SIGTERM.
    pub(in crate::config) drain: Drain,
    /// What stands behind the proxy, by name.
    pub(in crate::config) services: Named<Service>,
    /// What every route does, unless it says otherwise.
    pub(in crate::config) defaults: Defaults,
    /// Which request goes where. A request that no route takes is answered 404.
    pub(in crate::config) routes: Vec<Spanned<Route>>,
    /// Logs, metrics and trace headers.
    pub(in crate::config) observe: Observe,
    /// Requests and what should become of them; run by `portcullis test`.
    pub(in crate::config) tests: Vec<Spanned<Test>>,
}
