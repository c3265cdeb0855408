//! A tree of path segments that holds groups of routes: for templates and for prefixes.
//!
//! Must not know methods or conditions. The depth of a walk is bounded by the patterns of the file, never by the
//! request, and a walk does not allocate.

use crate::config::route::Segment;
use hashbrown::HashMap;
use smallvec::SmallVec;
use std::sync::Arc;

/// Indices of the routes of one host and one path, best first.
pub(super) type Group = SmallVec<[u32; 2]>;

/// The tree; the root stands for the slash at the beginning.
#[derive(Debug, Default)]
pub(super) struct SegmentTree {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    literals: HashMap<Arc<str>, Self>,
    param: Option<Box<Self>>,
    group: Group,
}

impl SegmentTree {
    /// The group of a template; names of parameters make no difference.
    pub(super) fn template(&mut self, segments: &[Segment]) -> &mut Group {
        let end = segments.iter().fold(&mut self.root, |node, segment| match segment {
            Segment::Literal(literal) => node.literals.entry(Arc::clone(literal)).or_default(),
            Segment::Param(_) => node.param.get_or_insert_default(),
        });
        &mut end.group
    }

    /// The group of a prefix: empty, or `/a/b`.
    pub(super) fn prefix(&mut self, prefix: &str) -> &mut Group {
        let segments = prefix.split('/').skip(1);
        let end =
            segments.fold(&mut self.root, |node, segment| node.literals.entry(segment.into()).or_default());
        &mut end.group
    }

    /// Every group, in no order.
    pub(super) fn groups(&mut self) -> Vec<&mut Group> {
        let mut groups = Vec::new();
        self.root.groups(&mut groups);
        groups
    }

    /// Shows the groups of all templates that match, the most specific first, until one is taken.
    pub(super) fn templates<'t, R>(
        &'t self,
        path: &str,
        visit: &mut impl FnMut(&'t [u32]) -> Option<R>,
    ) -> Option<R> {
        self.root.templates(path.strip_prefix('/'), visit)
    }

    /// Shows the groups of all prefixes that match, the longest first, until one is taken.
    pub(super) fn prefixes<'t, R>(
        &'t self,
        path: &str,
        visit: &mut impl FnMut(&'t [u32]) -> Option<R>,
    ) -> Option<R> {
        let mut met: SmallVec<[&'t Node; 8]> = SmallVec::new();
        let mut node = Some(&self.root);
        let mut rest = path.strip_prefix('/');
        while let Some(here) = node {
            if !here.group.is_empty() {
                met.push(here);
            }
            if here.literals.is_empty() {
                break;
            }
            node = rest.and_then(|path| {
                let (segment, after) = cut(path);
                rest = after;
                here.literals.get(segment)
            });
        }
        met.iter().rev().find_map(|node| visit(&node.group))
    }
}

impl Node {
    /// `rest` is what follows the last slash consumed; `None` when the path ended.
    fn templates<'t, R>(
        &'t self,
        rest: Option<&str>,
        visit: &mut impl FnMut(&'t [u32]) -> Option<R>,
    ) -> Option<R> {
        let Some(path) = rest else {
            return if self.group.is_empty() { None } else { visit(&self.group) };
        };
        if self.literals.is_empty() && self.param.is_none() {
            return None;
        }
        let (segment, after) = cut(path);
        let literal = self.literals.get(segment);
        literal.and_then(|node| node.templates(after, visit)).or_else(|| {
            let param = self.param.as_ref().filter(|_| !segment.is_empty())?;
            param.templates(after, visit)
        })
    }

    fn groups<'t>(&'t mut self, groups: &mut Vec<&'t mut Group>) {
        groups.push(&mut self.group);
        let children = self.literals.values_mut().chain(self.param.as_deref_mut());
        for child in children {
            child.groups(groups);
        }
    }
}

/// The first segment, and what follows its slash.
fn cut(path: &str) -> (&str, Option<&str>) {
    match memchr::memchr(b'/', path.as_bytes()).and_then(|at| path.split_at_checked(at)) {
        Some((segment, after)) => (segment, after.get(1..)),
        None => (path, None),
    }
}
