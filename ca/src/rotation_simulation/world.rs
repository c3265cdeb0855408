//! The simulated world: what happens in it, and what must hold after each event.

use super::actors::{Ca, LONGEST_LIFE, Mail, Member, fingerprint, is_fresh};
use super::*;
use crate::names::Fingerprint;
use std::time::Duration;

pub(super) const MEMBERS: usize = 5;
const TOKEN_LIFE: u64 = 40;

pub(super) struct World {
    pub(super) rules: Rules,
    pub(super) random: fastrand::Rng,
    pub(super) now: Timestamp,
    pub(super) ca: Ca,
    pub(super) backup: Ca,
    pub(super) members: Vec<Member>,
    pub(super) seen: Seen,
}

/// What happened: a simulation in which nothing happens proves nothing.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) steps: [u64; 4],
    pub(super) activated_rolled_back: u64,
    pub(super) behind: u64,
    pub(super) certificates: u64,
    pub(super) tokens: u64,
    pub(super) expired: u64,
    pub(super) restored: u64,
    pub(super) unlisted: u64,
    pub(super) checked: u64,
}

impl Seen {
    pub(super) fn add(&mut self, more: &Self) {
        self.steps.iter_mut().zip(more.steps).for_each(|(sum, more)| *sum += more);
        self.activated_rolled_back += more.activated_rolled_back;
        self.behind += more.behind;
        self.certificates += more.certificates;
        self.tokens += more.tokens;
        self.expired += more.expired;
        self.restored += more.restored;
        self.unlisted += more.unlisted;
        self.checked += more.checked;
    }
}

#[derive(Debug)]
#[expect(dead_code, reason = "read by Debug, in the words of a failure")]
pub(super) struct Violation(String);

impl World {
    pub(super) fn new(seed: u64, rules: Rules) -> Self {
        Self {
            rules,
            random: fastrand::Rng::with_seed(seed),
            now: Timestamp(1_000_000),
            ca: Ca::new(),
            backup: Ca::new(),
            members: (0..MEMBERS).map(Member::new).collect(),
            seen: Seen::default(),
        }
    }

    pub(super) fn run(&mut self, events: usize) -> Result<(), Violation> {
        for _ in 0..events {
            self.event()?;
            self.check_invariants()?;
        }
        Ok(())
    }

    pub(super) fn event(&mut self) -> Result<(), Violation> {
        let who = self.random.usize(..MEMBERS);
        match self.random.u32(..100) {
            0..8 => self.make_token(who),
            8..22 => self.bootstrap(who)?,
            22..34 => self.renew(who)?,
            34..54 => self.deliver(who),
            54..64 => self.push(who),
            64..72 => self.acknowledge(who),
            72..80 => self.deliver_acknowledgement(),
            80..84 => self.members[who].asleep = self.random.u32(..3) == 0,
            84..86 => self.revoke(who),
            86 => self.lose_state(who),
            87..90 => self.visit(who),
            90..94 => self.wait(),
            94 if self.random.bool() => self.backup = self.ca.clone(),
            94 => self.restore(),
            _ => self.try_step(),
        }
        Ok(())
    }

    /// Everybody can verify everybody; see the top of the file.
    pub(super) fn check_invariants(&mut self) -> Result<(), Violation> {
        let active = self.ca.phase.active();
        let live: Vec<_> = (0..MEMBERS).filter(|who| self.is_live(*who)).collect();
        for who in &live {
            let (root, roots) = self.shows_and_believes(*who);
            if !roots.contains(active) {
                return Err(self.violation(*who, "cannot verify the authority"));
            }
            if !self.ca.phase.believed().contains(&root) {
                return Err(self.violation(*who, "is not believed by the authority"));
            }
            for other in &live {
                if !self.shows_and_believes(*other).1.contains(root) {
                    return Err(self.violation(*other, "cannot verify a live member"));
                }
            }
        }
        for token in self.ca.tokens.iter().filter(|token| is_fresh(token, self.now)) {
            if !token.roots.contains(&fingerprint(active)) {
                return Err(Violation(format!(
                    "a token for {} is worth nothing at {:?}",
                    token.entry, self.now
                )));
            }
        }
        self.seen.checked += u64::from(live.len() > 1);
        Ok(())
    }

    pub(super) fn shows_and_believes(&self, who: usize) -> (&AuthorityId, &[AuthorityId]) {
        let member = &self.members[who];
        let roots = member.believes.as_ref().map_or(&[][..], |believed| &believed.roots);
        (&member.holds.as_ref().unwrap().root, roots)
    }

    pub(super) fn is_live(&self, who: usize) -> bool {
        self.members[who].holds.as_ref().is_some_and(|held| self.ca.is_good(held, self.now))
    }

    pub(super) fn violation(&self, who: usize, what: &str) -> Violation {
        Violation(format!("{} {what} at {:?} in {:?}", self.members[who].id, self.now, self.ca.phase))
    }

