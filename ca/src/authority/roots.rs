//! The shell around the rotation: it gathers the evidence, lets `rotation` decide, makes the keys and writes.

use super::init::{new_intermediate, new_root};
use super::revoke::{as_svid, denied_authorities};
use super::{Authority, AuthorityError, audit, find, operator};
use crate::audit::{Event, What};
use crate::entry::Token;
use crate::intermediate::{Due, intermediate_due};
use crate::issuer::Issuer;
use crate::key::Key;
use crate::names::{AuthorityId, Fingerprint};
use crate::policy::TTL_MOST;
use crate::rotation::{self, Evidence, Laggard, Phase, Step};
use crate::store::{AuthorityRecord, Filter, Instance, Issued, Reading, Settings, Writing};
use crate::time::Timestamp;
use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

/// A step that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Where the rotation stands now.
    pub phase: Phase,
    /// The sequence members will acknowledge.
    pub sequence: u64,
    /// Who was in the way and was passed over by force.
    pub forced_over: Vec<Laggard>,
}

/// What the gates look at, owned.
struct Gathered {
    live: Vec<Instance>,
    certificates: Vec<Issued>,
    tokens: Vec<(Token, bool)>,
    unlisted_until: Option<Timestamp>,
}

impl Authority {
    /// Makes the next root, with an intermediate under it, and has members believe it beside the present one.
    ///
    /// # Errors
    /// When a rotation is under way, or keys or store cannot be written.
    pub fn prepare_root(&self, life: Duration, now: Timestamp) -> Result<Taken, AuthorityError> {
        let write = self.store.write()?;
        let settings = write.settings()?;
        let next = AuthorityId::root(settings.roots + 1);
        let step = Step::Prepare { next, sequence: settings.sequence + 1 };
        let moved = rotation::step(&settings.phase, &step, &Evidence::nothing(), false)?;

        let root_key = Key::generate()?;
        let root = new_root(&settings.trust_domain, settings.roots + 1, (now, life), &root_key)?;
        self.write_key(&root.id, &root_key)?;
        let issuer = Issuer::new(root.der.clone(), root_key)?;
        let number = settings.intermediates + 1;
        let (intermediate, key) = new_intermediate(&settings.trust_domain, number, now, (&root, &issuer))?;
        self.write_key(&intermediate.id, &key)?;
        write.add_authority(&root)?;
        write.add_authority(&intermediate)?;
        write.put_settings(&Settings { roots: settings.roots + 1, intermediates: number, ..settings })?;
        self.finish(
            write,
            moved,
            Event { root: Some(root.id), ..Event::new(What::RootPrepared, now, operator()) },
        )
    }

    /// Lets the next root sign, when every live instance believes it; `force` does not wait for them.
    ///
    /// # Errors
    /// When nothing is prepared, or somebody would be cut off: the error names them.
    pub fn activate_root(&self, force: bool, now: Timestamp) -> Result<Taken, AuthorityError> {
        self.step(&Step::Activate, force, Event::new(What::RootActivated, now, operator()))
    }

    /// Has members believe the old root no more, when nobody holds a certificate under it; `force` does not wait.
    ///
    /// # Errors
    /// When nothing is activated, or somebody would be cut off: the error names them.
    pub fn retire_root(&self, force: bool, now: Timestamp) -> Result<Taken, AuthorityError> {
        self.step(&Step::Retire, force, Event::new(What::RootRetired, now, operator()))
    }

    /// One step back.
    ///
    /// # Errors
    /// When there is nothing to go back from, or somebody would be cut off: the error names them.
    pub fn roll_back_root(&self, force: bool, now: Timestamp) -> Result<Taken, AuthorityError> {
        self.step(&Step::Rollback, force, Event::new(What::RootRolledBack, now, operator()))
    }

    /// Who is in the way of a step now; empty: nobody.
    ///
    /// # Errors
    /// When the step does not fit the phase, or the store cannot be read.
    pub fn laggards(&self, step: &Step, now: Timestamp) -> Result<Vec<Laggard>, AuthorityError> {
        let read = self.store.read()?;
        let settings = read.settings()?;
        let gathered = self.gather(&*read, &settings, (step, now))?;
        Ok(rotation::step(&settings.phase, step, &gathered.evidence(), true)?.forced_over)
    }

