//! One service as one worker sees it: its endpoints, their pools, whose turn it is.
//!
//! A reload keeps the clusters of unchanged services, and the pools of unchanged endpoints of changed ones when
//! what is spoken to them is the same.

use super::connect::Destination;
use super::pool::{EndpointPool, EndpointStats};
use crate::balance::{Candidate, RoundRobin, least_request};
use crate::config::service::{Balance, Service};
use crate::mesh::{Membership, Seat};
use crate::telemetry::metrics::ServiceMetrics;
use crate::tls::client::ClientTls;
use smallvec::SmallVec;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Counters of every endpoint of the process, by service and address; they outlive reloads.
#[derive(Debug, Default)]
pub struct StatsBook(Mutex<HashMap<EndpointName, Arc<EndpointStats>>>);

/// Service and address.
type EndpointName = (Arc<str>, SocketAddr);

impl StatsBook {
    /// The counters of one endpoint.
    pub fn of(&self, service: &Arc<str>, address: SocketAddr) -> Arc<EndpointStats> {
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(book.entry((Arc::clone(service), address)).or_default())
    }
}

/// One service as one worker sees it.
#[derive(Debug)]
pub struct Cluster {
    /// Its settings.
    pub service: Service,
    /// How to speak TLS to it.
    pub tls: Option<ClientTls>,
    /// Who we are in the mesh.
    pub seat: Rc<Seat>,
    /// Its counters in this worker.
    pub metrics: Rc<ServiceMetrics>,
    endpoints: Vec<Rc<EndpointPool>>,
    turn: RefCell<RoundRobin>,
    /// When a failed connection was last complained about.
    complained: Cell<Option<Instant>>,
}

impl Cluster {
    /// Builds it; pools of `before` are taken over where they fit.
    pub fn new(
        service: Service,
        (tls, seat): (Option<ClientTls>, Rc<Seat>),
        metrics: Rc<ServiceMetrics>,
        book: &StatsBook,
        before: Option<&Self>,
    ) -> Self {
        let same_wire = |old: &&Self| {
            old.service.protocol == service.protocol
                && old.service.tls == service.tls
                && old.tls == tls
                && old.service.mesh == service.mesh
        };
        let before = before.filter(same_wire);
        let kept = |address| before?.endpoints.iter().find(|pool| pool.address == address).cloned();
        let endpoints = service.endpoints.iter().map(|endpoint| {
            kept(endpoint.address).unwrap_or_else(|| {
                EndpointPool::new(endpoint.address, book.of(&service.name, endpoint.address))
            })
        });
        Self {
            endpoints: endpoints.collect(),
            turn: RefCell::default(),
            complained: Cell::new(None),
            service,
            tls,
            seat,
            metrics,
        }
    }

    /// Chooses an endpoint, `tried` ones last. `random` decides where chance does.
    pub fn pick(&self, tried: &[SocketAddr], random: u64) -> Option<&Rc<EndpointPool>> {
        if let [only] = self.endpoints.as_slice() {
            return Some(only);
        }
        let candidates: SmallVec<[Candidate; 16]> = self
            .endpoints
            .iter()
            .zip(&self.service.endpoints)
            .map(|(pool, endpoint)| Candidate {
                weight: endpoint.weight,
                active: pool.stats.active.load(Ordering::Relaxed),
                tried: tried.contains(&pool.address),
            })
            .collect();
        let index = match self.service.balance {
            Balance::RoundRobin => self.turn.borrow_mut().pick(&candidates),
            Balance::LeastRequest => least_request::pick(&candidates, random),
        };
        index.and_then(|index| self.endpoints.get(index))
    }

    /// What is needed to connect to any of its endpoints.
    pub fn destination(&self) -> Destination<'_> {
        let complained = &self.complained;
        Destination {
            service: &self.service,
            tls: self.tls.as_ref(),
            seat: &self.seat,
            metrics: &self.metrics,
            complained,
        }
    }

    /// Whether what is sent to it is encrypted.
    pub const fn is_secured(&self) -> bool {
        self.tls.is_some() || self.service.mesh.is_some()
    }

    /// Ends the connections to peers that are not believed any more.
    pub fn end_denied(&self, membership: &Membership) {
        for pool in &self.endpoints {
            pool.end_denied(membership);
        }
    }

    /// Closes connections unused for too long.
    pub fn purge(&self, now: Instant) {
        for pool in &self.endpoints {
            pool.purge(now);
        }
    }
}
