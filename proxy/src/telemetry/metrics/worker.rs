//! What a worker counts with. Cheap: no lock, no allocation, no shared write once a series exists.

use super::super::names::OTHER;
use super::super::record::Record;
use super::cell::Count;
use super::connections::{Connections, Refusal};
use super::exchange::{Exchanges, SERIES_CAP, Series};
use super::tally::{Pair, Tally};
use super::upstream::{ServiceCells, ServiceMetrics};
use super::{Shared, lock};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// Names (services, deprecated routes) one worker tells apart.
const NAMES_CAP: usize = 10_000;

/// Names come from the configuration, so a fixed hash will do.
type ByName<V> = HashMap<Box<str>, V, FixedState>;

/// A name and what was counted for it.
type NamedCount = (Box<str>, Count);

/// What the scrape reads of one worker.
#[derive(Debug, Default)]
pub(super) struct Registry {
    pub(super) connections: Connections,
    pub(super) exchanges: Arc<Shared<Series>>,
    pub(super) services: Shared<ServiceCells>,
    pub(super) deprecated: Shared<NamedCount>,
    pub(super) authorized: Arc<Shared<Pair>>,
    pub(super) identity_rejected: Arc<Shared<Pair>>,
    pub(super) authenticated: Arc<Shared<Pair>>,
    pub(super) limited: Arc<Shared<Pair>>,
    pub(super) store: Arc<Shared<Pair>>,
    pub(super) degraded: Arc<Shared<Pair>>,
    pub(super) overflow: Count,
}

/// The counters of one worker.
#[derive(Debug)]
pub struct WorkerMetrics {
    registry: Arc<Registry>,
    exchanges: Exchanges,
    services: RefCell<ByName<Rc<ServiceMetrics>>>,
    deprecated: RefCell<ByName<Arc<NamedCount>>>,
    authorized: Tally,
    identity_rejected: Tally,
    authenticated: Tally,
    limited: Tally,
    store: Tally,
    degraded: Tally,
}

impl WorkerMetrics {
    pub(super) fn new(registry: Arc<Registry>) -> Rc<Self> {
        Self::with_cap(registry, SERIES_CAP)
    }

    pub(super) fn with_cap(registry: Arc<Registry>, cap: usize) -> Rc<Self> {
        let exchanges = Exchanges::new(Arc::clone(&registry.exchanges), cap);
        let (services, deprecated) = Default::default();
        let authorized = Tally::new(Arc::clone(&registry.authorized));
        let identity_rejected = Tally::new(Arc::clone(&registry.identity_rejected));
        let authenticated = Tally::new(Arc::clone(&registry.authenticated));
        let limited = Tally::new(Arc::clone(&registry.limited));
        let store = Tally::new(Arc::clone(&registry.store));
        let degraded = Tally::new(Arc::clone(&registry.degraded));
        Rc::new(Self {
            registry,
            exchanges,
            services,
            deprecated,
            authorized,
            identity_rejected,
            authenticated,
            limited,
            store,
            degraded,
        })
    }

    /// Counts an exchange that has ended.
    pub fn exchange(&self, record: &Record<'_>) {
        self.exchanges.observe(record, &self.registry.overflow);
    }

    /// An exchange has begun; it counts as active until the guard is dropped.
    pub fn active(self: &Rc<Self>) -> ActiveGuard {
        self.registry.connections.active.add(1);
        ActiveGuard(Rc::clone(self))
    }

    /// The counters of a service, found by name: look them up once, not per request.
    pub fn upstream(&self, service: &str) -> Rc<ServiceMetrics> {
        let mut services = self.services.borrow_mut();
        if let Some(known) = services.get(service) {
            return Rc::clone(known);
        }
        let service = if services.len() < NAMES_CAP { service } else { OTHER };
        let metrics = services.entry(service.into()).or_insert_with(|| {
            let (metrics, cells) = ServiceMetrics::new(service);
            lock(&self.registry.services).push(cells);
            metrics
        });
        Rc::clone(metrics)
    }

    /// A request used a deprecated route.
    pub fn deprecated(&self, route: &str) {
        let mut routes = self.deprecated.borrow_mut();
        if let Some(known) = routes.get(route) {
            return known.1.add(1);
        }
        let route = if routes.len() < NAMES_CAP { route } else { OTHER };
        let counted = routes.entry(route.into()).or_insert_with(|| {
            let counted = Arc::new((Box::from(route), Count::default()));
            lock(&self.registry.deprecated).push(Arc::clone(&counted));
            counted
        });
        counted.1.add(1);
    }

    /// The rules of the workload decided.
    pub fn authorized(&self, verdict: &str, rule: &str) {
        self.authorized.count(verdict, rule);
    }

    /// Evidence of a user did not hold.
    pub fn identity_rejected(&self, reason: &str, peer: &str) {
        self.identity_rejected.count(reason, peer);
    }

    /// It was asked who a client is. `reason`: why it was not believed; empty when it was.
    pub fn authenticated(&self, verdict: &str, reason: &str) {
        self.authenticated.count(verdict, reason);
    }

    /// A limit has said something.
    pub fn limited(&self, verdict: &str, limit: &str) {
        self.limited.count(verdict, limit);
    }

    /// Something went wrong with the store of counts: `error` and why, or `breaker` and its new state.
    pub fn store(&self, event: &str, what: &str) {
        self.store.count(event, what);
    }

    /// Somebody else than the service of a route has answered.
    pub fn degraded(&self, route: &str, reason: &str) {
        self.degraded.count(route, reason);
    }

    /// A connection was accepted; it counts as open until the guard is dropped.
    pub fn accepted(self: &Rc<Self>) -> OpenGuard {
        self.registry.connections.accepted.add(1);
        self.registry.connections.open.add(1);
        OpenGuard(Rc::clone(self))
    }

    /// A connection is closed before its first request.
    pub fn refused(&self, why: Refusal) {
        self.registry.connections.refused(why).add(1);
    }

    /// An accept call failed.
    pub fn accept_failed(&self) {
        self.registry.connections.accept_errors.add(1);
    }
}

/// An exchange going on.
#[derive(Debug)]
pub struct ActiveGuard(Rc<WorkerMetrics>);

impl Drop for ActiveGuard {
    fn drop(&mut self) {
        self.0.registry.connections.active.sub(1);
    }
}

/// An open connection of a client.
#[derive(Debug)]
pub struct OpenGuard(Rc<WorkerMetrics>);

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.0.registry.connections.open.sub(1);
    }
}
