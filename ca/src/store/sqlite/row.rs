//! Rows as records, and records as values.
//!
//! Decides how each kind of value is written in a column. A list of columns below is in the order in which its
//! function reads them. What cannot be read back is damage, never a default.

use crate::deny::Denial;
use crate::entry::{Entry, Grants, Spent, Token};
use crate::names::{Fingerprint, Serial};
use crate::store::{AuditHead, AuthorityRecord, Denied, How, Instance, Issued, StoreError};
use crate::time::Timestamp;
use rusqlite::Row;
use rusqlite::types::ValueRef;
use serde::de::DeserializeOwned;
use std::str::FromStr;

pub(super) const ENTRY: &str = "id, dns, ttl_max, may_assert, may_admin, created";
pub(super) const TOKEN: &str = "hash, entry, roots, created, expires, spent_at, spent_key, spent_serial";
pub(super) const ISSUED: &str =
    "serial, id, instance, how, public_key, issuer, root, not_before, not_after, signed_at, der";
/// The same without the certificate itself, which is most of a row: lists are long.
pub(super) const LISTED: &str =
    "serial, id, instance, how, public_key, issuer, root, not_before, not_after, signed_at, x''";
pub(super) const INSTANCE: &str = "instance, id, acknowledged, seen, serial, not_after, shown";
pub(super) const DENIED: &str = "kind, subject, not_before, reason, since, until";
pub(super) const AUTHORITY: &str = "id, root, der, not_before, not_after";
pub(super) const HEAD: &str = "number, hash";

pub(super) fn entry(row: &Row<'_>) -> Result<Entry, StoreError> {
    let mut next = Columns::of(row);
    Ok(Entry {
        id: next.name()?,
        dns: next.json()?,
        ttl_max: next.count()?,
        grants: Grants { assert: next.number()? != 0, admin: next.number()? != 0 },
        created: next.moment()?,
    })
}

pub(super) fn token(row: &Row<'_>) -> Result<Token, StoreError> {
    let mut next = Columns::of(row);
    Ok(Token {
        hash: next.fingerprint()?,
        entry: next.name()?,
        roots: fingerprints(next.bytes()?)?,
        created: next.moment()?,
        expires: next.moment()?,
        spent: match next.optional(Columns::moment)? {
            Some(at) => Some(Spent { at, key: next.fingerprint()?, serial: next.serial()? }),
            None => None,
        },
    })
}

pub(super) fn issued(row: &Row<'_>) -> Result<Issued, StoreError> {
    let mut next = Columns::of(row);
    Ok(Issued {
        serial: next.serial()?,
        id: next.name()?,
        instance: next.name()?,
        how: how(next.text()?)?,
        key: next.fingerprint()?,
        issuer: next.name()?,
        root: next.name()?,
        not_before: next.moment()?,
        not_after: next.moment()?,
        at: next.moment()?,
        der: next.bytes()?.to_vec(),
    })
}

pub(super) fn instance(row: &Row<'_>) -> Result<Instance, StoreError> {
    let mut next = Columns::of(row);
    Ok(Instance {
        instance: next.name()?,
        id: next.name()?,
        acknowledged: next.count()?,
        seen: next.moment()?,
        serial: next.serial()?,
        not_after: next.moment()?,
        shown: next.number()? != 0,
    })
}

pub(super) fn denied(row: &Row<'_>) -> Result<Denied, StoreError> {
    let mut next = Columns::of(row);
    let rule = match next.text()? {
        "serial" => Denial::Serial(next.name()?),
        "id" => Denial::Id(next.name()?),
        "before" => Denial::Before { id: next.name()?, not_before: next.moment()? },
        _ => return Err(StoreError::Damaged("a rule of the deny-list is of an unknown kind")),
    };
    // Kinds differ in how many of the first three columns they read.
    let mut next = Columns { row, at: 3 };
    Ok(Denied {
        rule,
        reason: next.text()?.to_owned(),
        at: next.moment()?,
        until: next.optional(Columns::moment)?,
    })
}

pub(super) fn authority(row: &Row<'_>) -> Result<AuthorityRecord, StoreError> {
    let mut next = Columns::of(row);
    Ok(AuthorityRecord {
        id: next.name()?,
        root: next.optional(Columns::name)?,
        der: next.bytes()?.to_vec(),
        not_before: next.moment()?,
        not_after: next.moment()?,
    })
}

pub(super) fn head(row: &Row<'_>) -> Result<AuditHead, StoreError> {
    let mut next = Columns::of(row);
    Ok(AuditHead { number: next.count()?, hash: next.fingerprint()? })
}

