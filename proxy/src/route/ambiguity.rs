//! What is wrong with a set of routes: two that could take the same request, or a pattern that cannot be built.

use super::path::RegexFault;
use super::{host, method, path, predicate};
use crate::config::Route;
use std::fmt;
use std::sync::Arc;
use thiserror::Error;

/// Why a table cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BuildError {
    /// Two routes of equal rank.
    #[error(transparent)]
    Ambiguous(Box<Ambiguity>),
    /// A regex that cannot be compiled; reading the file refuses these earlier.
    #[error("route `{}` (line {}): {fault}", .route.name, .route.line)]
    Regex {
        /// The route.
        route: RouteRef,
        /// What is wrong.
        fault: RegexFault,
    },
}

/// A route, for a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteRef {
    /// Its name.
    pub name: Arc<str>,
    /// Its line in the file, 1-based.
    pub line: usize,
}

/// Two routes that could take the same request, and nothing says which comes first.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct Ambiguity {
    /// The route that stands first in the file.
    pub first: RouteRef,
    /// The other.
    pub second: RouteRef,
    /// A request both would take: a method or `*`.
    pub method: String,
    /// The host pattern both have; `None` = routes without hosts.
    pub host: Option<String>,
    /// The path pattern of the first route.
    pub path: String,
    /// How many conditions each has under `when:`.
    pub conditions: usize,
}

impl From<Ambiguity> for BuildError {
    fn from(ambiguity: Ambiguity) -> Self {
        Self::Ambiguous(Box::new(ambiguity))
    }
}

impl RouteRef {
    pub(super) fn to(route: &Route) -> Self {
        Self { name: Arc::clone(&route.name), line: route.line }
    }
}

impl Ambiguity {
    /// Judges two routes that have a host pattern and the path pattern in common.
    pub(super) fn between(first: &Route, second: &Route) -> Option<Self> {
        if first.when.len() != second.when.len() || !predicate::can_hold_together(&first.when, &second.when) {
            return None;
        }
        Some(Self {
            first: RouteRef::to(first),
            second: RouteRef::to(second),
            method: method::overlap(&first.methods, &second.methods)?,
            host: first.hosts.iter().find(|pattern| second.hosts.contains(pattern)).map(host::text_of),
            path: path::text_of(&first.path),
            conditions: first.when.len(),
        })
    }
}

impl fmt::Display for Ambiguity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, second, method, path, .. } = self;
        let host = self.host.as_deref().map(|host| format!(" on host {host}")).unwrap_or_default();
        write!(
            f,
            "routes `{}` (line {}) and `{}` (line {}) both take {method} {path}{host}",
            first.name, first.line, second.name, second.line
        )?;
        match self.conditions {
            0 => write!(
                f,
                ", and nothing says which comes first: change a path or method, or add a `when:` to one"
            ),
            count => write!(
                f,
                ", and their conditions (`when:`, {count} each) can hold for one request: give one of them more \
                 conditions, or the same header different values"
            ),
        }
    }
}
