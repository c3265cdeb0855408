//! One attempt at a request: breaker, endpoint, connection, send; then it is written down.

use super::body::{Flow, RequestBody};
use super::cluster::Cluster;
use super::connect::Bound;
use super::pool::{Lease, SendError};
use super::trial::{Active, Trial};
use crate::clock;
use crate::pipeline::reject::Rejection;
use crate::resilience::bulkhead::Permit;
use crate::resilience::deadline;
use crate::resilience::retry::End;
use crate::telemetry::metrics::AttemptEnd;
use http::header::{self, HeaderMap, HeaderName};
use http::{Request, Response};
use hyper::body::Incoming;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A kept connection may be stale so often; then a new one is made.
const UNSENT: u32 = 3;

/// Endpoints that have failed, each once.
pub(super) type Failed = Vec<SocketAddr>;

/// How far a call has come; filled in while it runs, so that it can be told even if the client leaves.
#[derive(Debug, Default)]
pub struct Progress {
    /// Attempts begun.
    pub attempts: u32,
    /// Endpoint of the last one.
    pub endpoint: Option<SocketAddr>,
    /// The last attempt that failed before another was made, or asked for: where, and how.
    pub failed: Option<(SocketAddr, AttemptEnd)>,
    /// The same of the last attempt, if it failed.
    pub(super) last: Option<(SocketAddr, AttemptEnd)>,
    /// The attempt under way.
    pub(super) trial: Option<Trial>,
    /// The place in the service, until there is an answer to ride on.
    pub(super) permit: Option<Permit>,
}

impl Progress {
    /// What has failed has failed before another attempt now.
    fn go_on(&mut self) {
        self.failed = self.last.take().or(self.failed);
    }

    /// Another attempt beside the one under way was quicker, and it is let go. What it has taken so far.
    pub(super) fn overtaken(&mut self, now: Instant) -> Option<((SocketAddr, AttemptEnd), Duration)> {
        let trial = self.trial.take()?;
        trial.overtaken(now);
        let took = now.saturating_duration_since(trial.began);
        Some(((trial.pool.address, AttemptEnd::Failed("overtaken")), took))
    }

    /// Gives up the place in the service.
    pub fn leave(&mut self) {
        self.permit = None;
    }
}

/// What is decided before the first attempt.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// Longest one attempt may take.
    pub per_try: Option<Duration>,
    /// When the head of the answer must be there at the latest, as far as it is known.
    pub until: Option<Instant>,
    /// The caller has less time than the service may take: that it does not answer in time says nothing of it.
    pub hurried: bool,
    /// Whose place on the ring it is.
    pub point: Option<u64>,
    /// Whether what the service allows to be tried again is.
    pub retries: bool,
    /// A hop before us tries again with this very request.
    pub is_retry: bool,
}

/// What is sent. Lent, because whatever a future owns is copied with it.
#[derive(Debug)]
pub struct Call<'a> {
    /// The request; taken.
    pub request: &'a mut Option<Request<RequestBody>>,
    /// Its body on its way.
    pub flow: Option<&'a Rc<Flow>>,
    /// How far it has come.
    pub progress: &'a RefCell<Progress>,
    /// What is decided.
    pub terms: &'a Terms,
}

/// An attempt that has ended.
pub(super) struct Ended {
    /// `None`: the client is to blame, or has asked for what the service does not do.
    pub(super) end: Option<End>,
    /// What it brought.
    pub(super) result: Result<Answer, Rejection>,
}

/// The head of an answer, and what holds the rest.
pub(super) struct Answer {
    pub(super) response: Response<Incoming>,
    pub(super) lease: Lease,
    pub(super) active: Active,
}

