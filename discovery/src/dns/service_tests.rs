//! Offers become endpoints as RFC 2782 has it.

use super::{MAX_TARGETS, Plan, along, scaled};
use crate::dns::answer::{Remarks, Reply, Seen};
use crate::dns::tests::scripted::{address, alias, name};
use crate::{Endpoint, Endpoints};
use hickory_resolver::proto::rr::Name;
use hickory_resolver::proto::rr::rdata::SRV;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

const TTL: Duration = Duration::from_secs(60);

fn offer(priority: u16, weight: u16, port: u16, target: &str) -> SRV {
    SRV::new(priority, weight, port, name(target))
}

fn found(ttl: u64, addresses: &[&str]) -> Reply<IpAddr> {
    let items = addresses.iter().map(|text| text.parse().unwrap()).collect();
    Reply::Found { items, ttl: Duration::from_secs(ttl), missing: None }
}

fn absent(ttl: Option<u64>) -> Reply<IpAddr> {
    Reply::Absent { said: "gone".to_owned(), ttl: ttl.map(Duration::from_secs) }
}

fn failed() -> Reply<IpAddr> {
    Reply::Failed("a A: no answer".to_owned())
}

fn settle<const N: usize>(offers: Vec<SRV>, replies: [(&str, Reply<IpAddr>); N]) -> (Seen, Remarks) {
    let replies: BTreeMap<Name, Reply<IpAddr>> =
        replies.into_iter().map(|(target, reply)| (name(target), reply)).collect();
    Plan::new(offers).settle("_x._tcp.test", TTL, &replies, false)
}

fn endpoints(seen: Seen) -> (Endpoints, Duration) {
    match seen {
        Seen::Found { endpoints, ttl, .. } => (endpoints, ttl),
        other => panic!("{other:?}"),
    }
}

fn endpoint(address: &str, weight: u32, priority: u16) -> Endpoint {
    Endpoint { weight, priority, ..Endpoint::at(address.parse().unwrap()) }
}

#[test]
fn priority_weight_and_port_become_those_of_the_endpoints() {
    let offers = vec![offer(20, 0, 82, "b"), offer(10, 60, 80, "a"), offer(10, 20, 81, "b")];

    let (seen, remarks) =
        settle(offers, [("a", found(90, &["10.0.0.1", "fd00::1"])), ("b", found(30, &["10.0.0.2"]))]);

    let (endpoints, ttl) = endpoints(seen);
    let expected = [
        endpoint("10.0.0.1:80", 60, 0),
        endpoint("10.0.0.2:81", 20, 0),
        endpoint("10.0.0.2:82", 1, 1),
        endpoint("[fd00::1]:80", 60, 0),
    ];
    assert_eq!(endpoints.as_slice(), expected);
    assert_eq!(ttl, Duration::from_secs(30));
    assert_eq!(remarks, Remarks::default());
}

#[test]
fn weights_above_a_thousand_shrink_with_the_others_of_their_tier() {
    let offers = vec![
        offer(1, 65_535, 1, "a"),
        offer(1, 32_768, 2, "a"),
        offer(1, 1, 3, "a"),
        offer(1, 0, 4, "a"),
        offer(2, 1000, 5, "a"),
        offer(2, 500, 6, "a"),
    ];

    let (seen, _) = settle(offers, [("a", found(60, &["10.0.0.1"]))]);

    let weights: Vec<u32> = endpoints(seen).0.as_slice().iter().map(|e| e.weight).collect();
    assert_eq!(weights, [1000, 500, 1, 1, 1000, 500]);
}

#[test]
fn targets_without_addresses_are_left_out_while_one_has_some() {
    let offers = || vec![offer(1, 1, 80, "a"), offer(2, 1, 80, "b")];
    for (other, lacks) in [(failed(), Some("a A: no answer")), (absent(None), None)] {
        let (seen, _) = settle(offers(), [("a", other), ("b", found(60, &["10.0.0.2"]))]);

        assert!(matches!(&seen, Seen::Found { missing, .. } if missing.as_deref() == lacks), "{seen:?}");
        assert_eq!(endpoints(seen).0.as_slice(), [endpoint("10.0.0.2:80", 1, 0)]);
    }
}

