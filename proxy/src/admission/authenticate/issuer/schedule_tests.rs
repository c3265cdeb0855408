//! When keys are fetched, at every state.

use super::*;
use crate::clock;
use proptest::prelude::*;

const REFRESH: Duration = Duration::from_secs(600);
const STALE: Duration = Duration::from_secs(86_400);

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn new() -> (Schedule, Instant) {
    (Schedule::new(REFRESH, STALE), clock::now())
}

fn fetched(max_age: Option<Duration>, share: f64) -> (Schedule, Instant) {
    let (mut schedule, now) = new();
    schedule.begin();
    schedule.succeeded(now, max_age, share);
    (schedule, now)
}

#[test]
fn the_first_fetch_is_due_at_once_and_until_then_nothing_serves() {
    let (schedule, now) = new();

    assert_eq!(schedule.wait(now), Duration::ZERO);
    assert!(!schedule.serves(now));
}

#[test]
fn the_next_is_due_at_80_percent_or_a_little_sooner() {
    let table = [
        (None, 0.0, 432),
        (None, 1.0, 480),
        (Some(secs(100)), 1.0, 80),
        (Some(secs(100_000)), 1.0, 480),
        (Some(Duration::ZERO), 1.0, 24),
    ];

    for (max_age, share, wait) in table {
        let (schedule, now) = fetched(max_age, share);
        assert_eq!(schedule.wait(now).as_secs_f64().round() as u64, wait, "{max_age:?} {share}");
    }
}

#[test]
fn a_refresh_shorter_than_what_answers_may_say_holds() {
    let now = clock::now();
    let mut schedule = Schedule::new(secs(10), STALE);

    schedule.succeeded(now, None, 1.0);

    assert_eq!(schedule.wait(now).as_secs_f64().round() as u64, 8);
}

#[test]
fn failures_back_off_up_to_a_minute() {
    let (mut schedule, now) = new();
    let mut longest = Vec::new();

    for _ in 0..40 {
        schedule.begin();
        schedule.failed(now, 1.0);
        longest.push(schedule.wait(now).as_secs());
    }

    assert_eq!(longest[..7], [2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(longest[39], 60);
    schedule.failed(now, 0.0);
    assert_eq!(schedule.wait(now), secs(1), "never sooner");
}

#[test]
fn a_success_ends_the_backing_off() {
    let (mut schedule, now) = new();
    for _ in 0..5 {
        schedule.failed(now, 1.0);
    }

    schedule.succeeded(now, None, 1.0);
    schedule.failed(now, 1.0);

    assert_eq!(schedule.wait(now), secs(2));
}

#[test]
fn the_last_set_serves_while_fetching_fails_until_it_is_stale() {
    let (mut schedule, then) = fetched(None, 0.5);

    schedule.failed(then + STALE - secs(1), 0.5);

    assert!(schedule.serves(then + STALE));
    assert!(!schedule.serves(then + STALE + Duration::from_nanos(1)));
}

#[test]
fn an_unknown_key_orders_a_fetch_when_the_last_ended_long_enough_ago() {
    let (mut schedule, then) = fetched(None, 0.5);

    assert!(!schedule.want(then + secs(9)));
    assert!(schedule.wait(then + secs(9)) > Duration::ZERO, "a refusal orders nothing");
    assert!(schedule.want(then + APART));
    assert_eq!(schedule.wait(then + APART), Duration::ZERO);
}

#[test]
fn a_failure_holds_off_unknown_keys_as_a_success_does() {
    let (mut schedule, now) = new();

    schedule.failed(now, 0.0);

    assert!(!schedule.want(now + secs(9)));
    assert!(schedule.want(now + secs(10)));
}

#[test]
fn whoever_comes_while_a_fetch_is_ordered_or_under_way_waits_for_it() {
    let (mut schedule, then) = fetched(None, 0.5);
    let now = then + secs(11);

    assert!(schedule.want(now) && schedule.want(now));
    schedule.begin();
    assert!(schedule.want(now) && schedule.is_busy());

    schedule.succeeded(now, None, 0.5);
    assert!(!schedule.want(now) && !schedule.is_busy());
}

#[test]
fn before_the_first_fetch_one_can_wait_for_it() {
    let (mut schedule, now) = new();

    assert!(schedule.want(now));
    assert!(schedule.is_busy());
}

#[test]
fn ten_thousand_strangers_cause_a_fetch_each_ten_seconds_at_most() {
    let (mut schedule, then) = fetched(None, 1.0);
    let mut fetches = 0;

    // A hundred seconds, a hundred a second.
    for step in 0..10_000 {
        let now = then + Duration::from_millis(step * 10);
        if schedule.want(now) {
            schedule.begin();
            schedule.succeeded(now, None, 1.0);
            fetches += 1;
        }
    }

    assert_eq!(fetches, 9);
}

proptest! {
    #[test]
    fn nothing_makes_fetches_come_closer_than_a_second(
        steps in prop::collection::vec((any::<bool>(), any::<bool>(), 0u64..20_000, 0.0f64..=1.0), 1..200)
    ) {
        let (mut schedule, mut now) = new();
        let mut last: Option<Instant> = None;

        for (wanted, good, later, share) in steps {
            now += Duration::from_millis(later);
            if wanted {
                schedule.want(now);
            }
            if schedule.wait(now).is_zero() {
                prop_assert!(last.is_none_or(|last| now >= last + secs(1)));
                last = Some(now);
                schedule.begin();
                if good { schedule.succeeded(now, None, share) } else { schedule.failed(now, share) }
            }
        }
    }
}
