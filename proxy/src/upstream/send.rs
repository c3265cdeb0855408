//! Sending one request to a service: pick, check out, send; again elsewhere while nothing was sent.
//!
//! Only two things are tried again here, because neither can have been seen by anybody: an endpoint that takes
//! no connection, and a kept connection that turns out to be closed before a byte was written.

use super::body::{Flow, RequestBody};
use super::cluster::Cluster;
use super::connect::Bound;
use super::pool::{EndpointPool, EndpointStats, Lease, SendError};
use crate::clock;
use crate::pipeline::reject::Rejection;
use crate::telemetry::metrics::AttemptEnd;
use http::{HeaderMap, HeaderName, Request, Response};
use hyper::body::Incoming;
use smallvec::SmallVec;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Attempts at one request at the most.
const ATTEMPTS: u32 = 3;

/// How far a call has come; filled in while it runs, so that it can be told even if the client leaves.
#[derive(Debug, Default, Clone)]
pub struct Progress {
    /// Attempts begun.
    pub attempts: u32,
    /// Endpoint of the last one.
    pub endpoint: Option<SocketAddr>,
}

/// What holds the upstream side of an exchange until its answer has ended.
#[derive(Debug)]
pub struct Held {
    lease: Lease,
    flow: Option<Rc<Flow>>,
    keep: Duration,
    max_idle: usize,
    idle: Duration,
    took: Duration,
    _active: Active,
}

impl Held {
    /// From the first attempt to the head of the answer.
    pub const fn took(&self) -> Duration {
        self.took
    }

    /// Longest pause the service may make in its answer.
    pub const fn idle(&self) -> Duration {
        self.idle
    }

    /// The answer was read to its end: the connection may serve another exchange.
    pub fn answer_ended(self, now: Instant) {
        self.lease.give_back(self.flow.as_deref(), now + self.keep, self.max_idle);
    }

    /// Why the answer's framing was refused half-way, if it was.
    pub fn fault(&self) -> Option<crate::listener::gate::Fault> {
        self.lease.fault()
    }
}

/// One attempt in flight on an endpoint.
#[derive(Debug)]
struct Active(Arc<EndpointStats>);

impl Active {
    fn on(pool: &EndpointPool) -> Self {
        pool.stats.active.fetch_add(1, Ordering::Relaxed);
        pool.stats.attempts.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&pool.stats))
    }

    fn failed(&self) {
        self.0.failures.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
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
}

/// Sends a request to `cluster`; `vouch` hands the user on over a connection of the mesh. The caller watches the
/// deadline and drops this when it has passed.
pub async fn send(
    cluster: &Cluster,
    Call { request, flow, progress }: Call<'_>,
    vouch: &impl Fn(&mut HeaderMap, &Bound),
) -> Result<(Response<Incoming>, Held), Rejection> {
    let mut refused: SmallVec<[SocketAddr; 3]> = SmallVec::new();
    let mut attempt = 0;
    let first = clock::now();
    let mut began = first;
    loop {
        attempt += 1;
        let pool = cluster.pick(&refused, fastrand::u64(..)).ok_or(Rejection::NoEndpoint)?;
        *progress.borrow_mut() = Progress { attempts: attempt, endpoint: Some(pool.address) };
        let active = Active::on(pool);
        let mut lease = match pool.check_out(cluster.destination(), began, attempt < ATTEMPTS).await {
            Ok(lease) => lease,
            Err(fault) => {
                active.failed();
                refused.push(pool.address);
                if attempt < ATTEMPTS && refused.len() < cluster.service.endpoints.len() {
                    continue;
                }
                return Err(Rejection::Connect(fault));
            }
        };
        if lease.reused {
            cluster.metrics.reused();
        }
        if let (Some(bound), Some(request)) = (lease.bound(), request.as_mut()) {
            // Only now it is known whose certificate is shown: stamps must be made with the same.
            vouch(request.headers_mut(), bound);
        }
        let sent = lease.send(request.take().ok_or(Rejection::Internal)?).await;
        let ended = clock::now();
        cluster
            .metrics
            .attempt_ended(ended.saturating_duration_since(began), end_of(&sent, flow.map(Rc::as_ref)));
        began = ended;
        match sent {
            Ok(response) => {
                let keep = keep_for(response.headers(), cluster.service.pool.idle);
                let took = ended.saturating_duration_since(first);
                let (max_idle, idle) = (cluster.service.pool.max_idle, cluster.service.timeout.idle);
                return Ok((
                    response,
                    Held { lease, flow: flow.cloned(), keep, max_idle, idle, took, _active: active },
                ));
            }
            // The kept connection was stale, not the endpoint: it may be taken again.
            Err(SendError::Unsent(unsent)) if attempt < ATTEMPTS => {
                cluster.metrics.resent();
                *request = Some(*unsent);
            }
            Err(_seen_or_hopeless) => {
                // A request body that broke off is not the endpoint's failure.
                if flow.is_none_or(|flow| flow.fault.get().is_none()) {
                    active.failed();
                }
                return Err(lease.fault().map_or(Rejection::UpstreamReset, Rejection::UpstreamFraming));
            }
        }
    }
}

fn end_of(sent: &Result<Response<Incoming>, SendError>, flow: Option<&Flow>) -> AttemptEnd {
    match sent {
        Ok(response) => AttemptEnd::Answered(response.status().as_u16()),
        Err(SendError::Unsent(_)) => AttemptEnd::Failed("unsent"),
        Err(SendError::Failed(_)) if flow.is_some_and(|flow| flow.fault.get().is_some()) => {
            AttemptEnd::Failed("request_body")
        }
        Err(SendError::Failed(_)) => AttemptEnd::Failed("upstream_reset"),
    }
}

/// How long the connection may be kept: our own limit, or a second less than the server says it keeps it.
fn keep_for(answer: &HeaderMap, limit: Duration) -> Duration {
    const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
    let Some(value) = answer.get(KEEP_ALIVE) else { return limit };
    let said = value.to_str().ok().and_then(|value| {
        value.split(',').find_map(|part| part.trim().strip_prefix("timeout=")?.trim().parse::<u64>().ok())
    });
    said.map_or(limit, |seconds| limit.min(Duration::from_secs(seconds.saturating_sub(1))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_kept_a_second_less_than_the_server_says() {
        let kept = |value: &'static str| {
            let mut answer = HeaderMap::new();
            answer.insert("keep-alive", http::HeaderValue::from_static(value));
            keep_for(&answer, Duration::from_secs(4))
        };

        assert_eq!(kept("timeout=3, max=100"), Duration::from_secs(2));
        assert_eq!(kept("timeout=60"), Duration::from_secs(4));
        assert_eq!(kept("max=3"), Duration::from_secs(4));
        assert_eq!(kept("timeout=0"), Duration::ZERO);
        assert_eq!(keep_for(&HeaderMap::new(), Duration::from_secs(4)), Duration::from_secs(4));
    }
}
