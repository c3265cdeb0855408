//! The membership as one worker sees it: the newest one, and how often it has changed.

use super::Membership;
use std::cell::{Cell, RefCell};
use std::sync::Arc;

/// The newest membership of a worker.
#[derive(Debug, Default)]
pub struct Seat {
    current: RefCell<Option<Arc<Membership>>>,
    /// Counts changes of whom we believe: whoever remembers another number looks again.
    pub turn: Cell<u64>,
}

impl Seat {
    /// The newest membership; `None` until the workload has joined.
    pub fn get(&self) -> Option<Arc<Membership>> {
        self.current.borrow().clone()
    }

    /// Takes the next one over.
    pub fn take(&self, next: Option<Arc<Membership>>) {
        self.turn.set(next.as_ref().map_or(0, |next| next.trust.version));
        *self.current.borrow_mut() = next;
    }
}
