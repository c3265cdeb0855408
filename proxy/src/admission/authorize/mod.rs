//! Who may call the workload: a request's facts in, a verdict and the rule that gave it out. Pure.
//!
//! Decides by the rules of `authorize:`, whose order means nothing. Must not know how a peer or a user proved who
//! they are, what becomes of a refused request, or any socket or clock.
//!
//! | rules that fit | verdict |
//! |--|--|
//! | any deny | denied |
//! | no deny, any allow | allowed |
//! | none | denied |
//!
//! A rule fits when all its conditions hold. What a condition asks for may not be there to be looked at. Then the
//! answer is neither yes nor no: an allow rule needs certainty, a deny rule only the possibility.
//!
//! | condition | not known when | allow rule | deny rule |
//! |--|--|--|--|
//! | `from` | no peer (plaintext) | fails | holds: it may be anybody |
//! | no `from` at all | never | fails: nobody is named | holds: everybody is meant |
//! | `methods`, `paths` | no path (a tunnel: nobody reads what is said in it) | fails | holds |
//! | `user` | never: that there is no user is an answer | by the answer | by the answer |
//! | `scopes` | no user | fails | holds; with `user: required` beside it, for users only |
//! | nothing asked | never | holds | holds |
//!
//! An allow rule's path is compared as a route's, byte for byte. A deny rule's path is compared as the most lenient
//! server would, see [`reading`]: another spelling of a forbidden path is forbidden too.
//!
//! Rules in audit mode never change the verdict; [`Decision::would`] tells what they would have changed together.

mod explain;
#[cfg(test)]
#[path = "oracle_tests.rs"]
mod oracle_tests;
mod peers;
mod reading;
mod rule;
#[cfg(test)]
mod sample;

use crate::config::authorize::{Effect, Rule};
use crate::identity::principal::Principal;
use http::Method;
use peers::PeerTable;
use portcullis_ca::spiffe::SpiffeId;
use rule::Compiled;

pub use explain::{Explained, Miss, Named, explain};

/// What is known of a request.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Who is at the other end, as proved by its certificate; `None` on a plaintext connection.
    pub peer: Option<&'a SpiffeId>,
    /// The method; CONNECT for a tunnel.
    pub method: &'a Method,
    /// The path in canonical form, without query; `None` for a tunnel, whose method is then not looked at either.
    pub path: Option<&'a str>,
    /// The user it is made for; `None` when there is none.
    pub principal: Option<&'a Principal>,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may pass.
    Allowed,
    /// It may not.
    Denied,
}

impl Verdict {
    /// The word in metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
        }
    }

    /// The word for what rules on trial would say.
    pub const fn would(self) -> &'static str {
        match self {
            Self::Allowed => "would_allow",
            Self::Denied => "would_deny",
        }
    }
}

/// A verdict and where it comes from. Indices are those of the rules the policy was built from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// What becomes of the request.
    pub verdict: Verdict,
    /// The first rule of the file that gives this verdict; `None`: denied because no rule allows it.
    pub rule: Option<usize>,
    /// The verdict if every rule in audit mode were in force, and the rule that gives it; `None` = the same.
    pub would: Option<(Verdict, usize)>,
}

/// The rules of `authorize:`, ready to be asked once for each request. Without rules it denies everything.
#[derive(Debug, Default)]
pub struct Policy {
    rules: Box<[Compiled]>,
    peers: PeerTable,
}

impl Policy {
    /// Prepares the rules.
    pub fn build(rules: &[Rule]) -> Self {
        Self { rules: rules.iter().map(Compiled::new).collect(), peers: PeerTable::build(rules) }
    }

    /// Decides. One look-up by peer, then the rules that name it; allocates nothing.
    pub fn decide(&self, asked: &Asked<'_>) -> Decision {
        let first = self.first_of_each_kind(asked);
        let (verdict, rule) = judge(first.deny, first.allow);
        // A rule in force goes first, so a different verdict always comes from a rule on trial.
        let trial = judge(first.deny.or(first.deny_on_trial), first.allow.or(first.allow_on_trial));
        let would = match trial {
            (other, Some(index)) if other != verdict => Some((other, index)),
            _ => None,
        };
        Decision { verdict, rule, would }
    }

    /// The rule of a [`Decision`], with its id and line.
    pub fn rule(&self, index: usize) -> Option<&Rule> {
        self.rules.get(index).map(Compiled::rule)
    }

    /// Id of a rule; empty when there is no such rule.
    pub fn id(&self, index: usize) -> &str {
        self.rule(index).map_or("", |rule| &rule.id)
    }

    /// Whether any rule asks for what only HTTP can tell. Bytes must not pass such a policy unread.
    pub fn reads_http(&self) -> bool {
        self.rules.iter().any(Compiled::reads_http)
    }

    /// Every rule, in the order of the file.
    fn rules(&self) -> impl Iterator<Item = (usize, &Compiled)> {
        self.rules.iter().enumerate()
    }

    fn first_of_each_kind(&self, asked: &Asked<'_>) -> First {
        let mut first = First::default();
        for &index in self.peers.rules_for(asked.peer) {
            let Some(compiled) = self.rules.get(index) else { continue };
            let slot = first.slot(compiled.rule());
            if slot.is_none() && compiled.fits_known_peer(asked) {
                *slot = Some(index);
            }
            if first.deny.is_some() {
                break; // nothing can change the verdict any more
            }
        }
        first
    }
}

/// The first rule of each kind that fits.
#[derive(Default)]
struct First {
    deny: Option<usize>,
    allow: Option<usize>,
    deny_on_trial: Option<usize>,
    allow_on_trial: Option<usize>,
}

impl First {
    fn slot(&mut self, rule: &Rule) -> &mut Option<usize> {
        match (rule.effect, rule.audit) {
            (Effect::Deny, false) => &mut self.deny,
            (Effect::Allow, false) => &mut self.allow,
            (Effect::Deny, true) => &mut self.deny_on_trial,
            (Effect::Allow, true) => &mut self.allow_on_trial,
        }
    }
}

/// Deny beats allow beats nothing.
fn judge(deny: Option<usize>, allow: Option<usize>) -> (Verdict, Option<usize>) {
    match (deny, allow) {
        (Some(index), _) => (Verdict::Denied, Some(index)),
        (None, Some(index)) => (Verdict::Allowed, Some(index)),
        (None, None) => (Verdict::Denied, None),
    }
}

#[cfg(test)]
#[path = "authorize_tests.rs"]
mod tests;
