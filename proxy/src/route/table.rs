//! The table of routes: built once per configuration, asked once per request.
//!
//! Decides which route comes first; the order is in [`super`]. Must not know what happens to the request then.
//! Finding does not allocate, save for the answer "method not allowed" and for paths with very many prefixes.

use super::ambiguity::{Ambiguity, BuildError, RouteRef};
use super::method::{self, Allow};
use super::params::Params;
use super::path::PathRegex;
use super::per_host::HostTable;
use super::{host, predicate};
use crate::config::Route;
use crate::config::route::{HostPattern, Methods, PathPattern, Predicate};
use hashbrown::HashMap;
use http::{HeaderMap, Method};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

/// All routes of a configuration, ready to be searched.
#[derive(Debug)]
pub struct RouteTable {
    pub(super) entries: Vec<Entry>,
    exact: HashMap<Arc<str>, HostTable>,
    wildcard: HashMap<Arc<str>, HostTable>,
    any: HostTable,
}

/// What is asked: the head of a request.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The method.
    pub method: &'a Method,
    /// The host in the form of [`host::normalise`].
    pub host: &'a str,
    /// The path in canonical form, without query.
    pub path: &'a str,
    /// What follows the `?`.
    pub query: Option<&'a str>,
    /// The header fields.
    pub headers: &'a HeaderMap,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// This route takes it.
    Match {
        /// Index into the routes the table was built from.
        index: usize,
        /// What the pattern of the path captured.
        params: Params,
    },
    /// No route takes it: 404.
    NoRoute,
    /// Routes would take it, but with another method: 405.
    MethodNotAllowed {
        /// The methods they take.
        allow: Allow,
    },
}

/// What the table keeps of a route.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) hosts: Vec<HostPattern>,
    pub(super) path: PathPattern,
    pub(super) regex: Option<Arc<PathRegex>>,
    pub(super) methods: Methods,
    pub(super) when: Vec<Predicate>,
}

impl RouteTable {
    /// Builds the table, or says everything that is wrong with the routes.
    pub fn build(routes: &[Route]) -> Result<Self, Vec<BuildError>> {
        Self::build_where(routes, |_| true)
    }

