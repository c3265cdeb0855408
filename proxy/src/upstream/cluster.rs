//! One service as one worker sees it: its endpoints, their pools, whose turn it is.
//!
//! Endpoints come from a feed. A new set keeps the pools of endpoints that stay; a pool that is not in it any more ends
//! with its last exchange. A reload keeps the clusters of unchanged services, and the pools of unchanged endpoints of
//! changed ones when what is spoken to them is the same.

use super::connect::Destination;
use super::pool::{EndpointPool, Pools};
use super::state::{Book, ServiceState};
use crate::balance::hash::Ring;
use crate::balance::{Lineup, Mode, RoundRobin, Rules, Standing, least_request, peak_ewma};
use crate::clock;
use crate::config::service::{Balance, Service};
use crate::mesh::Seat;
use crate::route::split::point_for;
use crate::telemetry::metrics::ServiceMetrics;
use crate::tls::client::ClientTls;
use portcullis_discovery::{Endpoint, Feed, Snapshot};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tokio::task::AbortHandle;

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
    /// What the process knows of it.
    pub state: Arc<ServiceState>,
    /// Where its endpoints come from.
    pub feed: Feed,
    /// Our own zone.
    zone: Option<Arc<str>>,
    set: RefCell<Set>,
    turn: RefCell<RoundRobin>,
    /// When a failed connection was last complained about.
    complained: Cell<Option<Instant>>,
    /// What takes further sets of endpoints over.
    follows: RefCell<Option<AbortHandle>>,
    /// Where pools are registered.
    all: Rc<Pools>,
}

/// The endpoints in force, and who of them may be chosen.
#[derive(Debug, Default)]
struct Set {
    snapshot: Arc<Snapshot>,
    /// In the order of the snapshot.
    pools: Vec<Rc<EndpointPool>>,
    lineup: Lineup,
    ring: Ring,
    /// Which turn of standings the lineup was made from; `None` = it must be made.
    turn: Option<u64>,
}

impl Cluster {
    /// Builds it; pools of `before` are taken over where they fit.
    pub fn new(
        (service, feed, zone): (Service, Feed, Option<Arc<str>>),
        (tls, seat, all): (Option<ClientTls>, Rc<Seat>, Rc<Pools>),
        metrics: Rc<ServiceMetrics>,
        book: &Book,
        before: Option<&Self>,
    ) -> Rc<Self> {
        let same_wire = |old: &&Self| {
            old.service.protocol == service.protocol
                && old.service.tls == service.tls
                && old.tls == tls
                && old.service.mesh == service.mesh
        };
        let kept = before.filter(same_wire).map(|old| old.set.borrow().pools.clone()).unwrap_or_default();
        let cluster = Rc::new(Self {
            state: book.of(&service.name),
            set: RefCell::default(),
            turn: RefCell::new(RoundRobin::starting_at(fastrand::u64(..))),
            complained: Cell::new(None),
            follows: RefCell::default(),
            all,
            service,
            feed,
            zone,
            tls,
            seat,
            metrics,
        });
        cluster.take(cluster.feed.current(), kept);
        cluster
    }

    /// Takes over every further set of endpoints, until nobody uses the cluster.
    pub fn follow(self: &Rc<Self>) {
        let (mut feed, cluster) = (self.feed.clone(), Rc::downgrade(self));
        let follows = tokio::task::spawn_local(async move {
            while let Some(snapshot) = feed.changed().await {
                let Some(cluster) = Weak::upgrade(&cluster) else { return };
                let kept = std::mem::take(&mut cluster.set.borrow_mut().pools);
                cluster.take(snapshot, kept);
            }
        });
        self.follows.replace(Some(follows.abort_handle()));
    }

    /// A set of endpoints; pools of endpoints that stay are taken from `kept`.
    fn take(&self, snapshot: Arc<Snapshot>, kept: Vec<Rc<EndpointPool>>) {
        let mut kept: HashMap<SocketAddr, Rc<EndpointPool>> =
            kept.into_iter().map(|pool| (pool.address, pool)).collect();
        let pools = snapshot.endpoints.as_slice().iter().map(|endpoint| {
            kept.remove(&endpoint.address)
                .unwrap_or_else(|| self.all.make(endpoint.address, self.state.endpoint(endpoint.address)))
        });
        let pools = pools.collect();
        *self.set.borrow_mut() = Set { pools, snapshot, ..Set::default() };
    }

