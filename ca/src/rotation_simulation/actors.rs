//! The authority of the simulated world, and a member of it with what it has stored.

use super::*;
use crate::names::Fingerprint;
use crate::store::How;
use std::collections::HashSet;
use std::time::Duration;

pub(super) const LONGEST_LIFE: u64 = 200;

/// The roots somebody believes, and since which sequence.
#[derive(Clone)]
pub(super) struct Believed {
    pub(super) sequence: u64,
    pub(super) roots: Vec<AuthorityId>,
}

/// The authority's records.
#[derive(Clone)]
pub(super) struct Ca {
    pub(super) phase: Phase,
    pub(super) sequence: u64,
    pub(super) roots: u64,
    pub(super) serials: u64,
    pub(super) instances: Vec<Instance>,
    pub(super) ledger: Vec<Issued>,
    pub(super) tokens: Vec<Token>,
    pub(super) denied: HashSet<Serial>,
    pub(super) unlisted_until: Timestamp,
    /// Acknowledgements under way.
    pub(super) inbox: Vec<(InstanceId, u64)>,
}

/// What is under way to a member.
pub(super) enum Mail {
    Answer(Issued, Believed),
    Trust(Believed),
}

/// A workload, with what it has stored.
pub(super) struct Member {
    pub(super) id: SpiffeId,
    /// Its certificates are made and brought by the operator; it never speaks to the authority.
    pub(super) by_hand: bool,
    pub(super) asleep: bool,
    pub(super) token: Option<Fingerprint>,
    pub(super) believes: Option<Believed>,
    pub(super) holds: Option<Issued>,
    pub(super) inbox: Vec<Mail>,
}

impl Ca {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Stable { active: AuthorityId::root(1) },
            sequence: 1,
            roots: 1,
            serials: 0,
            instances: Vec::new(),
            ledger: Vec::new(),
            tokens: Vec::new(),
            denied: HashSet::new(),
            unlisted_until: Timestamp(0),
            inbox: Vec::new(),
        }
    }

    pub(super) fn trust(&self) -> Believed {
        Believed { sequence: self.sequence, roots: self.phase.believed().into_iter().cloned().collect() }
    }

    pub(super) fn is_good(&self, issued: &Issued, now: Timestamp) -> bool {
        issued.not_after >= now && !self.denied.contains(&issued.serial)
    }

    /// The root that signs now signs; the instance keeps what it acknowledged.
    pub(super) fn issue(
        &mut self,
        id: &SpiffeId,
        instance: Option<InstanceId>,
        (now, life): (Timestamp, u64),
    ) -> Issued {
        self.serials += 1;
        let number = self.serials.to_be_bytes();
        let issued = Issued {
            serial: Serial::from_random([[0; 8], number].concat().try_into().unwrap()),
            id: id.clone(),
            instance: instance.unwrap_or_else(|| InstanceId::from_random(number)),
            how: How::Renew,
            key: Fingerprint::of(&number),
            issuer: AuthorityId::intermediate(1),
            root: self.phase.active().clone(),
            not_before: now,
            not_after: now.after(Duration::from_secs(life)),
            at: now,
            der: Vec::new(),
        };
        let known = self.instances.iter_mut().find(|known| known.instance == issued.instance);
        match known {
            Some(known) => (known.serial, known.not_after) = (issued.serial, issued.not_after),
            None => self.instances.push(Instance {
                instance: issued.instance.clone(),
                id: id.clone(),
                acknowledged: 0,
                seen: now,
                serial: issued.serial,
                not_after: issued.not_after,
                shown: false,
            }),
        }
        self.ledger.push(issued.clone());
        issued
    }

    pub(super) fn acknowledge(&mut self, instance: &InstanceId, sequence: u64) {
        for known in self.instances.iter_mut().filter(|known| known.instance == *instance) {
            known.acknowledged = known.acknowledged.max(sequence);
        }
    }

    pub(super) fn forget_expired(&mut self, now: Timestamp) {
        self.ledger.retain(|issued| issued.not_after >= now);
        self.tokens.retain(|token| token.expires > now);
        let held: HashSet<_> = self.ledger.iter().map(|issued| issued.instance.clone()).collect();
        self.instances.retain(|instance| held.contains(&instance.instance));
    }

    /// What was written since `backup` is lost, but for the deny-list, which the operator brings up to date.
    pub(super) fn restore(&mut self, backup: &Self, now: Timestamp) {
        let lost = std::mem::replace(self, backup.clone());
        self.sequence = lost.sequence + 1_000;
        (self.serials, self.roots, self.denied) = (lost.serials, lost.roots, lost.denied);
        self.unlisted_until = now.after(Duration::from_secs(LONGEST_LIFE));
        self.tokens.clear();
        self.inbox.clear();
    }

    pub(super) fn take(&mut self, taken: &Step, rules: Rules, now: Timestamp) -> Result<(), Refused> {
        let certificates: Vec<_> =
            self.ledger.iter().filter(|issued| self.is_good(issued, now)).cloned().collect();
        let mut live = self.instances.clone();
        live.retain(|instance| {
            let mut own = certificates.iter().filter(|issued| issued.instance == instance.instance);
            own.any(|issued| !rules.newest_only || issued.serial == instance.serial)
        });
        let signs = match (&self.phase, taken) {
            (Phase::Prepared { next, .. }, Step::Activate) => next,
            _ => self.phase.active(),
        };
        let names = |token: &Token| (token.clone(), token.roots.contains(&fingerprint(signs)));
        let tokens: Vec<_> = self.tokens.iter().filter(|t| is_fresh(t, now)).map(names).collect();
        let unlisted_until = Some(self.unlisted_until).filter(|until| *until >= now);
        let evidence = Evidence { live: &live, certificates: &certificates, tokens: &tokens, unlisted_until };
        self.phase = (rules.step)(&self.phase, taken, &evidence)?.phase;
        self.sequence += 1;
        Ok(())
    }
}

pub(super) fn fingerprint(root: &AuthorityId) -> Fingerprint {
    Fingerprint::of(root.as_str().as_bytes())
}

pub(super) fn is_fresh(token: &Token, now: Timestamp) -> bool {
    token.spent.is_none() && token.expires > now
}

impl Member {
    pub(super) fn new(number: usize) -> Self {
        Self {
            id: format!("spiffe://shop.example/svc/member-{number}").parse().unwrap(),
            by_hand: number == 0,
            asleep: false,
            token: None,
            believes: None,
            holds: None,
            inbox: Vec::new(),
        }
    }

    pub(super) fn receive(&mut self, mail: Mail, keep_newer: bool) {
        let trust = match mail {
            Mail::Trust(trust) => trust,
            Mail::Answer(issued, trust) => {
                // An answer that comes after the next one brings no newer certificate.
                if self.holds.as_ref().is_none_or(|held| held.serial < issued.serial) {
                    self.holds = Some(issued);
                }
                trust
            }
        };
        let newer = self.believes.as_ref().is_none_or(|believed| believed.sequence < trust.sequence);
        if newer || !keep_newer {
            self.believes = Some(trust);
        }
    }
}
