//! The admin listener: what operators and their tools may see and do, apart from traffic.
//!
//! ```text
//! accept (≤ 64) -> door: host, token, origin -> endpoint -> an answer from AdminContext
//! ```
//!
//! Runs on the control thread and touches no worker: it reads snapshots and counters, and calls what the context
//! was given. Loopback or a unix socket unless a token is set (the configuration demands that); even so, every
//! request has to pass the `door`, because a browser on this machine can be made to send requests too.
//! `GET` shows, `POST` changes, neither does the other's work.

mod context;
mod bind;
mod serve;
mod door;
mod endpoints;
mod ready;
mod reply;
mod table;
mod redact;
mod logging;

pub use bind::{AdminListener, BindError};
pub use context::{
    AdminContext, BreakerRow, ClusterRow, Lifecycle, ListenerRow, Reload, ReloadRefused, RouteRow, Scrape,
    SetBreaker, State,
};
pub use logging::{BadLevel, LogLevel, log_level};
pub use ready::{Missing, serve_ready};
pub use serve::{serve, serve_metrics};

#[cfg(test)]
mod tests;
