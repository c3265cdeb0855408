//! Why a request is allowed or denied, in words: the rule that decides, and what every other rule missed. Pure.
//!
//! For `explain --from` and for the audit log; for people, so not fast. Says nothing the request could choose freely but
//! its method. Must not decide: the verdict is [`Policy::decide`]'s.

use super::rule::{Compiled, Condition};
use super::{Asked, Policy, Verdict, peers};
use crate::config::authorize::{Effect, Rule, User};
use crate::config::route::Methods;
use crate::route::path;
use std::cmp::Reverse;
use std::fmt;
use std::sync::Arc;

/// Most misses of one answer.
const MOST: usize = 20;

/// A rule by its name. Shown as `` `freeze` (line 12) ``.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Index into the rules the policy was built from.
    pub index: usize,
    /// Its `id`.
    pub id: Arc<str>,
    /// Its line in the file, 1-based.
    pub line: usize,
}

/// A rule that does not fit, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Miss {
    /// The rule.
    pub rule: Named,
    /// What it would have done.
    pub effect: Effect,
    /// Whether it is only on trial.
    pub audit: bool,
    /// How many of its five conditions hold (peer, method, path, user, scopes).
    pub held: usize,
    /// The first that does not, in words.
    pub reason: String,
}

/// A verdict with its reasons. Shown as lines of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// What becomes of the request.
    pub verdict: Verdict,
    /// The rule that decides; `None`: no rule allows it.
    pub rule: Option<Named>,
    /// What the deciding deny rule asks about and could not know.
    pub doubt: Option<&'static str>,
    /// What the rules in audit mode would change, and which of them.
    pub would: Option<(Verdict, Named)>,
    /// The rules that do not fit, those of which most holds first; at most 20.
    pub misses: Vec<Miss>,
}

/// Explains what [`Policy::decide`] says.
pub fn explain(policy: &Policy, asked: &Asked<'_>) -> Explained {
    let decision = policy.decide(asked);
    let mut misses: Vec<Miss> = policy.rules().filter_map(|(index, rule)| miss(index, rule, asked)).collect();
    misses.sort_by_key(|miss| (Reverse(miss.held), miss.effect == Effect::Deny, miss.rule.index));
    misses.truncate(MOST);
    Explained {
        verdict: decision.verdict,
        rule: decision.rule.and_then(|index| Some(named(index, policy.rule(index)?))),
        doubt: decision.rule.and_then(|index| doubt(policy.rules.get(index)?, asked)),
        would: decision.would.and_then(|(verdict, index)| Some((verdict, named(index, policy.rule(index)?)))),
        misses,
    }
}

impl Explained {
    /// The allow rule of which most holds, when no rule decides.
    pub fn nearest(&self) -> Option<&Miss> {
        let undecided = self.rule.is_none();
        self.misses.iter().find(|miss| undecided && miss.effect == Effect::Allow)
    }
}

impl fmt::Display for Named {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "`{}` (line {})", self.id, self.line)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
        })
    }
}

impl fmt::Display for Miss {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trial = if self.audit { ", audit" } else { "" };
        let effect = if self.effect == Effect::Deny { "deny" } else { "allow" };
        write!(out, "{} {effect}{trial}: {}", self.rule, self.reason)
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rule {
            Some(rule) => write!(out, "{} by {rule}", self.verdict)?,
            None => write!(out, "{}: no rule allows it", self.verdict)?,
        }
        if let Some(doubt) = self.doubt {
            write!(out, ", because {doubt} is not known here")?;
        }
        if let Some((verdict, rule)) = &self.would {
            write!(out, "\nin force, {rule} would make it {verdict}")?;
        }
        self.misses.iter().try_for_each(|miss| write!(out, "\n  {miss}"))
    }
}

fn named(index: usize, rule: &Rule) -> Named {
    Named { index, id: Arc::clone(&rule.id), line: rule.line }
}

/// The first condition that fails; `None` = the rule fits.
fn miss(index: usize, compiled: &Compiled, asked: &Asked<'_>) -> Option<Miss> {
    let rule = compiled.rule();
    let fails = |condition: &Condition| !compiled.holds(*condition, asked);
    let failed: Vec<Condition> = Condition::ALL.into_iter().filter(fails).collect();
    let reason = reason(rule, *failed.first()?, asked);
    let held = Condition::ALL.len() - failed.len();
    Some(Miss { rule: named(index, rule), effect: rule.effect, audit: rule.audit, held, reason })
}

fn reason(rule: &Rule, failed: Condition, asked: &Asked<'_>) -> String {
    match failed {
        Condition::From => from(rule, asked),
        Condition::Method if asked.path.is_none() => "method: a tunnel has none".to_owned(),
        Condition::Method => format!("method {} is not among {}", asked.method, methods(&rule.methods)),
        Condition::Path if asked.path.is_none() => "path: a tunnel has none".to_owned(),
        Condition::Path => format!("path: is not among {}", list(rule.paths.iter().map(path::text_of))),
        Condition::User if rule.user == User::Forbidden => "takes no user".to_owned(),
        Condition::User => "needs a user".to_owned(),
        Condition::Scopes => scopes(rule, asked),
    }
}

fn from(rule: &Rule, asked: &Asked<'_>) -> String {
    match asked.peer {
        _ if rule.from.is_empty() => "from: names nobody".to_owned(),
        None => "from: the peer has no identity (plaintext)".to_owned(),
        Some(peer) => format!("from: {peer} is not among {}", list(rule.from.iter().map(peers::text))),
    }
}

fn scopes(rule: &Rule, asked: &Asked<'_>) -> String {
    let has = |scope| asked.principal.is_some_and(|principal| principal.scopes.contains(scope));
    let missing = rule.scopes.iter().find(|scope| !has(scope)).map_or("", |scope| &**scope);
    let nobody = if asked.principal.is_none() { ": there is no user" } else { "" };
    format!("scope {missing} is missing{nobody}")
}

/// What the rule asks about that is not there to be looked at.
fn doubt(compiled: &Compiled, asked: &Asked<'_>) -> Option<&'static str> {
    let unknown =
        Condition::ALL.into_iter().find(|condition| compiled.answer(*condition, asked).is_none())?;
    Some(match unknown {
        Condition::From => "the peer",
        Condition::Method => "the method",
        Condition::Path => "the path",
        Condition::User | Condition::Scopes => "a user with scopes",
    })
}

fn methods(methods: &Methods) -> String {
    match methods {
        Methods::Any => "*".to_owned(),
        Methods::These(methods) => list(methods.iter().map(ToString::to_string)),
    }
}

fn list(texts: impl Iterator<Item = String>) -> String {
    texts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[path = "explain_tests.rs"]
mod tests;
