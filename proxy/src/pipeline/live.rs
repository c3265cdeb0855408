//! Requests of the mesh that are going on: what they were allowed for, so that it can be asked again.
//!
//! A reload may take back what was allowed, and a peer may be revoked. Then the exchange is *cut*: its flag is set
//! and its timer fires, which wakes whoever waits for head or body of the answer.

use super::evidence::Evidence;
use crate::admission::authorize::{Asked, Policy, Verdict};
use crate::sweep::Alarm;
use crate::tls::facts::Peer;
use http::Method;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;

/// One request that is going on.
#[derive(Debug)]
pub struct Live {
    /// Who sent it.
    pub peer: Option<Arc<Peer>>,
    /// Its method.
    pub method: Method,
    /// Its canonical path; `None`: a tunnel.
    pub path: Option<Box<str>>,
    /// For whom.
    pub evidence: Option<Evidence>,
    /// It may not go on.
    pub cut: Cell<bool>,
    /// Wakes its task.
    pub alarm: Alarm,
}

impl Live {
    /// The question the policy answers.
    pub fn asked(&self) -> Asked<'_> {
        Asked {
            peer: self.peer.as_ref().map(|peer| &peer.svid.id),
            method: &self.method,
            path: self.path.as_deref(),
            principal: self.evidence.as_ref().map(Evidence::principal),
        }
    }

    /// Whether it would not be let in any more. What came as plaintext was let in without a rule: only a rule that
    /// denies ends it.
    fn is_denied_by(&self, policy: &Policy, permissive: bool) -> bool {
        let decision = policy.decide(&self.asked());
        let is_plaintext = self.peer.is_none() && permissive;
        decision.verdict == Verdict::Denied && (!is_plaintext || decision.rule.is_some())
    }

    fn end(&self) {
        self.cut.set(true);
        self.alarm.ring();
    }
}

/// The requests of one worker that are going on.
#[derive(Debug, Default)]
pub struct Book(RefCell<Vec<Weak<Live>>>);

impl Book {
    /// Takes note of one.
    pub fn enter(&self, live: Live) -> Rc<Live> {
        let live = Rc::new(live);
        self.0.borrow_mut().push(Rc::downgrade(&live));
        live
    }

    /// Forgets those that have ended.
    pub fn purge(&self) {
        self.0.borrow_mut().retain(|live| live.strong_count() > 0);
    }

    /// Asks again, and cuts what is not allowed any more. Returns how many. `permissive`: plaintext is still taken.
    pub fn review(&self, policy: &Policy, permissive: bool) -> usize {
        let going_on: Vec<Rc<Live>> = self.0.borrow().iter().filter_map(Weak::upgrade).collect();
        let refused = going_on.iter().filter(|live| live.is_denied_by(policy, permissive));
        refused.inspect(|live| live.end()).count()
    }
}
