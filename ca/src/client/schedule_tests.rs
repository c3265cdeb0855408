//! When to renew: fixed cases, and properties over all lives, clocks and jumps.

use super::*;
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);
const DAY: i64 = 86_400;

fn term(renew_after: i64) -> Term {
    Term { not_before: Timestamp(0), not_after: Timestamp(DAY), renew_after: Timestamp(renew_after) }
}

fn at(wall: i64, up: u64) -> Clocks {
    Clocks { wall: Timestamp(wall), up: Duration::from_secs(up) }
}

#[test]
fn nothing_is_asked_before_it_is_due() {
    let schedule = Schedule::new(term(50_000), at(60, 0), true);

    assert_eq!(schedule.next(at(60, 0)), Next::Wait(NAP));
    assert_eq!(schedule.next(at(49_990, 49_930)), Next::Wait(10 * SECOND));
    assert_eq!(schedule.next(at(50_000, 49_940)), Next::Renew);
}

#[test]
fn a_machine_that_slept_renews_at_its_next_wake() {
    let schedule = Schedule::new(term(50_000), at(60, 0), true);

    // 16 hours passed, the monotonic clock counted 30 s of them.
    assert_eq!(schedule.next(at(57_660, 30)), Next::Renew);
}

#[test]
fn a_wall_clock_put_back_does_not_delay_the_renewal() {
    let schedule = Schedule::new(term(50_000), at(60, 0), true);

    assert_eq!(schedule.next(at(40_000, 49_940)), Next::Renew);
}

#[test]
fn a_certificate_is_expired_after_its_last_second_and_lives_again_when_the_clock_is_put_right() {
    let schedule = Schedule::new(term(50_000), at(60, 0), true);

    assert_eq!(schedule.next(at(DAY, 0)), Next::Renew);
    assert_eq!(schedule.next(at(DAY + 1, 0)), Next::Expired);
    assert_eq!(schedule.next(at(100, 40)), Next::Wait(NAP));
}

#[test]
fn the_authority_cannot_put_a_renewal_off_into_the_last_tenth() {
    let schedule = Schedule::new(term(10 * DAY), at(60, 0), true);

    assert_eq!(schedule.next(at(DAY - DAY / 10, 30)), Next::Renew);
}

#[test]
fn the_authority_may_ask_for_time_but_not_in_the_last_tenth() {
    let mut schedule = Schedule::new(term(50_000), at(60, 0), true);

    let early = schedule.failed(at(50_000, 49_940), 0, Some(90 * SECOND));
    let late = schedule.failed(at(DAY - 100, 86_240), u64::MAX, Some(90 * SECOND));

    assert_eq!(early, 90 * SECOND);
    assert_eq!(late, URGENT);
}

#[test]
fn a_jump_of_the_wall_clock_is_seen_and_drift_is_not() {
    assert_eq!(at(130, 30).jumped_since(at(100, 0)), None);
    assert_eq!(at(132, 30).jumped_since(at(100, 0)), None);
    assert_eq!(at(3_700, 10).jumped_since(at(100, 0)), Some(3_590));
    assert_eq!(at(100, 10).jumped_since(at(3_700, 0)), Some(-3_610));
}

#[test]
fn skew_is_measured_outside_of_the_time_the_answer_took() {
    assert_eq!(skew(1_000_000, 1_050_000, 1_000_000), Skew::Fine);
    assert_eq!(skew(1_000_000, 1_000_000, 1_030_000), Skew::Fine);
    assert_eq!(skew(1_000_000, 1_000_000, 1_030_001), Skew::Warn(-30_001));
    assert_eq!(skew(1_000_000, 1_000_000, 880_000), Skew::Warn(120_000));
    assert_eq!(skew(1_000_000, 1_000_000, 879_999), Skew::Wrong(120_001));
    assert_eq!(skew(0, 0, i64::MIN), Skew::Wrong(i64::MAX));
}

