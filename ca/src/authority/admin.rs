//! Entries, tokens, the ledger, acknowledgements: what an operator registers and looks up.

use super::{Authority, AuthorityError, audit, bump, operator, random};
use crate::audit::{Event, What};
use crate::certificate::Svid;
use crate::entry::{Entry, Grants, Token};
use crate::names::{Fingerprint, InstanceId, Serial};
use crate::policy;
use crate::spiffe::SpiffeId;
use crate::store::{Filter, Instance, Issued};
use crate::time::{Timestamp, human};
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

    /// One certificate of the ledger, with its DER.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn certificate(&self, serial: &Serial) -> Result<Option<Issued>, AuthorityError> {
        Ok(self.store.read()?.issued(serial)?)
    }

    /// Who holds a certificate; `None`: the ledger does not know it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn instance_of(&self, serial: &Serial) -> Result<Option<InstanceId>, AuthorityError> {
        Ok(self.certificate(serial)?.map(|issued| issued.instance))
    }

    /// Workloads say which sequence they have stored; each shows its certificate with it. One transaction for all; what
    /// cannot be is passed over with a warning.
    ///
    /// # Errors
    /// When the store cannot be read or written: then none of it was kept.
    pub fn acknowledge_all(&self, said: &[(Svid, u64)], now: Timestamp) -> Result<(), AuthorityError> {
        let news = self.not_yet_known(said)?;
        // Most acknowledgements say nothing new, after a reconnect: they cost no write.
        if news.is_empty() {
            return Ok(());
        }
        let write = self.store.write()?;
        for (id, serial, sequence) in news {
            // Read again: a renewal may have come in between.
            let Some(before) = write.instance(&id)? else { continue };
            let acknowledged = before.acknowledged.max(sequence);
            let shown = before.shown || before.serial == serial;
            write.put_instance(&Instance { acknowledged, shown, seen: now, ..before })?;
        }
        Ok(write.commit()?)
    }

    /// [`Self::acknowledge_all`] for one.
    ///
    /// # Errors
    /// See there.
    pub fn acknowledge(&self, peer: &Svid, sequence: u64, now: Timestamp) -> Result<(), AuthorityError> {
        self.acknowledge_all(&[(peer.clone(), sequence)], now)
    }

    /// What of `said` changes a record: the instance, the certificate it showed, the sequence.
    fn not_yet_known(&self, said: &[(Svid, u64)]) -> Result<Vec<(InstanceId, Serial, u64)>, AuthorityError> {
        let read = self.store.read()?;
        let newest = read.settings()?.sequence;
        let mut news = Vec::new();
        for (peer, sequence) in said {
            let issued = read.issued(&peer.serial)?;
            let instance = issued.map(|issued| read.instance(&issued.instance)).transpose()?.flatten();
            match instance {
                Some(_) if *sequence > newest => {
                    tracing::warn!(event = "acknowledged_the_future", id = %peer.id, sequence, newest);
                }
                Some(known) => {
                    let shows = !known.shown && known.serial == peer.serial;
                    if shows || *sequence > known.acknowledged {
                        news.push((known.instance, peer.serial, *sequence));
                    }
                }
                None => {
                    tracing::warn!(event = "acknowledged_by_nobody_known", id = %peer.id, serial = %peer.serial)
                }
            }
        }
        Ok(news)
    }

    /// The operator says it for a workload that cannot: `sequence` is of the bundle it was brought.
    ///
    /// # Errors
    /// When there is no such instance, or the sequence never was.
    pub fn acknowledge_by_hand(
        &self,
        instance: &InstanceId,
        sequence: u64,
        now: Timestamp,
    ) -> Result<(), AuthorityError> {
        let write = self.store.write()?;
        let known = write.settings()?.sequence;
        if sequence > known {
            return Err(AuthorityError::UnknownSequence { said: sequence, known });
        }
        let before = write.instance(instance)?.ok_or_else(|| AuthorityError::NoInstance(instance.clone()))?;
        let acknowledged = before.acknowledged.max(sequence);
        audit(
            &*write,
            &Event {
                spiffe_id: Some(before.id.clone()),
                instance: Some(instance.clone()),
                sequence: Some(sequence),
                ..Event::new(What::BundleAcknowledgedByHand, now, operator())
            },
        )?;
        write.put_instance(&Instance { acknowledged, seen: now, ..before })?;
        Ok(write.commit()?)
    }
}

fn entry_event(what: What, entry: &Entry, now: Timestamp) -> Event {
    let grants = [(entry.grants.assert, "assert"), (entry.grants.admin, "admin")];
    let granted: String =
        grants.into_iter().filter(|(has, _)| *has).map(|(_, word)| format!(", may {word}")).collect();
    Event {
        spiffe_id: Some(entry.id.clone()),
        dns: entry.dns.clone(),
        details: Some(format!("longest life {}{granted}", human(Duration::from_secs(entry.ttl_max)))),
        ..Event::new(what, now, operator())
    }
}
