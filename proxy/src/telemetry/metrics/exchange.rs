//! Exchanges of one worker, counted by what Prometheus shall tell apart.
//!
//! One look-up per exchange finds the series that holds everything about it: duration, both body sizes, and with
//! the count of durations the outcome as well. At scrape the series of all workers are added up by the labels of
//! each family. A look-up hashes the route's name and a few words and allocates nothing; only a combination never
//! seen before takes the registry's lock. Beyond [`SERIES_CAP`] combinations everything new is one `_OTHER` series:
//! whatever clients and upstreams send, memory is bounded.

use super::super::names::{self, OTHER, label};
use super::super::outcome::Outcome;
use super::super::record::Record;
use super::cell::{Count, DURATION, Histogram, SIZE, Total};
use super::text::{Encoder, Labels};
use super::{Shared, lock};
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

/// Series of exchanges a worker may hold.
pub(super) const SERIES_CAP: usize = 10_000;

/// What a series is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key<R> {
    /// All that is a small number or a word of a closed list, in one number: comparing it settles most.
    packed: u64,
    reason: &'static str,
    route: Option<R>,
}

impl<'a> Key<&'a str> {
    fn of(record: &Record<'a>) -> Self {
        let Outcome { ended_by, stage, reason } = record.outcome;
        let packed = [
            u64::from(record.status),
            method(record.method).0,
            scheme(record.scheme).0,
            protocol(record.protocol).0,
            ended_by as u64,
            stage as u64,
        ];
        Self { packed: packed.into_iter().fold(0, |all, part| all << 8 | part), reason, route: record.route }
    }

    fn hash(&self, state: &FixedState) -> u64 {
        let mut hasher = state.build_hasher();
        // Reasons of one length at one stage are few: the comparison tells them apart.
        hasher.write_u64(self.packed << 8 ^ self.reason.len() as u64);
        hasher.write(self.route.unwrap_or_default().as_bytes());
        hasher.finish()
    }
}

