//! The file of the store: who may read it, and how a new one comes to be.
//!
//! Decides that nobody else may read or write it, and that a file under its final name is always whole: it is made
//! under another name first. SQLite gives its `-wal` and `-shm` files the mode of the store.

use crate::files;
use crate::store::StoreError;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What SQLite puts beside a store. A stranger's must never meet ours: it would be taken for unsaved changes.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Refuses what is not there, is no file, or is open to others.
pub(super) fn private(path: &Path) -> Result<(), StoreError> {
    let found = fs::metadata(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => StoreError::Missing(path.to_owned()),
        _ => io(path)(error),
    })?;
    if !found.is_file() {
        return Err(StoreError::Damaged("it is not a file"));
    }
    if found.mode() & 0o077 != 0 {
        return Err(StoreError::Exposed(path.to_owned()));
    }
    Ok(())
}

/// A file that is being made. Dropped before it is placed, nothing is left of it.
pub(super) struct NewFile {
    partial: PathBuf,
    target: PathBuf,
}

impl NewFile {
    /// Begins the file `target`.
    ///
    /// # Errors
    /// When it, or a companion of one that was there, exists.
    pub(super) fn beside(target: &Path) -> Result<Self, StoreError> {
        absent(target)?;
        companions(target).try_for_each(|companion| absent(&companion))?;
        let target = std::path::absolute(target).map_err(io(target))?;
        let partial = with_suffix(&target, &format!(".{:016x}.partial", fastrand::u64(..)));
        files::create(&partial, files::PRIVATE, |_| Ok(())).map_err(io(&partial))?;
        Ok(Self { partial, target })
    }

    /// Where it is being made.
    pub(super) fn path(&self) -> &Path {
        &self.partial
    }

    /// Gives it its name; refuses to when another file has got it meanwhile.
    pub(super) fn place(self) -> Result<(), StoreError> {
        absent(&self.target)?;
        File::open(&self.partial).and_then(|file| file.sync_all()).map_err(io(&self.partial))?;
        fs::rename(&self.partial, &self.target).map_err(io(&self.target))?;
        // The name is in the folder, which has to be written too.
        let folder = self.target.parent().unwrap_or(&self.target);
        files::sync_folder(folder).map_err(io(folder))
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // Gone already when it was placed.
        let _ = fs::remove_file(&self.partial);
        for companion in companions(&self.partial) {
            let _ = fs::remove_file(&companion);
        }
    }
}

/// Puts the path to an error of the system.
pub(super) fn io(path: &Path) -> impl Fn(io::Error) -> StoreError {
    move |source| StoreError::Io { path: path.to_owned(), source }
}

fn absent(path: &Path) -> Result<(), StoreError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Err(io(path)(ErrorKind::AlreadyExists.into())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io(path)(error)),
    }
}

fn companions(path: &Path) -> impl Iterator<Item = PathBuf> {
    COMPANIONS.iter().map(|suffix| with_suffix(path, suffix))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(suffix);
    name.into()
}
