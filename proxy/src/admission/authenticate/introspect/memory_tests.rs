//! What is remembered, and what has to go.

use super::*;
use crate::admission::authenticate::introspect::Refused;
use crate::clock;
use std::time::Duration;

const REFUSED: Verdict = Err(Refused::Inactive);

fn mark(number: u32) -> Mark {
    u128::from(number).to_be_bytes()
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_verdict_holds_up_to_its_end_and_not_at_it() {
    let (mut memory, now) = (Memory::new(4), clock::now());

    memory.put(mark(1), REFUSED, now + secs(10), now);

    assert_eq!(memory.find(&mark(1), now + secs(9)), Some(REFUSED));
    assert_eq!(memory.find(&mark(1), now + secs(10)), None);
    assert_eq!(memory.find(&mark(2), now), None);
}

#[test]
fn what_would_not_hold_at_all_is_not_remembered() {
    let (mut memory, now) = (Memory::new(4), clock::now());

    memory.put(mark(1), REFUSED, now, now);

    assert!(memory.known.is_empty());
}

#[test]
fn when_it_is_full_what_is_over_goes_first_then_what_ends_soonest() {
    let (mut memory, now) = (Memory::new(3), clock::now());
    for (number, end) in [(1, 5), (2, 60), (3, 30)] {
        memory.put(mark(number), REFUSED, now + secs(end), now);
    }

    memory.put(mark(4), REFUSED, now + secs(60), now + secs(6));
    memory.put(mark(5), REFUSED, now + secs(60), now + secs(6));

    let there: Vec<u32> = (1..=5).filter(|number| memory.known.contains_key(&mark(*number))).collect();
    assert_eq!(there, [2, 4, 5]);
}

#[test]
fn a_flood_of_refusals_does_not_push_out_what_holds_longer() {
    let (mut memory, now) = (Memory::new(64), clock::now());
    memory.put(mark(0), REFUSED, now + secs(30), now);

    for number in 1..10_000 {
        memory.put(mark(number), REFUSED, now + secs(10), now);
    }

    assert_eq!(memory.known.len(), 64);
    assert_eq!(memory.find(&mark(0), now), Some(REFUSED));
}
