//! Decisions at their bounds, and what holds for every one.

use super::*;
use crate::entry::Grants;
use proptest::prelude::*;

const NOW: Timestamp = Timestamp(1_790_000_000);
const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

fn entry() -> Entry {
    Entry {
        id: "spiffe://shop.example/svc/order".parse().unwrap(),
        dns: vec!["order.shop.example".to_owned(), "order".to_owned()],
        ttl_max: 2 * DAY,
        grants: Grants::default(),
        created: NOW,
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp(NOW.0 + seconds)
}

/// A decision with the given entry and whatever else is changed.
fn decided(entry: &Entry, change: impl FnOnce(&mut Ask<'_>)) -> Result<Grant, Refusal> {
    let wishes = Wishes::default();
    let mut ask = Ask {
        entry,
        wishes: &wishes,
        ttl: None,
        ttl_default: Duration::from_secs(DAY),
        issuer_not_after: at(30 * DAY as i64),
        denied_before: None,
        now: NOW,
    };
    change(&mut ask);
    decide(&ask)
}

fn with_ttl(seconds: u64) -> Result<Grant, Refusal> {
    decided(&entry(), |ask| ask.ttl = Some(Duration::from_secs(seconds)))
}

#[test]
fn names_come_from_the_entry_whatever_is_wished() {
    let entry = entry();
    let own = Wishes { uris: vec![entry.id.to_string()], dns: vec!["order".to_owned()], ..Wishes::default() };

    for wishes in [Wishes::default(), own] {
        let grant = decide(&Ask {
            entry: &entry,
            wishes: &wishes,
            ttl: None,
            ttl_default: Duration::from_secs(DAY),
            issuer_not_after: at(30 * DAY as i64),
            denied_before: None,
            now: NOW,
        });

        let expected = Grant {
            id: entry.id.clone(),
            dns: entry.dns.clone(),
            not_before: at(-60),
            not_after: at(DAY as i64),
        };
        assert_eq!(grant, Ok(expected));
    }
}

#[test]
fn a_life_is_clamped_to_the_entry_and_refused_when_too_short() {
    // Ten years, and the largest number there is.
    for much in [10 * 365 * DAY, u64::MAX] {
        assert_eq!(with_ttl(much).unwrap().not_after, at(2 * DAY as i64));
    }
    assert_eq!(with_ttl(60).unwrap().not_after, at(60));
    for little in [0, 1, 59] {
        let most = Duration::from_secs(2 * DAY);

        assert_eq!(with_ttl(little), Err(Refusal::TooShort { asked: Duration::from_secs(little), most }));
    }
    let words = with_ttl(0).unwrap_err().to_string();
    assert_eq!(words, "a life of 0 s is too short: ask for 1 m to 2 d");
    let almost = decided(&entry(), |ask| ask.ttl = Some(Duration::from_millis(60_999))).unwrap();
    assert_eq!(almost.not_after, at(60), "whole seconds");
}

#[test]
fn no_entry_gets_more_than_three_days() {
    let careless = Entry { ttl_max: u64::MAX, ..entry() };

    let grant = decided(&careless, |ask| ask.ttl = Some(Duration::MAX)).unwrap();

    assert_eq!(grant.not_after, at(3 * DAY as i64));
    let useless = Entry { ttl_max: 30, ..entry() };
    assert!(matches!(decided(&useless, |_| ()), Err(Refusal::TooShort { .. })));
}

#[test]
fn a_certificate_never_outlives_its_issuer() {
    for (left, granted) in [(DAY, true), (DAY - 1, true), (DAY / 2, true), (DAY / 2 - 1, false), (0, false)] {
        let not_after = at(left as i64);

        let grant = decided(&entry(), |ask| ask.issuer_not_after = not_after);

        match grant {
            Ok(grant) => assert!(granted && grant.not_after == not_after, "{left}"),
            Err(refusal) => {
                assert_eq!((refusal, granted), (Refusal::IssuerExpires { not_after }, false), "{left}");
            }
        }
    }
    // Half of the life would be enough, but 59 s are never.
    let short = decided(&entry(), |ask| {
        (ask.ttl, ask.issuer_not_after) = (Some(Duration::from_secs(100)), at(59));
    });
    assert_eq!(short, Err(Refusal::IssuerExpires { not_after: at(59) }));
    let words = short.unwrap_err().to_string();
    assert!(words.ends_with("portcullis ca intermediate rotate"), "{words}");
}

#[test]
fn a_new_certificate_starts_after_what_is_denied() {
    for (denied, expected) in [(-1_000, -60), (-61, -60), (-60, -59), (-1, 0)] {
        let grant = decided(&entry(), |ask| ask.denied_before = Some(at(denied))).unwrap();

        assert_eq!(grant.not_before, at(expected), "{denied}");
    }
    for denied in [0, 1, 1_000_000] {
        let refusal = decided(&entry(), |ask| ask.denied_before = Some(at(denied)));

        assert_eq!(refusal, Err(Refusal::DeniedUntil(at(denied))));
    }
}

#[test]
fn renewals_spread_between_half_and_two_thirds_of_the_life() {
    let grant = with_ttl(DAY).unwrap();
    let life = (grant.not_after.0 - grant.not_before.0) as f64;
    let share = |random| (renew_after(&grant, random).0 - grant.not_before.0) as f64 / life;

    assert!((share(0) - 0.50).abs() < 1e-4, "{}", share(0));
    assert!((share(u64::MAX / 2) - 0.58).abs() < 1e-4, "{}", share(u64::MAX / 2));
    assert!((share(u64::MAX) - 0.66).abs() < 1e-4, "{}", share(u64::MAX));
}

#[test]
fn a_certificate_of_a_minute_is_not_renewed_at_once() {
    let grant = with_ttl(60).unwrap();

    assert_eq!(renew_after(&grant, 0), at(30));
    assert_eq!(renew_after(&grant, u64::MAX), at(39));
}

#[test]
fn entries_that_cannot_be_are_refused() {
    let with_id = |id: &str| entry_sound(&Entry { id: id.parse().unwrap(), ..entry() });
    let with_ttl = |ttl_max| entry_sound(&Entry { ttl_max, ..entry() });

    assert_eq!(entry_sound(&entry()), Ok(()));
    assert!(matches!(with_id("spiffe://shop.example"), Err(EntryError::NoPath(_))));
    assert!(matches!(with_id("spiffe://shop.example/ca"), Err(EntryError::Reserved(_))));
    assert_eq!(with_id("spiffe://shop.example/ca2"), Ok(()));
    assert_eq!((with_ttl(60), with_ttl(3 * DAY)), (Ok(()), Ok(())));
    for ttl_max in [0, 59, 3 * DAY + 1, u64::MAX] {
        assert!(matches!(with_ttl(ttl_max), Err(EntryError::Ttl(_))), "{ttl_max}");
    }
}

#[test]
fn dns_names_are_lower_case_letters_digits_and_hyphens() {
    let with_dns =
        |name: &str| entry_sound(&Entry { dns: vec!["order".to_owned(), name.to_owned()], ..entry() });
    let longest = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(61));

    for good in ["order", "order.shop.example", "a-1.b", "3.shop", "xn--bcher-kva.example", longest.as_str()]
    {
        assert_eq!(with_dns(good), Ok(()), "{good}");
    }
    let too_long = format!("{longest}b");
    for wrong in [
        "",
        ".",
        "a.",
        ".a",
        "a..b",
        "*.shop.example",
        "*",
        "Order",
        "a_b",
        "a b",
        "-a",
        "a-",
        "ä",
        "10.0.0.1",
        "1",
        "a.0x7f",
        "a.1",
        "::1",
        "a/b",
        "a\0b",
        "a\n",
        too_long.as_str(),
        "a".repeat(64).as_str(),
    ] {
        assert!(matches!(with_dns(wrong), Err(EntryError::Dns(_))), "{wrong:?}");
    }
    let many = Entry { dns: vec!["a".to_owned(); 65], ..entry() };
    assert_eq!(entry_sound(&many), Err(EntryError::TooManyDns(65)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_grant_keeps_its_bounds(
        ttl in prop::option::of(prop_oneof![0..300_u64, 0..400_000_u64, any::<u64>()]),
        ttl_default in prop_oneof![60..400_000_u64, any::<u64>()],
        ttl_max in prop_oneof![60..=3 * DAY, any::<u64>()],
        left in prop_oneof![-100..400_i64, -1_000..400_000_i64, any::<i32>().prop_map(i64::from)],
        denied in prop::option::of(-200..100_i64),
        random in any::<u64>(),
    ) {
        let entry = Entry { ttl_max, ..entry() };

        let decision = decided(&entry, |ask| {
            ask.ttl = ttl.map(Duration::from_secs);
            ask.ttl_default = Duration::from_secs(ttl_default);
            ask.issuer_not_after = at(left);
            ask.denied_before = denied.map(at);
        });

        if let Ok(grant) = decision {
            let life = grant.not_after.since(NOW);
            prop_assert!(grant.not_after <= at(left));
            prop_assert!((TTL_LEAST..=TTL_MOST).contains(&life) && life.as_secs() <= ttl_max);
            prop_assert!(life.as_secs() <= ttl.unwrap_or(ttl_default));
            prop_assert!(grant.not_before <= NOW && grant.not_before >= at(-60));
            prop_assert!(denied.is_none_or(|denied| grant.not_before > at(denied)));
            prop_assert_eq!((&grant.id, &grant.dns), (&entry.id, &entry.dns));
            let renew = renew_after(&grant, random);
            prop_assert!(renew > NOW && renew < grant.not_after, "{}", renew);
        } else {
            // Nothing is refused without need.
            let asked = ttl.unwrap_or(ttl_default).min(ttl_max).min(3 * DAY) as i64;
            prop_assert!(asked < 60 || left < 60 || 2 * left < asked || denied.is_some_and(|denied| denied >= 0));
        }
    }
}