#[test]
fn a_threshold_is_a_part_gone_or_a_span_left() {
    let life = (Timestamp(0), Timestamp(1_000));

    assert!(!needs_renewal(life, Threshold::default(), Timestamp(499)));
    assert!(needs_renewal(life, Threshold::default(), Timestamp(500)));
    assert!(!needs_renewal(life, "66%".parse().unwrap(), Timestamp(659)));
    assert!(needs_renewal(life, "66%".parse().unwrap(), Timestamp(660)));
    assert!(!needs_renewal(life, "10m".parse().unwrap(), Timestamp(399)));
    assert!(needs_renewal(life, "10m".parse().unwrap(), Timestamp(400)));
    assert!(needs_renewal(life, Threshold::Gone(100), Timestamp(1_001)));
    for wrong in ["101%", "-1%", "%", "", "10", "half"] {
        assert_eq!(wrong.parse::<Threshold>(), Err(ThresholdError), "{wrong}");
    }
}

prop_compose! {
    fn lives()(life in 60_i64..300_000, part in 0.0_f64..1.5) -> Term {
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "any moment will do")]
        let renew_after = (life as f64 * part) as i64;
        Term { not_before: Timestamp(0), not_after: Timestamp(life), renew_after: Timestamp(renew_after) }
    }
}

proptest! {
    #[test]
    fn nobody_sleeps_longer_than_a_nap_nor_not_at_all(
        term in lives(), wall in -400_000_i64..400_000, up in 0_u64..400_000, fresh: bool, fail in any::<Option<u64>>(),
    ) {
        let mut schedule = Schedule::new(term, at(0, 0), fresh);
        if let Some(random) = fail {
            schedule.failed(at(wall, up), random, None);
        }

        if let Next::Wait(wait) = schedule.next(at(wall, up)) {
            prop_assert!(wait > Duration::ZERO && wait <= NAP);
        }
    }

    #[test]
    fn a_fresh_certificate_is_not_renewed_in_its_first_quarter(term in lives(), part in 0_i64..100) {
        let schedule = Schedule::new(term, at(0, 0), true);
        let moment = term.not_after.0 / 4 * part / 100;

        prop_assert!(matches!(schedule.next(at(moment, moment.unsigned_abs())), Next::Wait(_)));
    }

    #[test]
    fn when_either_clock_says_so_it_is_renewed_however_the_wall_clock_jumped(
        term in lives(), jumps in prop::collection::vec((-5_000_i64..5_000, 1_u64..100), 0..40),
    ) {
        let schedule = Schedule::new(term, at(0, 0), false);
        let due = term.renew_after.min(last_tenth(&term));
        let mut clocks = at(0, 0);
        for (jump, step) in jumps {
            clocks.up += Duration::from_secs(step);
            clocks.wall.0 += jump + i64::try_from(step).unwrap();
            let late = clocks.wall >= due || clocks.up >= Duration::from_secs(due.0.unsigned_abs());

            let expected = if clocks.wall > term.not_after { Some(Next::Expired) } else { late.then_some(Next::Renew) };

            prop_assert!(expected.is_none_or(|next| schedule.next(clocks) == next));
            prop_assert!(late || matches!(schedule.next(clocks), Next::Wait(_)));
        }
    }

    #[test]
    fn waits_grow_to_a_minute_and_no_further(randoms in prop::collection::vec(any::<u64>(), 1..20)) {
        let mut backoff = Backoff::default();
        for (failures, random) in randoms.into_iter().enumerate() {
            let bound = (SECOND * 2_u32.saturating_pow(u32::try_from(failures).unwrap())).min(LONGEST);
            prop_assert!(backoff.delay(random, None) <= bound);
        }
    }

    #[test]
    fn in_the_last_tenth_it_is_tried_every_15_seconds_until_the_end(
        term in lives(), random: u64, pushback in any::<Option<u16>>(), failures in 0_u32..50,
    ) {
        let mut schedule = Schedule::new(term, at(0, 0), true);
        let mut clocks = at(last_tenth(&term).0, last_tenth(&term).0.unsigned_abs());
        for _ in 0..failures {
            schedule.failed(clocks, random, pushback.map(|s| Duration::from_secs(s.into())));
        }
        let mut waited = Duration::ZERO;
        while let Next::Wait(wait) = schedule.next(clocks) {
            clocks = Clocks { wall: clocks.wall.after(wait + SECOND), up: clocks.up + wait };
            waited += wait;
        }

        prop_assert!(waited <= URGENT);
    }
}
