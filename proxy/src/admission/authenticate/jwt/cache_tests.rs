//! What is remembered is what was verified, for as long as it holds.

use super::*;
use crate::identity::principal::Principal;

const NOW: Timestamp = Timestamp(1_800_000_000);

fn cache() -> TokenCache {
    TokenCache::new(&[7; 32])
}

fn named(user: &str, expires: Option<i64>) -> Arc<Caller> {
    let principal = Principal { user: user.into(), roles: vec![], scopes: vec![] };
    let expires = expires.map(|after| Timestamp(NOW.0 + after));
    Arc::new(Caller { principal, tier: None, claims: vec![], api_key: None, expires })
}

fn shown(token: &str) -> Shown<'_> {
    Shown { provider: 0, generation: 1, token }
}

fn at(after: i64) -> Timestamp {
    Timestamp(NOW.0 + after)
}

#[test]
fn a_token_is_known_again_to_who_judged_it() {
    let cache = cache();
    let alice = named("alice", Some(300));

    assert_eq!(cache.get(shown("a"), NOW), None);
    cache.put(shown("a"), Arc::clone(&alice), NOW);

    assert!(cache.get(shown("a"), NOW).is_some_and(|known| Arc::ptr_eq(&known, &alice)));
    assert_eq!(cache.get(shown("b"), NOW), None);
    assert_eq!(cache.get(Shown { provider: 1, ..shown("a") }, NOW), None);
    assert_eq!(cache.get(Shown { generation: 2, ..shown("a") }, NOW), None);
    assert_eq!(cache.get(Shown { generation: 0, ..shown("a") }, NOW), None);
}

#[test]
fn a_verdict_ends_with_the_token_and_at_the_latest_after_a_minute() {
    let holds = |expires: Option<i64>, after: i64| {
        let cache = cache();
        cache.put(shown("a"), named("alice", expires), NOW);
        cache.get(shown("a"), at(after)).is_some()
    };

    assert_eq!([0, 59, 60].map(|after| holds(Some(300), after)), [true, true, false]);
    assert_eq!([0, 9, 10].map(|after| holds(Some(10), after)), [true, true, false]);
    assert_eq!([0, 59, 60].map(|after| holds(None, after)), [true, true, false]);
    // Within the leeway: verified each time.
    assert!(!holds(Some(0), 0));
    assert!(!holds(Some(-5), 0));
    // A clock that was set back.
    assert!(!holds(Some(300), -1));
}

#[test]
fn a_token_has_one_place_whatever_its_generation() {
    let cache = cache();

    for generation in 0..10 {
        cache.put(Shown { generation, ..shown("a") }, named("alice", Some(300)), NOW);
    }

    assert_eq!(cache.len(), 1);
    assert!(cache.get(Shown { generation: 9, ..shown("a") }, NOW).is_some());
}

#[test]
fn room_is_bounded_and_what_is_used_stays() {
    let cache = cache();
    cache.put(shown("used"), named("alice", Some(300)), NOW);

    for number in 0..3 * MOST {
        cache.put(shown(&number.to_string()), named("x", Some(300)), NOW);
        assert!(cache.get(shown("used"), NOW).is_some(), "{number}");
    }

    assert!(cache.len() <= MOST);
    assert!(cache.len() > MOST / 2);
    // A newcomer always gets a place.
    cache.put(shown("new"), named("x", Some(300)), NOW);
    assert!(cache.get(shown("new"), NOW).is_some());
}

#[test]
fn what_has_ended_and_what_was_judged_by_other_keys_is_forgotten() {
    let cache = cache();
    cache.put(shown("short"), named("a", Some(10)), NOW);
    cache.put(shown("long"), named("b", Some(300)), NOW);
    cache.put(Shown { provider: 1, ..shown("other") }, named("c", Some(300)), NOW);
    cache.put(Shown { provider: 2, ..shown("gone") }, named("d", Some(300)), NOW);

    cache.purge(at(20), |provider| [Some(1), Some(2), None].get(provider).copied().flatten());

    assert_eq!(cache.len(), 1);
    assert!(cache.get(shown("long"), at(20)).is_some());
    cache.purge(at(60), |_| Some(1));
    assert!(cache.is_empty());
}

#[test]
fn places_differ_with_the_secret_and_memory_shows_no_token() {
    let [one, other] = [[1; 32], [2; 32]].map(|secret| TokenCache::new(&secret));

    assert!(one.tag(shown("a")) != other.tag(shown("a")));
    one.put(shown("a"), named("alice", None), NOW);
    assert_eq!(format!("{one:?}"), "TokenCache { len: 1, .. }");
}
