//! How many exchanges at once a service can take, learnt from how long its answers take. Pure: time comes in.
//!
//! A service that has room answers as fast with ten exchanges as with one; when they begin to queue inside it, answers take
//! longer in the same measure (Little's law). So the limit follows the gradient of Netflix's concurrency-limits (Gradient;
//! Envoy's adaptive concurrency filter): `limit · base · 1.1 / mean + √limit`, where `mean` is how long answers take now, and
//! `base` how long when there is room; √limit leaves room to grow. It settles where a little queueing begins.
//!
//! | turn | the limit | `base` |
//! |--|--|--|
//! | more than half of the answers failed | nine tenths | stays |
//! | fewer than half of the places were used | stays: nothing was learnt | follows `mean` |
//! | there are but four places | as above | follows `mean`: so few do not crowd a service |
//! | ordinary | as above, at least half, at most half as much again | follows `mean` down |
//! | 32 of them were crowded | half for one turn | stays |
//! | the turn with half | as before | goes half of the way to `mean` |
//!
//! The last two rows find out whether the service has become slower by itself (BBR does so with its minimal round-trip
//! time); else it would be taken for queueing for ever. A turn waits until the change before can be felt (one `mean`), then
//! listens for another, 100 ms and 16 … 50 answers at least. Means are of all answers, so a service with quick and slow ones
//! is compared with itself, as long as their mix stays much the same.

use std::time::{Duration, Instant};

/// The limit is never lower, nor does it begin higher.
pub const LEAST: u32 = 4;
/// Shortest time a turn listens.
const LISTEN: Duration = Duration::from_millis(100);
/// So many answers make a turn; fewer do, if there are few places: four for each.
const ENOUGH: u32 = 50;
/// Longest time until a turn has to make do with [`FEW`] answers.
const LONG: Duration = Duration::from_secs(1);
/// See [`LONG`].
const FEW: u32 = 10;
/// How much longer than `base` is no queueing yet.
const TOLERANCE: f64 = 1.1;
/// Crowded turns after which `base` is measured again.
const CROWDED: u32 = 32;

/// What one service is thought to take.
#[derive(Debug)]
pub struct Adaptive {
    limit: f64,
    /// How long answers take when there is room, in seconds.
    base: Option<f64>,
    /// How long they took in the last turn, in seconds.
    mean: f64,
    /// Turns with queueing since `base` was measured.
    crowded: u32,
    /// The limit before it was halved.
    before: Option<f64>,
    turn: Option<Turn>,
}

/// What was heard since the limit changed.
#[derive(Debug)]
struct Turn {
    /// When listening begins.
    since: Instant,
    answers: u32,
    failures: u32,
    /// All answers together, in seconds.
    took: f64,
    /// Most exchanges at once.
    most: u32,
}

impl Default for Adaptive {
    fn default() -> Self {
        let limit = f64::from(LEAST);
        Self { limit, base: None, mean: 0.0, crowded: 0, before: None, turn: None }
    }
}

impl Adaptive {
    /// An answer that took so long, or none (`None`), with `inside` exchanges at once, itself among them. The limit
    /// from now on: 4 … `highest`, or `highest` if that is lower.
    pub fn sample(&mut self, took: Option<Duration>, inside: u32, highest: u32, now: Instant) -> u32 {
        let since = now + Duration::from_secs_f64(self.mean);
        let turn = self.turn.get_or_insert(Turn { since, answers: 0, failures: 0, took: 0.0, most: 0 });
        let Some(heard) = now.checked_duration_since(turn.since) else { return self.limit(highest) };
        turn.most = turn.most.max(inside);
        match took {
            Some(took) => (turn.answers, turn.took) = (turn.answers + 1, turn.took + took.as_secs_f64()),
            None => turn.failures += 1,
        }
        let wanted = if heard >= LONG { FEW } else { ENOUGH.min(4 * self.limit as u32) };
        let is_long = heard >= LISTEN && heard.as_secs_f64() >= self.mean;
        if is_long && turn.answers + turn.failures >= wanted {
            let turn = self.turn.take();
            turn.into_iter().for_each(|turn| self.learn(&turn));
            self.limit = self.limit.clamp(f64::from(LEAST.min(highest)), f64::from(highest));
        }
        self.limit(highest)
    }

    fn learn(&mut self, turn: &Turn) {
        if turn.failures >= turn.answers {
            self.limit = self.before.take().unwrap_or(self.limit) * 0.9;
            return;
        }
        let mean = (turn.took / f64::from(turn.answers)).max(1e-6);
        let base = *self.base.get_or_insert(mean);
        self.mean = mean;
        if let Some(before) = self.before.take() {
            (self.limit, self.base) = (before, Some((base + mean) / 2.0));
            return;
        }
        let is_idle = f64::from(turn.most) * 2.0 < self.limit;
        if is_idle || mean < base || self.limit <= f64::from(LEAST) {
            self.base = Some(base + (mean - base) / 8.0);
        }
        if is_idle {
            return;
        }
        let gradient = TOLERANCE * base / mean;
        self.crowded += u32::from(gradient < 1.0);
        if self.crowded >= CROWDED {
            (self.crowded, self.before) = (0, Some(self.limit));
            self.limit /= 2.0;
        } else {
            let limit = self.limit * gradient + self.limit.sqrt();
            self.limit = limit.clamp(self.limit * 0.5, self.limit * 1.5);
        }
    }

    fn limit(&self, highest: u32) -> u32 {
        (self.limit as u32).max(LEAST).min(highest)
    }
}

#[cfg(test)]
#[path = "adaptive_tests.rs"]
mod tests;
