//! Calls of the application that were tried again in vain, by trace: only the hop nearest a failure tries again.
//!
//! When a call of our application has failed for good, its own answer will probably be a failure too; trying *that* again
//! would multiply the tries. The two belong together by their trace, which applications hand on. Must not know: why
//! anything failed.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// So many are remembered, the latest.
const KEPT: usize = 256;

/// Traces of calls that were tried again in vain, of the whole process: a call and the request it is made for may be
/// with different workers. Asked only when something has failed.
#[derive(Debug, Default)]
pub struct Tried(Mutex<VecDeque<Box<str>>>);

impl Tried {
    /// Takes note of a call.
    pub fn note(&self, trace: &str) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back(trace.into());
    }

    /// Whether a call of this trace was tried again in vain.
    pub fn has(&self, trace: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|kept| **kept == *trace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_remembered_and_the_others_forgotten() {
        let tried = Tried::default();

        (0..=KEPT).for_each(|number| tried.note(&number.to_string()));

        assert!(!tried.has("0") && tried.has("1") && tried.has(&KEPT.to_string()));
    }
}
