//! One worker: a thread with its own runtime, listeners, pools, timers and counters.
//!
//! Nothing here is shared with other workers but counts. It learns of new deployments through a channel and of
//! the drain through a watcher; both come from the control thread.
//!
//! | told            | does                                                                    |
//! |-----------------|-------------------------------------------------------------------------|
//! | a deployment    | swaps the snapshot, keeps pools that fit, opens and shuts listeners      |
//! | Leaving         | HTTP/1 answers say `connection: close`, HTTP/2 connections get GOAWAY    |
//! | Closing         | shuts listeners and idle connections, waits for exchanges                |
//! | Over            | ends, whatever is left                                                   |

use crate::admission::authenticate::authenticator::{Authenticator, Source};
use crate::admission::authenticate::introspect::Introspector;
use crate::admission::limit::limiter::{self, Limiter};
use crate::admission::limit::redis::{Store, StoreTally};
use crate::admission::overload::Gauge;
use crate::clock;
use crate::config::auth::Scheme;
use crate::config::listener::Role;
use crate::deployment::{Deployment, ListenerKey};
use crate::drain::{Phase, Roster, Watcher};
use crate::identity::in_flight::InFlight;
use crate::listener::accept::{Acceptor, Settings};
use crate::mesh::Membership;
use crate::pipeline::evidence::Desk;
use crate::pipeline::live::Book;
use crate::pipeline::snapshot::Snapshot;
use crate::pipeline::{Pipeline, Recorder, Tried};
use crate::sweep::Sweep;
use crate::telemetry::access_log::AccessLogHandle;
use crate::telemetry::metrics::{Hub, WorkerMetrics};
use crate::upstream::cluster::Cluster;
use crate::upstream::state::Book as ServiceBook;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

/// How often unused connections are closed and log lines handed over.
const HOUSEKEEPING: Duration = Duration::from_millis(100);
/// So many of these are a second.
const SECOND: u32 = 10;

/// What a worker is told to run.
#[derive(Debug)]
pub struct Orders {
    /// The configuration, made ready.
    pub deployment: Arc<Deployment>,
    /// Sockets of listeners it does not have yet.
    pub sockets: Vec<(ListenerKey, std::net::TcpListener)>,
    /// Where access log lines go; `None` = nowhere.
    pub access_log: Option<AccessLogHandle>,
}

/// What a worker shares with the process.
#[derive(Debug, Clone)]
pub struct Shared {
    /// Where its counters are read.
    pub hub: Arc<Hub>,
    /// What is known of services and their endpoints.
    pub book: Arc<ServiceBook>,
    /// Passports whose requests are in flight.
    pub in_flight: Arc<InFlight>,
    /// What all workers count with.
    pub limits: Arc<limiter::Shared>,
    /// What the process has to carry.
    pub gauge: Arc<Gauge>,
    /// Calls of the application that were tried again in vain.
    pub tried: Arc<Tried>,
    /// Who we are in the mesh; `None` until we have joined.
    pub membership: watch::Receiver<Option<Arc<Membership>>>,
    /// Workers whose clients and peers have gone.
    pub left: Arc<AtomicUsize>,
    /// The drain.
    pub drain: Watcher,
}

struct Worker {
    shared: Shared,
    pipeline: Rc<Pipeline>,
    /// Connections of clients and peers.
    roster: Rc<Roster>,
    /// Connections of the application, which may need them until it has ended.
    calls: Rc<Roster>,
    acceptors: HashMap<ListenerKey, (Rc<Acceptor>, JoinHandle<()>)>,
}

