//! The tables, and how those of an older portcullis become ours.
//!
//! Decides when a file is a store, and the steps of the schema. A step, once released, is never edited: a new
//! one is a file and a line in [`STEPS`]. The number of steps done stands in the file (`PRAGMA user_version`).

use crate::store::StoreError;
use rusqlite::Connection;
use std::path::Path;

/// The tables are what these make, one after the other.
pub(super) const STEPS: &[&str] = &[include_str!("migrations/0001.sql")];

/// Marks a file as ours, whatever it is called: `PCCA`.
const APPLICATION: i32 = 0x5043_4341;

/// Makes the tables in an empty file.
pub(super) fn make(connection: &Connection) -> Result<(), StoreError> {
    connection.pragma_update(None, "application_id", APPLICATION)?;
    apply(connection, STEPS)
}

/// Whether the file is a store we know.
pub(super) fn identify(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let found = version(connection)?;
    if application != APPLICATION || found == 0 {
        return Err(StoreError::Damaged("the file is not a store of portcullis"));
    }
    let known = u32::try_from(STEPS.len()).unwrap_or(u32::MAX);
    if found > known {
        return Err(StoreError::TooNew { path: path.to_owned(), found, known });
    }
    Ok(())
}

/// Takes the steps that are missing.
pub(super) fn migrate(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    apply(connection, STEPS)?;
    // Another process, of a newer portcullis, may have been faster.
    identify(connection, path)
}

/// Takes those of `steps` that are missing: all of them or none.
pub(super) fn apply(connection: &Connection, steps: &[&str]) -> Result<(), StoreError> {
    if done(connection)? >= steps.len() {
        return Ok(());
    }
    // A step may replace a table others point to. What they point to is checked at the end.
    connection.pragma_update(None, "foreign_keys", false)?;
    let applied = apply_locked(connection, steps);
    if applied.is_err() && !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    connection.pragma_update(None, "foreign_keys", true)?;
    applied
}

fn apply_locked(connection: &Connection, steps: &[&str]) -> Result<(), StoreError> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    // Again, now that nobody else can take them.
    for step in steps.iter().skip(done(connection)?) {
        connection.execute_batch(step)?;
    }
    check_references(connection)?;
    let done = u32::try_from(steps.len()).unwrap_or(u32::MAX).max(version(connection)?);
    connection.pragma_update(None, "user_version", done)?;
    Ok(connection.execute_batch("COMMIT")?)
}

fn version(connection: &Connection) -> Result<u32, StoreError> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

fn done(connection: &Connection) -> Result<usize, StoreError> {
    Ok(usize::try_from(version(connection)?).unwrap_or(usize::MAX))
}

/// Reads everything and looks for damage.
pub(super) fn check(connection: &Connection) -> Result<(), StoreError> {
    let verdict: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(StoreError::Damaged("the integrity check fails"));
    }
    check_references(connection)
}

fn check_references(connection: &Connection) -> Result<(), StoreError> {
    if connection.prepare("PRAGMA foreign_key_check")?.exists([])? {
        return Err(StoreError::Damaged("a record points to one that is not there"));
    }
    Ok(())
}
