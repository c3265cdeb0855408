//! Backups of the whole folder, made while the server runs, and putting one back.
//!
//! A backup is a folder with the same files. Keys go in as they are: encrypted when they are encrypted.
//!
//! A store that is put back is older than the world: tokens spent since then look fresh, and members hold newer
//! certificates and sequences than it knows. So fresh tokens are deleted, the sequence jumps to the seconds of the
//! clock, and certificates from before the moment of restoring are renewed although the ledger does not know them.

use super::init::{beside, make_folder, sync_parent};
use super::{Authority, AuthorityError, Dir, audit, operator};
use crate::audit::{Event, What};
use crate::files;
use crate::key::KeyError;
use crate::store::{Settings, Sqlite};
use crate::time::Timestamp;
use std::fs::File;
use std::path::Path;

impl Authority {
    /// Writes a copy of everything to the new folder `to`.
    ///
    /// # Errors
    /// When `to` is there and not empty, or a file cannot be read or written.
    pub fn backup(&self, to: &Path, now: Timestamp) -> Result<(), AuthorityError> {
        if std::fs::read_dir(to).is_ok_and(|mut files| files.next().is_some()) {
            return Err(AuthorityError::NotEmpty(to.to_owned()));
        }
        self.flush_audit()?;
        let copy = Dir::new(to);
        make_folder(&copy.keys())?;
        copy.check_owner()?;
        Sqlite::open(&self.dir.database())?.backup(&copy.database())?;
        // After the store: a key is written before its record, so each record in the copy finds its key.
        copy_files(&self.dir, &copy)?;
        let details = Some(to.display().to_string());
        self.note(&Event { details, ..Event::new(What::BackupMade, now, operator()) })?;
        self.flush_audit()
    }

    /// Puts the backup in the folder `from` to the folder `to`, which must be empty or absent.
    ///
    /// # Errors
    /// When `from` holds no sound backup, or `to` holds something.
    pub fn restore(from: &Path, to: &Path, now: Timestamp) -> Result<Settings, AuthorityError> {
        let source = Dir::new(from);
        Dir::new(to).check_owner()?;
        if !source.database().exists() {
            return Err(AuthorityError::NotInitialised(from.to_owned()));
        }
        if std::fs::read_dir(to).is_ok_and(|mut files| files.next().is_some()) {
            return Err(AuthorityError::NotEmpty(to.to_owned()));
        }
        // Beside first: a store in its place has dropped the tokens that may have been spent since the backup.
        let beside = Dir::new(&beside(to)?);
        let restored = restore_to(&source, &beside, now).and_then(|settings| {
            let io = |source| AuthorityError::Io { path: to.to_owned(), source };
            std::fs::rename(beside.path(), to).map_err(io)?;
            sync_parent(to)?;
            Ok(settings)
        });
        if restored.is_err() {
            let _ = std::fs::remove_dir_all(beside.path());
        }
        restored
    }

    fn after_restore(&self, now: Timestamp) -> Result<Settings, AuthorityError> {
        let write = self.store.write()?;
        let settings = write.settings()?;
        // More than went by since the backup, and more than after any earlier restore: seconds only grow.
        let sequence = settings.sequence.saturating_add(1).max(now.0.unsigned_abs());
        let settings = Settings { sequence, restored: Some(now), ..settings };
        write.put_settings(&settings)?;
        write.drop_fresh_tokens()?;
        audit(&*write, &Event { sequence: Some(sequence), ..Event::new(What::Restored, now, operator()) })?;
        write.commit()?;
        Ok(settings)
    }
}

fn restore_to(source: &Dir, dir: &Dir, now: Timestamp) -> Result<Settings, AuthorityError> {
    make_folder(&dir.keys())?;
    copy_files(source, dir)?;
    // Last: a folder without a store is no authority.
    Sqlite::restore(&source.database(), &dir.database())?;
    let authority = Authority::open_without_keys(dir.path(), None)?;
    let settings = authority.after_restore(now)?;
    authority.flush_audit()?;
    Ok(settings)
}

/// Copies the audit file and the keys to `to`, where there are none yet, and brings them to the disk. A key that is a
/// link is not copied: it was moved to a safe place, and stays there alone.
fn copy_files(from: &Dir, to: &Dir) -> Result<(), AuthorityError> {
    for folder in [to.path(), &to.keys()] {
        files::own_folder(folder).map_err(KeyError::from)?;
    }
    for key in std::fs::read_dir(from.keys()).map_err(io(&from.keys()))? {
        let key = key.map_err(io(&from.keys()))?;
        if key.file_type().map_err(io(&key.path()))?.is_file() {
            copy(&key.path(), &to.keys().join(key.file_name()))?;
        }
    }
    if from.audit().exists() {
        copy(&from.audit(), &to.audit())?;
    }
    for folder in [&to.keys(), to.path()] {
        files::sync_folder(folder).map_err(io(folder))?;
    }
    Ok(())
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> AuthorityError {
    let path = path.to_owned();
    |source| AuthorityError::Io { path, source }
}

fn copy(from: &Path, to: &Path) -> Result<(), AuthorityError> {
    let mut source = File::open(from).map_err(io(from))?;
    files::create(to, files::PRIVATE, |file| std::io::copy(&mut source, file).map(drop)).map_err(io(to))
}

#[cfg(test)]
#[path = "backup_tests.rs"]
mod tests;
