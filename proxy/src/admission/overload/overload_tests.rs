//! The ladder and its hysteresis; the bound holds whoever races for it.

use super::*;
use proptest::prelude::*;

const LADDER: Memory = Memory { limit: None, leave_at: 92, refuse_at: 95 };

/// The levels that follow each other when these per cents of 1000 bytes are used.
fn levels(per_mille: &[u64]) -> Vec<&'static str> {
    let mut level = Level::Calm;
    let step = |used: &u64| {
        level = level.next(*used, 1000, &LADDER);
        level.word()
    };
    per_mille.iter().map(step).collect()
}

#[test]
fn levels_rise_at_their_thresholds() {
    assert_eq!(
        levels(&[0, 919, 920, 949, 950, 1000]),
        ["calm", "calm", "leave", "leave", "refuse", "refuse"]
    );
    assert_eq!(levels(&[990]), ["refuse"]);
}

#[test]
fn levels_end_two_points_below_where_they_began() {
    assert_eq!(levels(&[950, 930, 929]), ["refuse", "refuse", "leave"]);
    assert_eq!(levels(&[920, 900, 899]), ["leave", "leave", "calm"]);
    assert_eq!(levels(&[950, 929, 900, 899]), ["refuse", "leave", "leave", "calm"]);
    assert_eq!(levels(&[990, 100]), ["refuse", "calm"]);
}

#[test]
fn use_that_swings_around_a_threshold_changes_the_level_once() {
    let swinging: Vec<u64> = (0..20).map(|n| if n % 2 == 0 { 951 } else { 940 }).collect();

    assert_eq!(levels(&swinging), ["refuse"; 20]);
}

#[test]
fn a_limit_that_is_not_known_worries_nobody() {
    assert_eq!(Level::Refuse.next(u64::MAX, 0, &LADDER), Level::Calm);
}

#[test]
fn more_than_there_is_does_not_overflow() {
    assert_eq!(Level::Calm.next(u64::MAX, 1, &LADDER), Level::Refuse);
    assert_eq!(Level::Calm.next(u64::MAX, u64::MAX, &LADDER), Level::Refuse);
}

proptest! {
    #[test]
    fn a_level_depends_on_the_one_before_only_within_two_points(used in 0..1_100u64, leave in 1..=100u8, refuse in 1..=100u8) {
        let ladder = Memory { limit: None, leave_at: leave.min(refuse), refuse_at: leave.max(refuse) };
        let next = |level: Level| level.next(used, 1000, &ladder);

        let (low, high) = (next(Level::Calm), next(Level::Refuse));

        prop_assert!(low <= high);
        let near = |at: u8| (u64::from(at.saturating_sub(2)) * 10..u64::from(at) * 10).contains(&used);
        prop_assert_eq!(low != high, near(ladder.leave_at) || near(ladder.refuse_at));
    }
}

#[test]
fn as_many_enter_as_may_and_whoever_leaves_makes_room() {
    let gauge = Gauge::new();

    let first = gauge.enter(Some(2)).unwrap();
    let second = gauge.enter(Some(2));

    assert!(second.is_some() && gauge.enter(Some(2)).is_none());
    assert_eq!(gauge.in_flight(), 2);
    drop(first);
    assert!(gauge.enter(Some(2)).is_some());
}

#[test]
fn without_a_bound_nobody_is_counted_or_refused() {
    let gauge = Gauge::new();

    let all: Vec<_> = (0..100).map(|_| gauge.enter(None).unwrap()).collect();

    assert_eq!(gauge.in_flight(), 0);
    drop(all);
    assert_eq!(gauge.in_flight(), 0);
}

#[test]
fn a_bound_that_shrinks_under_those_inside_lets_nobody_in_until_they_left() {
    let gauge = Gauge::new();
    let mut inside: Vec<_> = (0..3).map(|_| gauge.enter(Some(3)).unwrap()).collect();

    assert!(gauge.enter(Some(1)).is_none());
    inside.truncate(1);
    assert!(gauge.enter(Some(1)).is_none());
    inside.clear();
    assert!(gauge.enter(Some(1)).is_some());
}

#[test]
fn threads_that_race_never_pass_the_bound_together() {
    let gauge = Gauge::new();
    let highest = AtomicU32::new(0);

    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5_000 {
                    let inside = gauge.enter(Some(3));
                    highest.fetch_max(gauge.in_flight(), Ordering::Relaxed);
                    drop(inside);
                }
            });
        }
    });

    assert!((1..=3).contains(&highest.into_inner()));
    assert_eq!(gauge.in_flight(), 0);
}
