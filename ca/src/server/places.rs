//! How many of something each member has open: connections, streams.
//!
//! Decides whether it may have one more. It must not know what is counted.

use super::admission::Holder;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The counts.
#[derive(Debug, Clone)]
pub(super) struct Places {
    taken: Arc<Mutex<HashMap<Holder, usize>>>,
    most: usize,
}

/// One in the count; dropping it counts it out.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    holder: Holder,
}

impl Places {
    /// None is taken; each member may have `most`.
    pub(super) fn new(most: usize) -> Self {
        Self { taken: Arc::default(), most }
    }

    /// One more of `holder`; `None`: it has enough.
    pub(super) fn take(&self, holder: &Holder) -> Option<Place> {
        let mut taken = self.counts();
        let count = taken.get(holder).copied().unwrap_or_default();
        if count >= self.most {
            return None;
        }
        taken.insert(holder.clone(), count + 1);
        Some(Place { places: self.clone(), holder: holder.clone() })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<Holder, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.counts();
        let left = taken.get(&self.holder).map_or(0, |count| count.saturating_sub(1));
        if left == 0 {
            taken.remove(&self.holder);
        } else {
            taken.insert(self.holder.clone(), left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::InstanceId;

    #[test]
    fn a_third_place_is_free_when_one_of_two_has_been_left() {
        let places = Places::new(2);
        let [one, other] = [1, 2].map(|bits| Holder::Instance(InstanceId::from_random([bits; 8])));
        let first = places.take(&one);
        let second = places.take(&one);

        assert!(first.is_some() && second.is_some());
        assert!(places.take(&one).is_none());
        assert!(places.take(&other).is_some(), "another member is counted apart");
        drop(first);

        let third = places.take(&one);
        assert!(third.is_some());
        drop((second, third));
        assert!(places.counts().is_empty(), "who has none is forgotten");
    }
}
