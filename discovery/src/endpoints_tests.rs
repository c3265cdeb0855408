//! Snapshots have one form, and a difference says exactly what changed.

use super::{Change, Endpoint, Endpoints, EndpointsError};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::SocketAddr;

fn endpoint(port: u16, weight: u32) -> Endpoint {
    Endpoint { weight, ..Endpoint::at(SocketAddr::from(([127, 0, 0, 1], port))) }
}

fn snapshot<const N: usize>(listed: [(u16, u32); N]) -> Endpoints {
    Endpoints::new(listed.map(|(port, weight)| endpoint(port, weight))).unwrap()
}

#[test]
fn order_and_repetition_of_the_list_do_not_matter() {
    let tidy = snapshot([(1, 1), (2, 5), (3, 1)]);

    let untidy = snapshot([(3, 1), (1, 1), (2, 5), (1, 1)]);

    assert_eq!(untidy, tidy);
    assert_eq!(untidy.as_slice(), [endpoint(1, 1), endpoint(2, 5), endpoint(3, 1)]);
    assert!(tidy.diff(&untidy).is_empty());
}

#[test]
fn one_address_with_two_weights_priorities_or_zones_is_refused() {
    let others = [
        ("weights", endpoint(1, 2)),
        ("priorities", Endpoint { priority: 1, ..endpoint(1, 1) }),
        ("zones", Endpoint { zone: Some("east".into()), ..endpoint(1, 1) }),
    ];
    for (of, other) in others {
        let made = Endpoints::new([endpoint(1, 1), endpoint(2, 1), other]);

        assert_eq!(made, Err(EndpointsError::Two { of, address: endpoint(1, 1).address }));
        assert_eq!(made.unwrap_err().to_string(), format!("127.0.0.1:1 is listed with two {of}"));
    }
}

#[test]
fn an_endpoint_is_listed_once_however_often_it_is_named() {
    let one = Endpoint { priority: 3, zone: Some("east".into()), ..endpoint(1, 5) };
    // Equal text in another place.
    let again = Endpoint { zone: Some("east".into()), ..one };

    let made = Endpoints::new([one.clone(), endpoint(2, 1), again, one.clone()]).unwrap();

    assert_eq!(made.as_slice(), [one, endpoint(2, 1)]);
}

#[test]
fn another_priority_or_zone_is_a_change_of_the_endpoint() {
    let earlier = snapshot([(1, 1), (2, 1), (3, 1)]);
    let tier = Endpoint { priority: 1, ..endpoint(1, 1) };
    let moved = Endpoint { zone: Some("east".into()), ..endpoint(3, 1) };
    let later = Endpoints::new([tier.clone(), endpoint(2, 1), moved.clone()]).unwrap();

    let change = earlier.diff(&later);

    assert_eq!(change, Change { changed: vec![tier, moved], ..Change::default() });
}

#[test]
fn ten_thousand_endpoints_are_one_sort_and_one_walk() {
    let mut rng = fastrand::Rng::with_seed(7);
    let mut listed: Vec<_> = (1..=10_000).map(|port| endpoint(port, 1)).collect();
    let sorted = listed.clone();
    rng.shuffle(&mut listed);

    let all = Endpoints::new(listed.clone()).unwrap();
    let without = Endpoints::new(listed.into_iter().filter(|one| one.address.port() != 5_000)).unwrap();

    assert_eq!(all.as_slice(), sorted);
    assert_eq!(all.diff(&without), Change { removed: vec![endpoint(5_000, 1)], ..Change::default() });
    assert!(all.diff(&all.clone()).is_empty());
}

#[test]
fn a_weight_out_of_range_is_refused() {
    for weight in [0, 1001, u32::MAX] {
        let made = Endpoints::new([endpoint(1, 1), endpoint(2, weight)]);

        assert_eq!(made, Err(EndpointsError::Weight { address: endpoint(2, 1).address, weight }));
    }
    assert!(Endpoints::new([endpoint(1, 1), endpoint(2, 1000)]).is_ok());
}

#[test]
fn a_difference_names_what_came_what_went_and_what_weighs_otherwise() {
    let earlier = snapshot([(1, 1), (2, 1), (3, 1), (5, 1)]);
    let later = snapshot([(2, 1), (3, 7), (4, 1), (6, 1)]);

    let change = earlier.diff(&later);

    assert_eq!(change.added, [endpoint(4, 1), endpoint(6, 1)]);
    assert_eq!(change.removed, [endpoint(1, 1), endpoint(5, 1)]);
    assert_eq!(change.changed, [endpoint(3, 7)]);
}

#[test]
fn from_nothing_and_to_nothing_is_a_difference_too() {
    let (nothing, some) = (Endpoints::default(), snapshot([(1, 1)]));

    assert_eq!(nothing.diff(&some), Change { added: vec![endpoint(1, 1)], ..Change::default() });
    assert_eq!(some.diff(&nothing), Change { removed: vec![endpoint(1, 1)], ..Change::default() });
    assert!(nothing.is_empty() && nothing.diff(&nothing).is_empty());
}

fn any_endpoint() -> impl Strategy<Value = Endpoint> {
    let zone = prop::option::of(prop::sample::select(vec!["east", "west"]));
    (1_u16..30, 1_u32..4, 0_u16..2, zone).prop_map(|(port, weight, priority, zone)| Endpoint {
        priority,
        zone: zone.map(Into::into),
        ..endpoint(port, weight)
    })
}

fn any_snapshot() -> impl Strategy<Value = Endpoints> {
    prop::collection::vec(any_endpoint(), 0..20).prop_map(|listed| {
        let map: BTreeMap<_, _> = listed.into_iter().map(|one| (one.address, one)).collect();
        Endpoints::new(map.into_values()).unwrap()
    })
}

proptest! {
    #[test]
    fn a_difference_applied_to_the_earlier_gives_the_later(earlier in any_snapshot(), later in any_snapshot()) {
        let listed = earlier.as_slice().iter().cloned();
        let mut map: BTreeMap<_, _> = listed.map(|one| (one.address, one)).collect();

        let change = earlier.diff(&later);
        for gone in &change.removed {
            prop_assert_eq!(map.remove(&gone.address), Some(gone.clone()));
        }
        for new in &change.added {
            prop_assert_eq!(map.insert(new.address, new.clone()), None);
        }
        for other in &change.changed {
            let was = map.insert(other.address, other.clone());
            prop_assert!(was.is_some_and(|was| was != *other));
        }

        prop_assert_eq!(Endpoints::new(map.into_values()), Ok(later));
    }

    #[test]
    fn the_order_of_the_list_does_not_matter(listed in prop::collection::vec(any_endpoint(), 0..40)) {
        let backwards = Endpoints::new(listed.iter().rev().cloned());

        match Endpoints::new(listed) {
            Ok(made) => {
                prop_assert!(made.as_slice().is_sorted_by(|one, next| one.address < next.address));
                prop_assert_eq!(backwards, Ok(made));
            }
            Err(_) => prop_assert!(backwards.is_err()),
        }
    }

    #[test]
    fn the_way_back_mirrors_the_way_there(earlier in any_snapshot(), later in any_snapshot()) {
        let (there, back) = (earlier.diff(&later), later.diff(&earlier));

        prop_assert_eq!(&there.added, &back.removed);
        prop_assert_eq!(&there.removed, &back.added);
        prop_assert_eq!(there.changed.len(), back.changed.len());
        prop_assert_eq!(there.is_empty(), earlier == later);
    }
}
