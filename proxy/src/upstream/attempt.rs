//! One call of a service: a place in it, then attempts until one stands. The one shell around what `resilience` and
//! `balance` decide.
//!
//! ```text
//! bulkhead -> { breaker -> pick -> check out -> send -> record -> retry? } -> the head of an answer
//! ```
//!
//! The caller watches the deadline, and drops this when it has passed; then it calls [`super::once::ran_out`], so that the attempt
//! under way is written down as one that took too long.

use super::body::{Flow, Original, RequestBody};
use super::cluster::Cluster;
use super::connect::Bound;
use super::once::{Answer, Call, Ended, Failed, Progress, once};
use super::pool::{Lease, is_handshake};
use super::trial::Active;
use crate::clock;
use crate::config::service::{Bulkhead, Protocol, Retry};
use crate::handover::Taken;
use crate::pipeline::reject::Rejection;
use crate::resilience::bulkhead::{Permit, Staying};
use crate::resilience::deadline;
use crate::resilience::retry::{self, End, Verdict};
use crate::tls::client::Transport;
use http::header::{HeaderMap, HeaderName};
use http::request::Parts;
use http::{Request, Response};
use hyper::body::Incoming;
use std::cell::RefCell;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// What holds the upstream side of an exchange until its answer has ended.
#[derive(Debug)]
pub struct Held {
    lease: Lease,
    flow: Option<Rc<Flow>>,
    keep: Duration,
    max_idle: usize,
    idle: Duration,
    took: Duration,
    /// A hop behind us, or we ourselves, have tried again in vain.
    pub tried: bool,
    _active: Active,
    permit: Option<Permit>,
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

    /// What follows is no answer, but a connection.
    pub fn stays(&self, rule: Option<&Bulkhead>) -> Option<Staying> {
        Some(self.permit.as_ref()?.stays(rule?))
    }

    /// The connection itself, after a 101.
    pub fn taken(&self) -> Option<oneshot::Receiver<Taken<Transport>>> {
        self.lease.taken()
    }

    /// Why the answer's framing was refused half-way, if it was.
    pub fn fault(&self) -> Option<crate::listener::gate::Fault> {
        self.lease.fault()
    }
}

/// Head and body as they were, for another attempt.
struct Spare {
    head: Parts,
    original: Original,
    /// Doing it twice does what doing it once does.
    idempotent: bool,
    /// It asks to leave HTTP.
    is_handshake: bool,
}

impl Spare {
    /// Kept only when another attempt is possible: copying a head costs something.
    fn of(cluster: &Cluster, rule: &Retry, request: &mut Request<RequestBody>) -> Option<Box<Self>> {
        let keyed = rule.idempotency_key.as_ref().is_some_and(|name| request.headers().contains_key(name));
        let is_handshake = is_handshake(request);
        // A handshake is the GET it stands for, also where it is sent as CONNECT.
        let idempotent = keyed || is_handshake || retry::is_idempotent(request.method());
        // Over HTTP/2 the peer may say that it has not looked at it; then the method does not matter.
        let may_be_unseen = cluster.service.protocol == Protocol::H2;
        if !idempotent && !may_be_unseen {
            return None;
        }
        let (mut head, ()) = Request::new(()).into_parts();
        head.method = request.method().clone();
        head.uri = request.uri().clone();
        head.version = request.version();
        head.headers = request.headers().clone();
        head.extensions = request.extensions().clone();
        let original = request.body_mut().keep(rule.body);
        Some(Box::new(Self { head, original, idempotent, is_handshake }))
    }

    /// Whether it may be sent twice at the same time.
    fn may_be_hedged(&self) -> bool {
        self.idempotent && self.original.is_empty() && !self.is_handshake
    }

    /// The whole request once more; what was made before gets no more of the body.
    fn again(&self) -> Option<Request<RequestBody>> {
        Some(Request::from_parts(self.head.clone(), self.original.again()?))
    }
}

