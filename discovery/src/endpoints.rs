//! Endpoints: an immutable snapshot of a service's addresses, and what changed between two of them.
//!
//! Decides the one form of a set of endpoints: sorted by address, each address once. So equal sets are equal
//! values, and a source that lists the same addresses in another order changes nothing.
//!
//! Pure: it must not know where the addresses came from or what is done with them.

use std::cmp::Ordering;
use std::net::SocketAddr;
use std::sync::Arc;

/// Largest weight; with at most this, the weights of any number of endpoints add up without overflow.
const MAX_WEIGHT: u32 = 1000;

/// One address of a service.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Address and port.
    pub address: SocketAddr,
    /// Share of the requests relative to the others, 1 to 1000.
    pub weight: u32,
    /// Tier: 0 is used first, the next one when too few of it are well.
    pub priority: u16,
    /// Where it stands.
    pub zone: Option<Arc<str>>,
}

impl Endpoint {
    /// One of the first tier, of weight 1, in no zone.
    pub const fn at(address: SocketAddr) -> Self {
        Self { address, weight: 1, priority: 0, zone: None }
    }

    /// What it is sorted by: first the address, then everything else, so that what is equal stands side by side.
    fn form(&self) -> (SocketAddr, u32, u16, Option<&str>) {
        (self.address, self.weight, self.priority, self.zone.as_deref())
    }

    /// In what it contradicts another one of the same address.
    fn unlike(&self, other: &Self) -> Option<EndpointsError> {
        let address = self.address;
        let of = match () {
            () if address != other.address => return None,
            () if self.weight != other.weight => "weights",
            () if self.priority != other.priority => "priorities",
            () => "zones",
        };
        Some(EndpointsError::Two { of, address })
    }
}

/// Everything a source knew about a service at one moment. Cheap to clone, and to compare with its clones.
#[derive(Debug, Clone, Default, Eq)]
pub struct Endpoints(Arc<[Endpoint]>);

impl PartialEq for Endpoints {
    fn eq(&self, other: &Self) -> bool {
        // A source that saw nothing new says the same again; `Arc` compares slices one by one.
        Arc::ptr_eq(&self.0, &other.0) || self.0[..] == other.0[..]
    }
}

impl Endpoints {
    /// A snapshot of `listed`, in any order; the same endpoint listed twice counts once.
    ///
    /// # Errors
    /// When a weight is out of range, or one address is listed with two weights, priorities or zones: then we cannot
    /// know which is meant.
    pub fn new(listed: impl IntoIterator<Item = Endpoint>) -> Result<Self, EndpointsError> {
        let mut endpoints: Vec<Endpoint> = listed.into_iter().collect();
        if let Some(wrong) = endpoints.iter().find(|e| !(1..=MAX_WEIGHT).contains(&e.weight)) {
            return Err(EndpointsError::Weight { address: wrong.address, weight: wrong.weight });
        }
        endpoints.sort_unstable_by(|one, other| one.form().cmp(&other.form()));
        endpoints.dedup();
        let mut pairs = endpoints.array_windows();
        match pairs.find_map(|[one, next]| one.unlike(next)) {
            Some(two) => Err(two),
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
        let (mut old, mut new) = (self.0.iter().peekable(), next.0.iter().peekable());
        // Both sides are sorted by address, so one walk along the two sees every address once.
        loop {
            let order = match (old.peek(), new.peek()) {
                (Some(was), Some(is)) => was.address.cmp(&is.address),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return change,
            };
            match order {
                Ordering::Less => change.removed.extend(old.next().cloned()),
                Ordering::Greater => change.added.extend(new.next().cloned()),
                Ordering::Equal => {
                    let was = old.next();
                    change.changed.extend(new.next().filter(|is| was != Some(is)).cloned());
                }
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
    /// In both with another weight, priority or zone; as in the later one.
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
    /// One address is listed with different weights, priorities or zones.
    #[error("{address} is listed with two {of}")]
    Two {
        /// What there are two of: `weights`, `priorities` or `zones`.
        of: &'static str,
        /// The address in question.
        address: SocketAddr,
    },
}

#[cfg(test)]
#[path = "endpoints_tests.rs"]
mod tests;
