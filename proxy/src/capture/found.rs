//! What a listing of rules says about captures: whose they are, and whether they are whole. Pure.
//!
//! | state | what it means |
//! |--|--|
//! | complete | all rules of one plan, in order, each direction hooked in once |
//! | partly | some rules are missing, doubled or out of order: somebody changed them |
//! | not hooked in | the rules are there, and nothing asks them |
//! | of another plan | whole, but not what the configuration wants: `on` was not said again after a change |
//!
//! A listing is text from a tool that anybody may have filled: it is searched for our labels, and believed no further.

use super::iptables;
use super::nft;
use super::rules::{Direction, Name, Plan};
use std::fmt;

/// A capture that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// What it is called.
    pub owner: String,
    /// Where it stands, for people.
    pub place: String,
    /// The labels of its rules, in order.
    labels: Vec<Label>,
    /// Where it hooks in, once for each time.
    hooks: Vec<Direction>,
}

/// By what a rule is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Label {
    direction: Direction,
    index: usize,
    of: usize,
    fingerprint: u32,
}

/// How it stands with a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// All of it is there, this many rules.
    Complete(usize),
    /// Rules are missing, doubled or out of order.
    Partly {
        /// How many there are.
        found: usize,
        /// How many there should be; 0: nothing says it.
        of: usize,
    },
    /// Nothing asks the rules of this direction, or it does so more than once.
    Hooked(Direction, usize),
    /// All of it, but of another plan.
    OfAnotherPlan,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete(rules) => write!(f, "complete ({rules} rules)"),
            Self::Partly { found: 0, .. } => f.write_str("not complete: its rules are gone"),
            Self::Partly { found, of } => {
                write!(f, "not complete: {found} rules, and not the {of} there should be in their order")
            }
            Self::Hooked(direction, times) => {
                let way = if *direction == Direction::Out { "outgoing" } else { "incoming" };
                write!(f, "not complete: {way} connections are handed to its rules {times} times, not once")
            }
            Self::OfAnotherPlan => f.write_str("complete, but not as the configuration or the flags want it"),
        }
    }
}

impl Seen {
    /// Whether it is the capture of this name.
    pub fn is_of(&self, name: &Name) -> bool {
        self.owner == name.as_str() || self.labels.is_empty() && self.owner == iptables::suffix(name)
    }

    /// How it stands. With a plan, it must be that plan's.
    pub fn state(&self, plan: Option<&Plan>) -> State {
        // The numbers go on from one chain to the other, and tools list chains in any order.
        let of = |direction: Direction| self.labels.iter().filter(move |label| label.direction == direction);
        let labels: Vec<&Label> = Direction::ALL.into_iter().flat_map(of).collect();
        let Some(first) = labels.first() else { return State::Partly { found: 0, of: 0 } };
        let in_order = |(index, label): (usize, &&Label)| {
            (label.index, label.of, label.fingerprint) == (index + 1, first.of, first.fingerprint)
        };
        if labels.len() != first.of || !labels.iter().enumerate().all(in_order) {
            return State::Partly { found: labels.len(), of: first.of };
        }
        for direction in Direction::ALL {
            let wanted = usize::from(of(direction).next().is_some());
            let times = self.hooks.iter().filter(|hook| **hook == direction).count();
            if times != wanted {
                return State::Hooked(direction, times);
            }
        }
        match plan {
            Some(plan) if plan.fingerprint() != first.fingerprint => State::OfAnotherPlan,
            _ => State::Complete(first.of),
        }
    }
}

/// The tables of ours in what `nft list tables` says.
pub fn nft_tables<'a>(listing: &'a str) -> Vec<&'a str> {
    let table = |line: &'a str| line.trim().strip_prefix("table inet ");
    listing.lines().filter_map(table).map(str::trim).filter(|table| nft::owner(table).is_some()).collect()
}

/// A capture, as `nft list table inet TABLE` shows it.
pub fn in_nft(table: &str, listing: &str) -> Seen {
    let owner = nft::owner(table).unwrap_or(table).to_owned();
    let hooked = |direction: &Direction| {
        let hook = format!("type nat hook {} ", nft::chain(*direction).1);
        listing.lines().filter(|line| line.trim_start().starts_with(&hook)).map(|_| *direction).collect()
    };
    Seen {
        labels: labels(listing, &owner),
        place: format!("nft table inet {table}"),
        hooks: Direction::ALL.iter().flat_map(|direction| -> Vec<_> { hooked(direction) }).collect(),
        owner,
    }
}

/// The captures in what `TOOL-save -t nat` says.
pub fn in_iptables(tool: &str, saved: &str) -> Vec<Seen> {
    let declared = saved.lines().filter_map(|line| line.strip_prefix(':')?.split_whitespace().next());
    let mut suffixes: Vec<&str> = declared.filter_map(iptables::owner).collect();
    suffixes.sort_unstable();
    suffixes.dedup();
    suffixes.into_iter().map(|suffix| with_suffix(tool, saved, suffix)).collect()
}

fn with_suffix(tool: &str, saved: &str, suffix: &str) -> Seen {
    let mut own = String::new();
    let mut hooks = Vec::new();
    for line in saved.lines() {
        let chain = line.strip_prefix("-A ").and_then(|rest| rest.split_whitespace().next());
        if chain.and_then(iptables::owner) == Some(suffix) {
            own.push_str(line);
            own.push('\n');
        }
        hooks.extend(Direction::ALL.into_iter().filter(|direction| jumps_to(line, suffix, *direction)));
    }
    // A long name stands in the labels only.
    let owner = own.lines().find_map(|line| Some(label(line)?.0)).unwrap_or(suffix).to_owned();
    Seen { labels: labels(&own, &owner), place: format!("{tool} chains PORTCULLIS_*_{suffix}"), owner, hooks }
}

fn jumps_to(line: &str, suffix: &str, direction: Direction) -> bool {
    let chain = line.split_whitespace().next_back().filter(|chain| iptables::owner(chain) == Some(suffix));
    chain.is_some_and(|chain| iptables::is_jump(line, chain, direction))
}

fn labels(listing: &str, owner: &str) -> Vec<Label> {
    listing.lines().filter_map(label).filter(|(name, _)| *name == owner).map(|(_, label)| label).collect()
}

/// The label in a line, and the name in it.
fn label(line: &str) -> Option<(&str, Label)> {
    let (_, rest) = line.split_once("portcullis:")?;
    let mut parts = rest.split(['"', ' ']).next()?.split(':');
    let (name, way, place, mark) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let direction = Direction::ALL.into_iter().find(|direction| direction.word() == way)?;
    let (index, of) = place.split_once('/')?;
    let fingerprint = u32::from_str_radix(mark, 16).ok()?;
    Some((name, Label { direction, index: index.parse().ok()?, of: of.parse().ok()?, fingerprint }))
}

#[cfg(test)]
#[path = "found_tests.rs"]
mod tests;
