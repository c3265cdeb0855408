//! Counters with two labels whose values come from configuration or from verified peers: found by value, capped.

use super::super::names::OTHER;
use super::cell::Count;
use super::{Shared, lock};
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use std::cell::RefCell;
use std::sync::Arc;

/// Series one worker keeps of one tally.
const CAP: usize = 1_000;

/// Two label values and what was counted for them.
pub(super) type Pair = ([Box<str>; 2], Count);

/// One worker's side of a counter with two labels.
#[derive(Debug)]
pub(super) struct Tally {
    seen: RefCell<HashMap<[Box<str>; 2], Arc<Pair>, RandomState>>,
    shared: Arc<Shared<Pair>>,
}

impl Tally {
    pub(super) fn new(shared: Arc<Shared<Pair>>) -> Self {
        Self { seen: RefCell::default(), shared }
    }

    /// Counts one event.
    pub(super) fn count(&self, first: &str, second: &str) {
        let mut seen = self.seen.borrow_mut();
        if let Some(known) = seen.get(&Borrowed([first, second])) {
            return known.1.add(1);
        }
        let second = if seen.len() < CAP { second } else { OTHER };
        let pair = || {
            let pair: Arc<Pair> = Arc::new(([first.into(), second.into()], Count::default()));
            lock(&self.shared).push(Arc::clone(&pair));
            pair
        };
        seen.entry([first.into(), second.into()]).or_insert_with(pair).1.add(1);
    }
}

/// Looks a pair up without owning it.
#[derive(Hash)]
struct Borrowed<'a>([&'a str; 2]);

impl hashbrown::Equivalent<[Box<str>; 2]> for Borrowed<'_> {
    fn equivalent(&self, [first, second]: &[Box<str>; 2]) -> bool {
        self.0 == [&**first, &**second]
    }
}