/// A number for the packed key and the word for the label.
type Coded = (u64, &'static str);

/// The methods that are told apart: those of RFC 9110 §9 and PATCH (RFC 5789).
fn method(method: &str) -> Coded {
    match method {
        "GET" => (0, "GET"),
        "POST" => (1, "POST"),
        "PUT" => (2, "PUT"),
        "DELETE" => (3, "DELETE"),
        "HEAD" => (4, "HEAD"),
        "PATCH" => (5, "PATCH"),
        "OPTIONS" => (6, "OPTIONS"),
        "CONNECT" => (7, "CONNECT"),
        "TRACE" => (8, "TRACE"),
        _ => (9, OTHER),
    }
}

fn scheme(scheme: &str) -> Coded {
    if scheme == "https" { (1, "https") } else { (0, "http") }
}

fn protocol(protocol: &str) -> Coded {
    match protocol {
        "1.1" => (0, "1.1"),
        "2" => (1, "2"),
        "1.0" => (2, "1.0"),
        _ => (3, OTHER),
    }
}

/// What was counted for one key; `None` = whatever came beyond the cap.
#[derive(Debug)]
pub(super) struct Series {
    of: Option<Known>,
    hash: u64,
    duration: Histogram<16>,
    request_body: Histogram<6>,
    response_body: Histogram<6>,
}

/// A key and the words its labels are made of.
#[derive(Debug)]
struct Known {
    key: Key<Box<str>>,
    method: &'static str,
    scheme: &'static str,
    protocol: &'static str,
    status: u16,
    outcome: Outcome,
}

impl Known {
    fn new(key: &Key<&str>, record: &Record<'_>) -> Self {
        Self {
            key: Key { packed: key.packed, reason: key.reason, route: key.route.map(Box::from) },
            method: method(record.method).1,
            scheme: scheme(record.scheme).1,
            protocol: protocol(record.protocol).1,
            status: record.status,
            outcome: record.outcome,
        }
    }

    fn duration_labels(&self) -> Labels {
        self.size_labels().with(label::PROTOCOL, self.protocol).with(label::ERROR, self.outcome.reason)
    }

    fn size_labels(&self) -> Labels {
        Labels::default()
            .with(label::METHOD, self.method)
            .with(label::SCHEME, self.scheme)
            .with(label::STATUS, itoa::Buffer::new().format(self.status))
            .with(label::ROUTE, self.key.route.as_deref().unwrap_or_default())
    }

    fn outcome_labels(&self) -> Labels {
        Labels::default()
            .with(label::ENDED_BY, self.outcome.ended_by.word())
            .with(label::STAGE, self.outcome.stage.word())
            .with(label::REASON, self.outcome.reason)
    }
}

impl Series {
    fn new(hash: u64, of: Option<Known>) -> Arc<Self> {
        let (duration, request_body, response_body) = Default::default();
        Arc::new(Self { of, hash, duration, request_body, response_body })
    }

    fn observe(&self, record: &Record<'_>) {
        let nanos = u64::try_from(record.duration.as_nanos()).unwrap_or(u64::MAX);
        self.duration.observe(&DURATION, nanos);
        self.request_body.observe(&SIZE, record.bytes_in);
        self.response_body.observe(&SIZE, record.bytes_out);
    }

    fn is(&self, key: &Key<&str>) -> bool {
        self.of.as_ref().is_some_and(|Known { key: own, .. }| {
            own.packed == key.packed
                && same(own.reason, key.reason)
                && own.route.is_some() == key.route.is_some()
                && same(own.route.as_deref().unwrap_or_default(), key.route.unwrap_or_default())
        })
    }
}

/// Whether two texts are the same. Empty ones do not get as far as glibc's `memcmp`: for them it does a masked load
/// from whatever address the empty slice has, and where that is not mapped, AMD processors take 100 ns to find out.
fn same(one: &str, two: &str) -> bool {
    one.len() == two.len() && (one.is_empty() || one == two)
}

/// The series of one worker, as that worker finds them.
#[derive(Debug)]
pub(super) struct Exchanges {
    hasher: FixedState,
    table: RefCell<HashTable<Arc<Series>>>,
    /// The same series, as the scrape finds them.
    shared: Arc<Shared<Series>>,
    beyond: RefCell<Option<Arc<Series>>>,
    cap: usize,
}

impl Exchanges {
    pub(super) fn new(shared: Arc<Shared<Series>>, cap: usize) -> Self {
        let (table, beyond) = Default::default();
        Self { hasher: FixedState::default(), table, shared, beyond, cap }
    }

    /// Counts one exchange; counts it in `overflow` too when the cap left no series for it.
    pub(super) fn observe(&self, record: &Record<'_>, overflow: &Count) {
        let key = Key::of(record);
        let hash = key.hash(&self.hasher);
        let table = self.table.borrow();
        match table.find(hash, |series| series.is(&key)) {
            Some(series) => series.observe(record),
            None if table.len() < self.cap => {
                drop(table);
                self.insert(hash, Known::new(&key, record)).observe(record);
            }
            None => {
                overflow.add(1);
                self.beyond().observe(record);
            }
        }
    }

    #[cold]
    fn insert(&self, hash: u64, of: Known) -> Arc<Series> {
        let series = Series::new(hash, Some(of));
        self.table.borrow_mut().insert_unique(hash, Arc::clone(&series), |series| series.hash);
        lock(&self.shared).push(Arc::clone(&series));
        series
    }

    #[cold]
    fn beyond(&self) -> Arc<Series> {
        let series = self.beyond.borrow_mut().get_or_insert_with(|| Series::new(0, None)).clone();
        let mut shared = lock(&self.shared);
        if !shared.iter().any(|known| Arc::ptr_eq(known, &series)) {
            shared.push(Arc::clone(&series));
        }
        series
    }
}

/// The exchanges of all workers added up.
#[derive(Debug, Default)]
pub(super) struct Totals {
    duration: BTreeMap<Labels, Total<16>>,
    request_body: BTreeMap<Labels, Total<6>>,
    response_body: BTreeMap<Labels, Total<6>>,
    ended: BTreeMap<Labels, u64>,
}

impl Totals {
    /// Adds the series of one worker.
    pub(super) fn absorb(&mut self, shared: &Shared<Series>) {
        for series in lock(shared).iter() {
            let (duration, size, outcome) = match &series.of {
                Some(of) => (of.duration_labels(), of.size_labels(), of.outcome_labels()),
                None => beyond_labels(),
            };
            let mut total = Total::default();
            total.absorb(&series.duration);
            let ended = self.ended.entry(outcome).or_default();
            *ended = ended.wrapping_add(total.count());
            self.duration.entry(duration).or_default().absorb(&series.duration);
            self.request_body.entry(size.clone()).or_default().absorb(&series.request_body);
            self.response_body.entry(size).or_default().absorb(&series.response_body);
        }
    }

    /// Writes the four families.
    pub(super) fn encode(self, encoder: &mut Encoder) {
        encoder.histograms(&names::SERVER_DURATION, &DURATION, &self.duration);
        encoder.histograms(&names::SERVER_REQUEST_BODY, &SIZE, &self.request_body);
        encoder.histograms(&names::SERVER_RESPONSE_BODY, &SIZE, &self.response_body);
        encoder.numbers(&names::EXCHANGES_ENDED, self.ended);
    }
}

/// Duration, size and outcome labels of the series beyond the cap.
fn beyond_labels() -> (Labels, Labels, Labels) {
    let other =
        |names: &[&str]| names.iter().fold(Labels::default(), |labels, name| labels.with(name, OTHER));
    let size = [label::METHOD, label::SCHEME, label::STATUS, label::ROUTE];
    let [method, scheme, status, route] = size;
    (
        other(&[method, scheme, status, route, label::PROTOCOL, label::ERROR]),
        other(&size),
        other(&[label::ENDED_BY, label::STAGE, label::REASON]),
    )
}
