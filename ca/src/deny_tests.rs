//! The deny-list: what each rule denies, that the quick list agrees with the rules read one by one, and when a rule is
//! over.

use super::*;
use crate::names::Fingerprint;
use proptest::prelude::*;

fn id(name: &str) -> SpiffeId {
    format!("spiffe://shop.example/svc/{name}").parse().unwrap()
}

fn svid(name: &str, serial: u8, not_before: i64) -> Svid {
    let not_before = Timestamp(not_before);
    let not_after = not_before.after(Duration::from_secs(3600));
    let serial = Serial::from_random([serial; 16]);
    Svid { id: id(name), serial, not_before, not_after, key: Fingerprint::of(b"key") }
}

#[test]
fn a_serial_denies_one_certificate_whosever_it_is() {
    let list = DenyList::new(vec![Denial::Serial(Serial::from_random([7; 16]))]);

    assert!(list.denies(&svid("order", 7, 0)));
    assert!(list.denies(&svid("stock", 7, 0)));
    assert!(!list.denies(&svid("order", 8, 0)));
    assert!(list.denies_serial(&Serial::from_random([7; 16])));
    assert!(!list.denies_id(&id("order")));
}

#[test]
fn an_id_denies_every_certificate_of_one_workload_and_none_of_its_neighbours() {
    let list = DenyList::new(vec![Denial::Id(id("order"))]);

    assert!(list.denies(&svid("order", 1, i64::MAX - 3600)));
    assert!(list.denies_id(&id("order")));
    for neighbour in ["orders", "orde", "Order", "order/a"] {
        assert!(!list.denies(&svid(neighbour, 1, 0)), "{neighbour}");
        assert!(!list.denies_id(&id(neighbour)), "{neighbour}");
    }
}

#[test]
fn a_moment_denies_up_to_its_very_second() {
    let rule = |moment| Denial::Before { id: id("order"), not_before: Timestamp(moment) };
    let list = DenyList::new(vec![rule(100), rule(50)]);

    assert!(list.denies(&svid("order", 1, 99)));
    assert!(list.denies(&svid("order", 1, 100)));
    assert!(!list.denies(&svid("order", 1, 101)));
    assert!(!list.denies(&svid("stock", 1, 100)));
    assert!(!list.denies_id(&id("order")), "new ones are good");
    assert_eq!(list.last_before(&id("order")), Some(Timestamp(100)), "the newest counts");
    assert_eq!(list.last_before(&id("stock")), None);
}

#[test]
fn an_empty_list_denies_nobody() {
    assert!(!DenyList::default().denies(&svid("order", 1, 0)));
}

#[test]
fn a_rule_is_over_when_the_last_certificate_it_denies_has_expired() {
    let (at, longest) = (Timestamp(1_000), Duration::from_secs(60));
    let serial = Denial::Serial(Serial::from_random([7; 16]));
    let before = Denial::Before { id: id("order"), not_before: Timestamp(900) };

    assert_eq!(serial.over(Some(Timestamp(1_010)), at, longest), Some(Timestamp(1_010)));
    assert_eq!(serial.over(None, at, longest), Some(Timestamp(1_060)));
    assert_eq!(before.over(None, at, longest), Some(Timestamp(960)));
    assert_eq!(Denial::Id(id("order")).over(Some(at), at, longest), None);
}

fn any_rule() -> impl Strategy<Value = Denial> {
    let name = prop::sample::select(vec!["a", "b", "c"]);
    prop_oneof![
        (0..4_u8).prop_map(|serial| Denial::Serial(Serial::from_random([serial; 16]))),
        name.clone().prop_map(|name| Denial::Id(id(name))),
        (name, 0..20_i64).prop_map(|(name, at)| Denial::Before { id: id(name), not_before: Timestamp(at) }),
    ]
}

proptest! {
    #[test]
    fn the_list_denies_what_one_of_its_rules_denies(
        rules in prop::collection::vec(any_rule(), 0..6),
        name in prop::sample::select(vec!["a", "b", "c"]),
        (serial, not_before) in (0..4_u8, 0..20_i64),
    ) {
        let svid = svid(name, serial, not_before);
        let one_by_one = rules.iter().any(|rule| match rule {
            Denial::Serial(serial) => *serial == svid.serial,
            Denial::Id(id) => *id == svid.id,
            Denial::Before { id, not_before } => *id == svid.id && svid.not_before <= *not_before,
        });

        let list = DenyList::new(rules.clone());

        prop_assert_eq!(list.denies(&svid), one_by_one);
        prop_assert_eq!(list.rules(), rules.as_slice());
    }
}
