//! One transaction: the look at one moment, or the change that happens wholly or not at all.
//!
//! | state | until |
//! |--|--|
//! | open | commit, a failure, or dropped |
//! | failed: a part of a change could not be written | dropped; nothing more is written, it cannot be committed |
//! | over: committed, or undone when dropped | |
//!
//! It must not know the records; `read` and `write` do.

use super::turn::Turn;
use crate::store::StoreError;
use rusqlite::{Connection, Params, Row};
use std::cell::Cell;
use std::ops::Deref;
use std::sync::MutexGuard;

/// The connection a transaction is on.
pub(super) enum Held<'a> {
    /// The store's.
    Kept(MutexGuard<'a, Connection>),
    /// Its own, because the store's was in use.
    Own(Box<Connection>),
}

impl Deref for Held<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        match self {
            Self::Kept(connection) => connection,
            Self::Own(connection) => connection,
        }
    }
}

// The order of the fields matters: the connection is given back before the turn ends.
pub(super) struct Transaction<'a> {
    connection: Held<'a>,
    failed: Cell<bool>,
    _turn: Option<Turn<'a>>,
}

impl<'a> Transaction<'a> {
    pub(super) fn reading(connection: Held<'a>) -> Result<Self, StoreError> {
        // The moment is that of the first look, so there is one at once.
        connection.execute_batch("BEGIN; SELECT one FROM settings")?;
        Ok(Self { connection, failed: Cell::new(false), _turn: None })
    }

    pub(super) fn writing(connection: Held<'a>, turn: Turn<'a>) -> Result<Self, StoreError> {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        Ok(Self { connection, failed: Cell::new(false), _turn: Some(turn) })
    }

    /// All rows of a query.
    pub(super) fn rows<T>(
        &self,
        sql: &str,
        parameters: impl Params,
        read: fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query(parameters)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(read(row)?);
        }
        Ok(all)
    }

    /// The first row of a query.
    pub(super) fn row<T>(
        &self,
        sql: &str,
        parameters: impl Params,
        read: fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query(parameters)?;
        rows.next()?.map(read).transpose()
    }

    /// Changes rows; returns how many.
    pub(super) fn change(&self, sql: &str, parameters: impl Params) -> Result<u64, StoreError> {
        self.sound()?;
        match self.connection.execute(sql, parameters) {
            Ok(rows) => Ok(u64::try_from(rows).unwrap_or(u64::MAX)),
            Err(error) => {
                self.failed.set(true);
                Err(error.into())
            }
        }
    }

    pub(super) fn end(&self) -> Result<(), StoreError> {
        self.sound()?;
        Ok(self.connection.execute_batch("COMMIT")?)
    }

    /// After some failures SQLite ends the transaction itself; what is written then would be committed at once.
    fn sound(&self) -> Result<(), StoreError> {
        if self.failed.get() || self.connection.is_autocommit() {
            return Err(StoreError::Undone);
        }
        Ok(())
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a change to the store could not be undone; its connection will be closed");
        }
    }
}
