//! What the file means: every section checked, every default filled in, every name resolved.
//!
//! `raw` mirrors what users write; one file per section turns it into the types here and says what is wrong
//! with its position. Nothing outside this folder ever sees the raw form. A [`Config`] is immutable: a reload
//! makes a new one and swaps it whole.

mod load;
mod yaml;
mod tree;
mod read;
mod sections;
mod raw;
mod leaf;
mod units;
mod context;
mod findings;
mod resolve;
mod proofs;
mod emit;
pub(crate) mod key_file;
mod endpoints_file;
pub mod diagnostic;
pub mod effective;
pub mod auth;
pub mod authorize;
pub mod cors;
pub mod limit;
pub mod listener;
pub mod mesh;
pub mod observe;
pub mod overload;
pub mod route;
pub mod schema;
pub mod service;
pub mod sidecar;
pub mod store;
pub mod trust;

use std::path::PathBuf;
use std::time::Duration;

pub use diagnostic::{Diagnostic, Problems, Severity};
pub use endpoints_file::{check_endpoint_files, endpoints_file};
pub use listener::{Admin, AdminBind, Listener, Timeouts};
pub use load::{Loaded, load, parse};
pub use mesh::Mesh;
pub use observe::Observe;
pub use route::Route;
pub use service::{Service, ServiceId};
pub use sidecar::Sidecar;
pub use trust::{Strict, Trust};

/// A whole, sound configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where clients connect, in the order of the file.
    pub listeners: Vec<Listener>,
    /// Whom we believe about the client's address.
    pub trust: Trust,
    /// What to do with things that are legal but dangerous.
    pub strict: Strict,
    /// Worker threads, at least 1.
    pub workers: usize,
    /// The admin listener; `None` when the file has no `admin:`.
    pub admin: Option<Admin>,
    /// How the process ends.
    pub drain: Drain,
    /// Membership of the mesh.
    pub mesh: Option<Mesh>,
    /// What makes this a sidecar; `None` on the edge.
    pub sidecar: Option<Sidecar>,
    /// Who may call the workload. Empty: nobody.
    pub authorize: Vec<authorize::Rule>,
    /// Ways for clients outside to say who they are.
    pub auth: Vec<auth::Provider>,
    /// How often somebody may ask; routes refer to these by index.
    pub limits: Vec<limit::Limit>,
    /// Where counts are kept that processes share.
    pub redis: Option<store::Redis>,
    /// When to shed load.
    pub overload: overload::Overload,
    /// Where we stand, for services that have endpoints in several zones.
    pub zone: Option<std::sync::Arc<str>>,
    /// Services in the order of the file (of a sidecar: the application first, as `app`); a [`ServiceId`] indexes this.
    pub services: Vec<Service>,
    /// Routes in the order of the file, `defaults:` already folded in.
    pub routes: Vec<Route>,
    /// Logs, metrics, trace propagation.
    pub observe: Observe,
    /// The `tests:` of the file.
    pub tests: Vec<ConfigTest>,
    /// Every file this configuration was read from, itself first: what a reload watches.
    pub files: Vec<PathBuf>,
}

impl Config {
    /// The headers an application gets about its user.
    pub fn user_headers(&self) -> &[(http::HeaderName, mesh::Claim)] {
        self.mesh.as_ref().map_or(&DEFAULT_HEADERS, |mesh| &mesh.headers)
    }
}

/// What stands in them by default.
static DEFAULT_HEADERS: [(http::HeaderName, mesh::Claim); 3] = [
    (http::HeaderName::from_static("x-auth-user"), mesh::Claim::User),
    (http::HeaderName::from_static("x-auth-roles"), mesh::Claim::Roles),
    (http::HeaderName::from_static("x-auth-scopes"), mesh::Claim::Scopes),
];

/// How the process ends after SIGTERM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// Not ready any more, but still accepting, so that load balancers can look away. Default 5 s.
    pub delay: Duration,
    /// How long exchanges in flight may go on after that. Default 30 s.
    pub timeout: Duration,
}

/// One entry of `tests:`: a request and what should become of it, decided offline.
#[derive(Debug, Clone)]
pub struct ConfigTest {
    /// What the entry is called.
    pub name: String,
    /// Request method, upper case.
    pub method: http::Method,
    /// Request target as a client would send it: `/path?query`.
    pub target: String,
    /// The Host to ask for; `None` = `localhost` where some route takes any host, else the first host of the routes.
    pub host: Option<String>,
    /// Request headers in the order of the file.
    pub headers: Vec<(String, String)>,
    /// The member of the mesh that sends it, of a sidecar.
    pub from: Option<portcullis_ca::spiffe::SpiffeId>,
    /// The user it is made for, taken as proved.
    pub caller: Option<crate::admission::authenticate::Caller>,
    /// What must be so.
    pub expect: Expectation,
    /// Line of the entry, 1-based.
    pub line: usize,
}

/// What a [`ConfigTest`] demands; `None` demands nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expectation {
    /// Status of the refusal; 200 stands for "would be forwarded".
    pub status: Option<u16>,
    /// The stage that refused: a word of `telemetry::outcome::Stage`.
    pub stage: Option<String>,
    /// Name of the route that took it.
    pub route: Option<String>,
    /// Name of the service it would go to.
    pub service: Option<String>,
    /// The path that would be sent upstream.
    pub upstream_path: Option<String>,
    /// Headers that must not go upstream.
    pub absent: Vec<String>,
    /// Headers that must go upstream with this value.
    pub present: Vec<(String, String)>,
}
