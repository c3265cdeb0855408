//! Why a request goes where it goes: every route that came close, and why each lost. For people, so not fast.

use super::table::{Entry, Head, RouteTable, as_usize};
use super::{host, path};
use crate::config::Route;
use crate::config::route::{Methods, Predicate, ValueMatch};
use std::cmp::Reverse;

/// Most candidates of one answer.
const MOST: usize = 20;

/// A route that took the request or came close.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Index into the routes the table was built from.
    pub index: usize,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It takes the request.
    Taken,
    /// It does not.
    Lost(Lost),
}

/// Why a candidate lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// Everything holds, but another route comes first.
    LessSpecific {
        /// Index of the route that takes the request.
        than: usize,
    },
    /// Host and path match, the method does not.
    OtherMethod,
    /// Host, path and method match, this condition does not hold.
    Condition(Predicate),
    /// The path matches, the host does not.
    OtherHost,
    /// The host matches and the path begins alike.
    OtherPath,
}

impl RouteTable {
    /// The routes that came close, best first, at most 20: the one that takes the request, then those whose host
    /// and path match in the order they are tried, then those with the path of another host or a path nearby.
    pub fn explain(&self, head: &Head<'_>) -> Vec<Candidate> {
        let mut tried: Vec<u32> = Vec::new();
        let _: Option<()> = self.visit(head, &mut |group| {
            for index in group {
                if !tried.contains(index) {
                    tried.push(*index);
                }
            }
            None
        });
        let mut taken = None;
        let mut candidates: Vec<Candidate> = tried
            .iter()
            .filter_map(|index| Some((as_usize(*index), self.entry(*index)?)))
            .map(|(index, entry)| Candidate { index, verdict: judge(entry, head, index, &mut taken) })
            .collect();
        candidates.sort_by_key(|candidate| candidate.verdict != Verdict::Taken);
        candidates.extend(self.near_misses(head, &tried));
        candidates.truncate(MOST);
        candidates
    }

    /// Routes whose host or path does not match, the nearest first.
    fn near_misses(&self, head: &Head<'_>, tried: &[u32]) -> Vec<Candidate> {
        let others = (0u32..).zip(&self.entries).filter(|(index, _)| !tried.contains(index));
        let mut near: Vec<_> = others
            .filter_map(|(index, entry)| {
                let (nearness, lost) = nearness(entry, head)?;
                Some((Reverse(nearness), Candidate { index: as_usize(index), verdict: Verdict::Lost(lost) }))
            })
            .collect();
        near.sort_by_key(|(nearness, candidate)| (*nearness, candidate.index));
        near.into_iter().map(|(_, candidate)| candidate).collect()
    }
}

impl Candidate {
    /// The verdict as one sentence. `routes` are those the table was built from.
    pub fn sentence(&self, routes: &[Route]) -> String {
        let route = routes.get(self.index);
        match &self.verdict {
            Verdict::Taken => "takes the request".to_owned(),
            Verdict::Lost(Lost::LessSpecific { than }) => {
                let name = routes.get(*than).map_or("another route", |route| &route.name);
                format!("would take it, but `{name}` is more specific")
            }
            Verdict::Lost(Lost::OtherMethod) => {
                format!("takes {} only", route.map(|route| methods(&route.methods)).unwrap_or_default())
            }
            Verdict::Lost(Lost::Condition(condition)) => format!("needs {}", demand(condition)),
            Verdict::Lost(Lost::OtherHost) => {
                let hosts = route.map(|route| route.hosts.iter().map(host::text_of).collect::<Vec<_>>());
                format!("is for host {}", hosts.unwrap_or_default().join(", "))
            }
            Verdict::Lost(Lost::OtherPath) => {
                format!("is for path {}", route.map(|route| path::text_of(&route.path)).unwrap_or_default())
            }
        }
    }
}

/// Judges a route whose host and path match; the first that holds is the one taken.
fn judge(entry: &Entry, head: &Head<'_>, index: usize, taken: &mut Option<usize>) -> Verdict {
    if !entry.takes_method(head) {
        return Verdict::Lost(Lost::OtherMethod);
    }
    if let Some(condition) = entry.failed_condition(head) {
        return Verdict::Lost(Lost::Condition(condition.clone()));
    }
    match *taken {
        Some(than) => Verdict::Lost(Lost::LessSpecific { than }),
        None => {
            *taken = Some(index);
            Verdict::Taken
        }
    }
}

/// How near a route came whose host or path does not match; `None` = not worth a line.
fn nearness(entry: &Entry, head: &Head<'_>) -> Option<(usize, Lost)> {
    let host_matches =
        entry.hosts.is_empty() || entry.hosts.iter().any(|host| host::matches(host, head.host));
    if host_matches {
        let near = path::leading(&entry.path, head.path) + usize::from(entry.regex.is_some());
        return (near > 0).then_some((near, Lost::OtherPath));
    }
    path::matches(&entry.path, entry.regex.as_deref(), head.path).then_some((usize::MAX, Lost::OtherHost))
}

fn methods(methods: &Methods) -> String {
    match methods {
        Methods::Any => "*".to_owned(),
        Methods::These(list) => list.iter().map(http::Method::as_str).collect::<Vec<_>>().join(", "),
    }
}

fn demand(condition: &Predicate) -> String {
    let (kind, name, value) = match condition {
        Predicate::Header(name, value) => ("header", name.as_str(), value),
        Predicate::Query(name, value) => ("query parameter", &**name, value),
    };
    match value {
        ValueMatch::Present => format!("{kind} {name}"),
        ValueMatch::Exact(value) => format!("{kind} {name} = \"{value}\""),
    }
}

#[cfg(test)]
#[path = "explain_tests.rs"]
mod tests;
