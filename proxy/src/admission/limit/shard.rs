//! A part of the counts, and which of them go when it is full. Pure.
//!
//! A hand goes round the places of the table and looks at eight counts whenever one more needs room: those that are over
//! go, or else the one of the eight that has spent least. So a flood of new keys, each of which has spent little, pushes
//! out its own, and not those that are being limited. Places follow a seeded hash, so nobody outside can choose who is
//! looked at.

use super::ask::Key;
use super::cell::{Cell, Worth};
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher;

/// How many counts are looked at for room.
const SAMPLE: usize = 8;
/// Tables no larger than this are not given back, in entries.
const SMALL: usize = 64;

/// Some of the counts.
#[derive(Debug, Default)]
pub(super) struct Shard {
    table: HashTable<Entry>,
    /// The place that is looked at next.
    hand: usize,
}

#[derive(Debug)]
struct Entry {
    key: Key,
    cell: Cell,
}

impl Shard {
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn find(&mut self, hash: u64, key: Key) -> Option<&mut Cell> {
        self.table.find_mut(hash, |entry| entry.key == key).map(|entry| &mut entry.cell)
    }

    /// Adds a count that is not there yet.
    pub(super) fn insert(&mut self, state: &RandomState, key: Key, cell: Cell) {
        let entry = Entry { key, cell };
        self.table.insert_unique(state.hash_one(key.0), entry, |entry| state.hash_one(entry.key.0));
    }

    /// Makes room for at least one.
    pub(super) fn make_room(&mut self, now: u64) {
        let (mut seen, mut freed) = (0, 0);
        let mut least: Option<(Worth, usize)> = None;
        for _ in 0..self.table.num_buckets() {
            let place = self.turn();
            let Ok(entry) = self.table.get_bucket_entry(place) else { continue };
            let cell = &entry.get().cell;
            if cell.is_forgettable(now) {
                entry.remove();
                freed += 1;
            } else {
                let worth = cell.worth();
                least = Some(least.map_or((worth, place), |least| least.min((worth, place))));
            }
            seen += 1;
            if seen == SAMPLE {
                break;
            }
        }
        let least = least.filter(|_| freed == 0);
        if let Some(entry) = least.and_then(|(_, place)| self.table.get_bucket_entry(place).ok()) {
            entry.remove();
        }
    }

    /// Looks at so many places and frees those that are over, and the memory if few are left.
    pub(super) fn sweep(&mut self, places: usize, now: u64, state: &RandomState) {
        for _ in 0..places.min(self.table.num_buckets()) {
            let place = self.turn();
            match self.table.get_bucket_entry(place) {
                Ok(entry) if entry.get().cell.is_forgettable(now) => drop(entry.remove()),
                _ => {}
            }
        }
        let (capacity, len) = (self.table.capacity(), self.table.len());
        if capacity > SMALL && len < capacity / 8 {
            self.table.shrink_to(len * 2, |entry| state.hash_one(entry.key.0));
        }
    }

    /// The next place.
    fn turn(&mut self) -> usize {
        let place = if self.hand < self.table.num_buckets() { self.hand } else { 0 };
        self.hand = place + 1;
        place
    }
}

#[cfg(test)]
#[path = "shard_tests.rs"]
mod tests;