    /// The operator makes a token for a member that has no certificate.
    pub(super) fn make_token(&mut self, who: usize) {
        if self.is_live(who) {
            return;
        }
        let (id, now) = (self.members[who].id.clone(), self.now);
        self.ca.serials += 1;
        let hash = Fingerprint::of(&self.ca.serials.to_be_bytes());
        let roots = self.ca.phase.believed().into_iter().map(fingerprint).collect();
        let expires = now.after(Duration::from_secs(self.random.u64(1..=TOKEN_LIFE)));
        self.ca.tokens.push(Token { hash, entry: id, roots, created: now, expires, spent: None });
        self.members[who].token = Some(hash);
    }

    /// A member joins, or asks again because the answer was lost.
    pub(super) fn bootstrap(&mut self, who: usize) -> Result<(), Violation> {
        let (id, now, life) = (self.members[who].id.clone(), self.now, self.life());
        let hash = self.members[who].token;
        let token = self.ca.tokens.iter_mut().find(|token| Some(token.hash) == hash && token.expires > now);
        let Some(token) = token.filter(|_| !self.members[who].asleep) else { return Ok(()) };
        let again = token.spent.clone();
        let verifies = token.roots.contains(&fingerprint(self.ca.phase.active()));
        if !verifies {
            return if again.is_some() { Ok(()) } else { Err(self.violation(who, "cannot join")) };
        }
        let issued = match again {
            Some(spent) => self.ca.ledger.iter().find(|issued| issued.serial == spent.serial).cloned(),
            None => {
                let issued = self.ca.issue(&id, None, (now, life));
                let token = self.ca.tokens.iter_mut().find(|token| Some(token.hash) == hash).unwrap();
                token.spent = Some(crate::entry::Spent { at: now, key: issued.key, serial: issued.serial });
                Some(issued)
            }
        };
        if let Some(issued) = issued.filter(|issued| self.ca.is_good(issued, now)) {
            let trust = self.ca.trust();
            self.send(who, Mail::Answer(issued, trust));
        }
        Ok(())
    }

    pub(super) fn renew(&mut self, who: usize) -> Result<(), Violation> {
        if !self.speaks(who) {
            return Ok(());
        }
        let (root, roots) = self.shows_and_believes(who);
        if !roots.contains(self.ca.phase.active()) || !self.ca.phase.believed().contains(&root) {
            return Err(self.violation(who, "cannot renew"));
        }
        let held = self.members[who].holds.clone().unwrap();
        let life = (self.now, self.life());
        let issued = self.ca.issue(&held.id, Some(held.instance), life);
        let trust = self.ca.trust();
        self.send(who, Mail::Answer(issued, trust));
        Ok(())
    }

    /// Whether a member is awake and has a certificate to speak to the authority with.
    pub(super) fn speaks(&self, who: usize) -> bool {
        !self.members[who].asleep && !self.members[who].by_hand && self.is_live(who)
    }

    pub(super) fn life(&mut self) -> u64 {
        if self.random.bool() { self.random.u64(5..=LONGEST_LIFE) } else { self.random.u64(60..=80) }
    }

    /// Puts a message on its way, from which a fifth do not return.
    pub(super) fn send(&mut self, who: usize, mail: Mail) {
        if self.random.u32(..5) > 0 {
            self.members[who].inbox.push(mail);
        }
    }

    /// One message arrives, not always the oldest.
    pub(super) fn deliver(&mut self, who: usize) {
        let member = &mut self.members[who];
        if !member.asleep && !member.inbox.is_empty() {
            let mail = member.inbox.swap_remove(self.random.usize(..member.inbox.len()));
            member.receive(mail, self.rules.keep_newer);
        }
    }

    /// The stream brings the trust.
    pub(super) fn push(&mut self, who: usize) {
        if self.speaks(who) {
            let trust = self.ca.trust();
            self.send(who, Mail::Trust(trust));
        }
    }

    pub(super) fn acknowledge(&mut self, who: usize) {
        if self.speaks(who) && self.random.u32(..5) > 0 {
            let member = &self.members[who];
            let instance = member.holds.as_ref().unwrap().instance.clone();
            self.ca.inbox.push((instance, member.believes.as_ref().unwrap().sequence));
        }
    }

    pub(super) fn deliver_acknowledgement(&mut self) {
        if !self.ca.inbox.is_empty() {
            let (instance, sequence) = self.ca.inbox.swap_remove(self.random.usize(..self.ca.inbox.len()));
            self.ca.acknowledge(&instance, sequence);
        }
    }

    /// One of a member's certificates, or all of them.
    pub(super) fn revoke(&mut self, who: usize) {
        let own = self.ca.ledger.iter().filter(|issued| issued.id == self.members[who].id);
        let own: Vec<_> = own.map(|issued| issued.serial).collect();
        if self.random.bool() {
            self.ca.denied.extend(own);
        } else {
            self.ca.denied.extend(self.random.choice(own));
        }
    }

