//! Metrics: each worker counts for itself, a scrape adds up.
//!
//! ```text
//! worker thread   WorkerMetrics --writes--> cells <--reads-- Hub::render   control thread
//! ```
//!
//! Cells are single-writer numbers (`cell`), so counting takes no lock and shares no cache line. The lists that say
//! which cells exist are behind mutexes taken in two places only: when a worker sees a series for the first time,
//! and at scrape. Counters live as long as the process and are found by name, so they survive reloads; series of
//! names that a reload took away stay until the end. The number of series is capped (`exchange`).

mod cell;
mod text;
mod exchange;
mod connections;
mod upstream;
mod tally;
mod worker;
mod process;

pub use connections::Refusal;
pub use text::Format;
pub use upstream::{AttemptEnd, OpenConnection, ServiceMetrics};
pub use worker::{ActiveGuard, OpenGuard, WorkerMetrics};

use super::names::{self, Family, label};
use crate::mesh::MeshFacts;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use text::{Encoder, Labels};
use worker::Registry;

/// What `portcullis_build_info` says.
#[derive(Debug, Clone, Copy)]
pub struct BuildInfo {
    /// Our version.
    pub version: &'static str,
    /// The compiler's version; empty when it is not known.
    pub rustc: &'static str,
}

/// A certificate in use and when it ends.
#[derive(Debug, Clone)]
pub struct CertificateExpiry {
    /// Address of the listener.
    pub listener: String,
    /// File of the certificate.
    pub certificate: String,
    /// `notAfter` of the leaf.
    pub not_after: SystemTime,
}

/// All metrics of the process; one, shared.
#[derive(Debug)]
pub struct Hub {
    build: BuildInfo,
    state: Mutex<State>,
    /// Lines of the access log that were lost: many writers, but only when something is wrong already.
    access_log_drops: Arc<AtomicU64>,
}

#[derive(Debug)]
struct State {
    workers: Vec<Arc<Registry>>,
    /// Set by others, by name.
    gauges: BTreeMap<&'static str, Gauge>,
    reloads_applied: u64,
    reloads_refused: u64,
    last_reload_sound: bool,
    last_applied: SystemTime,
}

#[derive(Debug)]
struct Gauge {
    family: &'static Family,
    series: Vec<(Labels, f64)>,
}

impl Hub {
    /// An empty hub; `started` is when the first configuration was taken over.
    pub fn new(build: BuildInfo, started: SystemTime) -> Arc<Self> {
        let state = State {
            workers: Vec::new(),
            gauges: BTreeMap::new(),
            reloads_applied: 0,
            reloads_refused: 0,
            last_reload_sound: true,
            last_applied: started,
        };
        Arc::new(Self { build, state: Mutex::new(state), access_log_drops: Arc::default() })
    }

    /// Counters for one more worker; to be called on that worker's thread, where they stay.
    pub fn worker(&self) -> Rc<WorkerMetrics> {
        let registry = Arc::<Registry>::default();
        lock(&self.state).workers.push(Arc::clone(&registry));
        WorkerMetrics::new(registry)
    }

    /// A reload was tried at `now`; `applied` tells whether its configuration was sound and taken over.
    pub fn reload_ended(&self, applied: bool, now: SystemTime) {
        let mut state = lock(&self.state);
        state.last_reload_sound = applied;
        if applied {
            state.reloads_applied += 1;
            state.last_applied = now;
        } else {
            state.reloads_refused += 1;
        }
    }

    /// Replaces the certificates whose end is shown.
    pub fn set_certificates(&self, certificates: &[CertificateExpiry]) {
        let series = certificates.iter().map(|one| {
            let labels = [(label::LISTENER, &*one.listener), (label::CERTIFICATE, &*one.certificate)];
            (labels, unix_seconds(one.not_after))
        });
        self.set_gauge(&names::CERTIFICATE_EXPIRY, series);
    }

    /// Exchanges and relays going on.
    pub fn active(&self) -> u64 {
        lock(&self.state).workers.iter().map(|worker| worker.connections.active.get()).sum()
    }

    /// Says who we are in the mesh and whom we believe.
    pub fn membership(&self, facts: &MeshFacts) {
        let id = facts.id.to_string();
        let number = |family, value: u64| self.set_gauge(family, [([(label::ID, &*id)], value as f64)]);
        number(&names::MESH_NOT_AFTER, u64::try_from(facts.not_after.0).unwrap_or(0));
        number(&names::MESH_GENERATION, facts.generation);
        number(&names::MESH_TRUST_SEQUENCE, facts.sequence);
        number(&names::MESH_DENIED, facts.denied as u64);
    }