/// Runs a worker on the calling thread's runtime until the drain is over or the orders end.
pub async fn run(first: Orders, mut orders: UnboundedReceiver<Orders>, shared: Shared) {
    let mut drain = shared.drain.clone();
    let mut membership = shared.membership.clone();
    let mut worker = Worker::new(&first, shared);
    worker.seat(membership.borrow_and_update().clone());
    worker.obey(first);
    tokio::task::spawn_local(worker.follow(membership));
    tokio::task::spawn_local(Rc::clone(&worker.pipeline.sweep).run());
    tokio::task::spawn_local(housekeeping(Rc::clone(&worker.pipeline)));
    loop {
        tokio::select! {
            next = orders.recv() => match next {
                Some(next) => worker.obey(next),
                None => break,
            },
            () = drain.reached(Phase::Leaving) => break,
        }
    }
    worker.leave(drain).await;
}

/// Takes over who we are and whom we believe.
fn seat(pipeline: &Pipeline, rosters: [&Rc<Roster>; 2], next: Option<Arc<Membership>>) {
    let version = next.as_ref().map_or(0, |next| next.trust.version);
    if let Some(membership) = next.as_ref().filter(|_| version != pipeline.seat.turn.get()) {
        pipeline.pools.end_denied(membership);
    }
    pipeline.seat.take(next);
    // Every connection looks whether its peer is still believed.
    rosters.into_iter().for_each(|roster| roster.nudge());
}

/// Whether the application's own calls come in there.
const fn is_for_calls(role: Role) -> bool {
    matches!(role, Role::Outbound | Role::Local(_) | Role::Captured)
}

async fn housekeeping(pipeline: Rc<Pipeline>) {
    let mut ticks = tokio::time::interval(HOUSEKEEPING);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut turn = 0;
    loop {
        let due = ticks.tick().await;
        let now = clock::now();
        pipeline.lag.borrow_mut().tick(now.saturating_duration_since(due.into_std()));
        pipeline.recorder.anchor_clocks();
        pipeline.live.purge();
        pipeline.desk.purge(pipeline.recorder.timestamp(now), now);
        let snapshot = Rc::clone(&pipeline.snapshot.borrow());
        snapshot.authenticator.purge(pipeline.recorder.timestamp(now));
        snapshot.limiter.settle();
        turn = (turn + 1) % SECOND;
        if turn == 0 {
            snapshot.limiter.keep_house();
        }
        pipeline.pools.purge(now);
        for cluster in &snapshot.clusters {
            cluster.purge();
        }
        if let Some(log) = pipeline.recorder.log.borrow_mut().as_mut() {
            log.flush();
        }
    }
}

/// Thirty-two bytes nobody can foresee: they hide tokens and keys in what is remembered.
pub fn secret() -> [u8; 32] {
    let mut bytes = [0; 32];
    // Fails only where the operating system has no randomness; then nobody is remembered under a key that is known.
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        bytes = std::array::from_fn(|_| fastrand::u8(..));
    }
    bytes
}

/// Counts what happens to the store of counts.
struct StoreMetrics(Rc<WorkerMetrics>);

impl StoreTally for StoreMetrics {
    fn store_error(&self, word: &'static str) {
        self.0.store("error", word);
    }

    fn breaker(&self, open: bool) {
        self.0.store("breaker", if open { "open" } else { "closed" });
    }
}

impl Worker {
    fn new(first: &Orders, shared: Shared) -> Self {
        let metrics = shared.hub.worker();
        let (config, tables) = (Arc::clone(&first.deployment.config), Arc::clone(&first.deployment.tables));
        let policy = Arc::clone(&first.deployment.policy);
        let authenticator = Rc::new(Authenticator::new(Arc::clone(&config), Vec::new(), &[0; 32]));
        let limiter = Limiter::new(Arc::clone(&config), Arc::clone(&shared.limits), None);
        let nothing = Snapshot { config, tables, policy, authenticator, limiter, clusters: Vec::new() };
        let pipeline = Rc::new(Pipeline {
            snapshot: RefCell::new(Rc::new(nothing)),
            recorder: Rc::new(Recorder::new(metrics)),
            sweep: Sweep::new(),
            leaving: Cell::new(false),
            seat: Rc::default(),
            pools: Rc::default(),
            desk: Desk::new(Arc::clone(&shared.in_flight)),
            live: Book::default(),
            gauge: Arc::clone(&shared.gauge),
            tried: Arc::clone(&shared.tried),
            lag: RefCell::default(),
        });
        Self { shared, pipeline, roster: Roster::new(), calls: Roster::new(), acceptors: HashMap::new() }
    }

