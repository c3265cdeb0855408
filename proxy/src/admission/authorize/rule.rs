//! One rule: which of its conditions hold for a request, and which cannot be told. Pure.
//!
//! Decides yes, no, or not known; what "not known" means for allow and deny stands in the table of the module above.
//! Must not know the other rules.

use super::reading::Lenient;
use super::{Asked, peers};
use crate::config::authorize::{Effect, Rule, User};
use crate::config::route::Methods;
use crate::route::path;
use http::Method;

/// A rule and what was prepared for it.
#[derive(Debug)]
pub(super) struct Compiled {
    rule: Rule,
    /// The paths of a deny rule as a lenient server reads them; empty for an allow rule.
    lenient: Box<[Lenient]>,
}

/// What a rule asks about, in the order it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    From,
    Method,
    Path,
    User,
    Scopes,
}

impl Condition {
    pub(super) const ALL: [Self; 5] = [Self::From, Self::Method, Self::Path, Self::User, Self::Scopes];
}

impl Compiled {
    pub(super) fn new(rule: &Rule) -> Self {
        let lenient = match rule.effect {
            Effect::Allow => Box::default(),
            Effect::Deny => rule.paths.iter().map(Lenient::new).collect(),
        };
        Self { rule: rule.clone(), lenient }
    }

    pub(super) fn rule(&self) -> &Rule {
        &self.rule
    }

    /// Whether all conditions hold, for a peer that `from` is known to take.
    pub(super) fn fits_known_peer(&self, asked: &Asked<'_>) -> bool {
        let [_from, rest @ ..] = Condition::ALL;
        rest.into_iter().all(|condition| self.holds(condition, asked))
    }

    /// Whether a condition holds, as far as this rule is concerned.
    pub(super) fn holds(&self, condition: Condition, asked: &Asked<'_>) -> bool {
        self.answer(condition, asked).unwrap_or(self.rule.effect == Effect::Deny)
    }

    /// Whether a condition holds; `None` = what it asks for is not there to be looked at.
    pub(super) fn answer(&self, condition: Condition, asked: &Asked<'_>) -> Option<bool> {
        match condition {
            Condition::From => self.from(asked),
            Condition::Method => self.method(asked),
            Condition::Path => self.path(asked),
            Condition::User => Some(match self.rule.user {
                User::Required => asked.principal.is_some(),
                User::Optional => true,
                User::Forbidden => asked.principal.is_none(),
            }),
            Condition::Scopes => self.scopes(asked),
        }
    }

    /// Whether it asks for what only HTTP can tell.
    pub(super) fn reads_http(&self) -> bool {
        let Rule { methods, paths, user, scopes, .. } = &self.rule;
        *methods != Methods::Any || !paths.is_empty() || *user != User::Optional || !scopes.is_empty()
    }

    fn from(&self, asked: &Asked<'_>) -> Option<bool> {
        if self.rule.from.is_empty() {
            return Some(self.rule.effect == Effect::Deny);
        }
        let peer = asked.peer?;
        Some(self.rule.from.iter().any(|peers| peers::take(peers, peer)))
    }

    /// GET also takes HEAD (RFC 9110 §9.3.2), as in a route.
    fn method(&self, asked: &Asked<'_>) -> Option<bool> {
        let Methods::These(methods) = &self.rule.methods else { return Some(true) };
        let _path = asked.path?; // in a tunnel CONNECT says nothing about what is done
        let head = *asked.method == Method::HEAD && methods.contains(&Method::GET);
        Some(head || methods.contains(asked.method))
    }

    fn path(&self, asked: &Asked<'_>) -> Option<bool> {
        if self.rule.paths.is_empty() {
            return Some(true);
        }
        let text = asked.path?;
        let as_routes_do = self.rule.paths.iter().any(|pattern| path::matches(pattern, None, text));
        Some(as_routes_do || self.lenient.iter().any(|lenient| lenient.takes(text)))
    }

    fn scopes(&self, asked: &Asked<'_>) -> Option<bool> {
        if self.rule.scopes.is_empty() {
            return Some(true);
        }
        let principal = asked.principal?;
        Some(self.rule.scopes.iter().all(|scope| principal.scopes.contains(scope)))
    }
}
