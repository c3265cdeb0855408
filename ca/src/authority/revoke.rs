//! Revoking: putting certificates on the deny-list, taking them off, and the lists others read (CRL).

use super::{Authority, AuthorityError, audit, bump, operator};
use crate::audit::{Event, What};
use crate::certificate::{self, Svid};
use crate::deny::{Denial, DenyList};
use crate::issuer::{CrlContent, Issuer};
use crate::key::Key;
use crate::names::Serial;
use crate::policy::{BACKDATE, TTL_MOST};
use crate::spiffe::SpiffeId;
use crate::store::{Denied, Filter, Issued, Reading};
use crate::time::Timestamp;
use crate::trust::MAX_DENIALS;
use std::path::Path;
use std::time::Duration;

/// What to revoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revoke {
    /// One certificate; `unknown`: also when the ledger does not have it.
    Serial {
        /// Which.
        serial: Serial,
        /// See above.
        unknown: bool,
    },
    /// Everything of a SPIFFE ID, now and later.
    Id(SpiffeId),
    /// What a SPIFFE ID was given up to a moment.
    IssuedBefore {
        /// Whose.
        id: SpiffeId,
        /// The moment, itself included.
        moment: Timestamp,
    },
}

impl Authority {
    /// Puts certificates on the deny-list. Returns the rule and how many unexpired certificates of the ledger it
    /// denies.
    ///
    /// # Errors
    /// When the ledger does not know the serial, or the store cannot be written.
    pub fn revoke(
        &self,
        what: &Revoke,
        reason: &str,
        now: Timestamp,
    ) -> Result<(Denial, usize), AuthorityError> {
        let write = self.store.write()?;
        if write.denials()?.len() >= MAX_DENIALS {
            return Err(AuthorityError::TooMany { what: "rules on the deny-list", most: MAX_DENIALS });
        }
        let mut expires = None;
        let rule = match what {
            Revoke::Serial { serial, unknown } => {
                expires = expiry_of(&*write, serial)?;
                if expires.is_none() && !unknown {
                    return Err(AuthorityError::NoCertificate(*serial));
                }
                Denial::Serial(*serial)
            }
            Revoke::Id(id) => Denial::Id(self.ours(id)?),
            Revoke::IssuedBefore { id, moment } => {
                Denial::Before { id: self.ours(id)?, not_before: moment.before(BACKDATE) }
            }
        };
        let until = rule.over(expires, now, TTL_MOST + BACKDATE);
        write.add_denied(&Denied { rule: rule.clone(), reason: reason.to_owned(), at: now, until })?;
        let settings = bump(&*write)?;
        let list = DenyList::new(vec![rule.clone()]);
        let live = write.ledger(&Filter { live_at: Some(now), ..Filter::default() })?;
        let hit = live.iter().filter(|issued| list.denies(&as_svid(issued))).count();
        let event = event(What::Revoked, &rule, settings.sequence, now);
        audit(&*write, &Event { details: Some(reason.to_owned()), ..event })?;
        write.commit()?;
        Ok((rule, hit))
    }

    /// Takes a rule off the deny-list.
    ///
    /// # Errors
    /// When it is not there.
    pub fn lift(&self, rule: &Denial, now: Timestamp) -> Result<(), AuthorityError> {
        let write = self.store.write()?;
        if !write.remove_denied(rule)? {
            return Err(AuthorityError::NotDenied);
        }
        let settings = bump(&*write)?;
        audit(&*write, &event(What::RevocationLifted, rule, settings.sequence, now))?;
        Ok(write.commit()?)
    }

    /// The deny-list, the oldest rule first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn denials(&self) -> Result<Vec<Denied>, AuthorityError> {
        Ok(self.store.read()?.denials()?)
    }

    /// One certificate revocation list (DER) for each intermediate whose key is here, and one for each root whose
    /// key is: openssl wants one of every issuer of a chain. Good for `valid`.
    ///
    /// # Errors
    /// When a key cannot be used.
    pub fn crls(
        &self,
        valid: Duration,
        root_key: Option<&Path>,
        now: Timestamp,
    ) -> Result<Vec<Vec<u8>>, AuthorityError> {
        let read = self.store.read()?;
        let settings = read.settings()?;
        let authorities = read.authorities()?;
        let denied = &self.trust_view(&*read, &settings)?.denied;
        let live = read.ledger(&Filter { live_at: Some(now), ..Filter::default() })?;
        let mut lists = Vec::new();
        for record in authorities.iter().filter(|record| record.not_after > now) {
            let elsewhere = root_key.filter(|_| record.id == *settings.phase.active());
            let path = elsewhere.map_or_else(|| self.dir.key(&record.id), Path::to_owned);
            if !path.exists() {
                continue;
            }
            let issuer = Issuer::new(record.der.clone(), Key::read(&path, self.password.as_ref())?)?;
            let own = live.iter().filter(|issued| issued.issuer == record.id);
            let revoked = own.filter(|issued| denied.denies(&as_svid(issued))).map(|one| (one.serial, now));
            lists.push(issuer.crl(&CrlContent {
                number: settings.sequence,
                this_update: now,
                next_update: now.after(valid),
                revoked: revoked.collect(),
            })?);
        }
        Ok(lists)
    }

    /// The ID, when it is of this trust domain.
    pub(super) fn ours(&self, id: &SpiffeId) -> Result<SpiffeId, AuthorityError> {
        let ours = self.settings()?.trust_domain;
        if *id.trust_domain() == ours {
            Ok(id.clone())
        } else {
            Err(AuthorityError::ForeignEntry { id: id.clone(), ours: ours.to_string() })
        }
    }
}

/// When a certificate expires: one of the ledger, or one of an intermediate.
fn expiry_of(read: &(impl Reading + ?Sized), serial: &Serial) -> Result<Option<Timestamp>, AuthorityError> {
    if let Some(issued) = read.issued(serial)? {
        return Ok(Some(issued.not_after));
    }
    for authority in read.authorities()? {
        if certificate::read(&authority.der)?.serial == serial.as_bytes() {
            return Ok(Some(authority.not_after));
        }
    }
    Ok(None)
}

fn event(what: What, rule: &Denial, sequence: u64, now: Timestamp) -> Event {
    let event = Event { sequence: Some(sequence), ..Event::new(what, now, operator()) };
    match rule {
        Denial::Serial(serial) => Event { serial: Some(*serial), ..event },
        Denial::Id(id) => Event { spiffe_id: Some(id.clone()), ..event },
        Denial::Before { id, not_before } => {
            Event { spiffe_id: Some(id.clone()), not_before: Some(*not_before), ..event }
        }
    }
}

/// A certificate of the ledger as the deny-list sees it.
pub(super) fn as_svid(issued: &Issued) -> Svid {
    Svid {
        id: issued.id.clone(),
        serial: issued.serial,
        not_before: issued.not_before,
        not_after: issued.not_after,
        key: issued.key,
    }
}
