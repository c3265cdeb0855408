//! Verdicts about tokens that still hold. Pure.
//!
//! Bounded: what is over goes first, then what would be over soonest. Refusals are remembered for a short time only, so
//! a flood of invented tokens pushes out its own. Must not know tokens: they come as keyed hashes.

use super::Verdict;
use std::collections::HashMap;
use std::time::Instant;

/// Half of HMAC-SHA-256 of a token, under a key nobody knows.
pub type Mark = [u8; 16];

/// What is remembered.
#[derive(Debug)]
pub struct Memory {
    most: usize,
    known: HashMap<Mark, (Instant, Verdict)>,
}

impl Memory {
    /// Remembers at most `most`, at least one.
    pub fn new(most: usize) -> Self {
        Self { most: most.max(1), known: HashMap::new() }
    }

    /// What holds now about `mark`.
    pub fn find(&self, mark: &Mark, now: Instant) -> Option<Verdict> {
        self.known.get(mark).filter(|(until, _)| now < *until).map(|(_, verdict)| verdict.clone())
    }

    /// Remembers a verdict that holds up to `until`.
    pub fn put(&mut self, mark: Mark, verdict: Verdict, until: Instant, now: Instant) {
        if until <= now {
            return;
        }
        if self.known.len() >= self.most {
            self.known.retain(|_, (until, _)| now < *until);
        }
        if self.known.len() >= self.most {
            let soonest = self.known.iter().min_by_key(|(_, (until, _))| *until).map(|(mark, _)| *mark);
            soonest.and_then(|mark| self.known.remove(&mark));
        }
        self.known.insert(mark, (until, verdict));
    }
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
