//! Revoking: putting certificates on the deny-list, taking them off, and the lists others read (CRL).

use super::roots::newest_intermediate;
use super::{Authority, AuthorityError, audit, build_trust, bump, operator};
use crate::audit::{Event, What};
use crate::certificate::{self, Svid};
use crate::deny::{Denial, DenyList};
use crate::issuer::{CrlContent, Issuer};
use crate::key::Key;
use crate::names::{AuthorityId, InstanceId, Serial};
use crate::policy::{BACKDATE, TTL_MOST};
use crate::spiffe::{AUTHORITY_PATH, SpiffeId};
use crate::store::{AuthorityRecord, Denied, Filter, Issued, Reading, Settings};
use crate::time::Timestamp;
use crate::trust::MAX_DENIALS;
use prost::Message;
use std::collections::HashSet;
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
    /// Every certificate of one instance; it cannot renew any more.
    Instance(InstanceId),
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

/// What was revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// The rules, as they are on the deny-list now.
    pub rules: Vec<Denial>,
    /// The unexpired certificates of the ledger they deny.
    pub certificates: Vec<Serial>,
    /// Serials of the same instances that are good still: whoever holds one of these goes on.
    pub left: Vec<Serial>,
}

/// More rules than this are weighed before they are put on the list.
const MANY: usize = 1_000;
/// What members take in one message, with room to spare.
const LARGEST_TRUST: usize = 8 * 1024 * 1024;

impl Authority {
    /// Puts certificates on the deny-list.
    ///
    /// # Errors
    /// When the ledger does not know what is meant, it must not be revoked, or the store cannot be written.
    pub fn revoke(&self, what: &Revoke, reason: &str, now: Timestamp) -> Result<Revoked, AuthorityError> {
        let write = self.store.write()?;
        let settings = write.settings()?;
        let rules = self.rules_for(&*write, (what, &settings), now)?;
        let good = self.good(&*write, &settings, now)?;
        for (rule, until) in &rules {
            write.add_denied(&Denied {
                rule: rule.clone(),
                reason: reason.to_owned(),
                at: now,
                until: *until,
            })?;
        }
        let settings = bump(&*write)?;
        fits(&*write, &settings)?;
        for (rule, _) in &rules {
            let event = event(What::Revoked, rule, settings.sequence, now);
            audit(&*write, &Event { details: Some(reason.to_owned()), ..event })?;
        }
        let rules: Vec<_> = rules.into_iter().map(|(rule, _)| rule).collect();
        let list = DenyList::new(rules.clone());
        let authorities = denied_authorities(&write.authorities()?, &list)?;
        let hit = |issued: &&Issued| list.denies(&as_svid(issued)) || authorities.contains(&issued.issuer);
        let (denied, left): (Vec<_>, Vec<_>) = good.iter().partition(hit);
        let instances: HashSet<_> = denied.iter().map(|issued| &issued.instance).collect();
        let left = left.into_iter().filter(|issued| instances.contains(&issued.instance));
        let revoked = Revoked {
            rules,
            certificates: denied.iter().map(|issued| issued.serial).collect(),
            left: left.map(|issued| issued.serial).collect(),
        };
        write.commit()?;
        Ok(revoked)
    }

    /// The rules that say it, each with when nothing is left for it to deny.
    fn rules_for(
        &self,
        read: &(impl Reading + ?Sized),
        (what, settings): (&Revoke, &Settings),
        now: Timestamp,
    ) -> Result<Vec<(Denial, Option<Timestamp>)>, AuthorityError> {
        let over = |rule: Denial, expires| {
            let until = rule.over(expires, now, TTL_MOST + BACKDATE);
            vec![(rule, until)]
        };
        Ok(match what {
            Revoke::Serial { serial, unknown } => {
                let expires = expiry_of(read, settings, serial)?;
                if expires.is_none() && !unknown {
                    return Err(AuthorityError::NoCertificate(*serial));
                }
                over(Denial::Serial(*serial), expires)
            }
            Revoke::Instance(instance) => {
                let mut good = self.good(read, settings, now)?;
                good.retain(|issued| issued.instance == *instance);
                if good.is_empty() {
                    return Err(AuthorityError::NoInstance(instance.clone()));
                }
                good.into_iter()
                    .flat_map(|one| over(Denial::Serial(one.serial), Some(one.not_after)))
                    .collect()
            }
            Revoke::Id(id) => over(Denial::Id(self.workload(id)?), None),
            Revoke::IssuedBefore { moment, .. } if *moment > now => {
                return Err(AuthorityError::NotRevocable {
                    what: format!("what will be issued up to {moment}"),
                    instead: "name a moment that has passed, or `now`; without --before nothing more is issued",
                });
            }
            Revoke::IssuedBefore { id, moment } => {
                over(Denial::Before { id: self.workload(id)?, not_before: moment.before(BACKDATE) }, None)
            }
        })
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
        let rules = read.denials()?;
        let mut lists = Vec::new();
        for record in authorities.iter().filter(|record| record.not_after > now) {
            let elsewhere = root_key.filter(|_| record.id == *settings.phase.active());
            let path = elsewhere.map_or_else(|| self.dir.key(&record.id), Path::to_owned);
            if !path.exists() {
                continue;
            }
            let issuer = Issuer::new(record.der.clone(), Key::read(&path, self.password.as_ref())?)?;
            let own = live.iter().filter(|issued| issued.issuer == record.id).map(as_svid);
            let mut revoked: Vec<_> = own
                .filter(|svid| denied.denies(svid))
                .map(|svid| (svid.serial, since(&rules, &svid)))
                .collect();
            for below in authorities.iter().filter(|below| below.root.as_ref() == Some(&record.id)) {
                let serial = serial_of(below)?.filter(|serial| denied.denies_serial(serial));
                revoked.extend(serial.map(|serial| (serial, since_serial(&rules, &serial).unwrap_or(now))));
            }
            lists.push(issuer.crl(&CrlContent {
                number: settings.sequence,
                this_update: now,
                next_update: now.after(valid),
                revoked,
            })?);
        }
        Ok(lists)
    }

