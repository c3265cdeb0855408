//! Tests: what need not be asked.

use super::*;
use crate::clock;

fn refusal(retry: u64) -> Decision {
    Decision {
        admitted: false,
        remaining: 2,
        reset_after: Duration::from_secs(60),
        retry_after: Duration::from_secs(retry),
    }
}

#[test]
fn the_same_or_more_is_refused_until_its_time() {
    let (mut denied, now) = (Denied::default(), clock::now());
    denied.remember(Key(1), 3, refusal(4), now);

    let found = |cost, seconds| denied.find(Key(1), cost, now + Duration::from_secs(seconds));

    assert_eq!(found(3, 0), Some(refusal(4)));
    let later = Decision { reset_after: Duration::from_secs(59), ..refusal(3) };
    assert_eq!(found(5, 1), Some(later));
    assert_eq!(found(2, 1), None, "less may be admitted");
    assert_eq!(found(3, 4), None, "its time has come");
}

#[test]
fn other_keys_are_not_found_not_even_in_the_same_place() {
    let (mut denied, now) = (Denied::default(), clock::now());
    denied.remember(Key(1), 1, refusal(4), now);

    assert_eq!(denied.find(Key(2), 1, now), None);
    assert_eq!(denied.find(Key(1 + PLACES as u128), 1, now), None);
}

#[test]
fn long_refusals_are_asked_again_after_a_while() {
    let (mut denied, now) = (Denied::default(), clock::now());
    denied.remember(Key(1), 1, refusal(86_400), now);

    assert!(denied.find(Key(1), 1, now + LONGEST - Duration::from_nanos(1)).is_some());
    assert!(denied.find(Key(1), 1, now + LONGEST).is_none());
}

#[test]
fn what_is_given_back_is_forgotten() {
    let (mut denied, now) = (Denied::default(), clock::now());
    denied.remember(Key(1), 1, refusal(4), now);

    denied.forget(Key(1 + PLACES as u128));
    let other = denied.find(Key(1), 1, now);
    denied.forget(Key(1));

    assert!(other.is_some());
    assert_eq!(denied.find(Key(1), 1, now), None);
}

#[test]
fn the_table_does_not_grow() {
    let (mut denied, now) = (Denied::default(), clock::now());

    (0..100_000).for_each(|key| denied.remember(Key(key), 1, refusal(4), now));

    assert_eq!(denied.places.len(), PLACES);
    assert!(denied.find(Key(99_999), 1, now).is_some());
}