    /// Whether one of its endpoints is at this address.
    pub fn has(&self, address: SocketAddr) -> bool {
        self.set.borrow().pools.iter().any(|pool| pool.address == address)
    }

    /// Chooses an endpoint, `tried` ones last. `random` decides where chance does, `point` whose place it is on the ring.
    pub fn pick(&self, tried: &[SocketAddr], random: u64, point: Option<u64>) -> Option<Rc<EndpointPool>> {
        let now = clock::now();
        let mut set = self.set.borrow_mut();
        self.line_up(&mut set, now);
        let Set { pools, lineup, ring, snapshot, .. } = &*set;
        let endpoints = snapshot.endpoints.as_slice();
        let tried = |index: usize| pools.get(index).is_some_and(|pool| tried.contains(&pool.address));
        let active =
            |index: usize| pools.get(index).map_or(0, |pool| pool.stats.active.load(Ordering::Relaxed));
        let index = match &self.service.balance {
            Balance::RoundRobin => self.turn.borrow_mut().pick(lineup, tried),
            Balance::LeastRequest => least_request::pick(lineup, random, tried, |index| {
                (active(index), endpoints.get(index).map_or(1, |endpoint| endpoint.weight))
            }),
            Balance::PeakEwma => peak_ewma::pick(lineup, random, tried, |index| {
                pools.get(index).map_or(f64::MAX, |pool| pool.stats.latency.cost(active(index), now))
            }),
            Balance::Hash(_) => ring.pick(lineup, point.unwrap_or(random), tried, active),
        };
        index.and_then(|index| pools.get(index)).cloned()
    }

    /// How many endpoints it has, well or not.
    pub fn size(&self) -> usize {
        self.set.borrow().pools.len()
    }

    /// Makes the lineup anew when somebody stands otherwise than before.
    fn line_up(&self, set: &mut Set, now: Instant) {
        let turn = self.state.turn();
        if set.turn == Some(turn) && set.lineup.until.is_none_or(|until| now < until) {
            return;
        }
        set.turn = Some(turn);
        let endpoints = set.snapshot.endpoints.as_slice();
        let standings: Vec<Standing> = set
            .pools
            .iter()
            .zip(endpoints)
            .map(|(pool, endpoint)| pool.stats.standing(endpoint, self.is_near(endpoint), now))
            .collect();
        let rules = Rules {
            checked: self.service.health.is_some(),
            slow_start: self.service.slow_start,
            panic: self.service.outlier.map_or(0, |outlier| outlier.panic),
        };
        set.lineup = Lineup::new(&standings, &rules, now);
        self.say_panic(set.lineup.mode == Mode::Panic && standings.iter().any(|one| one.is_bad(now)));
        if matches!(self.service.balance, Balance::Hash(_)) {
            let identity =
                |index: usize| endpoints.get(index).map_or(0, |endpoint| identity(endpoint.address));
            set.ring = Ring::new(&set.lineup, identity);
        }
    }

    /// Says when checks and ejections begin to be ignored, and when they count again.
    fn say_panic(&self, panics: bool) {
        if self.state.panics.swap(panics, Ordering::Relaxed) == panics {
            return;
        }
        let service = &self.service.name;
        if panics {
            tracing::warn!(event = "endpoints_panic", %service, "too few are well: all that take connections are used");
        } else {
            tracing::info!(event = "endpoints_calm", %service, "enough are well again: no other is used");
        }
    }

    fn is_near(&self, endpoint: &Endpoint) -> bool {
        self.zone.is_some() && self.zone == endpoint.zone
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

    /// Forgets what is known of endpoints that are gone: they would count as some that are left out.
    pub fn purge(&self) {
        self.state.purge(self.size());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Its feed ends with those who follow it.
        self.follows.take().inspect(AbortHandle::abort);
    }
}

/// A number that an endpoint keeps wherever it stands in a list, in every worker and process.
fn identity(address: SocketAddr) -> u64 {
    let mut bytes = [0; 18];
    let ip = address.ip().to_canonical();
    let (of_ip, of_port) = bytes.split_at_mut(16);
    match ip {
        IpAddr::V4(ip) => of_ip.copy_from_slice(&ip.to_ipv6_mapped().octets()),
        IpAddr::V6(ip) => of_ip.copy_from_slice(&ip.octets()),
    }
    of_port.copy_from_slice(&address.port().to_be_bytes());
    point_for(&bytes, "")
}
