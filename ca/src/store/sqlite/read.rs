//! The questions to the store, as SQL.
//!
//! Decides the order of lists and what each question costs: a look-up in an index, or as many rows as it answers with.

use super::row::{self, AUTHORITY, DENIED, ENTRY, HEAD, INSTANCE, ISSUED, LISTED, TOKEN};
use super::transaction::Transaction;
use crate::entry::{Entry, Token};
use crate::names::{Fingerprint, InstanceId, Serial};
use crate::spiffe::SpiffeId;
use crate::store::{
    AuditHead, AuthorityRecord, Denied, Filter, Instance, Issued, Reading, Settings, StoreError,
};
use crate::time::Timestamp;
use rusqlite::params_from_iter;
use rusqlite::types::Value;

impl Reading for Transaction<'_> {
    fn settings(&self) -> Result<Settings, StoreError> {
        let found = self.row("SELECT json FROM settings", [], row::json)?;
        found.ok_or(StoreError::Damaged("there are no settings"))
    }

    fn entries(&self) -> Result<Vec<Entry>, StoreError> {
        self.rows(&format!("SELECT {ENTRY} FROM entries ORDER BY id"), [], row::entry)
    }

    fn entry(&self, id: &SpiffeId) -> Result<Option<Entry>, StoreError> {
        self.row(&format!("SELECT {ENTRY} FROM entries WHERE id = ?1"), [id.as_str()], row::entry)
    }

    fn token(&self, hash: &Fingerprint) -> Result<Option<Token>, StoreError> {
        self.row(&format!("SELECT {TOKEN} FROM tokens WHERE hash = ?1"), [hash.as_bytes()], row::token)
    }

    fn fresh_tokens(&self, now: Timestamp) -> Result<Vec<Token>, StoreError> {
        let fresh = "spent_at IS NULL AND expires > ?1";
        self.rows(&format!("SELECT {TOKEN} FROM tokens WHERE {fresh} ORDER BY hash"), [now.0], row::token)
    }

    fn issued(&self, serial: &Serial) -> Result<Option<Issued>, StoreError> {
        let sql = format!("SELECT {ISSUED} FROM issued WHERE serial = ?1");
        self.row(&sql, [serial.as_bytes()], row::issued)
    }

    fn ledger(&self, filter: &Filter) -> Result<Vec<Issued>, StoreError> {
        let (sql, values) = ledger(filter);
        self.rows(&sql, params_from_iter(values), row::issued)
    }

    fn key_holder(&self, key: &Fingerprint, now: Timestamp) -> Result<Option<SpiffeId>, StoreError> {
        let sql = "SELECT id FROM issued WHERE public_key = ?1 AND not_after >= ?2 LIMIT 1";
        self.row(sql, (key.as_bytes(), now.0), row::name)
    }

    fn instance(&self, id: &InstanceId) -> Result<Option<Instance>, StoreError> {
        let sql = format!("SELECT {INSTANCE} FROM instances WHERE instance = ?1");
        self.row(&sql, [id.as_str()], row::instance)
    }

    fn live_instances(&self, now: Timestamp) -> Result<Vec<Instance>, StoreError> {
        // The plus keeps SQLite from using the index on not_after, after which it would have to sort.
        let sql = format!("SELECT {INSTANCE} FROM instances WHERE +not_after >= ?1 ORDER BY id, instance");
        self.rows(&sql, [now.0], row::instance)
    }

    fn denials(&self) -> Result<Vec<Denied>, StoreError> {
        self.rows(&format!("SELECT {DENIED} FROM denied ORDER BY number"), [], row::denied)
    }

    fn authorities(&self) -> Result<Vec<AuthorityRecord>, StoreError> {
        self.rows(&format!("SELECT {AUTHORITY} FROM authorities ORDER BY number"), [], row::authority)
    }

    fn audit_pending(&self) -> Result<Vec<(u64, String)>, StoreError> {
        self.rows("SELECT number, json FROM audit_pending ORDER BY number", [], row::event)
    }

    fn audit_head(&self) -> Result<Option<AuditHead>, StoreError> {
        self.row(&format!("SELECT {HEAD} FROM audit_head"), [], row::head)
    }
}

/// The question for a part of the ledger.
pub(super) fn ledger(filter: &Filter) -> (String, Vec<Value>) {
    let mut which = Vec::new();
    let mut values: Vec<Value> = Vec::new();
    if let Some(id) = &filter.id {
        which.push("id = ?");
        values.push(id.to_string().into());
    }
    if let Some(root) = &filter.root {
        which.push("root = ?");
        values.push(root.to_string().into());
    }
    if let Some(now) = filter.live_at {
        which.push("not_after >= ?");
        values.push(now.0.into());
    }
    // A negative limit is none.
    values.push(filter.limit.map_or(-1, row::integer).into());
    // First only the numbers, out of an index: sorting whole rows would hold all of them in memory once more. The
    // plus keeps SQLite from reading the whole ledger because that has the right order.
    let numbers = if which.is_empty() {
        "ORDER BY number".to_owned()
    } else {
        format!("WHERE {} ORDER BY +number", which.join(" AND "))
    };
    let numbers = format!("SELECT number FROM issued {numbers} DESC LIMIT ?");
    (format!("SELECT {LISTED} FROM issued WHERE number IN ({numbers}) ORDER BY number DESC"), values)
}