pub(super) fn event(row: &Row<'_>) -> Result<(u64, String), StoreError> {
    let mut next = Columns::of(row);
    Ok((next.count()?, next.text()?.to_owned()))
}

/// A row of one JSON text.
pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>) -> Result<T, StoreError> {
    Columns::of(row).json()
}

/// A row of one name.
pub(super) fn name<T: FromStr>(row: &Row<'_>) -> Result<T, StoreError> {
    Columns::of(row).name()
}

/// A row of one number.
pub(super) fn count(row: &Row<'_>) -> Result<u64, StoreError> {
    Columns::of(row).count()
}

/// The columns of a rule: its kind, subject and NotBefore.
pub(super) fn rule(rule: &Denial) -> (&'static str, String, i64) {
    match rule {
        Denial::Serial(serial) => ("serial", serial.to_string(), 0),
        Denial::Id(id) => ("id", id.to_string(), 0),
        Denial::Before { id, not_before } => ("before", id.to_string(), not_before.0),
    }
}

/// The word for how a certificate was asked for.
pub(super) fn word(how: How) -> &'static str {
    match how {
        How::Bootstrap => "bootstrap",
        How::Renew => "renew",
        How::Issue => "issue",
        How::Sign => "sign",
    }
}

fn how(text: &str) -> Result<How, StoreError> {
    let all = [How::Bootstrap, How::Renew, How::Issue, How::Sign];
    let found = all.into_iter().find(|how| word(*how) == text);
    found.ok_or(StoreError::Damaged("a certificate was asked for in an unknown way"))
}

/// Fingerprints one after the other.
pub(super) fn joined(fingerprints: &[Fingerprint]) -> Vec<u8> {
    fingerprints.iter().flat_map(Fingerprint::as_bytes).copied().collect()
}

fn fingerprints(bytes: &[u8]) -> Result<Vec<Fingerprint>, StoreError> {
    bytes.chunks(32).map(fingerprint).collect()
}

fn fingerprint(bytes: &[u8]) -> Result<Fingerprint, StoreError> {
    Fingerprint::from_bytes(bytes).ok_or(StoreError::Damaged("a fingerprint is not 32 bytes long"))
}

/// SQLite's integers have a sign. What does not fit is larger than any real number here.
pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Reads a row from left to right.
struct Columns<'a, 'r> {
    row: &'a Row<'r>,
    at: usize,
}

impl<'a, 'r> Columns<'a, 'r> {
    fn of(row: &'a Row<'r>) -> Self {
        Self { row, at: 0 }
    }

    fn value(&mut self) -> Result<ValueRef<'a>, StoreError> {
        let value = self.row.get_ref(self.at)?;
        self.at += 1;
        Ok(value)
    }

    fn text(&mut self) -> Result<&'a str, StoreError> {
        self.value()?.as_str().map_err(|_| StoreError::Damaged("a column should hold text"))
    }

    fn bytes(&mut self) -> Result<&'a [u8], StoreError> {
        self.value()?.as_blob().map_err(|_| StoreError::Damaged("a column should hold bytes"))
    }

    fn number(&mut self) -> Result<i64, StoreError> {
        self.value()?.as_i64().map_err(|_| StoreError::Damaged("a column should hold a number"))
    }

    fn count(&mut self) -> Result<u64, StoreError> {
        u64::try_from(self.number()?).map_err(|_| StoreError::Damaged("a count is negative"))
    }

    fn moment(&mut self) -> Result<Timestamp, StoreError> {
        self.number().map(Timestamp)
    }

    fn name<T: FromStr>(&mut self) -> Result<T, StoreError> {
        self.text()?.parse().map_err(|_| StoreError::Damaged("a name is malformed"))
    }

    fn json<T: DeserializeOwned>(&mut self) -> Result<T, StoreError> {
        serde_json::from_str(self.text()?).map_err(|_| StoreError::Damaged("a JSON text is malformed"))
    }

    fn serial(&mut self) -> Result<Serial, StoreError> {
        Serial::from_bytes(self.bytes()?).ok_or(StoreError::Damaged("a serial number is not 16 bytes long"))
    }

    fn fingerprint(&mut self) -> Result<Fingerprint, StoreError> {
        fingerprint(self.bytes()?)
    }

    fn optional<T>(&mut self, read: fn(&mut Self) -> Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        if matches!(self.row.get_ref(self.at)?, ValueRef::Null) {
            self.at += 1;
            return Ok(None);
        }
        read(self).map(Some)
    }
}
