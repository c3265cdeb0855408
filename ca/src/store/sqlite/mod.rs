//! The store that comes with portcullis: one SQLite file in WAL mode.
//!
//! Decides how the file is opened and which connection does what: one writes, one reads, one watches for changes. A
//! reader that finds the reading connection in use opens one of its own, so reads never wait, neither for each other
//! nor for a writer. It must not know what the records mean.
//!
//! A commit is in the file system, by fsync, when it returns. Memory stays small: each connection keeps at most 1 MiB
//! of pages, and no list is made larger than what was asked for.

mod backup;
mod error;
mod file;
mod read;
mod row;
mod schema;
mod transaction;
mod turn;
mod write;

use super::{Reading, Store, StoreError, Writing};
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;
use transaction::{Held, Transaction};
use turn::Turns;

/// How long a writer waits for another one.
const PATIENCE: Duration = Duration::from_secs(5);

/// The records in a file.
pub struct Sqlite {
    path: PathBuf,
    patience: Duration,
    turns: Turns,
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
    watcher: Mutex<Connection>,
}

impl Sqlite {
    /// Makes a store without records in a new file that nobody else may read.
    ///
    /// # Errors
    /// When there is a file already, or it cannot be written.
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        let new = file::NewFile::beside(path)?;
        let connection = connect(new.path(), PATIENCE)?;
        schema::make(&connection)?;
        use_wal(&connection)?;
        close(connection)?;
        new.place()?;
        Self::open(path)
    }

    /// Opens a store and brings its schema up to date.
    ///
    /// # Errors
    /// When there is none, others may read or write the file, it was made by a newer portcullis, or it is something
    /// else. Damage inside is found when it is read, or by [`Self::check`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_patiently(path, PATIENCE)
    }

    fn open_patiently(path: &Path, patience: Duration) -> Result<Self, StoreError> {
        // Absolute, because connections are opened later too; and SQLite takes `file:x` for a URI.
        let path = std::path::absolute(path).map_err(file::io(path))?;
        file::private(&path)?;
        let writer = connect(&path, patience)?;
        // Before anything is written: it may be somebody else's database.
        schema::identify(&writer, &path)?;
        use_wal(&writer)?;
        schema::migrate(&writer, &path)?;
        let reader = connect_reading(&path, patience)?;
        let watcher = connect_reading(&path, patience)?;
        Ok(Self {
            path,
            patience,
            turns: Turns::default(),
            writer: Mutex::new(writer),
            reader: Mutex::new(reader),
            watcher: Mutex::new(watcher),
        })
    }

    /// Reads the whole file and looks for damage.
    ///
    /// # Errors
    /// When it is damaged or cannot be read.
    pub fn check(&self) -> Result<(), StoreError> {
        schema::check(&connect_reading(&self.path, self.patience)?)
    }
}

impl Store for Sqlite {
    fn read(&self) -> Result<Box<dyn Reading + '_>, StoreError> {
        let connection = match self.reader.try_lock() {
            Ok(kept) => Held::Kept(kept),
            Err(TryLockError::Poisoned(poisoned)) => Held::Kept(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => Held::Own(Box::new(connect_reading(&self.path, self.patience)?)),
        };
        Ok(Box::new(Transaction::reading(connection)?))
    }

    fn write(&self) -> Result<Box<dyn Writing + '_>, StoreError> {
        let turn = self.turns.wait(self.patience)?;
        let mut connection = lock(&self.writer);
        if !connection.is_autocommit() {
            // The change before could not even be undone; closing the connection does that.
            *connection = connect(&self.path, self.patience)?;
        }
        Ok(Box::new(Transaction::writing(Held::Kept(connection), turn)?))
    }

    fn version(&self) -> Result<u64, StoreError> {
        // Moves with every commit of another connection, and this one never writes.
        let version: i64 = lock(&self.watcher).query_row("PRAGMA data_version", [], |row| row.get(0))?;
        Ok(version.cast_unsigned())
    }
}

/// A poisoned lock is taken all the same: what the thread that panicked had begun was undone when its transaction was
/// dropped.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connect(path: &Path, patience: Duration) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(patience)?;
    // cache_size is in KiB when negative. Sorting in memory: a temporary folder may be missing, full or readable.
    connection.execute_batch(
        "PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA cache_size = -1024;
         PRAGMA temp_store = MEMORY;
         PRAGMA trusted_schema = OFF;
         PRAGMA journal_size_limit = 8388608;",
    )?;
    Ok(connection)
}

/// A connection that cannot write.
fn connect_reading(path: &Path, patience: Duration) -> Result<Connection, StoreError> {
    let connection = connect(path, patience)?;
    connection.execute_batch("PRAGMA query_only = ON")?;
    Ok(connection)
}

/// Readers and the writer do not wait for each other in this mode. The file remembers it.
fn use_wal(connection: &Connection) -> Result<(), StoreError> {
    set_journal(connection, "wal")
}

fn set_journal(connection: &Connection, mode: &str) -> Result<(), StoreError> {
    let set: String = connection.pragma_update_and_check(None, "journal_mode", mode, |row| row.get(0))?;
    // SQLite answers with the mode before when somebody else has the file open.
    if set == mode { Ok(()) } else { Err(StoreError::Busy) }
}

fn close(connection: Connection) -> Result<(), StoreError> {
    connection.close().map_err(|(_, error)| error.into())
}

#[cfg(test)]
mod tests;
