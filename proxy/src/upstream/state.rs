//! What the process knows of services and their endpoints: shared by all workers, kept over reloads.
//!
//! Numbers that every request touches are atomics; lists are behind locks taken only when endpoints come and go.

use crate::balance::outlier::{self, Deed};
use crate::balance::peak_ewma::Estimate;
use crate::balance::{Health, Standing};
use crate::clock;
use crate::config::service::Outlier;
use crate::resilience::breaker::Breaker;
use crate::resilience::budget::Budget;
use crate::resilience::bulkhead::Bulkhead;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// All services of the process, by name.
#[derive(Debug, Default)]
pub struct Book(Mutex<HashMap<Arc<str>, Arc<ServiceState>>>);

impl Book {
    /// What is known of one.
    pub fn of(&self, service: &Arc<str>) -> Arc<ServiceState> {
        Arc::clone(lock(&self.0).entry(Arc::clone(service)).or_default())
    }
}

/// One service.
#[derive(Debug, Default)]
pub struct ServiceState {
    /// Whether it is left in peace.
    pub breaker: Breaker,
    /// How many exchanges it has.
    pub bulkhead: Arc<Bulkhead>,
    /// What may be spent on trying again.
    pub budget: Budget,
    /// Too few endpoints are well, so that it does not matter who is.
    pub panics: AtomicBool,
    /// Counts up when some endpoint stands otherwise than before: whoever chooses must look again.
    turn: AtomicU64,
    endpoints: Mutex<HashMap<SocketAddr, Arc<EndpointStats>>>,
}

impl ServiceState {
    /// What is known of one endpoint.
    pub fn endpoint(&self, address: SocketAddr) -> Arc<EndpointStats> {
        Arc::clone(lock(&self.endpoints).entry(address).or_default())
    }

    /// All endpoints that somebody still uses.
    pub fn endpoints(&self) -> Vec<(SocketAddr, Arc<EndpointStats>)> {
        lock(&self.endpoints).iter().map(|(address, stats)| (*address, Arc::clone(stats))).collect()
    }

    /// Forgets endpoints that nobody uses any more, if there are more than `listed`.
    pub fn purge(&self, listed: usize) {
        let mut endpoints = lock(&self.endpoints);
        if endpoints.len() > listed {
            endpoints.retain(|_, stats| Arc::strong_count(stats) > 1);
        }
    }

    /// Which turn of standings this is.
    pub fn turn(&self) -> u64 {
        self.turn.load(Ordering::Acquire)
    }

    /// Some endpoint stands otherwise than before.
    pub fn changed(&self) {
        self.turn.fetch_add(1, Ordering::Release);
    }

    /// What an endpoint did. `true`: it has just been left out.
    pub fn note(&self, rule: &Outlier, stats: &EndpointStats, deed: Deed, now: Instant) -> bool {
        if deed == Deed::Good {
            return stats.outlier.note(rule, deed, now, || false);
        }
        // Held until it is done: two workers must not each leave out the last but one.
        let endpoints = lock(&self.endpoints);
        let room = || {
            let out = endpoints.values().filter(|other| other.outlier.ejected_until(now).is_some());
            outlier::has_room(rule, endpoints.len(), out.count())
        };
        let ejected = stats.outlier.note(rule, deed, now, room);
        drop(endpoints);
        if ejected {
            self.changed();
        }
        ejected
    }

    /// What health checks say, and why the last one was not good. `true`: they said something else before.
    pub fn checked(&self, stats: &EndpointStats, health: Health, reason: Option<&str>) -> bool {
        stats.set_reason(reason);
        let is_news = stats.set_health(health);
        if is_news {
            self.changed();
        }
        is_news
    }

    /// A health check has found that it takes connections, which no request may have tried for long.
    pub fn takes_connections(&self, stats: &EndpointStats) {
        if stats.refuses.swap(false, Ordering::Relaxed) {
            self.changed();
        }
    }
}