    /// As [`Self::build`], with only the routes that are `meant`; indexes stay those of `routes`.
    pub fn build_where(routes: &[Route], meant: impl Fn(&Route) -> bool) -> Result<Self, Vec<BuildError>> {
        let mut errors = Vec::new();
        let mut table = Self {
            entries: Vec::with_capacity(routes.len()),
            exact: HashMap::new(),
            wildcard: HashMap::new(),
            any: HostTable::default(),
        };
        for (index, route) in (0u32..).zip(routes) {
            match Entry::of(route) {
                Ok(entry) => table.add(index, entry, meant(route)),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() {
            errors = table.settle(routes);
        }
        if errors.is_empty() { Ok(table) } else { Err(errors) }
    }

    /// The route that takes a request.
    pub fn find(&self, head: &Head<'_>) -> Found {
        let mut other_method = false;
        let found = self.visit(head, &mut |group| {
            group.iter().copied().find(|index| match self.entry(*index) {
                Some(entry) if !entry.takes_method(head) => {
                    other_method = true;
                    false
                }
                Some(entry) => entry.conditions_hold(head),
                None => false,
            })
        });
        match found {
            Some(index) => self.found(index, head),
            None if other_method => self.not_allowed(head),
            None => Found::NoRoute,
        }
    }

    /// Shows every group of routes whose host and path match, best first, until one is taken.
    pub(super) fn visit<'t, R>(
        &'t self,
        head: &Head<'_>,
        visit: &mut impl FnMut(&'t [u32]) -> Option<R>,
    ) -> Option<R> {
        let wildcard = || host::parent(head.host).and_then(|parent| self.wildcard.get(parent));
        let named = self.exact.get(head.host).and_then(|table| table.visit(head.path, visit));
        named
            .or_else(|| wildcard().and_then(|table| table.visit(head.path, visit)))
            .or_else(|| self.any.visit(head.path, visit))
    }

    pub(super) fn entry(&self, index: u32) -> Option<&Entry> {
        self.entries.get(as_usize(index))
    }

    fn found(&self, index: u32, head: &Head<'_>) -> Found {
        let params = self.entry(index).map(|entry| Params::of(&entry.path, head.path)).unwrap_or_default();
        Found::Match { index: as_usize(index), params }
    }

    /// The slow answer: what the routes would take whose host, path and conditions hold.
    #[cold]
    fn not_allowed(&self, head: &Head<'_>) -> Found {
        let mut allow = Allow::default();
        let _: Option<()> = self.visit(head, &mut |group| {
            let entries = group.iter().filter_map(|index| self.entry(*index));
            entries.filter(|entry| entry.conditions_hold(head)).for_each(|entry| allow.add(&entry.methods));
            None
        });
        if allow.methods().is_empty() { Found::NoRoute } else { Found::MethodNotAllowed { allow } }
    }

    fn add(&mut self, index: u32, entry: Entry, meant: bool) {
        if !meant {
            self.entries.push(entry);
            return;
        }
        if entry.hosts.is_empty() {
            self.any.add(index, &entry);
        }
        for pattern in &entry.hosts {
            let table = match pattern {
                HostPattern::Exact(host) => self.exact.entry(Arc::clone(host)).or_default(),
                HostPattern::Wildcard(suffix) => self.wildcard.entry(Arc::clone(suffix)).or_default(),
            };
            table.add(index, &entry);
        }
        self.entries.push(entry);
    }

    /// Puts every group into its order and reports the pairs that have none.
    fn settle(&mut self, routes: &[Route]) -> Vec<BuildError> {
        let mut found = BTreeMap::new();
        let tables = self.exact.values_mut().chain(self.wildcard.values_mut()).chain([&mut self.any]);
        for group in tables.flat_map(HostTable::groups) {
            group.sort_by_key(|index| rank(routes, *index));
            found.extend(ties(routes, group));
        }
        found.into_values().map(BuildError::from).collect()
    }
}

impl Entry {
    fn of(route: &Route) -> Result<Self, BuildError> {
        let regex = match &route.path {
            PathPattern::Regex(text) => Some(
                PathRegex::new(text)
                    .map_err(|fault| BuildError::Regex { route: RouteRef::to(route), fault })?,
            ),
            _ => None,
        };
        Ok(Self {
            hosts: route.hosts.clone(),
            path: route.path.clone(),
            regex: regex.map(Arc::new),
            methods: route.methods.clone(),
            when: route.when.clone(),
        })
    }

    pub(super) fn takes_method(&self, head: &Head<'_>) -> bool {
        method::takes(&self.methods, head.method)
    }

    pub(super) fn conditions_hold(&self, head: &Head<'_>) -> bool {
        self.failed_condition(head).is_none()
    }

    pub(super) fn failed_condition(&self, head: &Head<'_>) -> Option<&Predicate> {
        self.when.iter().find(|condition| !predicate::holds(condition, head.headers, head.query))
    }
}

/// The order within a group: more conditions, then the named method, then the order of the file.
fn rank(routes: &[Route], index: u32) -> (Reverse<usize>, u8, u32) {
    let route = routes.get(as_usize(index));
    let conditions = route.map_or(0, |route| route.when.len());
    (Reverse(conditions), route.map_or(u8::MAX, |route| method::rank(&route.methods)), index)
}

/// For every route of a group the first one behind it that could take the same request with equal rank.
fn ties(routes: &[Route], group: &[u32]) -> Vec<((u32, u32), Ambiguity)> {
    let mut ties = Vec::new();
    for (at, one) in group.iter().enumerate() {
        let mut behind = group.iter().skip(at + 1).map(|other| (*one.min(other), *one.max(other)));
        ties.extend(behind.find_map(|pair| {
            let (first, second) = (routes.get(as_usize(pair.0))?, routes.get(as_usize(pair.1))?);
            Some((pair, Ambiguity::between(first, second)?))
        }));
    }
    ties
}

/// Widens an index.
pub(super) fn as_usize(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