/// One attempt. `Err`: none could be made.
pub(super) async fn once(
    cluster: &Cluster,
    call: &mut Call<'_>,
    failed: &[SocketAddr],
    vouch: &impl Fn(&mut HeaderMap, &Bound, u32),
) -> Result<Ended, Rejection> {
    let now = clock::now();
    call.progress.borrow_mut().go_on();
    let leave = cluster.ask_leave(now).map_err(Rejection::BreakerOpen)?;
    let pool = cluster.pick(failed, fastrand::u64(..), call.terms.point).ok_or(Rejection::NoEndpoint)?;
    let attempt = call.progress.borrow().attempts + 1;
    {
        let mut progress = call.progress.borrow_mut();
        progress.attempts = attempt;
        progress.endpoint = Some(pool.address);
        progress.trial = Some(Trial::begin(Rc::clone(&pool), leave, now));
    }
    let mut lease = match pool.check_out(cluster.destination(), now, attempt < UNSENT).await {
        Ok(lease) => lease,
        Err(fault) => {
            let end = End::NotConnected;
            finish(cluster, call.progress, (Some(&end), fault.word()));
            return Ok(Ended { end: Some(end), result: Err(Rejection::Connect(fault)) });
        }
    };
    if lease.reused {
        cluster.metrics.reused();
    }
    if let (Some(bound), Some(request)) = (lease.bound(), call.request.as_mut()) {
        // Only now it is known whose certificate is shown: stamps must be made with the same.
        vouch(request.headers_mut(), bound, attempt);
    }
    let sending = lease.send(call.request.take().ok_or(Rejection::Internal)?);
    let sent = match call.terms.per_try {
        None => Some(sending.await),
        Some(limit) => Box::pin(tokio::time::timeout(limit, sending)).await.ok(),
    };
    let clients_fault = call.flow.is_some_and(|flow| flow.fault.get().is_some());
    Ok(match sent {
        None => ended(cluster, call, End::TimedOut, Rejection::RequestTimeout),
        Some(Ok(response)) => {
            let end = answered(&response, &lease, call.terms.hurried);
            let active = finish(cluster, call.progress, (Some(&end), ""));
            let active = active.ok_or(Rejection::Internal)?;
            Ended { end: Some(end), result: Ok(Answer { response, lease, active }) }
        }
        Some(Err(SendError::Unsent(unsent))) => {
            *call.request = Some(*unsent);
            ended(cluster, call, End::Unsent, Rejection::UpstreamReset)
        }
        Some(Err(SendError::NotOffered)) => {
            finish(cluster, call.progress, (None, "upgrade_failed"));
            Ended { end: None, result: Err(Rejection::UpgradeFailed) }
        }
        Some(Err(SendError::Failed(_))) if clients_fault => {
            finish(cluster, call.progress, (None, "request_body"));
            Ended { end: None, result: Err(Rejection::UpstreamReset) }
        }
        Some(Err(SendError::Failed(error))) => match lease.fault() {
            Some(fault) => ended(cluster, call, End::Unsound, Rejection::UpstreamFraming(fault)),
            None if was_not_processed(&error) => {
                ended(cluster, call, End::NotProcessed, Rejection::UpstreamReset)
            }
            None => ended(cluster, call, End::Reset, Rejection::UpstreamReset),
        },
    })
}

fn ended(cluster: &Cluster, call: &Call<'_>, end: End, rejection: Rejection) -> Ended {
    let word = if end == End::Unsent { "unsent" } else { rejection.row().reason };
    finish(cluster, call.progress, (Some(&end), word));
    Ended { end: Some(end), result: Err(rejection) }
}

/// The time of the whole call is over: the attempt under way took too long, unless the caller was in a hurry.
pub fn ran_out(cluster: &Cluster, progress: &RefCell<Progress>, terms: &Terms) {
    let end = (!terms.hurried).then_some(&End::TimedOut);
    drop(finish(cluster, progress, (end, "request_timeout")));
    let permit = progress.borrow_mut().permit.take();
    if let (Some(permit), Some(rule)) = (permit, cluster.service.bulkhead.as_ref().filter(|_| end.is_some()))
    {
        permit.answered(rule, None);
    }
}

/// Writes the attempt under way down; `word` names its end if there was no answer.
fn finish(
    cluster: &Cluster,
    progress: &RefCell<Progress>,
    (end, word): (Option<&End>, &'static str),
) -> Option<Active> {
    let trial = progress.borrow_mut().trial.take()?;
    let now = clock::now();
    let told = match end {
        Some(End::Answered { status, .. }) => AttemptEnd::Answered(*status),
        _ => AttemptEnd::Failed(word),
    };
    cluster.metrics.attempt_ended(now.saturating_duration_since(trial.began), told);
    if end.is_some_and(End::is_failure) {
        progress.borrow_mut().last = Some((trial.pool.address, told));
    }
    Some(cluster.record(trial, end, now))
}

/// What the head of an answer says to those who decide.
fn answered(response: &Response<Incoming>, lease: &Lease, hurried: bool) -> End {
    const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
    let headers = response.headers();
    let status = match headers.get(GRPC_STATUS).map(http::HeaderValue::as_bytes) {
        // A gRPC answer that is all trailers: UNAVAILABLE, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, INTERNAL.
        Some(b"14") => 503,
        Some(b"4") if !hurried => 504,
        Some(b"8") => 429,
        Some(b"13") => 500,
        _ => response.status().as_u16(),
    };
    End::Answered {
        status,
        retry_after: if status < 429 { None } else { retry_after(headers) },
        tried_behind: lease.bound().is_some() && deadline::tried_behind(headers),
    }
}

/// `Retry-After` in seconds; dates are for people.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

/// Whether the peer says that it has not looked at the request (RFC 9113 §8.7).
fn was_not_processed(error: &hyper::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            let refused = error.reason() == Some(h2::Reason::REFUSED_STREAM);
            // A stream that is told of a GOAWAY is one above the last that was processed.
            return error.is_remote() && ((error.is_reset() && refused) || error.is_go_away());
        }
        source = error.source();
    }
    false
}
