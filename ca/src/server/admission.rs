//! Who may ask for a certificate now, decided before a byte of the request is looked at.
//!
//! Bootstraps and renewals have a rate each, so that a flood of the ones starves none of the others. Of the renewals
//! each instance has its own small part besides, and who is over that takes nothing from the others. What is refused
//! is counted, not noted one by one: a flood must not become a full disk.
//!
//! It must not know the wire or what is asked.

use super::Limits;
use super::limit::{Bucket, Keyed, Rate};
use crate::names::{InstanceId, Serial};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Instances whose last renewals are remembered: more than the rate for all lets through in the time it takes to
/// forget one.
const INSTANCES: usize = 8192;

/// Whom limits for one member count.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Holder {
    /// A workload over all its renewals.
    Instance(InstanceId),
    /// Who holds a certificate that the ledger does not know.
    Certificate(Serial),
}

/// The limits, and what they refused.
/// Who is told to come back is told a moment up to so much later, so that not all come back at once.
const SPREAD_MS: u64 = 500;
/// So many times the limit of bootstraps are looked at: a look-up costs a hundredth of a certificate.
const ATTEMPTS: u32 = 20;

#[derive(Debug)]
pub(super) struct Admission(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Calls that are read and looked up at all.
    attempts: (Rate, Bucket),
    /// With a token that is fresh.
    bootstraps: (Rate, Bucket),
    /// With any other.
    doubtful: (Rate, Bucket),
    renewals: (Rate, Bucket),
    instances: Keyed<Holder>,
    refused: Refused,
}

impl State {
    fn bootstrap(
        &mut self,
        which: impl FnOnce(&mut Self) -> &mut (Rate, Bucket),
        now: Instant,
    ) -> Result<(), Duration> {
        let (rate, bucket) = which(self);
        let taken = bucket.take(rate, now);
        self.refused.bootstraps += u64::from(taken.is_err());
        taken
    }
}

/// How many calls were over a limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Refused {
    /// Bootstraps.
    pub(super) bootstraps: u64,
    /// Renewals over the limit for all.
    pub(super) renewals: u64,
    /// Renewals over the limit of the instance.
    pub(super) own_renewals: u64,
}

impl Admission {
    /// Nothing was asked yet.
    pub(super) fn new(limits: &Limits) -> Self {
        let bucket = |count| (Rate::per_second(count), Bucket::default());
        Self(Mutex::new(State {
            attempts: bucket(limits.bootstraps_per_second.saturating_mul(ATTEMPTS)),
            bootstraps: bucket(limits.bootstraps_per_second),
            doubtful: bucket(limits.doubtful_per_second),
            renewals: bucket(limits.renewals_per_second),
            instances: Keyed::new(Rate::new(limits.renewal_every, limits.renewal_burst), INSTANCES),
            refused: Refused::default(),
        }))
    }

    /// A bootstrap nobody has looked at yet; `Err`: come back after so long.
    pub(super) fn attempt(&self, now: Instant) -> Result<(), Duration> {
        self.state().bootstrap(|state| &mut state.attempts, now)
    }

    /// A bootstrap whose token is `fresh`, or any other. Each kind has a limit of its own, so that who has no fresh
    /// token hinders nobody who has one.
    pub(super) fn bootstrap(&self, fresh: bool, now: Instant) -> Result<(), Duration> {
        self.state().bootstrap(|state| if fresh { &mut state.bootstraps } else { &mut state.doubtful }, now)
    }

    /// A renewal; `Err`: come back after so long.
    pub(super) fn renewal(&self, holder: &Holder, now: Instant) -> Result<(), Duration> {
        let mut state = self.state();
        let own = state.instances.after_one(holder, now);
        state.refused.own_renewals += u64::from(own.is_err());
        let own = own?;
        let (rate, bucket) = &mut state.renewals;
        let taken = bucket.take(rate, now);
        state.refused.renewals += u64::from(taken.is_err());
        taken?;
        // Last: who is refused because of the others keeps what is its own.
        state.instances.put(holder, own);
        Ok(())
    }

    /// What was refused since the last time this was asked.
    pub(super) fn refused(&self) -> Refused {
        std::mem::take(&mut self.state().refused)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic can at worst have miscounted.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When to come back, for one of many who are told to.
pub(super) fn spread(wait: Duration) -> Duration {
    wait + Duration::from_millis(fastrand::u64(..SPREAD_MS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn holder(bits: u8) -> Holder {
        Holder::Instance(InstanceId::from_random([bits; 8]))
    }

    fn admission() -> Admission {
        Admission::new(&Limits { bootstraps_per_second: 5, renewals_per_second: 10, ..Limits::default() })
    }

    #[test]
    fn a_flood_of_bootstraps_takes_nothing_from_renewals() {
        let (admission, now) = (admission(), clock::monotonic());

        let through = (0..10_000).filter(|_| admission.bootstrap(true, now).is_ok()).count();

        assert_eq!(through, 5);
        assert!((0..10).all(|one| admission.renewal(&holder(one), now).is_ok()));
        assert_eq!(admission.refused(), Refused { bootstraps: 9_995, ..Refused::default() });
        assert_eq!(admission.refused(), Refused::default(), "counted once");
    }

    #[test]
    fn an_instance_that_renews_without_end_takes_nothing_from_the_others() {
        let (admission, now) = (admission(), clock::monotonic());

        let through = (0..1_000).filter(|_| admission.renewal(&holder(0), now).is_ok()).count();

        assert_eq!(through, 3);
        assert!((1..=7).all(|one| admission.renewal(&holder(one), now).is_ok()));
        assert_eq!(admission.refused(), Refused { own_renewals: 997, ..Refused::default() });
    }

    #[test]
    fn who_is_refused_because_of_the_others_keeps_what_is_its_own() {
        let (admission, now) = (admission(), clock::monotonic());
        for one in 1..=10 {
            admission.renewal(&holder(one), now).unwrap();
        }
        assert!((0..5).all(|_| admission.renewal(&holder(0), now).is_err()));

        let later = now + Duration::from_secs(1);
        let through = (0..5).filter(|_| admission.renewal(&holder(0), later).is_ok()).count();

        assert_eq!(through, 3);
        assert_eq!(admission.refused(), Refused { renewals: 5, own_renewals: 2, ..Refused::default() });
    }
}