    /// The ID, when it is of a workload: who denies the authority itself cuts everybody off from the news that it was
    /// lifted.
    fn workload(&self, id: &SpiffeId) -> Result<SpiffeId, AuthorityError> {
        if matches!(id.path(), "" | AUTHORITY_PATH) {
            return Err(AuthorityError::NotRevocable {
                what: id.to_string(),
                instead: "it is the authority itself; for a stolen signing key rotate the root (`portcullis ca root prepare`)",
            });
        }
        self.ours(id)
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

/// Members take no larger message: a list that is too long would cut them off from all of it.
fn fits(read: &(impl Reading + ?Sized), settings: &Settings) -> Result<(), AuthorityError> {
    let count = read.denials()?.len();
    let too_many = || AuthorityError::TooMany { what: "rules on the deny-list", most: MAX_DENIALS };
    if count > MAX_DENIALS {
        return Err(too_many());
    }
    if count > MANY && build_trust(read, settings)?.trust.to_wire(0).encoded_len() > LARGEST_TRUST {
        return Err(too_many());
    }
    Ok(())
}

/// When a certificate expires: one of the ledger, or one of an intermediate that does not sign.
fn expiry_of(
    read: &(impl Reading + ?Sized),
    settings: &Settings,
    serial: &Serial,
) -> Result<Option<Timestamp>, AuthorityError> {
    if let Some(issued) = read.issued(serial)? {
        return Ok(Some(issued.not_after));
    }
    let authorities = read.authorities()?;
    for authority in &authorities {
        if certificate::read(&authority.der)?.serial != serial.as_bytes() {
            continue;
        }
        let instead = match &authority.root {
            None => "replace it: `portcullis ca root prepare`, `activate`, `retire`",
            Some(root)
                if newest_intermediate(&authorities, root)?.id == authority.id
                    && settings.phase.believed().contains(&root) =>
            {
                "replace it first: `portcullis ca intermediate rotate`"
            }
            Some(_) => return Ok(Some(authority.not_after)),
        };
        return Err(AuthorityError::NotRevocable { what: authority.id.to_string(), instead });
    }
    Ok(None)
}

/// Intermediates whose serial is denied: what they signed falls with them.
pub(super) fn denied_authorities(
    authorities: &[AuthorityRecord],
    denied: &DenyList,
) -> Result<HashSet<AuthorityId>, AuthorityError> {
    let mut out = HashSet::new();
    for authority in authorities.iter().filter(|authority| authority.root.is_some()) {
        if serial_of(authority)?.is_some_and(|serial| denied.denies_serial(&serial)) {
            out.insert(authority.id.clone());
        }
    }
    Ok(out)
}

fn serial_of(authority: &AuthorityRecord) -> Result<Option<Serial>, AuthorityError> {
    Ok(Serial::from_bytes(&certificate::read(&authority.der)?.serial))
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

/// Since when a certificate is denied, by the oldest of the rules that deny it.
fn since(rules: &[Denied], svid: &Svid) -> Timestamp {
    let hits = |denied: &&Denied| match &denied.rule {
        Denial::Serial(serial) => *serial == svid.serial,
        Denial::Id(id) => *id == svid.id,
        Denial::Before { id, not_before } => *id == svid.id && svid.not_before <= *not_before,
    };
    rules.iter().filter(hits).map(|denied| denied.at).min().unwrap_or_default()
}

fn since_serial(rules: &[Denied], serial: &Serial) -> Option<Timestamp> {
    rules.iter().find(|denied| denied.rule == Denial::Serial(*serial)).map(|denied| denied.at)
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
