//! How many exchanges a service may have at once, in the whole process. Asks [`seats`] who may enter; here one waits.
//!
//! It must not know what an exchange is. With a place free, entering and leaving take no lock; a worker that leaves
//! wakes who waits on another. How many places there are is the rule's `concurrent`, or less when an adaptive limit
//! ([`super::adaptive`]) has learnt that the service does not take so many.

mod seats;

use super::adaptive::{self, Adaptive};
use crate::clock;
use crate::config::service;
use seats::{Called, Joined, Seats};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// The bulkhead of one service, shared by all workers.
#[derive(Debug, Default)]
pub struct Bulkhead {
    seats: Seats<Waker>,
    /// What [`Self::adaptive`] says; 0: nothing yet.
    learnt: AtomicU32,
    /// Whoever finds it taken goes on: one sample more or less does not matter.
    adaptive: Mutex<Adaptive>,
    /// Tunnels and WebSockets among those inside: they stay for hours and say nothing of how busy the service is, so
    /// an adaptive limit holds for the others only.
    staying: AtomicU32,
}

/// A place inside; rides on the exchange until its answer's body has ended.
#[derive(Debug)]
pub struct Permit(Arc<Bulkhead>);

/// What has a permit and stays: it counts as one of those, until dropped.
#[derive(Debug)]
pub struct Staying(Arc<Bulkhead>);

/// Why nobody may enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// Nobody more may wait.
    #[error("the queue is full")]
    Queue,
    /// It was waited for long enough.
    #[error("no place became free in time")]
    Wait,
}

impl Bulkhead {
    /// A place, if there is one and nobody waits for it.
    pub fn try_enter(self: &Arc<Self>, rule: &service::Bulkhead) -> Option<Permit> {
        self.heed(rule);
        self.seats.try_enter().then(|| Permit(Arc::clone(self)))
    }

    /// Waits for a place, first come first served. Dropping the future gives the turn to the next.
    pub async fn enter(self: &Arc<Self>, rule: &service::Bulkhead) -> Result<Permit, Full> {
        self.heed(rule);
        let waiting = Waiting { bulkhead: self, queue: rule.queue, number: None };
        tokio::time::timeout(rule.wait, waiting).await.unwrap_or(Err(Full::Wait))
    }

    /// How many are inside, and how many wait.
    pub fn load(&self) -> (u32, u32) {
        self.seats.load()
    }

    /// How many may be inside now.
    pub fn limit(&self, rule: &service::Bulkhead) -> u32 {
        if !rule.adaptive {
            return rule.concurrent;
        }
        let learnt = self.learnt.load(Ordering::Relaxed).max(adaptive::LEAST);
        learnt.saturating_add(self.staying.load(Ordering::Relaxed)).min(rule.concurrent)
    }

    /// Takes over a limit that has changed.
    fn heed(&self, rule: &service::Bulkhead) {
        wake(self.seats.set_limit(self.limit(rule)));
    }
}

impl Permit {
    /// The exchange has become a connection of its own: it stays until one side closes it.
    pub fn stays(&self, rule: &service::Bulkhead) -> Staying {
        let Self(bulkhead) = self;
        bulkhead.staying.fetch_add(1, Ordering::Relaxed);
        bulkhead.heed(rule);
        Staying(Arc::clone(bulkhead))
    }

    /// How long the service took for it, or that it failed to answer: what an adaptive limit learns from.
    pub fn answered(&self, rule: &service::Bulkhead, took: Option<Duration>) {
        let Self(bulkhead) = self;
        if !rule.adaptive {
            return;
        }
        let Ok(mut adaptive) = bulkhead.adaptive.try_lock() else { return };
        let inside = bulkhead.load().0.saturating_sub(bulkhead.staying.load(Ordering::Relaxed));
        let learnt = adaptive.sample(took, inside, rule.concurrent, clock::now());
        if bulkhead.learnt.load(Ordering::Relaxed) != learnt {
            bulkhead.learnt.store(learnt, Ordering::Relaxed);
            drop(adaptive);
            bulkhead.heed(rule);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        wake(self.0.seats.leave());
    }
}

impl Drop for Staying {
    fn drop(&mut self) {
        self.0.staying.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One who waits.
struct Waiting<'a> {
    bulkhead: &'a Arc<Bulkhead>,
    /// Most that may wait.
    queue: u32,
    /// In the line, until it has its place.
    number: Option<u64>,
}

impl Future for Waiting<'_> {
    type Output = Result<Permit, Full>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let (seats, waker) = (&self.bulkhead.seats, context.waker());
        if let Some(number) = self.number {
            if seats.waits(number, |known| known.clone_from(waker)) {
                return Poll::Pending;
            }
            self.number = None;
            return Poll::Ready(Ok(Permit(Arc::clone(self.bulkhead))));
        }
        match seats.join(self.queue, waker.clone()) {
            Joined::Seated => Poll::Ready(Ok(Permit(Arc::clone(self.bulkhead)))),
            Joined::Full => Poll::Ready(Err(Full::Queue)),
            Joined::Waits(number) => {
                self.number = Some(number);
                Poll::Pending
            }
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            wake(self.bulkhead.seats.give_up(number));
        }
    }
}

fn wake(called: Called<Waker>) {
    called.into_iter().for_each(Waker::wake);
}

#[cfg(test)]
mod tests;
