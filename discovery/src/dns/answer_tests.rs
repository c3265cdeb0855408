//! Replies are joined as the table says, and every snapshot is in order.

use super::{MAX_ENDPOINTS, Remarks, Reply, Seen, both, host, settle, usable};
use crate::Endpoint;
use proptest::prelude::*;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn found(items: &[&str], ttl: u64) -> Reply<IpAddr> {
    Reply::Found { items: items.iter().copied().map(ip).collect(), ttl: seconds(ttl), missing: None }
}

fn in_part(items: &[&str], ttl: u64, trouble: &str) -> Reply<IpAddr> {
    let missing = Some(trouble.to_owned());
    Reply::Found { items: items.iter().copied().map(ip).collect(), ttl: seconds(ttl), missing }
}

fn absent(said: &str, ttl: Option<u64>) -> Reply<IpAddr> {
    Reply::Absent { said: said.to_owned(), ttl: ttl.map(seconds) }
}

fn failed(trouble: &str) -> Reply<IpAddr> {
    Reply::Failed(trouble.to_owned())
}

fn endpoint(address: &str, weight: u32, priority: u16) -> Endpoint {
    Endpoint { weight, priority, ..Endpoint::at(address.parse().unwrap()) }
}

#[test]
fn two_families_are_joined_as_the_table_says() {
    let table = [
        (found(&["10.0.0.1"], 9), found(&["fd00::1"], 5), found(&["10.0.0.1", "fd00::1"], 5)),
        (found(&["10.0.0.1"], 9), absent("v6", Some(1)), found(&["10.0.0.1"], 9)),
        (absent("v4", Some(1)), found(&["fd00::1"], 9), found(&["fd00::1"], 9)),
        (found(&["10.0.0.1"], 9), failed("v6"), in_part(&["10.0.0.1"], 9, "v6")),
        (failed("v4"), found(&["fd00::1"], 9), in_part(&["fd00::1"], 9, "v4")),
        (failed("v4"), absent("v6", None), failed("v4")),
        (absent("v4", None), failed("v6"), failed("v6")),
        (failed("v4"), failed("v6"), failed("v4; v6")),
        (absent("v4", None), absent("v6", Some(3)), absent("v4; v6", Some(3))),
        (absent("v4", Some(2)), absent("v6", Some(3)), absent("v4; v6", Some(2))),
        (absent("v4", None), absent("v6", None), absent("v4; v6", None)),
    ];
    for (v4, v6, expected) in table {
        let case = format!("{v4:?} with {v6:?}");

        assert_eq!(both(v4, v6), expected, "{case}");
    }
}

#[test]
fn addresses_are_taken_once_in_their_one_form_and_in_order() {
    let mut remarks = Remarks::default();
    let listed = ["fd00::1", "10.0.0.2", "::ffff:10.0.0.1", "10.0.0.1", "10.0.0.2"].map(ip);

    let taken = usable("x", &listed, false, &mut remarks);

    assert_eq!(taken, ["10.0.0.1", "10.0.0.2", "fd00::1"].map(ip));
    assert_eq!(remarks, Remarks::default());
}

#[test]
fn what_is_dropped_is_named_the_first_few_of_it() {
    let listed: Vec<IpAddr> = (1..=20).map(|n| IpAddr::from([127, 0, 0, n])).collect();

    let (seen, remarks) =
        host("x", 80, Reply::Found { items: listed, ttl: seconds(1), missing: None }, false);

    let Seen::Failed(trouble) = seen else { panic!("{seen:?}") };
    assert!(trouble.starts_with("x: ") && trouble.contains("x 127.0.0.1, x 127.0.0.2"), "{trouble}");
    assert_eq!(remarks.local.len(), 8);
}

#[test]
fn tiers_are_numbered_from_zero_and_an_address_counts_in_its_best_one() {
    let listed = vec![
        endpoint("10.0.0.3:80", 1, 700),
        endpoint("10.0.0.1:80", 9, 20),
        endpoint("10.0.0.1:80", 1, 10),
        endpoint("10.0.0.1:80", 5, 10),
        endpoint("10.0.0.2:80", 1, 20),
        endpoint("10.0.0.2:81", 1, 10),
    ];

    let seen = settle("x", listed, (seconds(5), None), &mut Remarks::default());

    let Seen::Found { endpoints, ttl, .. } = seen else { panic!("{seen:?}") };
    let expected = [
        endpoint("10.0.0.1:80", 5, 0),
        endpoint("10.0.0.2:80", 1, 1),
        endpoint("10.0.0.2:81", 1, 0),
        endpoint("10.0.0.3:80", 1, 2),
    ];
    assert_eq!(endpoints.as_slice(), expected);
    assert_eq!(ttl, seconds(5));
}

#[test]
fn of_too_many_endpoints_the_best_tiers_are_taken() {
    let address = |n: u16| SocketAddr::from((IpAddr::from(u32::from(n).to_be_bytes()), 80));
    let listed = (0..1200_u16).rev().map(|n| Endpoint { priority: 1200 - n, ..Endpoint::at(address(n)) });
    let mut remarks = Remarks::default();

    let seen = settle("x", listed.collect(), (seconds(1), None), &mut remarks);

    let Seen::Found { endpoints, .. } = seen else { panic!("{seen:?}") };
    assert_eq!(endpoints.as_slice().len(), MAX_ENDPOINTS);
    assert_eq!(endpoints.as_slice()[0].address, address(200));
    assert_eq!(remarks.endpoints, 200);
}

proptest! {
    #[test]
    fn the_order_of_an_answer_does_not_matter(
        mut listed in prop::collection::vec((0_u8..8, 1_u32..=1000, 0_u16..4), 1..60),
        seed: u64,
    ) {
        let make = |listed: &[(u8, u32, u16)]| -> Vec<Endpoint> {
            let parts = listed.iter().copied();
            parts.map(|(n, weight, tier)| endpoint(&format!("10.0.0.{n}:80"), weight, tier)).collect()
        };
        let one = settle("x", make(&listed), (seconds(1), None), &mut Remarks::default());
        fastrand::Rng::with_seed(seed).shuffle(&mut listed);

        let other = settle("x", make(&listed), (seconds(1), None), &mut Remarks::default());

        prop_assert_eq!(&one, &other);
        let Seen::Found { endpoints, .. } = one else { panic!("{one:?}") };
        let mut tiers: Vec<u16> = endpoints.as_slice().iter().map(|e| e.priority).collect();
        tiers.sort_unstable();
        tiers.dedup();
        prop_assert_eq!(tiers.clone(), (0..u16::try_from(tiers.len()).unwrap()).collect::<Vec<_>>());
    }

    #[test]
    fn whatever_bytes_an_answer_has_nothing_local_is_taken(bits in prop::collection::vec(any::<u128>(), 1..20)) {
        let listed: Vec<IpAddr> = bits.iter().flat_map(|bits| {
            let low = u32::try_from(bits & u128::from(u32::MAX)).unwrap();
            // Of each: as it is, the lowest bits as IPv4, and those inside IPv6.
            [IpAddr::from(bits.to_be_bytes()), IpAddr::from(low.to_be_bytes()),
             IpAddr::V6(std::net::Ipv4Addr::from(low).to_ipv6_mapped())]
        }).collect();

        let taken = usable("x", &listed, false, &mut Remarks::default());

        prop_assert!(taken.iter().all(|address| !crate::dns::local::is_local(*address)));
        prop_assert!(taken.iter().all(|address| address.to_canonical() == *address));
        prop_assert!(taken.is_sorted());
    }
}
