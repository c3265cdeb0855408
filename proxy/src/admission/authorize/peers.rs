//! Which rules name a peer: its SPIFFE ID in, the rules to look at out, each in the order of the file. Pure.
//!
//! `spiffe://td/a/*` means exactly one more whole segment. So the IDs it takes are those whose text up to and with the
//! last slash is `spiffe://td/a/`, and two look-ups by hash find every rule: the ID itself, then what is in front
//! of its last segment. Must not know what else a rule asks.

use crate::config::authorize::{Effect, Peers, Rule};
use hashbrown::HashMap;
use portcullis_ca::spiffe::{SpiffeId, TrustDomain};

type Lists = HashMap<Box<str>, Vec<usize>>;

/// Rules by peer. Every list is complete: nothing is put together when a request comes.
#[derive(Debug, Default)]
pub(super) struct PeerTable {
    /// By the ID.
    exact: Lists,
    /// By what is in front of the last segment of the ID.
    below: Lists,
    /// For a peer that no rule names: the deny rules without `from`.
    others: Vec<usize>,
    /// For a peer that did not say who it is: every deny rule, for it may be anybody; no allow rule.
    unknown: Vec<usize>,
}

impl PeerTable {
    pub(super) fn build(rules: &[Rule]) -> Self {
        let mut table = Self::default();
        for (index, rule) in rules.iter().enumerate() {
            table.add(index, rule);
        }
        let Self { exact, below, others, .. } = &mut table;
        for list in below.values_mut() {
            join(list, others);
        }
        for (id, list) in exact {
            join(list, below.get(parent(id)).unwrap_or(others));
        }
        table
    }

    /// The rules whose `from` takes this peer.
    pub(super) fn rules_for(&self, peer: Option<&SpiffeId>) -> &[usize] {
        let Some(peer) = peer else { return &self.unknown };
        let id = peer.as_str();
        self.exact.get(id).or_else(|| self.below.get(parent(id))).unwrap_or(&self.others)
    }

    fn add(&mut self, index: usize, rule: &Rule) {
        if rule.effect == Effect::Deny {
            self.unknown.push(index);
            if rule.from.is_empty() {
                self.others.push(index);
            }
        }
        for peers in &rule.from {
            let list = match peers {
                Peers::One(id) => self.exact.entry(id.as_str().into()).or_default(),
                Peers::Below(domain, path) => self.below.entry(prefix(domain, path).into()).or_default(),
            };
            list.push(index);
        }
    }
}

/// Peers as they stand in the file.
pub(super) fn text(peers: &Peers) -> String {
    match peers {
        Peers::One(id) => id.to_string(),
        Peers::Below(domain, path) => prefix(domain, path) + "*",
    }
}

/// Whether these peers take this one; one at a time, for explaining.
pub(super) fn take(peers: &Peers, peer: &SpiffeId) -> bool {
    match peers {
        Peers::One(id) => id == peer,
        Peers::Below(domain, path) => parent(peer.as_str()) == prefix(domain, path),
    }
}

/// What the IDs begin with, up to and with the slash in front of the last segment.
fn prefix(domain: &TrustDomain, path: &str) -> String {
    format!("spiffe://{domain}{path}")
}

/// An ID without its last segment, with the slash. Of an ID without a path only `spiffe://` is left: no rule names that.
fn parent(id: &str) -> &str {
    id.rfind('/').and_then(|slash| id.get(..=slash)).unwrap_or_default()
}

/// Puts `more` into the list: each rule once, in the order of the file.
fn join(list: &mut Vec<usize>, more: &[usize]) {
    list.extend_from_slice(more);
    list.sort_unstable();
    list.dedup();
}
