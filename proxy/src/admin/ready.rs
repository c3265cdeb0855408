//! The ready listener: whether traffic is welcome, for orchestrators and for `portcullis wait`.
//!
//! | request | answer |
//! |--|--|
//! | `GET /ready`, ready | 200 `ready` |
//! | `GET /ready`, not ready | 503 and a JSON array of what is missing: `[{"need": "certificate", "detail": "…"}]` |
//! | `GET /live` | 200 `live`: the control thread answers, so the process is alive |
//! | another method there | 405 |
//! | anything else | 404 |
//!
//! HEAD is GET without the body. Without secrets, names or dates, so nobody is turned away: probes come by address, from
//! anywhere, without a token. Connections are few and short; who holds one is asked to end after 10 s, so that
//! the orchestrator gets its turn whatever others do.

use super::bind::AdminListener;
use super::context::Site;
use super::reply::{Problem, Reply, json, text};
use super::serve::{Limits, run};
use http::request::Parts;
use http::{Method, StatusCode};
use serde::Serialize;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

const LIMITS: Limits = Limits {
    connections: 128,
    header: Duration::from_secs(2),
    body: Duration::from_secs(1),
    lifetime: Duration::from_secs(10),
    grace: Duration::from_secs(1),
};

/// Something we wait for; told as it stands, so it must hold nothing secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// One word of a closed list.
    pub need: &'static str,
    /// A sentence for people.
    pub detail: &'static str,
}

/// Asked for each request.
#[derive(Clone)]
pub(super) struct ReadySite(Rc<dyn Fn() -> Vec<Missing>>);

impl fmt::Debug for ReadySite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadySite").finish_non_exhaustive()
    }
}

/// Serves `/ready` and `/live` until `stop`: the listener of `ready:`. `missing` says what is waited for; empty: ready.
///
/// To be run inside a `LocalRuntime` or a `LocalSet`, on the control thread.
pub async fn serve_ready(
    listener: AdminListener,
    missing: Rc<dyn Fn() -> Vec<Missing>>,
    stop: impl Future<Output = ()>,
) {
    run(listener, Site::Ready(ReadySite(missing)), LIMITS, stop).await;
}

pub(super) fn answer(site: &ReadySite, request: &Parts) -> Result<Reply, Problem> {
    let path = request.uri.path();
    if !["/ready", "/live"].contains(&path) {
        return Err(Problem::NotFound);
    }
    if ![Method::GET, Method::HEAD].contains(&request.method) {
        return Err(Problem::Method("GET, HEAD"));
    }
    if path == "/live" {
        return Ok(text(StatusCode::OK, "live"));
    }
    let missing = (site.0)();
    if missing.is_empty() {
        return Ok(text(StatusCode::OK, "ready"));
    }
    let list: Vec<_> =
        missing.iter().map(|one| serde_json::json!({ "need": one.need, "detail": one.detail })).collect();
    Ok(json(StatusCode::SERVICE_UNAVAILABLE, &list.into()))
}

#[cfg(test)]
#[path = "ready_tests.rs"]
mod tests;
