//! One attempt while nobody knows yet what becomes of it, and the one place where what became of it is written down: for
//! the breaker, the endpoint, the balancer and the counters.
//!
//! | the attempt | breaker | endpoint | latency |
//! |--|--|--|--|
//! | was answered with less than 500 | success | good | what it took; 429: a penalty |
//! | was answered with 502, 503, 504 | failure | sorry | a penalty |
//! | was answered with another 5xx | failure | good | what it took |
//! | took no connection, broke off, was unsound, ran out of time | failure | broke | a penalty |
//! | was not looked at, or found its kept connection closed | – | – | – |
//! | was overtaken by the one beside it | – | – | at least what it has taken so far |
//! | ended with the client | – | – | – |

use super::cluster::Cluster;
use super::pool::EndpointPool;
use super::state::{EndpointStats, ServiceState};
use crate::balance::outlier::Deed;
use crate::resilience::breaker::{self, Open, State};
use crate::resilience::retry::End;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// One attempt that is under way. Dropped without a word, it says nothing about the service.
#[derive(Debug)]
pub struct Trial {
    /// Where it goes.
    pub pool: Rc<EndpointPool>,
    /// When it began.
    pub began: Instant,
    active: Active,
    leave: Option<Leave>,
}

/// Leave of the breaker, given back in any case.
#[derive(Debug)]
pub struct Leave {
    state: Arc<ServiceState>,
    pass: Option<breaker::Pass>,
}

impl Drop for Leave {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            self.state.breaker.release(pass);
        }
    }
}

/// One attempt in flight on an endpoint, until its answer has ended.
#[derive(Debug)]
pub struct Active(Arc<EndpointStats>);

impl Active {
    fn on(pool: &EndpointPool) -> Self {
        pool.stats.active.fetch_add(1, Ordering::Relaxed);
        pool.stats.attempts.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&pool.stats))
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Trial {
    /// Begins one.
    pub fn begin(pool: Rc<EndpointPool>, leave: Option<Leave>, now: Instant) -> Self {
        Self { active: Active::on(&pool), pool, began: now, leave }
    }

    /// Another attempt was quicker. Unsaid, an endpoint that is always overtaken would seem quick.
    pub fn overtaken(&self, now: Instant) {
        self.pool.stats.latency.outlasted(now.saturating_duration_since(self.began), now);
    }
}

impl Cluster {
    /// Asks the breaker, if there is one.
    pub fn ask_leave(&self, now: Instant) -> Result<Option<Leave>, Open> {
        let Some(rule) = &self.service.breaker else { return Ok(None) };
        let pass = self.state.breaker.admit(rule, now)?;
        Ok(Some(Leave { state: Arc::clone(&self.state), pass: Some(pass) }))
    }

    /// Writes down what became of an attempt; `None`: its end was the client's fault. What is left of it holds its place on
    /// the endpoint.
    pub fn record(&self, trial: Trial, end: Option<&End>, now: Instant) -> Active {
        let Trial { pool, began, active, leave } = trial;
        let took = now.saturating_duration_since(began);
        let Some(end) = end else { return active };
        if let Some((deed, success)) = judge(end) {
            self.note(&pool, (deed, end), now);
            self.time(&pool, end, took, now);
            self.tell_breaker(leave, (success, end), (pool.address, now));
            if !success {
                pool.stats.failures.fetch_add(1, Ordering::Relaxed);
            }
        }
        let refuses = matches!(end, End::NotConnected);
        if pool.stats.refuses.load(Ordering::Relaxed) != refuses {
            pool.stats.refuses.store(refuses, Ordering::Relaxed);
            self.state.changed();
        }
        if refuses {
            self.feed.unreachable();
        }
        active
    }

    fn note(&self, pool: &EndpointPool, (deed, end): (Deed, &End), now: Instant) {
        let Some(rule) = &self.service.outlier else { return };
        if self.state.note(rule, &pool.stats, deed, now) {
            self.metrics.ejected();
            let (service, address, times) =
                (&self.service.name, pool.address, pool.stats.outlier.ejections());
            let last = end.to_string();
            let until = pool.stats.outlier.ejected_until(now);
            let seconds =
                until.map_or(0.0, |until| until.saturating_duration_since(now).as_secs_f64().round());
            tracing::warn!(
                event = "endpoint_ejected",
                %service,
                %address,
                times,
                seconds,
                last,
                "left out for its failures"
            );
        }
    }

    fn time(&self, pool: &EndpointPool, end: &End, took: Duration, now: Instant) {
        match end {
            End::Answered { status: 429 | 502..=504, retry_after, .. } => {
                pool.stats.latency.penalize(*retry_after, now);
            }
            End::Answered { .. } => pool.stats.latency.observe(took, now),
            _ => pool.stats.latency.penalize(None, now),
        }
    }

    fn tell_breaker(
        &self,
        leave: Option<Leave>,
        (success, end): (bool, &End),
        (address, now): (SocketAddr, Instant),
    ) {
        let (Some(rule), Some(mut leave)) = (&self.service.breaker, leave) else { return };
        let Some(pass) = leave.pass.take() else { return };
        let Some(state) = self.state.breaker.record(rule, pass, success, now) else { return };
        let (service, word) = (&self.service.name, state.word());
        if state == State::Open {
            let (seconds, last) = (rule.open.as_secs_f64(), end.to_string());
            tracing::warn!(
                event = "breaker_open",
                %service,
                seconds,
                last,
                %address,
                "it has failed too often, and is left in peace"
            );
        } else {
            tracing::info!(event = "breaker", %service, state = word, "the service is asked again");
        }
    }
}

/// What an end says about the endpoint and about the service; `None`: nothing.
const fn judge(end: &End) -> Option<(Deed, bool)> {
    match end {
        End::Answered { status: 502..=504, .. } => Some((Deed::Sorry, false)),
        End::Answered { status, .. } => Some((Deed::Good, *status < 500)),
        End::NotConnected | End::Reset | End::TimedOut | End::Unsound => Some((Deed::Broke, false)),
        End::Unsent | End::NotProcessed => None,
    }
}
