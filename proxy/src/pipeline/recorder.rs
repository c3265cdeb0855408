//! Where finished exchanges are written down: counters, and a line in the access log.

use crate::clock;
use crate::telemetry::access_log::WorkerLog;
use crate::telemetry::metrics::WorkerMetrics;
use crate::telemetry::record::Record;
use portcullis_ca::time::Timestamp;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Instant, SystemTime};

/// Where finished exchanges are written down.
#[derive(Debug)]
pub struct Recorder {
    /// The worker's counters.
    pub metrics: Rc<WorkerMetrics>,
    /// The worker's access log; `None` = off.
    pub log: RefCell<Option<WorkerLog>>,
    /// The drain is over: exchanges that end now are cut by us.
    pub cutting: Cell<bool>,
    /// The same moment on both clocks, so that an exchange reads only one.
    pub anchor: Cell<(Instant, SystemTime)>,
}

impl Recorder {
    /// An empty one.
    pub fn new(metrics: Rc<WorkerMetrics>) -> Self {
        Self {
            metrics,
            log: RefCell::new(None),
            cutting: Cell::new(false),
            anchor: Cell::new((clock::now(), clock::wall())),
        }
    }

    /// Follows the wall clock, should it be set; to be called now and then.
    pub fn anchor_clocks(&self) {
        self.anchor.set((clock::now(), clock::wall()));
    }

    /// What the wall clock shows at `moment`.
    pub fn wall(&self, moment: Instant) -> SystemTime {
        let (then, wall) = self.anchor.get();
        match moment.checked_duration_since(then) {
            Some(after) => wall + after,
            None => wall - then.saturating_duration_since(moment),
        }
    }

    /// The same in seconds since 1970.
    pub fn timestamp(&self, moment: Instant) -> Timestamp {
        let since = self.wall(moment).duration_since(SystemTime::UNIX_EPOCH);
        Timestamp(since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX)))
    }

    /// Writes one exchange down, once.
    pub fn write(&self, record: &Record<'_>) {
        self.metrics.exchange(record);
        if let Some(log) = self.log.borrow_mut().as_mut() {
            log.write(record);
        }
    }
}
