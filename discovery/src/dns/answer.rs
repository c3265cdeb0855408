//! What the records of a name amount to.
//!
//! Decides whether there are endpoints, none, or no telling, and for how long. Two kinds of records (A and AAAA) are
//! joined so that one of them is enough:
//!
//! | one | the other | together |
//! |--|--|--|
//! | found | found | both, for the shorter of their times |
//! | found | absent | the found ones |
//! | found | failed | the found ones, and what is missing |
//! | failed | absent or failed | failed: half an answer denies nothing |
//! | absent | absent | absent |
//!
//! Addresses that must not be reached (see [`local`]) are dropped; an answer of which nothing is left has failed: it
//! did not say that there are no endpoints. At most 1,000 are taken, always the same ones of the same answer.
//!
//! Pure: it must not know the resolver, nor when the next look is.

use super::local;
use crate::{Endpoint, Endpoints};
use std::cmp::Reverse;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The most endpoints that are taken of one answer.
const MAX_ENDPOINTS: usize = 1000;
/// The most dropped addresses that are named.
const MAX_NAMED: usize = 8;

/// What was learnt of one name and one kind of record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply<T> {
    /// These, at least one, for so long; `missing`: there may be others, of which nothing was learnt.
    Found { items: Vec<T>, ttl: Duration, missing: Option<String> },
    /// It was said that there are none (NXDOMAIN, or a name without such records); for so long, if that was said.
    Absent { said: String, ttl: Option<Duration> },
    /// Nothing: for people, with the name and the kind of record.
    Failed(String),
}

/// What was learnt in one look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// These, at least one, for so long; `missing`: there may be others, of which nothing was learnt.
    Found { endpoints: Endpoints, ttl: Duration, missing: Option<String> },
    /// It was said that there are none; for so long, if that was said.
    Absent { said: String, ttl: Option<Duration> },
    /// Nothing; for people.
    Failed(String),
}

/// What of an answer was not taken; for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Remarks {
    /// Addresses that must not be reached, the first few: `order.internal 127.0.0.1`.
    pub(super) local: Vec<String>,
    /// Endpoints beyond what is taken.
    pub(super) endpoints: usize,
    /// Targets of a service beyond what is taken.
    pub(super) targets: usize,
}

/// Joins what was learnt of the two kinds of addresses of one name.
pub(super) fn both(one: Reply<IpAddr>, other: Reply<IpAddr>) -> Reply<IpAddr> {
    match (one, other) {
        (Reply::Found { mut items, ttl, .. }, Reply::Found { items: more, ttl: shorter, .. }) => {
            items.extend(more);
            Reply::Found { items, ttl: ttl.min(shorter), missing: None }
        }
        (Reply::Found { items, ttl, .. }, Reply::Failed(trouble))
        | (Reply::Failed(trouble), Reply::Found { items, ttl, .. }) => {
            Reply::Found { items, ttl, missing: Some(trouble) }
        }
        (found @ Reply::Found { .. }, _) | (_, found @ Reply::Found { .. }) => found,
        (Reply::Failed(one), Reply::Failed(other)) => Reply::Failed(format!("{one}; {other}")),
        (failed @ Reply::Failed(_), _) | (_, failed @ Reply::Failed(_)) => failed,
        (Reply::Absent { said, ttl }, Reply::Absent { said: also, ttl: other }) => {
            Reply::Absent { said: format!("{said}; {also}"), ttl: sooner(ttl, other) }
        }
    }
}

/// The shorter of two times of which none, one or both are known.
pub(super) fn sooner(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    one.into_iter().chain(other).min()
}

/// The endpoints of a host: every address of `name`, at one port.
pub(super) fn host(name: &str, port: u16, reply: Reply<IpAddr>, allow_local: bool) -> (Seen, Remarks) {
    let mut remarks = Remarks::default();
    let seen = match reply {
        Reply::Found { items, ttl, missing } => {
            let kept = usable(name, &items, allow_local, &mut remarks);
            let endpoints = kept.into_iter().map(|address| Endpoint::at(SocketAddr::new(address, port)));
            settle(name, endpoints.collect(), (ttl, missing), &mut remarks)
        }
        Reply::Absent { said, ttl } => Seen::Absent { said, ttl },
        Reply::Failed(trouble) => Seen::Failed(trouble),
    };
    (seen, remarks)
}

/// The addresses of `name` that may be reached, in their one form, each once and in order.
pub(super) fn usable(name: &str, listed: &[IpAddr], allow_local: bool, remarks: &mut Remarks) -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = listed.iter().copied().map(local::canonical).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses.retain(|address| {
        let usable = allow_local || !local::is_local(*address);
        if !usable && remarks.local.len() < MAX_NAMED {
            remarks.local.push(format!("{name} {address}"));
        }
        usable
    });
    addresses
}

/// Makes a snapshot of what is left of an answer; the tiers of `endpoints` may have any numbers.
pub(super) fn settle(
    name: &str,
    mut endpoints: Vec<Endpoint>,
    (ttl, missing): (Duration, Option<String>),
    remarks: &mut Remarks,
) -> Seen {
    // An address listed twice counts where it would be used first, there with the greater weight.
    endpoints.sort_unstable_by_key(|e| (e.address, e.priority, Reverse(e.weight)));
    endpoints.dedup_by_key(|e| e.address);
    // Sorted before it is cut: a server that rotates its records shall not change the set with every answer.
    endpoints.sort_by_key(|e| e.priority);
    remarks.endpoints = endpoints.len().saturating_sub(MAX_ENDPOINTS);
    endpoints.truncate(MAX_ENDPOINTS);
    if endpoints.is_empty() {
        let dropped = remarks.local.join(", ");
        return Seen::Failed(format!(
            "{name}: of its addresses none may be reached, all are local ({dropped})"
        ));
    }
    rank(&mut endpoints);
    match Endpoints::new(endpoints) {
        Ok(endpoints) => Seen::Found { endpoints, ttl, missing },
        Err(error) => Seen::Failed(format!("{name}: {error}")),
    }
}

/// Numbers the tiers 0, 1, 2 …; `sorted` is in the order of its tiers.
fn rank(sorted: &mut [Endpoint]) {
    let mut tier: Option<(u16, u16)> = None;
    for endpoint in sorted {
        let rank = match tier {
            Some((listed, rank)) if listed == endpoint.priority => rank,
            Some((_, rank)) => rank.saturating_add(1),
            None => 0,
        };
        tier = Some((endpoint.priority, rank));
        endpoint.priority = rank;
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