/// Sends a request to `cluster`; `vouch` hands the user on over a connection of the mesh.
pub async fn send(
    cluster: &Cluster,
    mut call: Call<'_>,
    vouch: &impl Fn(&mut HeaderMap, &Bound, u32),
) -> Result<(Response<Incoming>, Held), Rejection> {
    let permit = enter(cluster).await?;
    call.progress.borrow_mut().permit = permit;
    let rule = cluster.service.retry.as_ref().filter(|_| call.terms.retries);
    let began = clock::now();
    let spare = rule.and_then(|rule| {
        cluster.state.budget.deposit(rule, began);
        Spare::of(cluster, rule, call.request.as_mut()?)
    });
    let mut failed = Failed::new();
    loop {
        let hedge = rule.and_then(|rule| rule.hedge.filter(|_| call.progress.borrow().attempts == 0));
        let Ended { end, result } = match (hedge, &spare, rule) {
            (Some(after), Some(spare), Some(rule)) if spare.may_be_hedged() => {
                Box::pin(hedged(cluster, &mut call, (after, rule, spare), vouch)).await?
            }
            _ => once(cluster, &mut call, &failed, vouch).await?,
        };
        let now = clock::now();
        let verdict = match (&end, call.progress.borrow().endpoint) {
            (None, _) => Verdict::Stop,
            (Some(End::NotConnected), Some(address)) if is_last(cluster, &mut failed, address) => {
                Verdict::Stop
            }
            (Some(end), address) => {
                failed.extend(address.filter(|address| *end != End::Unsent && !failed.contains(address)));
                decide(cluster, (rule, spare.as_deref()), &call, end)
            }
        };
        let Verdict::Again(pause) = verdict else {
            let took = now.saturating_duration_since(began);
            let permit = call.progress.borrow_mut().permit.take();
            if let (Some(permit), Some(rule)) = (&permit, &cluster.service.bulkhead) {
                let good = result.as_ref().is_ok_and(|answer| !answer.response.status().is_server_error());
                permit.answered(rule, good.then_some(took));
            }
            return result.map(|answer| hold(cluster, &call, (answer, permit), took));
        };
        // Gone before anything is waited for: what is held there weighs on every exchange.
        drop((end, result));
        if call.request.is_none() {
            *call.request = spare.as_ref().and_then(|spare| spare.again());
        }
        if !pause.is_zero() {
            Box::pin(tokio::time::sleep(pause)).await;
        }
    }
}

/// Whether this endpoint, which takes no connection, was the last there is.
fn is_last(cluster: &Cluster, failed: &mut Failed, address: SocketAddr) -> bool {
    if !failed.contains(&address) {
        failed.push(address);
    }
    failed.len() >= cluster.size()
}

fn decide(
    cluster: &Cluster,
    (rule, spare): (Option<&Retry>, Option<&Spare>),
    call: &Call<'_>,
    end: &End,
) -> Verdict {
    let now = clock::now();
    let request = retry::Request {
        idempotent: spare.is_some_and(|spare| spare.idempotent),
        replayable: call.request.is_some() || spare.is_some_and(|spare| spare.original.is_whole()),
        attempts: call.progress.borrow().attempts,
        is_retry: call.terms.is_retry,
        left: call.terms.until.map(|until| until.saturating_duration_since(now)),
    };
    let budget = || {
        let Some(rule) = rule else { return true };
        let granted = cluster.state.budget.withdraw(rule, now);
        if !granted {
            cluster.metrics.retry_refused();
        }
        granted
    };
    let verdict = retry::decide(rule, &request, end, fastrand::u64(..), budget);
    match verdict {
        Verdict::Again(_) if *end == End::Unsent => {
            cluster.metrics.resent();
            verdict
        }
        Verdict::Again(_) => {
            cluster.metrics.retried();
            verdict
        }
        Verdict::Stop => verdict,
    }
}

/// A place in the service.
pub(super) async fn enter(cluster: &Cluster) -> Result<Option<Permit>, Rejection> {
    let Some(rule) = &cluster.service.bulkhead else { return Ok(None) };
    if let Some(permit) = cluster.state.bulkhead.try_enter(rule) {
        return Ok(Some(permit));
    }
    // Boxed: waiting is rare, and its state would weigh on every exchange.
    let entered = Box::pin(cluster.state.bulkhead.enter(rule)).await;
    entered.map(Some).map_err(|full| {
        cluster.metrics.overflowed();
        Rejection::Full(full)
    })
}