    /// Its disk is gone; the authority does not know.
    pub(super) fn lose_state(&mut self, who: usize) {
        let member = &mut self.members[who];
        (member.token, member.believes, member.holds) = (None, None, None);
        member.inbox.clear();
    }

    /// Only a backup under which everybody is still believed: another one is no matter of the gates.
    pub(super) fn restore(&mut self) {
        let (then, now) = (&self.backup.phase, &self.ca.phase);
        let believed = then.believed();
        if then.active() == now.active() && now.believed().iter().all(|root| believed.contains(root)) {
            self.ca.restore(&self.backup, self.now);
            self.seen.restored += 1;
        }
    }

    /// The operator brings the present bundle to a member that does not speak, and says so.
    pub(super) fn visit(&mut self, who: usize) {
        if self.members[who].by_hand && self.is_live(who) {
            let trust = self.ca.trust();
            let instance = self.members[who].holds.as_ref().unwrap().instance.clone();
            self.ca.acknowledge(&instance, trust.sequence);
            self.members[who].believes = Some(trust);
        }
    }

    pub(super) fn wait(&mut self) {
        let longest = if self.random.u32(..10) == 0 { 2 * LONGEST_LIFE } else { 40 };
        let seconds = self.random.u64(1..=longest);
        self.pass(seconds);
    }

    pub(super) fn pass(&mut self, seconds: u64) {
        let live = (0..MEMBERS).filter(|who| self.is_live(*who)).count();
        self.now = self.now.after(Duration::from_secs(seconds));
        let left = (0..MEMBERS).filter(|who| self.is_live(*who)).count();
        self.seen.expired += u64::try_from(live - left).unwrap();
        self.ca.forget_expired(self.now);
    }

    pub(super) fn try_step(&mut self) {
        let (which, taken) = match self.random.u32(..12) {
            0..3 => (0, self.prepare()),
            3..7 => (1, Step::Activate),
            7..11 => (2, Step::Retire),
            _ => (3, Step::Rollback),
        };
        self.take(which, &taken);
    }

    pub(super) fn prepare(&self) -> Step {
        Step::Prepare { next: AuthorityId::root(self.ca.roots + 1), sequence: self.ca.sequence + 1 }
    }

    pub(super) fn take(&mut self, which: usize, taken: &Step) {
        match self.ca.take(taken, self.rules, self.now) {
            Ok(()) => {
                self.seen.steps[which] += 1;
                self.ca.roots += u64::from(which == 0);
                let prepared = matches!(self.ca.phase, Phase::Prepared { .. });
                self.seen.activated_rolled_back += u64::from(which == 3 && prepared);
            }
            Err(Refused::WrongPhase { .. }) => {}
            Err(Refused::Laggards(laggards)) => {
                for laggard in laggards {
                    match laggard {
                        Laggard::NotAcknowledged { .. } => self.seen.behind += 1,
                        Laggard::Certificate { .. } => self.seen.certificates += 1,
                        Laggard::Token { .. } => self.seen.tokens += 1,
                        Laggard::Unlisted { .. } => self.seen.unlisted += 1,
                    }
                }
            }
        }
    }

    /// Everybody is awake, nothing is lost, and the operator wants one whole rotation. Returns whether he got it.
    pub(super) fn rotates(&mut self, rounds: usize) -> Result<bool, Violation> {
        let mut retired = 0;
        for _ in 0..rounds {
            for who in 0..MEMBERS {
                self.attend(who)?;
            }
            let (which, taken) = match &self.ca.phase {
                Phase::Stable { .. } => (0, self.prepare()),
                Phase::Prepared { .. } => (1, Step::Activate),
                Phase::Activated { .. } => (2, Step::Retire),
            };
            let before = self.seen.steps[2];
            self.take(which, &taken);
            retired += self.seen.steps[2] - before;
            // The first may have been under way already.
            if retired == 2 {
                return Ok(true);
            }
            self.pass(5);
            self.check_invariants()?;
        }
        Ok(false)
    }

    /// A member does all it should, and nothing is lost.
    pub(super) fn attend(&mut self, who: usize) -> Result<(), Violation> {
        self.members[who].asleep = false;
        if self.speaks(who) {
            let trust = self.ca.trust();
            self.members[who].inbox.push(Mail::Trust(trust));
            self.renew(who)?;
        }
        while !self.members[who].inbox.is_empty() {
            self.deliver(who);
        }
        if self.speaks(who) {
            let member = &self.members[who];
            let instance = member.holds.as_ref().unwrap().instance.clone();
            self.ca.acknowledge(&instance, member.believes.as_ref().unwrap().sequence);
        }
        self.check_invariants()
    }
}
