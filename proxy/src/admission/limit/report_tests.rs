//! Headers, as clients read them.

use super::super::sample::{bucket, every, limit};
use super::*;
use crate::config::limit::{Algorithm, Window};

fn decision(admitted: bool, remaining: u32, reset: u64, retry: u64) -> Decision {
    let (reset_after, retry_after) = (Duration::from_millis(reset), Duration::from_millis(retry));
    Decision { admitted, remaining, reset_after, retry_after }
}

fn policy(name: &str, amount: u32, window: Window) -> Policy {
    Policy::new(&Limit { name: name.into(), ..limit(Algorithm::FixedWindow, amount, window) })
}

fn written(counted: &[Counted<'_>]) -> Vec<(String, String)> {
    let mut headers = HeaderMap::new();
    write(counted, &mut headers);
    headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
}

fn expected(headers: [(&str, &str); 5]) -> Vec<(String, String)> {
    headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

#[test]
fn one_limit_says_what_it_allows_and_what_is_left() {
    let user = policy("user", 100, every(60));

    let headers = written(&[Counted { policy: &user, tier: 0, decision: decision(true, 41, 11_001, 0) }]);

    let all = expected([
        ("ratelimit-policy", "\"user\";q=100;w=60"),
        ("ratelimit", "\"user\";r=41;t=12"),
        ("x-ratelimit-limit", "100"),
        ("x-ratelimit-remaining", "41"),
        ("x-ratelimit-reset", "12"),
    ]);
    assert_eq!(headers, all);
}

#[test]
fn several_limits_are_all_named_and_the_tightest_is_told() {
    let (ip, user) = (policy("ip", 200, every(1)), policy("user", 100, every(60)));
    let counted = [
        Counted { policy: &ip, tier: 0, decision: decision(true, 50, 1000, 0) },
        Counted { policy: &user, tier: 0, decision: decision(true, 7, 30_000, 0) },
    ];

    let headers = written(&counted);

    let all = expected([
        ("ratelimit-policy", "\"ip\";q=200;w=1, \"user\";q=100;w=60"),
        ("ratelimit", "\"user\";r=7;t=30"),
        ("x-ratelimit-limit", "100"),
        ("x-ratelimit-remaining", "7"),
        ("x-ratelimit-reset", "30"),
    ]);
    assert_eq!(headers, all);
}

#[test]
fn nothing_counted_writes_nothing() {
    assert_eq!(written(&[]), []);
}

#[test]
fn the_tightest_is_who_refused_longest_then_who_has_least_then_who_takes_longest() {
    let policy = policy("x", 1, every(1));
    let tightest_of = |decisions: &[Decision]| {
        let counted: Vec<_> = decisions
            .iter()
            .map(|decision| Counted { policy: &policy, tier: 0, decision: *decision })
            .collect();
        let found = tightest(&counted).unwrap().decision;
        decisions.iter().position(|decision| *decision == found).unwrap()
    };
    let (some, none) = (decision(true, 5, 9000, 0), decision(true, 0, 1000, 0));
    let (refused, longer) = (decision(false, 9, 2000, 1000), decision(false, 3, 2000, 1500));

    assert_eq!(tightest_of(&[some, none]), 1);
    assert_eq!(tightest_of(&[none, refused]), 1);
    assert_eq!(tightest_of(&[refused, none, longer]), 2);
    assert_eq!(tightest_of(&[none, decision(true, 0, 3000, 0)]), 1);
}

#[test]
fn each_tier_has_a_policy_of_its_own() {
    let mut limit = bucket(10, 1, 20);
    limit.rates.tiers.push(("premium".into(), Rate { amount: 1000, window: every(60), burst: 1000 }));
    let policy = Policy::new(&limit);

    let policies = [0, 1, 2].map(|tier| policy.quota(tier).policy.to_str().unwrap());

    assert_eq!(policies, ["\"sample\";q=10;w=1", "\"sample\";q=1000;w=60", "\"sample\";q=10;w=1"]);
}

#[test]
fn windows_are_whole_seconds_or_not_told() {
    let windows = [
        Window::Every(Duration::from_millis(999)),
        Window::Every(Duration::from_millis(1001)),
        Window::Day("UTC".into()),
        Window::Month("UTC".into()),
    ];

    let policies = windows.map(|window| policy("x", 5, window).default.policy);

    assert_eq!(policies, ["\"x\";q=5", "\"x\";q=5;w=2", "\"x\";q=5;w=86400", "\"x\";q=5;w=2592000"]);
}

#[test]
fn a_name_cannot_end_its_quotes() {
    let policy = policy("a\"; x=\\1\r\n", 5, every(1));

    assert_eq!(policy.default.policy, "\"a; x=1\";q=5;w=1");
}

#[test]
fn retry_after_is_rounded_up_and_at_least_one() {
    let after = |millis| retry_after_secs(&decision(false, 0, 0, millis));

    assert_eq!([after(0), after(1), after(1000), after(1001)], [1, 1, 1, 2]);
}