#[test]
fn without_any_address_the_service_has_failed_or_is_absent() {
    let offers = || vec![offer(1, 1, 80, "a"), offer(2, 1, 80, "b")];

    let (half, _) = settle(offers(), [("a", absent(None)), ("b", failed())]);
    let (gone, _) = settle(offers(), [("a", absent(Some(9))), ("b", absent(None))]);
    let (lost, _) = settle(offers(), [("a", absent(None))]);
    let (local, remarks) = settle(offers(), [("a", found(60, &["127.0.0.1"])), ("b", absent(None))]);

    assert!(matches!(half, Seen::Failed(trouble) if trouble == "_x._tcp.test SRV: a A: no answer"));
    assert!(matches!(gone, Seen::Absent { ttl, .. } if ttl == Some(Duration::from_secs(9))));
    assert!(matches!(lost, Seen::Failed(trouble) if trouble.contains("b was not looked up")));
    assert!(matches!(local, Seen::Failed(trouble) if trouble.contains("a 127.0.0.1")));
    assert_eq!(remarks.local, ["a 127.0.0.1"]);
}

#[test]
fn the_root_as_a_target_means_that_the_service_is_not_available() {
    let (seen, _) = settle(vec![offer(0, 0, 0, ".")], []);
    let (other, _) =
        settle(vec![offer(0, 0, 0, "."), offer(1, 1, 80, "a")], [("a", found(60, &["10.0.0.1"]))]);

    assert!(matches!(seen, Seen::Absent { ttl: Some(TTL), .. }));
    assert_eq!(endpoints(other).0.as_slice(), [endpoint("10.0.0.1:80", 1, 0)]);
}

#[test]
fn of_too_many_targets_the_best_are_looked_up_and_a_target_counts_once() {
    let offers =
        (0..200_u16).flat_map(|n| [offer(n, 1, 1, &format!("t{n}")), offer(n, 1, 2, &format!("T{n}"))]);

    let plan = Plan::new(offers.rev().collect());

    let mut best: Vec<Name> = (0..64).map(|n| name(&format!("t{n}"))).collect();
    best.sort_unstable();
    assert_eq!(plan.targets().iter().cloned().collect::<Vec<_>>(), best);
    assert_eq!((plan.targets.len(), plan.offers.len(), plan.left_out), (MAX_TARGETS, 128, 136));
}

#[test]
fn addresses_that_came_along_are_those_of_the_target_only() {
    let additionals = [
        address("other", 60, "10.0.0.9"),
        address("A", 60, "10.0.0.1"),
        alias("a", 1, "b"),
        address("a", 30, "fd00::1"),
    ];

    assert_eq!(along(&name("a"), &additionals), Some(found(30, &["10.0.0.1", "fd00::1"])));
    assert_eq!(along(&name("b"), &additionals), None);
}

proptest! {
    #[test]
    fn any_records_make_endpoints_that_are_in_order(
        offers in prop::collection::vec((any::<u16>(), any::<u16>(), any::<u16>(), 0_u8..100), 1..200),
    ) {
        let listed: Vec<SRV> =
            offers.iter().map(|(p, w, port, n)| offer(*p, *w, *port, &format!("t{n}"))).collect();
        let plan = Plan::new(listed);
        let addresses: BTreeMap<Name, Reply<IpAddr>> =
            plan.targets().iter().map(|t| (t.clone(), found(60, &["10.0.0.1", "10.0.0.2"]))).collect();

        let (seen, _) = plan.settle("x", TTL, &addresses, false);

        prop_assert!(matches!(seen, Seen::Found { .. }), "{:?}", seen);
        prop_assert!(plan.targets().len() <= MAX_TARGETS);
    }

    #[test]
    fn a_weight_keeps_its_rank_and_is_one_to_a_thousand(one: u16, other: u16) {
        let (light, heavy) = (one.min(other), one.max(other));

        prop_assert!(scaled(light, heavy) <= scaled(heavy, heavy));
        prop_assert!((1..=1000).contains(&scaled(light, heavy)));
        prop_assert!((1..=1000).contains(&scaled(heavy, heavy)));
    }
}
