//! When an intermediate must be replaced.
//!
//! A certificate never outlives its issuer, so an intermediate near its end cuts certificates short: it is replaced
//! while it still lives three times as long as the longest of them, and no later than in the last sixth of its life.
//! From half of its life on it may be replaced.
//!
//! | due | from | means |
//! |--|--|--|
//! | no | its first second | nothing to do |
//! | soon | half of its life | replace it when the root's key is at hand |
//! | now | 3 × the longest leaf or a sixth of its life is left | certificates will be cut short |
//!
//! Pure: it must not know keys, the store or a clock.

use crate::time::Timestamp;
use std::time::Duration;

/// Whether an intermediate is to be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Not before this moment.
    No {
        /// When it becomes due, soon or at once.
        at: Timestamp,
    },
    /// Half of its life has passed.
    Soon,
    /// Certificates are, or will be, shorter than they should.
    Now,
}

/// Whether an intermediate of this life is due at `now`; `longest_leaf` is the longest life an entry allows.
pub fn intermediate_due(
    not_before: Timestamp,
    not_after: Timestamp,
    longest_leaf: Duration,
    now: Timestamp,
) -> Due {
    let life = not_after.since(not_before);
    let urgent = not_after.before(longest_leaf.saturating_mul(3).max(life / 6));
    let half = not_before.after(life / 2);
    if now > urgent || now >= not_after {
        Due::Now
    } else if now >= half {
        Due::Soon
    } else {
        Due::No { at: half.min(urgent.after(Duration::from_secs(1))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    fn due(life: i64, longest: i64, now: i64) -> Due {
        let longest = Duration::from_secs(longest.unsigned_abs());
        intermediate_due(Timestamp(0), Timestamp(life), longest, Timestamp(now))
    }

    #[test]
    fn thirty_days_are_due_at_half_and_urgent_in_the_last_sixth() {
        let at = |now| due(30 * DAY, DAY, now);

        assert_eq!(at(0), Due::No { at: Timestamp(15 * DAY) });
        assert_eq!(at(15 * DAY - 1), Due::No { at: Timestamp(15 * DAY) });
        assert_eq!(at(15 * DAY), Due::Soon);
        assert_eq!(at(25 * DAY), Due::Soon);
        assert_eq!(at(25 * DAY + 1), Due::Now);
        assert_eq!(at(31 * DAY), Due::Now);
    }

    #[test]
    fn long_certificates_make_it_urgent_earlier() {
        let at = |now| due(30 * DAY, 3 * DAY, now);

        assert_eq!(at(21 * DAY), Due::Soon);
        assert_eq!(at(21 * DAY + 1), Due::Now);
    }

    #[test]
    fn an_intermediate_shorter_than_three_certificates_is_always_urgent() {
        assert_eq!(due(8 * DAY, 3 * DAY, 0), Due::Now);
        assert_eq!(due(0, DAY, 0), Due::Now);
    }

    #[test]
    fn it_is_due_at_the_moment_that_was_announced_and_not_before() {
        for (life, longest) in
            [(30 * DAY, DAY), (30 * DAY, 3 * DAY), (10 * DAY, 3 * DAY), (7, 1), (3_600, 60)]
        {
            let Due::No { at } = due(life, longest, 0) else { panic!("{life} {longest}") };

            assert!(matches!(due(life, longest, at.0 - 1), Due::No { .. }), "{life} {longest}");
            assert!(!matches!(due(life, longest, at.0), Due::No { .. }), "{life} {longest}");
        }
    }
}