    fn step(&self, step: &Step, force: bool, event: Event) -> Result<Taken, AuthorityError> {
        let write = self.store.write()?;
        let settings = write.settings()?;
        let gathered = self.gather(&*write, &settings, (step, event.ts))?;
        let moved = rotation::step(&settings.phase, step, &gathered.evidence(), force)?;
        self.finish(write, moved, event)
    }

    /// Writes where the rotation stands now, and which intermediate signs.
    fn finish(
        &self,
        write: Box<dyn Writing + '_>,
        moved: rotation::Moved,
        event: Event,
    ) -> Result<Taken, AuthorityError> {
        let mut settings = write.settings()?;
        settings.sequence += 1;
        settings.phase = moved.phase;
        let signing = newest_intermediate(&write.authorities()?, settings.phase.active())?;
        if signing.id != settings.signing {
            self.check_fit(&signing, event.ts)?;
        }
        settings.signing = signing.id;
        write.put_settings(&settings)?;
        let forced = !moved.forced_over.is_empty();
        audit(
            &*write,
            &Event {
                root: event.root.clone().or_else(|| Some(settings.phase.active().clone())),
                sequence: Some(settings.sequence),
                forced: forced.then_some(true),
                details: forced.then(|| format!("passed over {}", words(&moved.forced_over))),
                ..event
            },
        )?;
        write.commit()?;
        let (phase, sequence) = (settings.phase, settings.sequence);
        Ok(Taken { phase, sequence, forced_over: moved.forced_over })
    }

    /// Refuses to let an intermediate sign that is too old for it.
    fn check_fit(&self, intermediate: &AuthorityRecord, now: Timestamp) -> Result<(), AuthorityError> {
        let AuthorityRecord { id, root, not_before, not_after, .. } = intermediate;
        match (intermediate_due(*not_before, *not_after, self.longest_leaf(), now), root) {
            (Due::Now, Some(root)) => Err(AuthorityError::IntermediateOld {
                intermediate: id.clone(),
                not_after: *not_after,
                root: root.clone(),
            }),
            _ => Ok(()),
        }
    }

    fn gather(
        &self,
        read: &(impl Reading + ?Sized),
        settings: &Settings,
        (step, now): (&Step, Timestamp),
    ) -> Result<Gathered, AuthorityError> {
        let certificates = self.good(read, settings, now)?;
        let live = holders(read, &certificates, now)?;
        let signs = find(&read.authorities()?, will_sign(&settings.phase, step))?;
        let signs = Fingerprint::of(&signs.der);
        let tokens = read.fresh_tokens(now)?.into_iter();
        let tokens = tokens.map(|token| {
            let names = token.roots.contains(&signs);
            (token, names)
        });
        let unlisted_until =
            settings.restored.map(|moment| moment.after(TTL_MOST)).filter(|until| *until > now);
        Ok(Gathered { live, tokens: tokens.collect(), certificates, unlisted_until })
    }

