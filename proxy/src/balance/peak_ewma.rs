//! Peak EWMA: how long an endpoint takes, quick to notice that it got slower, slow to forgive (Finagle; Linkerd).
//!
//! The estimate jumps to a sample that is longer and moves towards one that is shorter: what came before counts
//! e^(−Δt/10 s). While nobody asks it falls by itself, down to 1 ms, so that one that was slow once is tried again. What
//! one more request costs is the estimate × (requests in flight + 1); weights are in the draw.
//!
//! All workers share it: two atomics, no lock. Two that take note at the same moment may lose one of the samples, which
//! harms nothing. Must not know: what a failure is.

use super::epoch::{Epoch, nanos};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The estimate of one endpoint, shared by all workers.
#[derive(Debug, Default)]
pub struct Estimate {
    epoch: Epoch,
    /// Nanoseconds, the bits of an `f64`; 0 = no sample yet.
    peak: AtomicU64,
    /// When the last sample came; 0 = never.
    stamp: AtomicU64,
}

impl Estimate {
    /// An answer began after this long.
    pub fn observe(&self, took: Duration, now: Instant) {
        let stamp = self.epoch.stamp(now);
        let (sample, peak) = (nanos(took) as f64, self.peak());
        let next = if sample > peak {
            sample
        } else {
            let kept = self.kept(stamp);
            peak * kept + sample * (1.0 - kept)
        };
        self.peak.store(next.max(LEAST).to_bits(), Ordering::Relaxed);
        self.stamp.store(stamp, Ordering::Relaxed);
    }

    /// It takes so long already, and is not waited for any more; says nothing of one that is thought to take longer.
    pub fn outlasted(&self, took: Duration, now: Instant) {
        let left = self.peak() * self.kept(self.epoch.stamp(now));
        if nanos(took) as f64 > left {
            self.observe(took, now);
        }
    }

    /// It failed, or asked for less: as if it had taken 5 s, or as long as it wants to be left alone if that is longer
    /// (300 s at most). Otherwise one that fails fast would be liked best.
    pub fn penalize(&self, retry_after: Option<Duration>, now: Instant) {
        self.observe(retry_after.unwrap_or_default().clamp(PENALTY, LONGEST), now);
    }

    /// What one more request costs there, with so many in flight: nanoseconds.
    pub fn cost(&self, active: u32, now: Instant) -> f64 {
        let left = self.peak() * self.kept(self.epoch.stamp(now));
        left.max(LEAST) * (f64::from(active) + 1.0)
    }

    fn peak(&self) -> f64 {
        match self.peak.load(Ordering::Relaxed) {
            0 => START,
            bits => f64::from_bits(bits),
        }
    }

    /// How much the last sample still counts. Before the first one it is counted from when somebody first asked.
    fn kept(&self, stamp: u64) -> f64 {
        let since = stamp.saturating_sub(self.stamp.load(Ordering::Relaxed).max(1));
        (-(since as f64) / MEMORY).exp()
    }
}

/// Index of the cheaper of two drawn by weight; `tried` ones are passed over while there are others.
pub fn pick(
    lineup: &super::Lineup,
    random: u64,
    tried: impl Fn(usize) -> bool,
    cost: impl Fn(usize) -> f64,
) -> Option<usize> {
    super::two::pick(lineup, random, tried, cost)
}

/// What is believed of an endpoint that has not answered yet: 30 ms.
const START: f64 = 30e6;
/// The least that is believed, so that a fast one is not flooded: 1 ms.
const LEAST: f64 = 1e6;
/// After so long the past counts 1/e: 10 s.
const MEMORY: f64 = 10e9;
const PENALTY: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(300);

#[cfg(test)]
#[path = "peak_ewma_tests.rs"]
mod tests;