    fn obey(&mut self, orders: Orders) {
        *self.pipeline.recorder.log.borrow_mut() = orders.access_log.as_ref().map(AccessLogHandle::worker);
        // The last chance for what the old one owes.
        self.pipeline.snapshot.borrow().limiter.settle();
        let snapshot = self.snapshot(&orders.deployment);
        *self.pipeline.snapshot.borrow_mut() = Rc::new(snapshot);
        self.review();
        self.listen(&orders.deployment, orders.sockets);
    }

    fn snapshot(&self, deployment: &Deployment) -> Snapshot {
        let before = Rc::clone(&self.pipeline.snapshot.borrow());
        let services = deployment.config.services.iter().zip(&deployment.client_tls).zip(&deployment.feeds);
        let zone = &deployment.config.zone;
        let clusters = services.map(|((service, tls), feed)| {
            let old = before.clusters.iter().find(|cluster| cluster.service.name == service.name);
            let unchanged = old.filter(|cluster| {
                cluster.service == *service && cluster.tls == *tls && before.config.zone == *zone
            });
            unchanged.cloned().unwrap_or_else(|| {
                let metrics = self.pipeline.recorder.metrics.upstream(&service.name);
                let old = old.map(Rc::as_ref);
                let cluster = Cluster::new(
                    (service.clone(), feed.clone(), zone.clone()),
                    (tls.clone(), Rc::clone(&self.pipeline.seat), Rc::clone(&self.pipeline.pools)),
                    metrics,
                    &self.shared.book,
                    old,
                );
                cluster.follow();
                cluster
            })
        });
        Snapshot {
            clusters: clusters.collect(),
            authenticator: self.authenticator(deployment),
            limiter: self.limiter(deployment, &before),
            config: Arc::clone(&deployment.config),
            tables: Arc::clone(&deployment.tables),
            policy: Arc::clone(&deployment.policy),
        }
    }

    /// Who clients are; what was remembered of tokens ends with the configuration it was judged by.
    fn authenticator(&self, deployment: &Deployment) -> Rc<Authenticator> {
        let entries = deployment.config.auth.iter().zip(&deployment.issuers);
        let sources = entries.map(|(provider, keys)| match (&provider.scheme, keys) {
            (_, Some(keys)) => Source::Keys(Arc::clone(keys)),
            (Scheme::Introspect(rule), None) => match Introspector::new(rule) {
                Ok(issuer) => Source::Issuer(Rc::new(issuer)),
                Err(error) => {
                    tracing::error!(provider = &*provider.name, %error, "nobody can be known by this entry");
                    Source::None
                }
            },
            _ => Source::None,
        });
        Rc::new(Authenticator::new(Arc::clone(&deployment.config), sources.collect(), &secret()))
    }

    /// How often clients may ask; the connection to the store goes on when it is the same store.
    fn limiter(&self, deployment: &Deployment, before: &Snapshot) -> Rc<Limiter> {
        let same = before.config.redis == deployment.config.redis;
        let store = before.limiter.store().filter(|_| same).cloned();
        let store = store.or_else(|| {
            let tally = Rc::new(StoreMetrics(Rc::clone(&self.pipeline.recorder.metrics)));
            match Store::new(deployment.config.redis.as_ref()?, tally) {
                Ok(store) => {
                    store.start();
                    Some(Rc::new(store))
                }
                Err(error) => {
                    tracing::error!(%error, "the store of counts cannot be used");
                    None
                }
            }
        });
        Limiter::new(Arc::clone(&deployment.config), Arc::clone(&self.shared.limits), store)
    }

    fn seat(&self, next: Option<Arc<Membership>>) {
        seat(&self.pipeline, [&self.roster, &self.calls], next);
    }

