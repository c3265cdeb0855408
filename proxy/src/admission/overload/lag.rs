//! Whether a worker keeps up with its work. Pure: how late its housekeeping ran is passed in, and so is chance.
//!
//! A worker looks after itself every 100 ms. How late that look comes is how long any task waits for its turn, so it
//! shows a processor that is used up whatever the reason: own work, a quota, neighbours. Late by 50 ms for a second
//! means that requests come faster than they are done; then a share of the new ones is refused, as large as brings the
//! lateness back to 50 ms. Those who are taken are served in time; without it all would be late (goodput collapses).
//!
//! | state | becomes | when |
//! |--|--|--|
//! | calm: nothing is shed | strained | the smoothed lateness is above 50 ms |
//! | strained: nothing is shed | calm | it is not any more |
//! | | shedding | it was above 50 ms for 1 s in a row |
//! | shedding a share of 0 … 95 % | shedding | the share follows the lateness, see below |
//! | | calm | the share has come down to nothing |
//!
//! The share is that of a proportional and integral controller: the sum of how far from 50 ms the lateness has been
//! finds the share that is needed, what it is now damps the way there. It grows as long as it is too small and stays
//! where it is enough, so it does not jump between all and nothing; once the worker is plainly idle the past is
//! forgotten by 5 % a look, so that the share is gone within seconds of the load. A pause of the whole process (one
//! very late look) is not a load, so one look counts at most half a second.

use std::time::Duration;

/// How often a worker looks after itself; the next look is due this long after the last one ran.
pub const TICK: Duration = Duration::from_millis(100);

/// What lateness is aimed at, in seconds.
const TARGET: f64 = 0.05;
/// How long it must be above before anything is shed, in seconds.
const PATIENCE: f64 = 1.0;
/// Weight of the newest look: half of what was is forgotten after about 2 looks.
const NEWEST: f64 = 0.25;
/// Most that one look counts, in seconds of lateness …
const LATEST: f64 = 0.5;
/// … and in seconds of time that has passed.
const LONGEST: f64 = 0.3;
/// Share for each second of lateness above the target.
const NOW: f64 = 2.0;
/// Share for each second of lateness above the target and each second that it lasts.
const LASTING: f64 = 1.0;
/// Below this lateness, in seconds, the worker is not near its limit …
const IDLE: f64 = 0.002;
/// … and each look takes this much off what the past asks for.
const FORGOTTEN: f64 = 0.05;
/// Never more than this: what is still taken shows when the worker is well again.
const MOST: f64 = 0.95;

/// How one worker keeps up.
#[derive(Debug, Clone, Default)]
pub struct Lag {
    /// Smoothed lateness in seconds.
    smooth: f64,
    state: State,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum State {
    #[default]
    Calm,
    /// For so many seconds.
    Strained(f64),
    Shedding {
        /// What the past asks for, 0 … 0.95.
        lasting: f64,
        /// What is shed, 0 … 0.95.
        share: f64,
    },
}

impl Lag {
    /// The worker looks after itself, `late` after it was due.
    pub fn tick(&mut self, late: Duration) {
        let late = late.as_secs_f64();
        let passed = (TICK.as_secs_f64() + late).min(LONGEST);
        self.smooth += NEWEST * (late.min(LATEST) - self.smooth);
        let above = self.smooth - TARGET;
        self.state = match self.state {
            State::Calm if above > 0.0 => State::Strained(passed),
            State::Calm => State::Calm,
            State::Strained(_) if above <= 0.0 => State::Calm,
            State::Strained(since) if since + passed < PATIENCE => State::Strained(since + passed),
            State::Strained(_) => shed(0.0, above, passed),
            State::Shedding { lasting, .. } if self.smooth < IDLE => {
                shed(lasting * (1.0 - FORGOTTEN), above, passed)
            }
            State::Shedding { lasting, .. } => shed(lasting, above, passed),
        };
    }

    /// The share of new requests to refuse, 0 … 0.95.
    pub const fn share(&self) -> f64 {
        match self.state {
            State::Shedding { share, .. } => share,
            State::Calm | State::Strained(_) => 0.0,
        }
    }

    /// Whether this new request is to be refused; `random` is any number, each as likely.
    pub fn sheds(&self, random: u32) -> bool {
        f64::from(random) < self.share() * (f64::from(u32::MAX) + 1.0)
    }
}

fn shed(lasting: f64, above: f64, passed: f64) -> State {
    let lasting = (lasting + LASTING * above * passed).clamp(0.0, MOST);
    let share = (lasting + NOW * above).clamp(0.0, MOST);
    if lasting == 0.0 && share == 0.0 { State::Calm } else { State::Shedding { lasting, share } }
}

#[cfg(test)]
#[path = "lag_tests.rs"]
mod tests;
