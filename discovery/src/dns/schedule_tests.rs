//! Waits follow the table, and absence is believed the second time.

use super::{ABSENT, BACK_OFF_MAX, CONFIRM, Schedule, back_off, jittered};
use crate::dns::answer::Seen;
use crate::{Endpoint, Endpoints, Observation};
use proptest::prelude::*;
use std::net::SocketAddr;
use std::time::Duration;

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// The chance that leaves a wait as it is.
const EVEN: f64 = 0.5;

fn schedule() -> Schedule {
    Schedule::new(&(SHORTEST..=LONGEST))
}

fn endpoints() -> Endpoints {
    Endpoints::new([Endpoint::at(SocketAddr::from(([10, 0, 0, 1], 80)))]).unwrap()
}

fn found(ttl: u64) -> Seen {
    Seen::Found { endpoints: endpoints(), ttl: Duration::from_secs(ttl), missing: None }
}

/// Something, and something else not.
fn half() -> Seen {
    let missing = Some("x AAAA: no answer".to_owned());
    Seen::Found { endpoints: endpoints(), ttl: Duration::from_secs(30), missing }
}

fn absent(ttl: Option<u64>) -> Seen {
    Seen::Absent { said: "x A: gone".to_owned(), ttl: ttl.map(Duration::from_secs) }
}

fn failed() -> Seen {
    Seen::Failed("x A: no answer".to_owned())
}

/// One letter for what was told: found, nothing, trouble.
fn told(observation: &Observation) -> char {
    match observation {
        Observation::Found(_) => 'f',
        Observation::Nothing => 'n',
        Observation::Failed(_) => 't',
    }
}

#[test]
fn what_is_told_and_how_long_is_waited_follows_the_table() {
    // Seen: found (f), found in part (h), absent (a), trouble (t); told; seconds waited.
    let table = [
        ("f", "f", vec![30]),
        ("hh", "ff", vec![5, 5]),
        ("fhhhhhf", "ftttfff", vec![30, 1, 2, 4, 5, 5, 30]),
        ("fhfh", "ftft", vec![30, 1, 30, 1]),
        ("ftth", "fttt", vec![30, 1, 2, 4]),
        ("a", "t", vec![1]),
        ("aa", "tn", vec![1, 7]),
        ("aaa", "tnn", vec![1, 7, 7]),
        ("faaf", "ftnf", vec![30, 1, 7, 30]),
        ("afa", "tft", vec![1, 30, 1]),
        ("afaa", "tftn", vec![1, 30, 1, 7]),
        ("ata", "ttt", vec![1, 1, 1]),
        ("ataa", "tttn", vec![1, 1, 1, 7]),
        ("aata", "tntt", vec![1, 7, 1, 1]),
        ("tttttttt", "tttttttt", vec![1, 2, 4, 8, 16, 32, 60, 60]),
        ("ttftt", "ttftt", vec![1, 2, 30, 1, 2]),
        ("tttat", "ttttt", vec![1, 2, 4, 1, 1]),
        ("ttaatt", "tttntt", vec![1, 2, 1, 7, 1, 2]),
    ];
    for (looks, expected, waits) in table {
        let mut schedule = schedule();
        let (mut tellings, mut waited) = (String::new(), Vec::new());

        for look in looks.chars() {
            let seen = match look {
                'f' => found(30),
                'h' => half(),
                'a' => absent(Some(7)),
                _ => failed(),
            };
            let (observation, wait) = schedule.after(seen, EVEN);
            tellings.push(told(&observation));
            waited.push(wait.as_secs_f64().round() as u64);
        }

        assert_eq!((tellings.as_str(), waited), (expected, waits), "{looks}");
    }
}

#[test]
fn a_time_to_live_counts_between_the_bounds_only() {
    for (ttl, expected) in [(0, 1), (1, 1), (5, 5), (60, 60), (61, 60), (1_000_000_000, 60)] {
        let (_, wait) = schedule().after(found(ttl), EVEN);

        assert_eq!(wait, Duration::from_secs(expected), "{ttl}");
    }
}

#[test]
fn absence_without_a_time_is_asked_about_again_soon() {
    let mut schedule = schedule();

    let (_, doubt) = schedule.after(absent(None), EVEN);
    let (_, gone) = schedule.after(absent(None), EVEN);

    assert_eq!((doubt, gone), (CONFIRM, ABSENT));
}

#[test]
fn what_is_found_and_what_is_wrong_are_passed_on() {
    let mut schedule = schedule();

    let (first, _) = schedule.after(found(1), EVEN);
    let (second, _) = schedule.after(failed(), EVEN);
    let (third, _) = schedule.after(absent(None), EVEN);

    assert_eq!(first, Observation::Found(endpoints()));
    assert!(matches!(second, Observation::Failed(error) if error.0 == "x A: no answer"));
    assert!(matches!(third, Observation::Failed(error) if error.0.starts_with("x A: gone; ")));
}

#[test]
fn chance_moves_a_wait_by_a_tenth_at_most() {
    let wait = Duration::from_secs(10);

    let waits = [-1.0, 0.0, 0.25, 0.5, 1.0, 2.0].map(|random| jittered(wait, random).as_millis());

    assert_eq!(waits, [9_000, 9_000, 9_500, 10_000, 11_000, 11_000]);
}

#[test]
fn in_any_history_absence_is_told_exactly_when_it_was_seen_twice_running() {
    for seed in 0..500 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut schedule = schedule();
        let mut before = ' ';
        for _ in 0..50 {
            let look = *random.choice(&['f', 'a', 't']).unwrap();
            let seen = match look {
                'f' => found(random.u64(..)),
                'a' => absent(random.bool().then(|| random.u64(..))),
                _ => failed(),
            };

            let (observation, wait) = schedule.after(seen, random.f64());

            check_invariants(seed, (before, look), &observation, wait);
            before = look;
        }
    }
}

fn check_invariants(seed: u64, (before, look): (char, char), observation: &Observation, wait: Duration) {
    let expected = match (before, look) {
        (_, 'f') => 'f',
        ('a', 'a') => 'n',
        _ => 't',
    };
    assert_eq!(told(observation), expected, "seed {seed}: {look} after {before}");
    assert!(wait >= SHORTEST.mul_f64(0.899), "seed {seed}: {wait:?}");
    assert!(wait <= LONGEST.mul_f64(1.101), "seed {seed}: {wait:?}");
}

proptest! {
    #[test]
    fn the_wait_after_failures_never_shrinks_and_never_exceeds_a_minute(times in 1_u32..) {
        prop_assert!(back_off(times) <= back_off(times.saturating_add(1)));
        prop_assert!(back_off(times) <= BACK_OFF_MAX);
        prop_assert!(back_off(times) >= CONFIRM);
    }
}
