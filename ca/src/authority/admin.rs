//! Entries, tokens, the ledger, acknowledgements: what an operator registers and looks up.

use super::{Authority, AuthorityError, audit, bump, operator, random};
use crate::audit::{Event, What};
use crate::certificate::Svid;
use crate::entry::{Entry, Grants, Token};
use crate::names::{Fingerprint, InstanceId, Serial};
use crate::policy;
use crate::spiffe::SpiffeId;
use crate::store::{Filter, Instance, Issued, Settings};
use crate::time::Timestamp;
use crate::token::{self, JoinToken};
use crate::trust::MAX_ASSERTERS;
use std::time::Duration;

/// An entry as the operator states it.
#[derive(Debug, Clone)]
pub struct NewEntry {
    /// Who.
    pub id: SpiffeId,
    /// DNS names besides.
    pub dns: Vec<String>,
    /// The longest life of its certificates.
    pub ttl_max: Duration,
    /// What it may do beyond being itself.
    pub grants: Grants,
    /// Change the entry that is there.
    pub replace: bool,
}

/// A token as the operator asks for it.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// For whom.
    pub entry: SpiffeId,
    /// How long it is good.
    pub ttl: Duration,
    /// Where the authority is reached; empty: as in the settings.
    pub urls: Vec<String>,
}

/// More addresses would make a token too long to be read back.
const MAX_URLS: usize = 4;

/// Whether addresses can stand in a token.
pub(super) fn urls_sound(urls: &[String]) -> Result<(), AuthorityError> {
    if let Some(url) = urls.iter().find(|url| !token::sound_url(url)) {
        return Err(AuthorityError::Url(url.clone()));
    }
    if urls.len() > MAX_URLS {
        return Err(AuthorityError::TooMany { what: "addresses", most: MAX_URLS });
    }
    Ok(())
}

impl Authority {
    /// Registers a workload.
    ///
    /// # Errors
    /// When the entry is unsound, of another trust domain, or there already.
    pub fn create_entry(&self, new: NewEntry, now: Timestamp) -> Result<Entry, AuthorityError> {
        let id = self.ours(&new.id)?;
        let ttl_max = new.ttl_max.as_secs();
        let entry = Entry { id, dns: new.dns, ttl_max, grants: new.grants, created: now };
        policy::entry_sound(&entry)?;
        let write = self.store.write()?;
        let before = write.entry(&entry.id)?;
        if before.is_some() && !new.replace {
            return Err(AuthorityError::EntryExists(entry.id));
        }
        let entry = Entry { created: before.as_ref().map_or(now, |before| before.created), ..entry };
        write.put_entry(&entry)?;
        if before.as_ref().is_some_and(|before| before.grants.assert) != entry.grants.assert {
            let asserters = write.entries()?.iter().filter(|entry| entry.grants.assert).count();
            if asserters > MAX_ASSERTERS {
                return Err(AuthorityError::TooMany {
                    what: "entries with the grant assert",
                    most: MAX_ASSERTERS,
                });
            }
            bump(&*write)?;
        }
        let what = if before.is_some() { What::EntryReplaced } else { What::EntryCreated };
        audit(&*write, &entry_event(what, &entry, now))?;
        write.commit()?;
        Ok(entry)
    }

    /// Deletes an entry with its fresh tokens. Certificates it has stay good until they expire, and are not renewed.
    ///
    /// # Errors
    /// When there is none.
    pub fn delete_entry(&self, id: &SpiffeId, now: Timestamp) -> Result<Entry, AuthorityError> {
        let write = self.store.write()?;
        let entry = write.entry(id)?.ok_or_else(|| AuthorityError::NoEntry(id.clone()))?;
        write.delete_entry(id)?;
        if entry.grants.assert {
            bump(&*write)?;
        }
        audit(&*write, &entry_event(What::EntryDeleted, &entry, now))?;
        write.commit()?;
        Ok(entry)
    }

