//! What may be spent on trying again. Pure.
//!
//! A service in trouble is not to get more requests because it is in trouble. So tries are paid for, in the form of
//! Finagle and Linkerd: each request earns a part of a try, what it earned lasts ten seconds, and a floor is always
//! there, so that a quiet service can be tried again at all.
//!
//! | | counts |
//! |--|--|
//! | earned | what requests of this second and the nine before it brought: at most the last ten seconds |
//! | floor | ten seconds of it |
//! | spent | tries of this second and the ten before it: at least the last ten seconds |
//!
//! A try is granted while spent and it ≤ earned + floor. Both counts err to the safe side, so over any ten seconds that
//! end with a try, tries ≤ per cent of requests + 10 · floor, exactly. It is shared by all workers and takes no lock: a
//! try is noted first and taken back if it was one too many, so two at once may both be refused, never both granted.

use crate::config::service::Retry;
use std::ops::RangeInclusive;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// For how many seconds what was earned lasts.
const LASTS: u32 = 10;
/// Seconds that are told apart: enough for workers that are five seconds late.
const SECONDS: u32 = 16;
/// What a try costs: requests earn per cent of it.
const TRY: u64 = 100;

/// The budget of one service, shared by all workers.
#[derive(Debug, Default)]
pub struct Budget {
    /// When the first second began.
    origin: OnceLock<Instant>,
    /// Hundredths of tries that requests brought.
    earned: Ring,
    /// Tries.
    spent: Ring,
}

impl Budget {
    /// A request came, not a try of one.
    pub fn deposit(&self, rule: &Retry, now: Instant) {
        // `false` is no matter: what is so late is too old to count.
        self.earned.add(self.second(now), rule.budget);
    }

    /// Takes one try; `false`: there is nothing left.
    pub fn withdraw(&self, rule: &Retry, now: Instant) -> bool {
        let second = self.second(now);
        self.left_in(rule, second) > 0 && self.take(rule, second)
    }

    /// How many tries could be taken now.
    pub fn left(&self, rule: &Retry, now: Instant) -> u64 {
        self.left_in(rule, self.second(now))
    }

    /// Notes a try, and takes it back if it was one too many: there may have been room a moment ago.
    fn take(&self, rule: &Retry, second: u32) -> bool {
        if !self.spent.add(second, 1) {
            return false;
        }
        // Of all that do this at once, the last to note its try sees the tries of the others.
        let granted = self.spent_in(second) <= self.limit_in(rule, second);
        if !granted {
            self.spent.take_back(second);
        }
        granted
    }

    fn left_in(&self, rule: &Retry, second: u32) -> u64 {
        self.limit_in(rule, second).saturating_sub(self.spent_in(second))
    }

    fn limit_in(&self, rule: &Retry, second: u32) -> u64 {
        let earned = self.earned.sum(second.saturating_sub(LASTS - 1)..=second);
        earned / TRY + u64::from(rule.floor) * u64::from(LASTS)
    }

    fn spent_in(&self, second: u32) -> u64 {
        // What a worker ahead of us spent counts too.
        self.spent.sum(second.saturating_sub(LASTS)..=u32::MAX)
    }

    fn second(&self, now: Instant) -> u32 {
        let origin = self.origin.get_or_init(|| now);
        u32::try_from(now.saturating_duration_since(*origin).as_secs()).unwrap_or(u32::MAX)
    }
}

/// Counts of the last seconds: the second above, its count below. A second takes the place of the one sixteen before.
#[derive(Debug, Default)]
struct Ring([AtomicU64; SECONDS as usize]);

impl Ring {
    /// `false`: another worker has been in a second that takes this one's place.
    fn add(&self, second: u32, amount: u32) -> bool {
        let Some(slot) = self.slot(second) else { return false };
        // Sequentially consistent: tries of two workers may be in two seconds, and each must see the other's.
        let mut word = slot.load(Ordering::SeqCst);
        while second_of(word) < second {
            let fresh = word_of(second, amount);
            match slot.compare_exchange_weak(word, fresh, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return true,
                Err(current) => word = current,
            }
        }
        if second_of(word) > second {
            return false;
        }
        // Far from running over into the second.
        if count_of(word) < u64::from(u32::MAX / 2) {
            slot.fetch_add(u64::from(amount.min(u32::MAX / 4)), Ordering::SeqCst);
        }
        true
    }

    fn take_back(&self, second: u32) {
        let Some(slot) = self.slot(second) else { return };
        let less = |word| (second_of(word) == second && count_of(word) > 0).then(|| word - 1);
        // Refused: the second is over, and its count with it.
        let _is_over = slot.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
    }

    fn sum(&self, seconds: RangeInclusive<u32>) -> u64 {
        let words = self.0.iter().map(|slot| slot.load(Ordering::SeqCst));
        words.filter(|word| seconds.contains(&second_of(*word))).map(count_of).sum()
    }

    fn slot(&self, second: u32) -> Option<&AtomicU64> {
        self.0.get((second % SECONDS) as usize)
    }
}

const fn word_of(second: u32, count: u32) -> u64 {
    (second as u64) << 32 | count as u64
}

const fn second_of(word: u64) -> u32 {
    (word >> 32) as u32
}

const fn count_of(word: u64) -> u64 {
    word & u32::MAX as u64
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