/// Characters kept of a reason: parts of it may come from the endpoint.
const REASON: usize = 200;

/// One endpoint.
#[derive(Debug)]
pub struct EndpointStats {
    /// Attempts in flight.
    pub active: AtomicU32,
    /// Attempts made.
    pub attempts: AtomicU64,
    /// Attempts that failed: without a sound answer in time, or with 5xx.
    pub failures: AtomicU64,
    /// Unused connections kept.
    pub idle: AtomicU32,
    /// How long it takes.
    pub latency: Estimate,
    /// Whether it is left out.
    pub outlier: outlier::Record,
    /// The last connection to it was refused.
    pub refuses: AtomicBool,
    health: AtomicU8,
    /// Why the last check was not good; touched by checks and by people who look, never by requests.
    reason: Mutex<Option<Arc<str>>>,
    born: Instant,
    /// Nanoseconds from its birth to when it became well again.
    well_after: AtomicU64,
}

impl Default for EndpointStats {
    fn default() -> Self {
        Self {
            active: AtomicU32::default(),
            attempts: AtomicU64::default(),
            failures: AtomicU64::default(),
            idle: AtomicU32::default(),
            latency: Estimate::default(),
            outlier: outlier::Record::default(),
            refuses: AtomicBool::default(),
            health: AtomicU8::default(),
            reason: Mutex::default(),
            born: clock::now(),
            well_after: AtomicU64::default(),
        }
    }
}

impl EndpointStats {
    /// What active checks say.
    pub fn health(&self) -> Health {
        match self.health.load(Ordering::Relaxed) {
            1 => Health::Well,
            2 => Health::Ill,
            _ => Health::Unknown,
        }
    }

    /// Why the last active check was not good; `None`: it was, or there was none.
    pub fn reason(&self) -> Option<Arc<str>> {
        lock(&self.reason).clone()
    }

    fn set_reason(&self, reason: Option<&str>) {
        let reason = reason.map(|text| text.chars().take(REASON).collect::<String>().into());
        *lock(&self.reason) = reason;
    }

    fn set_health(&self, health: Health) -> bool {
        let number = match health {
            Health::Unknown => 0,
            Health::Well => 1,
            Health::Ill => 2,
        };
        let is_news = self.health.swap(number, Ordering::Relaxed) != number;
        if is_news && health == Health::Well {
            let nanos = clock::now().saturating_duration_since(self.born).as_nanos();
            self.well_after.store(u64::try_from(nanos).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        is_news
    }

    /// How it stands now, in a word; `checked`: the service has active checks.
    pub fn word(&self, checked: bool, now: Instant) -> &'static str {
        match self.health() {
            _ if self.outlier.ejected_until(now).is_some() => "ejected",
            Health::Ill => "ill",
            _ if self.refuses.load(Ordering::Relaxed) => "refusing",
            Health::Well => "well",
            Health::Unknown if checked => "unknown",
            Health::Unknown => "unchecked",
        }
    }

    /// How it stands now.
    pub fn standing(&self, endpoint: &portcullis_discovery::Endpoint, near: bool, now: Instant) -> Standing {
        Standing {
            weight: endpoint.weight,
            priority: endpoint.priority,
            near,
            health: self.health(),
            ejected_until: self.outlier.ejected_until(now),
            refuses: self.refuses.load(Ordering::Relaxed),
            since: self.born + Duration::from_nanos(self.well_after.load(Ordering::Relaxed)),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_gone_is_forgotten_and_who_is_still_used_is_not() {
        let state = ServiceState::default();
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let used = state.endpoint(at(1));
        drop(state.endpoint(at(2)));

        state.purge(2);
        assert_eq!(state.endpoints().len(), 2, "as many as are listed");
        state.purge(1);
        let left: Vec<_> = state.endpoints().into_iter().map(|(address, _)| address).collect();

        assert_eq!(left, [at(1)]);
        drop(used);
    }
}