    /// All entries.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn entries(&self) -> Result<Vec<Entry>, AuthorityError> {
        Ok(self.store.read()?.entries()?)
    }

    /// One entry.
    ///
    /// # Errors
    /// When there is none.
    pub fn entry(&self, id: &SpiffeId) -> Result<Entry, AuthorityError> {
        self.store.read()?.entry(id)?.ok_or_else(|| AuthorityError::NoEntry(id.clone()))
    }

    /// Makes a join token. Its secret is in what is returned and nowhere else.
    ///
    /// # Errors
    /// When there is no such entry, or `ttl` is not from 1 min to 24 h.
    pub fn create_token(
        &self,
        new: &NewToken,
        now: Timestamp,
    ) -> Result<(JoinToken, Timestamp), AuthorityError> {
        if !(Duration::from_secs(60)..=Duration::from_secs(86_400)).contains(&new.ttl) {
            return Err(AuthorityError::OutOfBounds {
                what: "the life of a token",
                least: "1m",
                most: "24h",
            });
        }
        urls_sound(&new.urls)?;
        let write = self.store.write()?;
        let settings = write.settings()?;
        let entry = write.entry(&new.entry)?.ok_or_else(|| AuthorityError::NoEntry(new.entry.clone()))?;
        let view = self.trust_view(&*write, &settings)?;
        let roots: Vec<_> = view.trust.bundle.roots.iter().map(|root| Fingerprint::of(root)).collect();
        let urls = if new.urls.is_empty() { settings.urls } else { new.urls.clone() };
        let token = JoinToken::new(urls, settings.trust_domain, roots.clone(), random()?);
        let expires = now.after(new.ttl);
        let hash = token.hash();
        write.add_token(&Token {
            hash,
            entry: entry.id.clone(),
            roots,
            created: now,
            expires,
            spent: None,
        })?;
        audit(
            &*write,
            &Event {
                spiffe_id: Some(entry.id),
                not_after: Some(expires),
                ..Event::new(What::TokenCreated, now, operator())
            },
        )?;
        write.commit()?;
        Ok((token, expires))
    }

    /// Certificates, the newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn ledger(&self, filter: &Filter) -> Result<Vec<Issued>, AuthorityError> {
        Ok(self.store.read()?.ledger(filter)?)
    }

    /// Who holds a certificate; `None`: the ledger does not know it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn instance_of(&self, serial: &Serial) -> Result<Option<InstanceId>, AuthorityError> {
        Ok(self.store.read()?.issued(serial)?.map(|issued| issued.instance))
    }

    /// A workload says which sequence it has stored.
    ///
    /// # Errors
    /// When the sequence never was, or nothing was issued to the workload.
    pub fn acknowledge(&self, peer: &Svid, sequence: u64, now: Timestamp) -> Result<(), AuthorityError> {
        let read = self.store.read()?;
        let settings = read.settings()?;
        let issued = read.issued(&peer.serial)?.ok_or(AuthorityError::NoCertificate(peer.serial))?;
        let instance = read.instance(&issued.instance)?;
        drop(read);
        let instance = instance.ok_or(AuthorityError::NoInstance(issued.instance))?;
        // Most acknowledgements say nothing new, after a reconnect: they cost no write.
        if sequence <= instance.acknowledged {
            return Ok(());
        }
        self.put_acknowledgement((&settings, &instance.instance), sequence, (now, None))
    }

    /// The operator says it for a workload that cannot.
    ///
    /// # Errors
    /// When there is no such instance.
    pub fn acknowledge_by_hand(&self, instance: &InstanceId, now: Timestamp) -> Result<u64, AuthorityError> {
        let settings = self.settings()?;
        let event = Event {
            instance: Some(instance.clone()),
            sequence: Some(settings.sequence),
            ..Event::new(What::BundleAcknowledgedByHand, now, operator())
        };
        self.put_acknowledgement((&settings, instance), settings.sequence, (now, Some(event)))?;
        Ok(settings.sequence)
    }

    fn put_acknowledgement(
        &self,
        (settings, instance): (&Settings, &InstanceId),
        sequence: u64,
        (now, event): (Timestamp, Option<Event>),
    ) -> Result<(), AuthorityError> {
        if sequence > settings.sequence {
            return Err(AuthorityError::UnknownSequence { said: sequence, known: settings.sequence });
        }
        let write = self.store.write()?;
        // Read again: a renewal may have come in between.
        let before = write.instance(instance)?.ok_or_else(|| AuthorityError::NoInstance(instance.clone()))?;
        let acknowledged = before.acknowledged.max(sequence);
        write.put_instance(&Instance { acknowledged, seen: now, ..before })?;
        if let Some(event) = event {
            audit(&*write, &event)?;
        }
        Ok(write.commit()?)
    }
}

fn entry_event(what: What, entry: &Entry, now: Timestamp) -> Event {
    let grants = [(entry.grants.assert, "assert"), (entry.grants.admin, "admin")];
    let granted: Vec<_> = grants.into_iter().filter(|(has, _)| *has).map(|(_, word)| word).collect();
    Event {
        spiffe_id: Some(entry.id.clone()),
        dns: entry.dns.clone(),
        details: (!granted.is_empty()).then(|| format!("may {}", granted.join(", "))),
        ..Event::new(what, now, operator())
    }
}
