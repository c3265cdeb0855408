//! A key file, read and replaced.
//!
//! Decides that one command at a time changes a file, and that whoever reads it sees the old one or the new one, with
//! the owner and the mode it had. It must not know what stands in it.
//!
//! The lock is on the file itself, not on one beside it: nothing is left behind, and only who may read the keys can
//! keep others from changing them. A replaced file is another one, so who gets the lock looks whether it is still the
//! one of that name.

use super::Ended;
use crate::clock;
use crate::config::key_file::MAX_FILE;
use std::fs::{self, File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long others may keep the file locked: they may have been stopped in a terminal.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks at the lock.
const LOOK: Duration = Duration::from_millis(20);

/// What a file is to become.
pub(super) type Edit<'a> = &'a dyn Fn(&str) -> Result<String, Ended>;

/// The text of a key file.
pub(super) fn text(path: &Path) -> Result<String, Ended> {
    let io = at(path);
    // Only so that opening a pipe does not wait for somebody to write to it.
    if !fs::metadata(path).map_err(&io)?.is_file() {
        return Err(io(io::Error::other("it is not a regular file")));
    }
    whole(&File::open(path).map_err(&io)?).map_err(io)
}

/// Replaces a key file by what `edit` makes of it.
pub(super) fn change(path: &Path, edit: Edit<'_>) -> Result<(), Ended> {
    let end = clock::now() + PATIENCE;
    while clock::now() < end {
        let target = fs::canonicalize(path).map_err(at(path))?;
        if let Some(held) = hold(&target, end)? {
            let text = edit(&whole(&held.0).map_err(at(path))?)?;
            return replace(&target, &held.0, &text).map_err(at(path));
        }
    }
    Err(Ended::Held(path.to_owned()))
}

/// As [`change`]; a file that is missing is made, for its owner alone.
pub(super) fn change_or_make(path: &Path, edit: Edit<'_>) -> Result<(), Ended> {
    if path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        match make(path, &edit("")?) {
            // Somebody else has made it meanwhile.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => return made.map_err(at(path)),
        }
    }
    change(path, edit)
}

fn at(path: &Path) -> impl Fn(io::Error) -> Ended {
    move |source| Ended::File(path.to_owned(), source)
}

fn whole(mut file: &File) -> io::Result<String> {
    let mut text = String::new();
    // One byte more, so that a file that is too large is not taken for its beginning.
    (&mut file).take(MAX_FILE as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

/// A lock, given back when it is dropped.
struct Held(File);

impl Drop for Held {
    fn drop(&mut self) {
        // Closing the file would do it too.
        let _ = self.0.unlock();
    }
}

/// The file under its lock; `None` when it has been replaced meanwhile.
fn hold(path: &Path, end: Instant) -> Result<Option<Held>, Ended> {
    let io = at(path);
    if !fs::metadata(path).map_err(&io)?.is_file() {
        return Err(io(io::Error::other("it is not a regular file")));
    }
    let file = File::open(path).map_err(&io)?;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if clock::now() < end => std::thread::park_timeout(LOOK),
            Err(TryLockError::WouldBlock) => return Err(Ended::Held(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
    }
    let place = |found: &Metadata| (found.dev(), found.ino());
    let ours = file.metadata().map_err(&io)?;
    let current = fs::metadata(path).map_err(&io)?;
    Ok((place(&ours) == place(&current)).then_some(Held(file)))
}

/// Makes a file that nobody but its owner can read. A link, unlike a rename, never replaces.
fn make(path: &Path, text: &str) -> io::Result<()> {
    let draft = draft(path, text, |_| Ok(()))?;
    let placed = fs::hard_link(&draft, path);
    let cleared = fs::remove_file(&draft);
    placed.and(cleared).and_then(|()| sync(path))
}

fn replace(path: &Path, old: &File, text: &str) -> io::Result<()> {
    let before = old.metadata()?;
    let draft = draft(path, text, |file| same_readers(file, &before))?;
    if let Err(error) = fs::rename(&draft, path) {
        let _ = fs::remove_file(&draft);
        return Err(error);
    }
    sync(path)
}

/// Lets those read `file` who could read the one before it. A gateway that could not would refuse its next start.
fn same_readers(file: &File, before: &Metadata) -> io::Result<()> {
    let now = file.metadata()?;
    if (now.uid(), now.gid()) != (before.uid(), before.gid()) {
        let keep = |_| {
            let (uid, gid) = (before.uid(), before.gid());
            io::Error::other(format!("it is of uid {uid} and gid {gid}: do this as that user, or as root"))
        };
        fchown(file, Some(before.uid()), Some(before.gid())).map_err(keep)?;
    }
    file.set_permissions(Permissions::from_mode(before.mode() & 0o777))
}

/// The text on the disk, in the same folder, under a name nobody can guess.
fn draft(path: &Path, text: &str, prepare: impl FnOnce(&File) -> io::Result<()>) -> io::Result<PathBuf> {
    let random = u64::from_ne_bytes(super::random()?);
    let draft = path.with_file_name(format!(".portcullis-{random:016x}"));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let filled = prepare(&file).and_then(|()| file.write_all(text.as_bytes())).and_then(|()| file.sync_all());
    match filled {
        Ok(()) => Ok(draft),
        Err(error) => {
            let _ = fs::remove_file(&draft);
            Err(error)
        }
    }
}

/// Brings the names in the folder to the disk.
fn sync(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