    /// Instances that hold a certificate which has not expired and is not denied.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn live_instances(&self, now: Timestamp) -> Result<Vec<Instance>, AuthorityError> {
        let read = self.store.read()?;
        let certificates = self.good(&*read, &read.settings()?, now)?;
        holders(&*read, &certificates, now)
    }

    /// Certificates that have not expired and are not denied.
    pub(super) fn good(
        &self,
        read: &(impl Reading + ?Sized),
        settings: &Settings,
        now: Timestamp,
    ) -> Result<Vec<Issued>, AuthorityError> {
        let view = self.trust_view(read, settings)?;
        let mut certificates = read.ledger(&Filter { live_at: Some(now), ..Filter::default() })?;
        let authorities = denied_authorities(&read.authorities()?, &view.denied)?;
        certificates
            .retain(|issued| !view.denied.denies(&as_svid(issued)) && !authorities.contains(&issued.issuer));
        Ok(certificates)
    }

    /// A new intermediate under the root that signs, or under another one that is believed: that one then signs when
    /// its root does. Certificates of the old one stay good.
    ///
    /// # Errors
    /// When the root is not believed, its key is not at hand, or the root itself expires too soon.
    pub fn rotate_intermediate(
        &self,
        root: Option<&AuthorityId>,
        root_key: Option<&Path>,
        now: Timestamp,
    ) -> Result<AuthorityRecord, AuthorityError> {
        let signs = self.settings()?.phase.active().clone();
        let root = find(&self.authorities()?, root.unwrap_or(&signs))?;
        // Before the transaction: the key may be on a slow medium.
        let issuer = Issuer::new(root.der.clone(), self.root_key(&root.id, root_key)?)?;
        let write = self.store.write()?;
        let mut settings = write.settings()?;
        if !settings.phase.believed().contains(&&root.id) {
            return Err(AuthorityError::NotBelieved(root.id));
        }
        settings.intermediates += 1;
        let number = settings.intermediates;
        let (intermediate, key) = new_intermediate(&settings.trust_domain, number, now, (&root, &issuer))?;
        self.write_key(&intermediate.id, &key)?;
        write.add_authority(&intermediate)?;
        if root.id == *settings.phase.active() {
            settings.signing = intermediate.id.clone();
        }
        write.put_settings(&settings)?;
        audit(
            &*write,
            &Event {
                issuer: Some(intermediate.id.clone()),
                root: Some(root.id),
                not_after: Some(intermediate.not_after),
                ..Event::new(What::IntermediateRotated, now, operator())
            },
        )?;
        write.commit()?;
        Ok(intermediate)
    }

    /// Writes the key of an authority that has no record yet. A file with its name is what a crash before the commit
    /// left: nobody else writes while this transaction is open.
    fn write_key(&self, id: &AuthorityId, key: &Key) -> Result<(), AuthorityError> {
        let path = self.dir.key(id);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(AuthorityError::Io { path, source });
            }
            _ => {}
        }
        Ok(key.write(&path, self.password.as_ref())?)
    }

    /// Roots and intermediates, the oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn authorities(&self) -> Result<Vec<AuthorityRecord>, AuthorityError> {
        Ok(self.store.read()?.authorities()?)
    }
}

impl Gathered {
    fn evidence(&self) -> Evidence<'_> {
        Evidence {
            live: &self.live,
            certificates: &self.certificates,
            tokens: &self.tokens,
            unlisted_until: self.unlisted_until,
        }
    }
}

fn holders(
    read: &(impl Reading + ?Sized),
    certificates: &[Issued],
    now: Timestamp,
) -> Result<Vec<Instance>, AuthorityError> {
    let holders: HashSet<_> = certificates.iter().map(|issued| &issued.instance).collect();
    let mut live = read.live_instances(now)?;
    live.retain(|instance| holders.contains(&instance.instance));
    Ok(live)
}

/// The root that would sign after a step: whom joining members must be able to verify.
fn will_sign<'a>(phase: &'a Phase, step: &Step) -> &'a AuthorityId {
    match (phase, step) {
        (Phase::Prepared { next, .. }, Step::Activate) => next,
        (Phase::Activated { previous, .. }, Step::Rollback) => previous,
        _ => phase.active(),
    }
}

pub(super) fn newest_intermediate(
    authorities: &[AuthorityRecord],
    root: &AuthorityId,
) -> Result<AuthorityRecord, AuthorityError> {
    let mut under = authorities.iter().rev().filter(|record| record.root.as_ref() == Some(root));
    let newest = under.next().cloned();
    newest.ok_or(AuthorityError::Inconsistent("a root has no intermediate"))
}

fn words(laggards: &[Laggard]) -> String {
    const NAMED: usize = 20;
    let mut words: Vec<_> = laggards.iter().take(NAMED).map(ToString::to_string).collect();
    if laggards.len() > NAMED {
        words.push(format!("and {} more", laggards.len() - NAMED));
    }
    words.join("; ")
}