    /// Takes every further membership over, during the drain as well.
    fn follow(
        &self,
        mut membership: watch::Receiver<Option<Arc<Membership>>>,
    ) -> impl Future<Output = ()> + use<> {
        let (pipeline, roster, calls) =
            (Rc::clone(&self.pipeline), Rc::clone(&self.roster), Rc::clone(&self.calls));
        async move {
            // An error means that there is no mesh, or no more news of it.
            while membership.changed().await.is_ok() {
                let next = membership.borrow_and_update().clone();
                seat(&pipeline, [&roster, &calls], next);
            }
        }
    }

    /// Asks again about the requests that are going on.
    fn review(&self) {
        let snapshot = Rc::clone(&self.pipeline.snapshot.borrow());
        let permissive = Role::Inbound { permissive: true };
        let permissive = snapshot.config.listeners.iter().any(|listener| listener.role == permissive);
        let cut = self.pipeline.live.review(&snapshot.policy, permissive);
        if cut > 0 {
            tracing::warn!(event = "requests_cut", cut, "the rules do not allow them any more");
        }
    }

    /// Opens new listeners, gives the others their new settings, shuts those that are gone.
    fn listen(&mut self, deployment: &Deployment, sockets: Vec<(ListenerKey, std::net::TcpListener)>) {
        let mut sockets: HashMap<_, _> = sockets.into_iter().collect();
        let mut before = std::mem::take(&mut self.acceptors);
        for plan in &deployment.listeners {
            let settings = Settings {
                listener: plan.listener.clone(),
                tls: plan.tls.clone(),
                limits: plan.limits.clone(),
                trust: deployment.config.trust.clone(),
                strict: deployment.config.strict,
            };
            if let Some((acceptor, task)) = before.remove(&plan.key) {
                acceptor.take(settings);
                self.acceptors.insert(plan.key, (acceptor, task));
                continue;
            }
            let opened = sockets.remove(&plan.key).map(tokio::net::TcpListener::from_std);
            let Some(Ok(socket)) = opened else {
                tracing::error!(address = %plan.listener.bind, "a listener came without its socket");
                continue;
            };
            let roster = Rc::clone(self.roster_of(plan.listener.role));
            let acceptor = Rc::new(Acceptor::new(settings, Rc::clone(&self.pipeline), roster));
            let task = tokio::task::spawn_local(Rc::clone(&acceptor).run(socket));
            self.acceptors.insert(plan.key, (acceptor, task));
        }
        before.into_values().for_each(|(_, task)| task.abort());
    }

    fn roster_of(&self, role: Role) -> &Rc<Roster> {
        if is_for_calls(role) { &self.calls } else { &self.roster }
    }

    /// Shuts the listeners of these roles.
    fn shut(&mut self, which: impl Fn(Role) -> bool) {
        self.acceptors.retain(|_, (acceptor, task)| {
            let goes = which(acceptor.settings.borrow().listener.role);
            if goes {
                task.abort();
            }
            !goes
        });
    }

    async fn leave(mut self, mut drain: Watcher) {
        self.pipeline.leaving.set(true);
        self.roster.advance(Phase::Leaving);
        drain.reached(Phase::Closing).await;
        self.shut(|role| !is_for_calls(role));
        self.roster.advance(Phase::Closing);
        let over = async {
            self.roster.emptied().await;
            self.shared.left.fetch_add(1, Ordering::Relaxed);
            drain.clone().reached(Phase::Last).await;
            self.shut(|_| true);
            self.calls.advance(Phase::Closing);
            self.calls.emptied().await;
        };
        let mut time_is_up = drain.clone();
        tokio::select! {
            () = over => {}
            () = time_is_up.reached(Phase::Over) => {}
        }
        // Whatever is left is dropped with the runtime, and records its exchanges then; the log is flushed last.
        self.pipeline.recorder.cutting.set(true);
    }
}
