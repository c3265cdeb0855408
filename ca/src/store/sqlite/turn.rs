//! Whose turn it is to write, within this process.
//!
//! Decides only that. A mutex alone would wait for ever for a writer that does not end, and for itself.

use super::lock;
use crate::store::StoreError;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

#[derive(Default)]
pub(super) struct Turns {
    taken: Mutex<bool>,
    ended: Condvar,
}

/// Ends when dropped.
pub(super) struct Turn<'a>(&'a Turns);

impl Turns {
    /// Waits until nobody writes.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when somebody still does after `patience`.
    pub(super) fn wait(&self, patience: Duration) -> Result<Turn<'_>, StoreError> {
        let waited = self.ended.wait_timeout_while(lock(&self.taken), patience, |taken| *taken);
        let (mut taken, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if *taken {
            return Err(StoreError::Busy);
        }
        *taken = true;
        Ok(Turn(self))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *lock(&self.0.taken) = false;
        self.0.ended.notify_one();
    }
}
