//! How long the head of an answer may take: `timeout.request`, or without it `timeout.idle`, as what streams may not be
//! silent for longer either.
//!
//! The service's time begins when it has the whole request, so a long upload is not held against it. While the
//! upload goes on, its pace counts: a client that is silent for `timeouts.body` has left (HTTP/1 connections
//! notice that themselves, HTTP/2 streams only here), and so has one that sends less than the route's
//! `body.min_rate`; an upstream that does not take the body is at fault itself.
//!
//! | the timer fires and | then |
//! |--|--|
//! | the body has ended less than the limit ago | wait for the rest of the limit |
//! | the body came slower than `min_rate`, waiting for the client | 408 |
//! | the body is under way and moved since the last look | look again later |
//! | it stood still for less than `timeouts.body` | look again later |
//! | it stood still for `timeouts.body`, waiting for the client | 408 |
//! | anything else | 504 |
//!
//! What a look decides is pure ([`Deadline::decide`], [`Pace`]); asking the exchange and arming its timer is not.

use super::exchange::Exchange;
use super::reject::Rejection;
use crate::listener::gate::Fault;
use crate::upstream::body::Flow;
use std::time::{Duration, Instant};

/// How long an upload may take to get going before its pace counts.
const GRACE: Duration = Duration::from_secs(5);
/// How much waiting for the client is averaged over.
const WINDOW: Duration = Duration::from_secs(5);
/// How often the pace is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The deadline of one exchange.
#[derive(Debug)]
pub struct Deadline {
    limit: Option<Duration>,
    /// Longest the body may stand still.
    body: Duration,
    /// Bytes of the body at the last look, and since when they are the same.
    seen: (u64, Instant),
    pace: Option<Pace>,
}

/// A request body at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Upload {
    /// Bytes read from the client.
    bytes: u64,
    /// When it ended; `None` while it is under way.
    ended_at: Option<Instant>,
    /// There was one, and it has been read.
    finished: bool,
    /// The upstream would take more, the client sends none.
    starved: bool,
}

/// What a look leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Next {
    /// Look again then.
    At(Instant),
    /// Nothing is waited for any more.
    Never,
    /// It is over.
    Over(Rejection),
}

impl Deadline {
    /// Arms the exchange's timer; `limit` = `timeout.request`, if there is one.
    pub fn new(exchange: &Exchange, limit: Option<Duration>) -> Self {
        let route = exchange.known.route.and_then(|index| exchange.snapshot.route(index));
        let rate = route.and_then(|route| route.min_rate);
        let idle = route.and_then(|route| route.idle_timeout);
        let idle = idle.or_else(|| Some(exchange.cluster.as_ref()?.service.timeout.idle));
        let mut body = exchange.connection.timeouts.body;
        if exchange.known.grpc {
            // A stream of messages is not an upload that got stuck: how long it may pause is the service's to say.
            body = body.max(idle.unwrap_or_default());
        }
        let deadline = Self::starting(exchange.started, limit.or(idle), body, rate);
        let uploading = exchange.flow.as_ref().is_some_and(|flow| !flow.finished.get());
        match deadline.next_look(exchange.started, uploading) {
            Some(at) => exchange.timer.arm(at),
            None => exchange.timer.disarm(),
        }
        deadline
    }

    fn starting(now: Instant, limit: Option<Duration>, body: Duration, rate: Option<u64>) -> Self {
        Self { limit, body, seen: (0, now), pace: rate.map(|rate| Pace::new(rate, now)) }
    }

    fn next_look(&self, now: Instant, uploading: bool) -> Option<Instant> {
        let pace = self.pace.as_ref().map(|_| LOOK);
        let upload = [Some(self.body), pace].into_iter().flatten().filter(|_| uploading);
        self.limit.into_iter().chain(upload).min().map(|wait| now + wait)
    }

    /// The timer has fired: arms it again, or says why it is over.
    pub fn look_again(&mut self, exchange: &Exchange, now: Instant) -> Result<(), Rejection> {
        match self.decide(exchange.flow.as_deref().map(Upload::of), now) {
            Next::At(at) => exchange.timer.arm(at),
            Next::Never => exchange.timer.disarm(),
            Next::Over(rejection) => return Err(rejection),
        }
        Ok(())
    }

    /// What the timer means; `None` = the request has no body.
    fn decide(&mut self, upload: Option<Upload>, now: Instant) -> Next {
        let Some(upload) = upload else { return Next::Over(Rejection::RequestTimeout) };
        if let Some(ended) = upload.ended_at {
            return match self.limit {
                Some(limit) if ended + limit > now => Next::At(ended + limit),
                Some(_) => Next::Over(Rejection::RequestTimeout),
                None => Next::Never,
            };
        }
        if upload.finished {
            return Next::Over(Rejection::RequestTimeout);
        }
        if self.pace.as_mut().is_some_and(|pace| pace.is_too_slow(upload.bytes, upload.starved, now)) {
            return Next::Over(Rejection::Framing(Fault::BodyTimeout));
        }
        let moved = upload.bytes != self.seen.0;
        if moved {
            self.seen = (upload.bytes, now);
        }
        let still = now.saturating_duration_since(self.seen.1);
        if moved || still < self.body {
            return self.next_look(now, true).map_or(Next::Never, Next::At);
        }
        Next::Over(if upload.starved {
            Rejection::Framing(Fault::BodyTimeout)
        } else {
            Rejection::RequestTimeout
        })
    }
}

impl Upload {
    fn of(flow: &Flow) -> Self {
        Self {
            bytes: flow.bytes.get(),
            ended_at: flow.ended_at.get(),
            finished: flow.finished.get(),
            starved: flow.starved.get(),
        }
    }
}

/// How fast a body comes, in time that the client had.
///
/// | between two looks | the time | the bytes |
/// |--|--|--|
/// | within 5 s of the start | does not count | do not count |
/// | the upstream waited for the client at both | counts, but at most two looks | count |
/// | anything else: the upstream had enough | does not count | count |
///
/// After 5 s that count, so many bytes must have come as the rate asks for in that time; then it begins anew.
#[derive(Debug, Clone)]
struct Pace {
    /// Bytes a second.
    rate: u64,
    started: Instant,
    /// The last look: when, and whether the upstream waited.
    last: (Instant, bool),
    /// Bytes when this stretch began.
    from: u64,
    /// How long the client was waited for in this stretch.
    waited: Duration,
}

impl Pace {
    const fn new(rate: u64, now: Instant) -> Self {
        Self { rate, started: now, last: (now, false), from: 0, waited: Duration::ZERO }
    }

    /// Takes note of a look; whether the client has been too slow.
    fn is_too_slow(&mut self, bytes: u64, starved: bool, now: Instant) -> bool {
        let (since, was_starved) = std::mem::replace(&mut self.last, (now, starved));
        if now.saturating_duration_since(self.started) < GRACE {
            self.from = bytes;
            return false;
        }
        if starved && was_starved {
            // A look that comes late says how busy we are, not how slow the client is.
            self.waited += now.saturating_duration_since(since).min(LOOK * 2);
        }
        if self.waited < WINDOW {
            return false;
        }
        let came = u128::from(bytes.saturating_sub(self.from)) * 1_000;
        let asked = u128::from(self.rate) * self.waited.as_millis();
        (self.from, self.waited) = (bytes, Duration::ZERO);
        came < asked
    }
}

#[cfg(test)]
#[path = "deadline_tests.rs"]
mod tests;