    /// Replaces all series of a gauge; each is its labels and its value.
    pub fn set_gauge<'a, const N: usize>(
        &self,
        family: &'static Family,
        series: impl IntoIterator<Item = ([(&'static str, &'a str); N], f64)>,
    ) {
        let written = series.into_iter().map(|(labels, value)| {
            (labels.iter().fold(Labels::default(), |labels, (name, value)| labels.with(name, value)), value)
        });
        // Series that say the same are one series: the last wins, a scraper would refuse both.
        let unique: BTreeMap<_, _> = written.collect();
        let gauge = Gauge { family, series: unique.into_iter().collect() };
        lock(&self.state).gauges.insert(family.name, gauge);
    }

    /// Where lost access log lines are counted; every access log writer gets this.
    pub fn access_log_drops(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.access_log_drops)
    }

    /// Everything, as text.
    pub fn render(&self, format: Format) -> String {
        let mut encoder = Encoder::new(format);
        let state = lock(&self.state);
        render_workers(&state.workers, &mut encoder);
        let dropped = self.access_log_drops.load(Ordering::Relaxed);
        encoder.number(&names::ACCESS_LOG_DROPPED, dropped);
        render_reloads(&state, &mut encoder);
        for Gauge { family, series } in state.gauges.values() {
            encoder.numbers(family, series.iter().cloned());
        }
        drop(state);
        let build =
            Labels::default().with(label::VERSION, self.build.version).with(label::RUSTC, self.build.rustc);
        encoder.numbers(&names::BUILD_INFO, [(build, 1)]);
        process::encode(&mut encoder);
        encoder.finish()
    }
}

fn render_workers(workers: &[Arc<Registry>], encoder: &mut Encoder) {
    let mut exchanges = exchange::Totals::default();
    let mut services = upstream::Totals::default();
    let mut deprecated = BTreeMap::<Labels, u64>::new();
    for worker in workers {
        exchanges.absorb(&worker.exchanges);
        lock(&worker.services).iter().for_each(|cells| services.absorb(cells));
        for route in lock(&worker.deprecated).iter() {
            *deprecated.entry(Labels::default().with(label::ROUTE, &route.0)).or_default() += route.1.get();
        }
    }
    exchanges.encode(encoder);
    encoder.numbers(&names::DEPRECATED_USE, deprecated);
    encoder.numbers(
        &names::AUTHORIZE,
        pairs(workers, |worker| &worker.authorized, [label::VERDICT, label::RULE]),
    );
    encoder.numbers(
        &names::IDENTITY_REJECTED,
        pairs(workers, |worker| &worker.identity_rejected, [label::REASON, label::PEER]),
    );
    encoder.numbers(
        &names::AUTHENTICATE,
        pairs(workers, |worker| &worker.authenticated, [label::VERDICT, label::REASON]),
    );
    encoder.numbers(&names::LIMIT, pairs(workers, |worker| &worker.limited, [label::VERDICT, label::LIMIT]));
    encoder
        .numbers(&names::LIMIT_STORE, pairs(workers, |worker| &worker.store, [label::EVENT, label::REASON]));
    encoder
        .numbers(&names::DEGRADED, pairs(workers, |worker| &worker.degraded, [label::ROUTE, label::REASON]));
    encoder.number(&names::SERIES_OVERFLOW, workers.iter().map(|worker| worker.overflow.get()).sum::<u64>());
    let connections: Vec<_> = workers.iter().map(|worker| &worker.connections).collect();
    connections::encode(&connections, encoder);
    services.encode(encoder);
}

/// The sums of a counter with two labels.
fn pairs(
    workers: &[Arc<Registry>],
    of: impl Fn(&Registry) -> &Shared<tally::Pair>,
    [first, second]: [&'static str; 2],
) -> BTreeMap<Labels, u64> {
    let mut sums = BTreeMap::new();
    for worker in workers {
        for pair in lock(of(worker)).iter() {
            let labels = Labels::default().with(first, &pair.0[0]).with(second, &pair.0[1]);
            *sums.entry(labels).or_default() += pair.1.get();
        }
    }
    sums
}

fn render_reloads(state: &State, encoder: &mut Encoder) {
    encoder.number(&names::RELOAD_SUCCESS, u8::from(state.last_reload_sound));
    encoder.number(&names::RELOAD_TIMESTAMP, unix_seconds(state.last_applied));
    let result = |word| Labels::default().with(label::RESULT, word);
    let results = [(result("applied"), state.reloads_applied), (result("refused"), state.reloads_refused)];
    encoder.numbers(&names::RELOADS, results);
}

fn unix_seconds(time: SystemTime) -> f64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    since.as_secs_f64()
}

/// A list that one worker grows and the scrape walks.
type Shared<T> = Mutex<Vec<Arc<T>>>;

/// Locks even after a panic elsewhere: the lists are only pushed to, so they are always whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
