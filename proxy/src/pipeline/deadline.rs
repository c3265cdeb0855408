//! How long the head of an answer may take.
//!
//! The service's time begins when it has the whole request, so a long upload is not held against it. While the
//! upload goes on, its pace counts: a client that is silent for `timeouts.body` has left (HTTP/1 connections
//! notice that themselves, HTTP/2 streams only here); an upstream that does not take the body is at fault itself.
//!
//! | the timer fires and | then |
//! |--|--|
//! | the body has ended less than the limit ago | wait for the rest of the limit |
//! | the body is under way and moved since the last look | look again later |
//! | it stood still for `timeouts.body`, waiting for the client | 408 |
//! | anything else | 504 |

use super::exchange::Exchange;
use super::reject::Rejection;
use crate::listener::gate::Fault;
use std::time::{Duration, Instant};

/// The deadline of one exchange.
#[derive(Debug)]
pub struct Deadline {
    limit: Option<Duration>,
    /// Bytes of the body at the last look, and since when they are the same.
    seen: (u64, Instant),
}

impl Deadline {
    /// Arms the exchange's timer; `limit` = `timeout.request`, `None` = none.
    pub fn new(exchange: &Exchange, limit: Option<Duration>) -> Self {
        let deadline = Self { limit, seen: (0, exchange.started) };
        let uploading = exchange.flow.as_ref().is_some_and(|flow| !flow.finished.get());
        deadline.arm(exchange, exchange.started, uploading);
        deadline
    }

    fn arm(&self, exchange: &Exchange, now: Instant, uploading: bool) {
        let pace = uploading.then_some(exchange.connection.timeouts.body);
        match self.limit.into_iter().chain(pace).min() {
            Some(wait) => exchange.timer.arm(now + wait),
            None => exchange.timer.disarm(),
        }
    }

    /// The timer has fired: arms it again, or says why it is over.
    pub fn look_again(&mut self, exchange: &Exchange, now: Instant) -> Result<(), Rejection> {
        let Some(flow) = &exchange.flow else { return Err(Rejection::RequestTimeout) };
        if let Some(ended) = flow.ended_at.get() {
            return match self.limit {
                Some(limit) if ended + limit > now => {
                    exchange.timer.arm(ended + limit);
                    Ok(())
                }
                Some(_) => Err(Rejection::RequestTimeout),
                None => {
                    exchange.timer.disarm();
                    Ok(())
                }
            };
        }
        if flow.finished.get() {
            return Err(Rejection::RequestTimeout);
        }
        let moved = flow.bytes.get() != self.seen.0;
        if moved {
            self.seen = (flow.bytes.get(), now);
        }
        let still = now.saturating_duration_since(self.seen.1);
        if moved || still < exchange.connection.timeouts.body {
            self.arm(exchange, now, true);
            return Ok(());
        }
        Err(if flow.starved.get() {
            Rejection::Framing(Fault::BodyTimeout)
        } else {
            Rejection::RequestTimeout
        })
    }
}
