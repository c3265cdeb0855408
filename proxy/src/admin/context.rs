//! What the admin listener is given: narrow handles, no more. Filled in by whoever assembles the process.

use super::logging::LogLevel;
use crate::resilience::breaker::Forced;
use crate::telemetry::metrics::Format;
use serde::Serialize;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Everything the endpoints need. Closures run on the control thread and must not wait for workers.
pub struct AdminContext {
    /// Where the process stands: what `/ready` answers.
    pub lifecycle: Arc<Lifecycle>,
    /// `/metrics`.
    pub metrics: Scrape,
    /// Bearer token demanded by everything but `/live` and `/ready`; `None` = none.
    pub token: Option<String>,
    /// `/server_info`: an object about this process.
    pub server_info: Box<dyn Fn() -> serde_json::Value>,
    /// `/config_dump`: the configuration in effect. Values at keys that sound secret are hidden on top.
    pub config_dump: Box<dyn Fn() -> serde_json::Value>,
    /// `/routes`, in the order they are matched.
    pub routes: Box<dyn Fn() -> Vec<RouteRow>>,
    /// `/clusters`: one row per endpoint.
    pub clusters: Box<dyn Fn() -> Vec<ClusterRow>>,
    /// `/breakers`: one row per service that has one.
    pub breakers: Box<dyn Fn() -> Vec<BreakerRow>>,
    /// `POST /breakers`: orders a breaker open or closed, or lets it decide again. `false`: there is no such breaker.
    pub set_breaker: SetBreaker,
    /// `/listeners`, with their real ports.
    pub listeners: Box<dyn Fn() -> Vec<ListenerRow>>,
    /// `/logging`: shows the level, or sets it.
    pub log_level: LogLevel,
    /// `POST /reload`: reads the configuration again and takes it over, or says why not.
    pub reload: Box<dyn Fn() -> Reload>,
    /// `POST /drain`: begins to shut down, as SIGTERM does.
    pub drain: Box<dyn Fn()>,
}

// The token must not get into any log: it is not shown, nor are the closures.
impl std::fmt::Debug for AdminContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdminContext").field("lifecycle", &self.lifecycle).finish_non_exhaustive()
    }
}

/// What is behind a listener.
#[derive(Clone)]
pub(super) enum Site {
    /// All endpoints.
    Admin(Rc<AdminContext>),
    /// `GET /metrics` alone.
    Metrics(Scrape),
    /// `GET /ready` and `GET /live` alone.
    Ready(super::ready::ReadySite),
}

/// Everything that is counted, as it is now.
pub type Scrape = Rc<dyn Fn(Format) -> String>;

/// Orders a breaker; `false`: there is none of that name.
pub type SetBreaker = Box<dyn Fn(&str, Option<Forced>) -> bool>;

/// A reload going on.
pub type Reload = Pin<Box<dyn Future<Output = Result<(), ReloadRefused>>>>;

/// The configuration is not sound; the one before stays.
#[derive(Debug, thiserror::Error)]
#[error("the new configuration was refused")]
pub struct ReloadRefused {
    /// One per finding, with its position.
    pub diagnostics: Vec<String>,
}

/// Where the process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Not all listeners are open yet.
    Starting,
    /// Serving.
    Ready,
    /// Asked to end.
    Draining,
}

impl State {
    /// The word used everywhere.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
        }
    }
}

/// The [`State`] of the process, shared between threads.
#[derive(Debug, Default)]
pub struct Lifecycle(AtomicU8);

impl Lifecycle {
    /// Where it stands; at first `Starting`.
    pub fn state(&self) -> State {
        match self.0.load(Ordering::Acquire) {
            0 => State::Starting,
            1 => State::Ready,
            _ => State::Draining,
        }
    }

    /// Moves on; there is no way back.
    pub fn advance(&self, to: State) {
        self.0.fetch_max(to as u8, Ordering::AcqRel);
    }
}

/// A line of `/routes`.
#[derive(Debug, Clone, Serialize)]
pub struct RouteRow {
    /// Name of the route.
    pub name: String,
    /// Methods it takes; empty = all.
    pub methods: Vec<String>,
    /// Hosts it takes; empty = all.
    pub hosts: Vec<String>,
    /// Path pattern as in the file.
    pub path: String,
    /// Services it goes to, with their shares when there are several.
    pub services: Vec<String>,
    /// Marked as deprecated.
    pub deprecated: bool,
}

/// A line of `/clusters`: one endpoint of a service, or a service that has none.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ClusterRow {
    /// Name of the service.
    pub service: String,
    /// Address and port; empty = it has none.
    pub endpoint: String,
    /// Share of the requests relative to the others.
    pub weight: u32,
    /// How an endpoint is chosen.
    pub balance: String,
    /// What is spoken: `http/1.1`, `h2`.
    pub protocol: String,
    /// TLS towards it.
    pub tls: bool,
    /// How it stands: `well`, `unknown`, `ill` as active checks say, `unchecked` without any; `ejected`, `refusing`; `nobody`
    /// when the service has no endpoint.
    pub standing: &'static str,
    /// Why the last health check was not good; empty = it was, or there was none.
    pub reason: String,
    /// Its zone; empty = none.
    pub zone: String,
    /// Used when those with a lower one are gone (SRV).
    pub priority: u16,
    /// Attempts in flight on it.
    pub active: u32,
    /// Attempts made.
    pub attempts: u64,
    /// Attempts that failed: without a sound answer in time, or with 5xx.
    pub failures: u64,
    /// Who knows of it.
    pub source: String,
    /// What is wrong with the source; empty = nothing.
    pub trouble: String,
    /// For how long it has been known; `None` = for ever.
    pub known_seconds: Option<u64>,
}

/// A line of `/breakers`.
#[derive(Debug, Clone, Serialize)]
pub struct BreakerRow {
    /// Name of the service.
    pub service: String,
    /// `closed`, `open`, `half-open`.
    pub state: &'static str,
    /// What a person has ordered: `open`, `closed`; `auto` = nothing.
    pub set: &'static str,
    /// Requests of the window of the breaker (of 10 s, if it counts failures in a row).
    pub requests: u64,
    /// Failures among them.
    pub failures: u64,
    /// Seconds until somebody is let through; `None`: somebody is, or only a person ends it.
    pub rests_seconds: Option<u64>,
}

/// A line of `/listeners`.
#[derive(Debug, Clone, Serialize)]
pub struct ListenerRow {
    /// Address and real port.
    pub address: String,
    /// TLS is spoken.
    pub tls: bool,
    /// Protocols taken: `http/1.1`, `h2`.
    pub protocols: Vec<String>,
    /// Certificate files.
    pub certificates: Vec<String>,
    /// What else it does: `redirect https`, `proxy protocol`.
    pub notes: Vec<String>,
}
