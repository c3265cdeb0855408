//! Snapshots have one form, and a difference says exactly what changed.

use super::{Change, Endpoint, Endpoints, EndpointsError};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::SocketAddr;

fn endpoint(port: u16, weight: u32) -> Endpoint {
    Endpoint { address: SocketAddr::from(([127, 0, 0, 1], port)), weight }
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
fn one_address_with_two_weights_is_refused() {
    let made = Endpoints::new([endpoint(1, 1), endpoint(2, 1), endpoint(1, 2)]);

    assert_eq!(made, Err(EndpointsError::TwoWeights { address: endpoint(1, 1).address }));
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

fn any_snapshot() -> impl Strategy<Value = Endpoints> {
    prop::collection::btree_map(1_u16..30, 1_u32..4, 0..20)
        .prop_map(|map| Endpoints::new(map.into_iter().map(|(port, weight)| endpoint(port, weight))).unwrap())
}

proptest! {
    #[test]
    fn a_difference_applied_to_the_earlier_gives_the_later(earlier in any_snapshot(), later in any_snapshot()) {
        let mut map: BTreeMap<_, _> = earlier.as_slice().iter().map(|e| (e.address, e.weight)).collect();

        let change = earlier.diff(&later);
        for gone in &change.removed {
            prop_assert_eq!(map.remove(&gone.address), Some(gone.weight));
        }
        for new in &change.added {
            prop_assert_eq!(map.insert(new.address, new.weight), None);
        }
        for other in &change.changed {
            let was = map.insert(other.address, other.weight);
            prop_assert!(was.is_some_and(|weight| weight != other.weight));
        }

        let applied = Endpoints::new(map.into_iter().map(|(address, weight)| Endpoint { address, weight }));
        prop_assert_eq!(applied, Ok(later));
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
