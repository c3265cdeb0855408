//! What the SRV records of a service amount to (RFC 2782).
//!
//! Decides which targets need addresses, and what becomes of priority, weight and port: the priorities become the
//! tiers 0, 1, 2 …, the weights those of the endpoints. Weight 0 (almost never picked, says the RFC) becomes 1, the
//! least there is; where a tier has a weight above 1000, its weights shrink in proportion. A target with several
//! addresses has its weight on each.
//!
//! | the targets' addresses | together |
//! |--|--|
//! | some found | those, for the shortest of the times; the others are left out |
//! | none found, some failed | failed |
//! | all absent, or the only target is `.` | absent: not available here |
//!
//! Pure: it must not know the resolver. At most 64 targets and 1,000 endpoints are taken, always the same ones of
//! the same answer.

use super::answer::{self, Remarks, Reply, Seen};
use crate::Endpoint;
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{Name, RData, Record};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The most targets that are looked up for one service.
const MAX_TARGETS: usize = 64;
/// The most endpoints that are put together before the best of them are taken.
const MAX_LISTED: usize = 10_000;
/// The largest weight of an endpoint.
const MAX_WEIGHT: u32 = 1000;

/// The offers of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// The ones that are taken, best first.
    offers: Vec<SRV>,
    /// Their targets, each once.
    targets: BTreeSet<Name>,
    /// How many targets are left out.
    left_out: usize,
}

impl Plan {
    /// Sorts `offers`. Without targets: the service says that it is not available.
    pub(super) fn new(mut offers: Vec<SRV>) -> Self {
        offers.retain(|offer| !offer.target.is_root());
        offers.sort_unstable_by(|a, b| order(a).cmp(&order(b)));
        let (mut targets, mut left_out) = (BTreeSet::new(), BTreeSet::new());
        for offer in &offers {
            if targets.len() < MAX_TARGETS || targets.contains(&offer.target) {
                targets.insert(offer.target.clone());
            } else {
                left_out.insert(offer.target.clone());
            }
        }
        offers.retain(|offer| targets.contains(&offer.target));
        Self { offers, targets, left_out: left_out.len() }
    }

    /// The targets whose addresses are needed.
    pub(super) const fn targets(&self) -> &BTreeSet<Name> {
        &self.targets
    }

    /// The endpoints of the service `name`, whose records live for `ttl`.
    pub(super) fn settle(
        &self,
        name: &str,
        ttl: Duration,
        addresses: &BTreeMap<Name, Reply<IpAddr>>,
        allow_local: bool,
    ) -> (Seen, Remarks) {
        let mut remarks = Remarks { targets: self.left_out, ..Remarks::default() };
        let (mut found, mut ttl, mut lacks) = (BTreeMap::new(), ttl, None);
        for (target, reply) in addresses {
            match reply {
                Reply::Found { items, ttl: shorter, missing } => {
                    ttl = ttl.min(*shorter);
                    lacks = lacks.or(missing.as_ref());
                    found.insert(target, answer::usable(&plain(target), items, allow_local, &mut remarks));
                }
                Reply::Failed(trouble) => lacks = lacks.or(Some(trouble)),
                Reply::Absent { .. } => {}
            }
        }
        let seen = if found.is_empty() {
            self.without(name, ttl, addresses)
        } else {
            answer::settle(name, self.endpoints(&found), (ttl, lacks.cloned()), &mut remarks)
        };
        (seen, remarks)
    }

    fn endpoints(&self, found: &BTreeMap<&Name, Vec<IpAddr>>) -> Vec<Endpoint> {
        let mut heaviest = BTreeMap::<u16, u16>::new();
        for offer in &self.offers {
            let weight = heaviest.entry(offer.priority).or_default();
            *weight = offer.weight.max(*weight);
        }
        let listed = self.offers.iter().flat_map(|offer| {
            let heaviest = heaviest.get(&offer.priority).copied().unwrap_or_default();
            let weight = scaled(offer.weight, heaviest);
            found.get(&offer.target).into_iter().flatten().map(move |address| Endpoint {
                weight,
                priority: offer.priority,
                ..Endpoint::at(SocketAddr::new(*address, offer.port))
            })
        });
        listed.take(MAX_LISTED).collect()
    }

    /// No target has an address.
    fn without(&self, name: &str, ttl: Duration, addresses: &BTreeMap<Name, Reply<IpAddr>>) -> Seen {
        let mut absent = Some(ttl);
        for target in &self.targets {
            match addresses.get(target) {
                Some(Reply::Failed(trouble)) => return Seen::Failed(format!("{name} SRV: {trouble}")),
                Some(Reply::Absent { ttl, .. }) => absent = answer::sooner(absent, *ttl),
                Some(Reply::Found { .. }) => {}
                None => return Seen::Failed(format!("{name} SRV: {} was not looked up", plain(target))),
            }
        }
        let said = match self.targets.first() {
            None => format!("{name} SRV: not available, its target is the root"),
            Some(target) => format!("{name} SRV: no target has an address ({} …)", plain(target)),
        };
        Seen::Absent { said, ttl: absent }
    }
}

/// The addresses of `target` that came along with the answer, if any did.
pub(super) fn along(target: &Name, additionals: &[Record]) -> Option<Reply<IpAddr>> {
    let of_target = additionals.iter().filter(|record| record.name == *target);
    let (items, ttls): (Vec<IpAddr>, Vec<u32>) =
        of_target.filter_map(|record| Some((address(&record.data)?, record.ttl))).unzip();
    let ttl = Duration::from_secs(u64::from(*ttls.iter().min()?));
    Some(Reply::Found { items, ttl, missing: None })
}

/// The address in a record, if it has one.
pub(super) const fn address(data: &RData) -> Option<IpAddr> {
    match data {
        RData::A(v4) => Some(IpAddr::V4(v4.0)),
        RData::AAAA(v6) => Some(IpAddr::V6(v6.0)),
        _ => None,
    }
}

/// A name as people write it. Names come off the wire, so whatever is not plain ASCII is escaped.
pub(super) fn plain(name: &Name) -> String {
    let mut text = name.to_ascii();
    if text.len() > 1 && text.ends_with('.') {
        text.pop();
    }
    text
}

/// Best first, and always alike.
fn order(offer: &SRV) -> (u16, Reverse<u16>, &Name, u16) {
    (offer.priority, Reverse(offer.weight), &offer.target, offer.port)
}

/// A weight among those of its tier.
fn scaled(weight: u16, heaviest: u16) -> u32 {
    let (weight, heaviest) = (u32::from(weight), u32::from(heaviest));
    let fitting = if heaviest > MAX_WEIGHT { weight * MAX_WEIGHT / heaviest } else { weight };
    fitting.max(1)
}

#[cfg(test)]
#[path = "service_tests.rs"]
mod tests;
