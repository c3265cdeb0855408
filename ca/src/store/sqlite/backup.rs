//! Copies of the store: made while others write, and put back.
//!
//! Decides that a copy is of one moment, is read through before it gets its name, and that a file that is there is
//! never replaced.

use super::file::{self, NewFile};
use super::{PATIENCE, Sqlite, close, connect, connect_reading, schema, set_journal, use_wal};
use crate::store::StoreError;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

impl Sqlite {
    /// Writes a copy of this moment to the new file `to`. Others go on reading and writing.
    ///
    /// # Errors
    /// When `to` is there, it cannot be written, or the store is damaged; then there is no file `to`.
    pub fn backup(&self, to: &Path) -> Result<(), StoreError> {
        let new = NewFile::beside(to)?;
        copy(&connect_reading(&self.path, self.patience)?, new.path())?;
        let made = connect(new.path(), PATIENCE)?;
        // So that the one file is all of it, and can be read from a medium that cannot be written.
        set_journal(&made, "delete")?;
        schema::check(&made)?;
        close(made)?;
        new.place()
    }

    /// Puts the backup `from` to the new file `to`.
    ///
    /// # Errors
    /// When `from` is no sound store, or a newer portcullis made it, or `to` is there; then `to` is as before.
    pub fn restore(from: &Path, to: &Path) -> Result<(), StoreError> {
        let new = NewFile::beside(to)?;
        fill(&new, from)?;
        new.place()
    }
}

fn fill(new: &NewFile, from: &Path) -> Result<(), StoreError> {
    if !from.exists() {
        return Err(StoreError::Missing(from.to_owned()));
    }
    let from = std::path::absolute(from).map_err(file::io(from))?;
    // Read only: a backup is not to be changed by being put back.
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(&from, flags)?;
    schema::identify(&source, &from)?;
    copy(&source, new.path())?;
    let made = connect(new.path(), PATIENCE)?;
    schema::check(&made)?;
    use_wal(&made)?;
    close(made)
}

/// Copies all pages in one step: that is one moment, and in WAL mode nobody waits for it.
fn copy(source: &Connection, to: &Path) -> Result<(), StoreError> {
    let mut target = connect(to, PATIENCE)?;
    let step = Backup::new(source, &mut target)?.step(-1)?;
    close(target)?;
    if step == StepResult::Done { Ok(()) } else { Err(StoreError::Busy) }
}