/// One attempt, and another beside it when the first takes longer than `after` (Dean and Barroso, The Tail at Scale,
/// 2013): the first good answer wins, the other is let go.
async fn hedged(
    cluster: &Cluster,
    call: &mut Call<'_>,
    (after, rule, spare): (Duration, &Retry, &Spare),
    vouch: &impl Fn(&mut HeaderMap, &Bound, u32),
) -> Result<Ended, Rejection> {
    let (progress, terms) = (call.progress, call.terms);
    let mut first = pin!(once(cluster, call, &[], vouch));
    if let Ok(ended) = tokio::time::timeout(after, first.as_mut()).await {
        return ended;
    }
    if !cluster.state.budget.withdraw(rule, clock::now()) {
        cluster.metrics.retry_refused();
        return first.await;
    }
    cluster.metrics.retried();
    let beside = RefCell::new(Progress { attempts: 1, ..Progress::default() });
    let mut request = spare.again();
    let mut other = Call { request: &mut request, flow: None, progress: &beside, terms };
    let avoid: Failed = progress.borrow().endpoint.into_iter().collect();
    let second = pin!(once(cluster, &mut other, &avoid, vouch));
    let (ended, is_second) = first_good(first, second).await;
    let slower = if is_second { progress } else { &beside };
    let overtaken = slower.borrow_mut().overtaken(clock::now());
    if is_second {
        let permit = progress.borrow_mut().permit.take();
        progress.replace(Progress { permit, ..beside.take() });
    } else {
        progress.borrow_mut().attempts = 2;
    }
    if let Some((whom, took)) = overtaken {
        cluster.metrics.attempt_ended(took, whom.1);
        progress.borrow_mut().failed = Some(whom);
    }
    ended
}

/// The first good end of two; when both are bad, the first's. Whether it is the second's.
async fn first_good<A, B>(mut first: Pin<&mut A>, mut second: Pin<&mut B>) -> (Result<Ended, Rejection>, bool)
where
    A: Future<Output = Result<Ended, Rejection>>,
    B: Future<Output = Result<Ended, Rejection>>,
{
    let is_good = |ended: &Result<Ended, Rejection>| matches!(ended, Ok(Ended { end: Some(End::Answered { status, .. }), .. }) if *status < 500);
    let (mut of_first, mut of_second) = (None, None);
    poll_fn(|cx| {
        if of_first.is_none()
            && let Poll::Ready(ended) = first.as_mut().poll(cx)
        {
            of_first = Some(ended);
        }
        if of_first.as_ref().is_some_and(is_good) {
            return of_first.take().map_or(Poll::Pending, |ended| Poll::Ready((ended, false)));
        }
        if of_second.is_none()
            && let Poll::Ready(ended) = second.as_mut().poll(cx)
        {
            of_second = Some(ended);
        }
        if of_second.as_ref().is_some_and(is_good) {
            return of_second.take().map_or(Poll::Pending, |ended| Poll::Ready((ended, true)));
        }
        if of_second.is_none() {
            return Poll::Pending;
        }
        of_first.take().map_or(Poll::Pending, |ended| Poll::Ready((ended, false)))
    })
    .await
}

fn hold(
    cluster: &Cluster,
    call: &Call<'_>,
    (answer, permit): (Answer, Option<Permit>),
    took: Duration,
) -> (Response<Incoming>, Held) {
    let Answer { response, lease, active } = answer;
    let behind = lease.bound().is_some() && deadline::tried_behind(response.headers());
    let held = Held {
        flow: call.flow.cloned(),
        keep: keep_for(response.headers(), cluster.service.pool.idle),
        max_idle: cluster.service.pool.max_idle,
        idle: cluster.service.timeout.idle,
        took,
        tried: behind || call.progress.borrow().attempts > 1,
        lease,
        _active: active,
        permit,
    };
    (response, held)
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
