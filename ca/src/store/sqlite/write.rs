//! The changes to the store, as SQL.
//!
//! Decides what replaces what, and what is of no use any more.

use super::row::{self, AUTHORITY, DENIED, ENTRY, HEAD, INSTANCE, ISSUED, TOKEN, integer};
use super::transaction::Transaction;
use crate::deny::Denial;
use crate::entry::{Entry, Spent, Token};
use crate::names::Fingerprint;
use crate::spiffe::SpiffeId;
use crate::store::{AuditHead, AuthorityRecord, Denied, Instance, Issued, Settings, StoreError, Writing};
use crate::time::Timestamp;
use serde::Serialize;

impl Writing for Transaction<'_> {
    fn commit(self: Box<Self>) -> Result<(), StoreError> {
        self.end()
    }

    fn put_settings(&self, settings: &Settings) -> Result<(), StoreError> {
        self.done("INSERT OR REPLACE INTO settings (one, json) VALUES (1, ?1)", [json(settings)?])
    }

    fn put_entry(&self, entry: &Entry) -> Result<(), StoreError> {
        let sql = format!("INSERT OR REPLACE INTO entries ({ENTRY}) VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
        let Entry { id, dns, ttl_max, grants, created } = entry;
        self.done(&sql, (id.as_str(), json(dns)?, integer(*ttl_max), grants.assert, grants.admin, created.0))
    }

    fn delete_entry(&self, id: &SpiffeId) -> Result<bool, StoreError> {
        self.change("DELETE FROM tokens WHERE entry = ?1 AND spent_at IS NULL", [id.as_str()])?;
        Ok(self.change("DELETE FROM entries WHERE id = ?1", [id.as_str()])? > 0)
    }

    fn add_token(&self, token: &Token) -> Result<(), StoreError> {
        let sql = format!("INSERT INTO tokens ({TOKEN}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
        let Token { hash, entry, roots, created, expires, spent } = token;
        let spent = spent.as_ref();
        let values = (
            hash.as_bytes(),
            entry.as_str(),
            row::joined(roots),
            created.0,
            expires.0,
            spent.map(|spent| spent.at.0),
            spent.map(|spent| spent.key.as_bytes()),
            spent.map(|spent| spent.serial.as_bytes()),
        );
        self.done(&sql, values)
    }

    fn spend_token(&self, hash: &Fingerprint, spent: &Spent) -> Result<bool, StoreError> {
        let sql = "UPDATE tokens SET spent_at = ?2, spent_key = ?3, spent_serial = ?4
                   WHERE hash = ?1 AND spent_at IS NULL";
        let values = (hash.as_bytes(), spent.at.0, spent.key.as_bytes(), spent.serial.as_bytes());
        Ok(self.change(sql, values)? > 0)
    }

    fn drop_fresh_tokens(&self) -> Result<u64, StoreError> {
        self.change("DELETE FROM tokens WHERE spent_at IS NULL", [])
    }

    fn add_issued(&self, issued: &Issued) -> Result<(), StoreError> {
        let sql =
            format!("INSERT INTO issued ({ISSUED}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)");
        let values = (
            issued.serial.as_bytes(),
            issued.id.as_str(),
            issued.instance.as_str(),
            row::word(issued.how),
            issued.key.as_bytes(),
            issued.issuer.as_str(),
            issued.root.as_str(),
            issued.not_before.0,
            issued.not_after.0,
            issued.at.0,
            issued.der.as_slice(),
        );
        self.done(&sql, values)
    }

    fn put_instance(&self, instance: &Instance) -> Result<(), StoreError> {
        let sql =
            format!("INSERT OR REPLACE INTO instances ({INSTANCE}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
        let values = (
            instance.instance.as_str(),
            instance.id.as_str(),
            integer(instance.acknowledged),
            instance.seen.0,
            instance.serial.as_bytes(),
            instance.not_after.0,
            instance.shown,
        );
        self.done(&sql, values)
    }

    fn add_denied(&self, denied: &Denied) -> Result<(), StoreError> {
        let sql = format!(
            "INSERT INTO denied ({DENIED}) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (kind, subject, not_before) DO NOTHING"
        );
        let (kind, subject, not_before) = row::rule(&denied.rule);
        let until = denied.until.map(|until| until.0);
        self.done(&sql, (kind, subject, not_before, denied.reason.as_str(), denied.at.0, until))
    }

    fn remove_denied(&self, rule: &Denial) -> Result<bool, StoreError> {
        let sql = "DELETE FROM denied WHERE kind = ?1 AND subject = ?2 AND not_before = ?3";
        Ok(self.change(sql, row::rule(rule))? > 0)
    }

    fn add_authority(&self, record: &AuthorityRecord) -> Result<(), StoreError> {
        let sql = format!("INSERT INTO authorities ({AUTHORITY}) VALUES (?1, ?2, ?3, ?4, ?5)");
        let AuthorityRecord { id, root, der, not_before, not_after } = record;
        let root = root.as_ref().map(|root| root.as_str());
        self.done(&sql, (id.as_str(), root, der.as_slice(), not_before.0, not_after.0))
    }

    fn add_audit(&self, event: &str) -> Result<u64, StoreError> {
        // The last is in the file, when nothing is pending.
        let sql = "SELECT max(ifnull((SELECT max(number) FROM audit_pending), 0),
                              ifnull((SELECT number FROM audit_head), 0))";
        let last = self.row(sql, [], row::count)?.unwrap_or(0);
        let number = last.saturating_add(1);
        self.done("INSERT INTO audit_pending (number, json) VALUES (?1, ?2)", (integer(number), event))?;
        Ok(number)
    }

    fn audit_written(&self, head: &AuditHead) -> Result<(), StoreError> {
        let number = integer(head.number);
        let sql = format!("INSERT OR REPLACE INTO audit_head (one, {HEAD}) VALUES (1, ?1, ?2)");
        self.done(&sql, (number, head.hash.as_bytes()))?;
        self.done("DELETE FROM audit_pending WHERE number <= ?1", [number])
    }

    fn prune(&self, now: Timestamp, before: Timestamp) -> Result<u64, StoreError> {
        // A certificate stays as long as the token that brought it: who asks with it again gets the same.
        let certificates = "DELETE FROM issued WHERE not_after < ?1
                            AND serial NOT IN (SELECT spent_serial FROM tokens WHERE spent_serial IS NOT NULL)";
        let tokens = self.change("DELETE FROM tokens WHERE expires <= ?1", [now.0])?;
        let certificates = self.change(certificates, [before.0])?;
        let instances = self.change("DELETE FROM instances WHERE not_after < ?1", [before.0])?;
        // Long after its time, too: a clock that was ahead for a minute must not bring revoked certificates back.
        let rules = self.change("DELETE FROM denied WHERE until < ?1", [before.0])?;
        Ok(tokens + certificates + instances + rules)
    }
}

impl Transaction<'_> {
    /// A change of which nobody asks how many rows it was.
    fn done(&self, sql: &str, values: impl rusqlite::Params) -> Result<(), StoreError> {
        self.change(sql, values).map(|_| ())
    }
}

fn json(value: &impl Serialize) -> Result<String, StoreError> {
    let unwritable = |error| StoreError::Sqlite(rusqlite::Error::ToSqlConversionFailure(Box::new(error)));
    serde_json::to_string(value).map_err(unwritable)
}
