//! Attempts and connections towards one service, counted by one worker.

use super::super::names::{self, OTHER, label};
use super::cell::{Count, DURATION, Histogram, Total};
use super::text::{Encoder, Labels};
use super::{Shared, lock};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Ways an attempt may end that one worker tells apart per service; an upstream may invent statuses.
const ENDS_CAP: usize = 100;

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptEnd {
    /// The head of an answer came, with this status.
    Answered(u16),
    /// No answer; the reason is a word of a closed list.
    Failed(&'static str),
    /// Whatever came beyond the cap.
    Other,
}

/// What the scrape reads about one service of one worker.
#[derive(Debug)]
pub(super) struct ServiceCells {
    service: Box<str>,
    active: Count,
    idle: Count,
    connects: Count,
    reused: Count,
    resends: Count,
    retries: Count,
    retries_refused: Count,
    overflows: Count,
    ejections: Count,
    failures: Shared<(&'static str, Count)>,
    attempts: Shared<(AttemptEnd, Histogram<16>)>,
}

/// Counts for one service; held by whoever sends to it. Of one worker alone.
#[derive(Debug)]
pub struct ServiceMetrics {
    cells: Arc<ServiceCells>,
    /// The worker's own copies of the lists, searched without a lock.
    failures: RefCell<Vec<Arc<(&'static str, Count)>>>,
    attempts: RefCell<Vec<Arc<(AttemptEnd, Histogram<16>)>>>,
}

impl ServiceMetrics {
    pub(super) fn new(service: &str) -> (Rc<Self>, Arc<ServiceCells>) {
        let cells = Arc::new(ServiceCells {
            service: service.into(),
            active: Count::default(),
            idle: Count::default(),
            connects: Count::default(),
            reused: Count::default(),
            resends: Count::default(),
            retries: Count::default(),
            retries_refused: Count::default(),
            overflows: Count::default(),
            ejections: Count::default(),
            failures: Shared::default(),
            attempts: Shared::default(),
        });
        let (failures, attempts) = Default::default();
        (Rc::new(Self { cells: Arc::clone(&cells), failures, attempts }), cells)
    }

    /// An attempt ended this long after it was started: with the head of its answer, or without.
    pub fn attempt_ended(&self, duration: Duration, end: AttemptEnd) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let known = self.attempts.borrow();
        if let Some(series) = known.iter().find(|series| series.0 == end) {
            return series.1.observe(&DURATION, nanos);
        }
        let full = known.len() >= ENDS_CAP;
        drop(known);
        if full && end != AttemptEnd::Other {
            return self.attempt_ended(duration, AttemptEnd::Other);
        }
        let series = Arc::new((end, Histogram::default()));
        series.1.observe(&DURATION, nanos);
        self.attempts.borrow_mut().push(Arc::clone(&series));
        lock(&self.cells.attempts).push(series);
    }

    /// A connection is about to be made.
    pub fn connecting(&self) {
        self.cells.connects.add(1);
    }

    /// It could not be made; the reason is a word of a closed list.
    pub fn connect_failed(&self, reason: &'static str) {
        let known = self.failures.borrow();
        if let Some(failure) = known.iter().find(|failure| failure.0 == reason) {
            return failure.1.add(1);
        }
        drop(known);
        let failure = Arc::new((reason, Count::default()));
        failure.1.add(1);
        self.failures.borrow_mut().push(Arc::clone(&failure));
        lock(&self.cells.failures).push(failure);
    }

    /// It was made: counted as active until told otherwise, and as open until dropped.
    pub fn connected(self: &Rc<Self>) -> OpenConnection {
        self.cells.active.add(1);
        OpenConnection { service: Rc::clone(self), idle: Cell::new(false) }
    }

    /// A request goes out on a connection that was kept.
    pub fn reused(&self) {
        self.cells.reused.add(1);
    }

    /// A request goes out again because its kept connection was closed before it was sent.
    pub fn resent(&self) {
        self.cells.resends.add(1);
    }

    /// A request goes out again because its attempt failed.
    pub fn retried(&self) {
        self.cells.retries.add(1);
    }

    /// It would, but the budget is spent.
    pub fn retry_refused(&self) {
        self.cells.retries_refused.add(1);
    }

    /// There was no place for a request.
    pub fn overflowed(&self) {
        self.cells.overflows.add(1);
    }

    /// An endpoint was left out for its failures.
    pub fn ejected(&self) {
        self.cells.ejections.add(1);
    }
}

/// One open connection to a service, as the gauges see it.
#[derive(Debug)]
pub struct OpenConnection {
    service: Rc<ServiceMetrics>,
    idle: Cell<bool>,
}

impl OpenConnection {
    /// It carries at least one request. Saying so twice is harmless.
    pub fn active(&self) {
        if self.idle.replace(false) {
            self.service.cells.idle.sub(1);
            self.service.cells.active.add(1);
        }
    }

    /// It waits for the next request. Saying so twice is harmless.
    pub fn idle(&self) {
        if !self.idle.replace(true) {
            self.service.cells.active.sub(1);
            self.service.cells.idle.add(1);
        }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let cells = &self.service.cells;
        if self.idle.get() { cells.idle.sub(1) } else { cells.active.sub(1) }
    }
}

/// The services of all workers added up.
#[derive(Debug, Default)]
pub(super) struct Totals {
    duration: BTreeMap<Labels, Total<16>>,
    open: BTreeMap<Labels, u64>,
    connects: BTreeMap<Labels, u64>,
    failures: BTreeMap<Labels, u64>,
    reused: BTreeMap<Labels, u64>,
    resends: BTreeMap<Labels, u64>,
    retries: BTreeMap<Labels, u64>,
    overflows: BTreeMap<Labels, u64>,
    ejections: BTreeMap<Labels, u64>,
}

impl Totals {
    /// Adds one service of one worker.
    pub(super) fn absorb(&mut self, cells: &ServiceCells) {
        let service = || Labels::default().with(label::SERVICE, &cells.service);
        for attempt in lock(&cells.attempts).iter() {
            self.duration.entry(end_labels(service(), attempt.0)).or_default().absorb(&attempt.1);
        }
        add(&mut self.open, service().with(label::STATE, "active"), &cells.active);
        add(&mut self.open, service().with(label::STATE, "idle"), &cells.idle);
        add(&mut self.connects, service(), &cells.connects);
        for failure in lock(&cells.failures).iter() {
            add(&mut self.failures, service().with(label::REASON, failure.0), &failure.1);
        }
        add(&mut self.reused, service(), &cells.reused);
        add(&mut self.resends, service(), &cells.resends);
        add(&mut self.retries, service().with(label::RESULT, "made"), &cells.retries);
        add(&mut self.retries, service().with(label::RESULT, "refused"), &cells.retries_refused);
        add(&mut self.overflows, service(), &cells.overflows);
        add(&mut self.ejections, service(), &cells.ejections);
    }

    /// Writes the families.
    pub(super) fn encode(self, encoder: &mut Encoder) {
        encoder.histograms(&names::CLIENT_DURATION, &DURATION, &self.duration);
        encoder.numbers(&names::CLIENT_OPEN, self.open);
        encoder.numbers(&names::CONNECTS, self.connects);
        encoder.numbers(&names::CONNECT_FAILURES, self.failures);
        encoder.numbers(&names::REUSED, self.reused);
        encoder.numbers(&names::RESENDS, self.resends);
        encoder.numbers(&names::RETRIES, self.retries);
        encoder.numbers(&names::OVERFLOWS, self.overflows);
        encoder.numbers(&names::EJECTIONS, self.ejections);
    }
}

fn add(totals: &mut BTreeMap<Labels, u64>, labels: Labels, count: &Count) {
    let total = totals.entry(labels).or_default();
    *total = total.wrapping_add(count.get());
}

fn end_labels(service: Labels, end: AttemptEnd) -> Labels {
    match end {
        AttemptEnd::Answered(status) => service.with(label::STATUS, itoa::Buffer::new().format(status)),
        AttemptEnd::Failed(reason) => service.with(label::ERROR, reason),
        AttemptEnd::Other => service.with(label::STATUS, OTHER),
    }
}
