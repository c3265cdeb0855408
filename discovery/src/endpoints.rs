//! Endpoints: an immutable snapshot of a service's addresses, and what changed between two of them.
//!
//! Decides the one form of a set of endpoints: sorted by address, each address once. So equal sets are equal
//! values, and a source that lists the same addresses in another order changes nothing.
//!
//! Pure: it must not know where the addresses came from or what is done with them.

use std::cmp::Ordering;
use std::net::SocketAddr;

/// Largest weight; with at most this, the weights of any number of endpoints add up without overflow.
const MAX_WEIGHT: u32 = 1000;

/// One address of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Address and port.
    pub address: SocketAddr,
    /// Share of the requests relative to the others, 1 to 1000.
    pub weight: u32,
}

/// Everything a source knew about a service at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints(Box<[Endpoint]>);

impl Endpoints {
    /// A snapshot of `listed`, in any order; the same endpoint listed twice counts once.
    ///
    /// # Errors
    /// When a weight is out of range, or one address is listed with two weights: then we cannot know which is meant.
    pub fn new(listed: impl IntoIterator<Item = Endpoint>) -> Result<Self, EndpointsError> {
        let mut endpoints: Vec<Endpoint> = listed.into_iter().collect();
        if let Some(wrong) = endpoints.iter().find(|e| !(1..=MAX_WEIGHT).contains(&e.weight)) {
            return Err(EndpointsError::Weight { address: wrong.address, weight: wrong.weight });
        }
        endpoints.sort_unstable_by_key(|e| (e.address, e.weight));
        endpoints.dedup();
        match endpoints.array_windows().find(|[one, next]| one.address == next.address) {
            Some([twice, _]) => Err(EndpointsError::TwoWeights { address: twice.address }),
            None => Ok(Self(endpoints.into())),
        }
    }

    /// The endpoints, sorted by address.
    pub fn as_slice(&self) -> &[Endpoint] {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What has to happen to `self` so that it becomes `next`.
    pub fn diff(&self, next: &Self) -> Change {
        let mut change = Change::default();
        let (mut old, mut new) = (self.0.iter().copied().peekable(), next.0.iter().copied().peekable());
        // Both sides are sorted by address, so one walk along the two sees every address once.
        loop {
            let order = match (old.peek(), new.peek()) {
                (Some(was), Some(is)) => was.address.cmp(&is.address),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return change,
            };
            match order {
                Ordering::Less => change.removed.extend(old.next()),
                Ordering::Greater => change.added.extend(new.next()),
                Ordering::Equal => change.changed.extend(new.next().filter(|is| old.next() != Some(*is))),
            }
        }
    }
}

/// The difference between two snapshots; every list is sorted by address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Only in the later one.
    pub added: Vec<Endpoint>,
    /// Only in the earlier one.
    pub removed: Vec<Endpoint>,
    /// In both with another weight; as in the later one.
    pub changed: Vec<Endpoint>,
}

impl Change {
    /// Whether the two snapshots were equal.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

/// Why a list of endpoints makes no snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointsError {
    /// A weight is 0 or above 1000.
    #[error("{address} has weight {weight}, allowed are 1 to {MAX_WEIGHT}")]
    Weight {
        /// Whose weight it is.
        address: SocketAddr,
        /// What was listed.
        weight: u32,
    },
    /// One address is listed with different weights.
    #[error("{address} is listed with two weights")]
    TwoWeights {
        /// The address in question.
        address: SocketAddr,
    },
}

#[cfg(test)]
#[path = "endpoints_tests.rs"]
mod tests;
