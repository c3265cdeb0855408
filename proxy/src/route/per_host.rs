//! The routes of one host pattern, by kind of path.
//!
//! Decides the order of kinds: exact, template, regex, prefix. Must not know methods or conditions.

use super::path::PathRegex;
use super::table::Entry;
use super::tree::{Group, SegmentTree};
use crate::config::route::PathPattern;
use hashbrown::HashMap;
use std::sync::Arc;

/// The routes of one host pattern, by kind of path.
#[derive(Debug, Default)]
pub(super) struct HostTable {
    exact: HashMap<Arc<str>, Group>,
    templates: SegmentTree,
    regexes: Vec<(Arc<PathRegex>, Group)>,
    prefixes: SegmentTree,
}

impl HostTable {
    /// Shows every group whose path matches, best first, until one is taken.
    pub(super) fn visit<'t, R>(
        &'t self,
        path: &str,
        visit: &mut impl FnMut(&'t [u32]) -> Option<R>,
    ) -> Option<R> {
        let exact = self.exact.get(path).and_then(|group| visit(group));
        exact
            .or_else(|| self.templates.templates(path, visit))
            .or_else(|| {
                let mut matching = self.regexes.iter().filter(|(regex, _)| regex.matches(path));
                matching.find_map(|(_, group)| visit(group))
            })
            .or_else(|| self.prefixes.prefixes(path, visit))
    }

    /// Adds a route under its path.
    pub(super) fn add(&mut self, index: u32, entry: &Entry) {
        let group = match &entry.path {
            PathPattern::Exact(path) => self.exact.entry(Arc::clone(path)).or_default(),
            PathPattern::Template(segments) => self.templates.template(segments),
            PathPattern::Prefix(prefix) => self.prefixes.prefix(prefix),
            PathPattern::Regex(_) => return self.add_regex(index, entry),
        };
        insert(group, index);
    }

    fn add_regex(&mut self, index: u32, entry: &Entry) {
        let Some(regex) = &entry.regex else { return };
        match self.regexes.iter_mut().find(|(other, _)| other.text() == regex.text()) {
            Some((_, group)) => insert(group, index),
            None => self.regexes.push((Arc::clone(regex), Group::from_slice(&[index]))),
        }
    }

    /// Every group, in no order.
    pub(super) fn groups(&mut self) -> Vec<&mut Group> {
        let mut groups = self.templates.groups();
        groups.extend(self.prefixes.groups());
        groups.extend(self.exact.values_mut());
        groups.extend(self.regexes.iter_mut().map(|(_, group)| group));
        groups
    }
}

/// A route may name the same host twice: it is still one candidate.
fn insert(group: &mut Group, index: u32) {
    if group.last() != Some(&index) {
        group.push(index);
    }
}
