//! Which counts go when there is no room.

use super::super::cell::Turn;
use super::super::sample::{NOW, SECOND, asked, bucket};
use super::super::window::Bounds;
use super::*;
use crate::config::limit::{Algorithm, Limit};

/// A bucket of which so much was taken.
fn spent(limit: &Limit, cost: u32, now: u64) -> Cell {
    let mut cell = Cell::fresh(Algorithm::TokenBucket);
    let ask = asked(limit, 1, cost);
    assert!(cell.take(&Turn { ask: &ask, share: 1, bounds: Bounds::default(), now }).admitted);
    cell
}

fn shard(cells: impl Iterator<Item = Cell>) -> (Shard, RandomState) {
    let (mut shard, state) = (Shard::default(), RandomState::default());
    for (key, cell) in cells.enumerate() {
        shard.insert(&state, Key(key as u128), cell);
    }
    (shard, state)
}

fn holds(shard: &mut Shard, state: &RandomState, key: u128) -> bool {
    shard.find(state.hash_one(key), Key(key)).is_some()
}

#[test]
fn what_is_over_goes_first() {
    let limit = bucket(1, 1, 10);
    let (mut shard, state) = shard((0..8).map(|key| match key {
        3 => spent(&limit, 9, NOW - 10 * SECOND),
        _ => spent(&limit, 1, NOW),
    }));

    shard.make_room(NOW);

    assert_eq!(shard.len(), 7);
    assert!(!holds(&mut shard, &state, 3));
}

#[test]
fn else_what_has_spent_least_goes() {
    let limit = bucket(1, 1, 10);
    let (mut shard, state) = shard((0..8).map(|key| spent(&limit, if key == 5 { 1 } else { 2 + key }, NOW)));

    shard.make_room(NOW);

    assert_eq!(shard.len(), 7);
    assert!(!holds(&mut shard, &state, 5));
}

#[test]
fn room_is_made_even_if_there_is_one_alone() {
    let limit = bucket(1, 1, 10);
    let (mut shard, _) = shard(std::iter::once(spent(&limit, 10, NOW)));

    shard.make_room(NOW);
    shard.make_room(NOW);

    assert_eq!(shard.len(), 0);
}

#[test]
fn a_sweep_frees_what_is_over_and_the_memory() {
    let limit = bucket(1, 1, 10);
    let (mut shard, state) = shard((0..1000).map(|key| spent(&limit, if key < 10 { 9 } else { 1 }, NOW)));
    let before = shard.table.capacity();

    shard.sweep(100_000, NOW + SECOND, &state);

    assert_eq!(shard.len(), 10);
    assert!((0..10).all(|key| holds(&mut shard, &state, key)));
    assert!(shard.table.capacity() < before / 8);
}
