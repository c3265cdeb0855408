//! Files that are whole or not there, and files that nobody else may read or change.
//!
//! Decides how a file is made ([`write_new`], [`replace`]): under a name nobody can guess, brought to the disk, then
//! given its own name; and whose files hold a secret well ([`own_folder`], [`read_private`]): ours or root's, and
//! nobody else's to change. It must not know what the files hold, nor where they are.

use crate::names::to_hex;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The mode of a file for its owner alone.
pub(crate) const PRIVATE: u32 = 0o600;
/// The mode of a file that is no secret, before the umask.
pub(crate) const PUBLIC: u32 = 0o666;

/// Makes the file `path`. When this returns it survives a power cut; whatever happens before, there is no half of it.
///
/// # Errors
/// [`ErrorKind::AlreadyExists`] when something has that name, a dangling link too; or when it cannot be written.
pub(crate) fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    if path.symlink_metadata().is_ok() {
        return Err(ErrorKind::AlreadyExists.into());
    }
    // A link, unlike a rename, never replaces: not even what came since we looked.
    put(path, mode, |file| file.write_all(bytes), |draft| fs::hard_link(draft, path))
}

/// Makes the file `path`, which is no secret, or replaces it whole: who reads it sees the old one or the new one.
/// Mode and owner stay; of a symbolic link it is the file it leads to. A device or pipe is written to.
///
/// # Errors
/// When it cannot be written; then what was there still is.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (path, before) = match (fs::canonicalize(path), fs::metadata(path)) {
        (Ok(path), Ok(before)) if before.is_file() => (path, Some(before)),
        (_, Ok(_)) => return OpenOptions::new().write(true).truncate(true).open(path)?.write_all(bytes),
        (_, Err(_)) => (path.to_owned(), None),
    };
    let fill = |file: &mut File| {
        before.iter().try_for_each(|before| same_readers(file, before))?;
        file.write_all(bytes)
    };
    put(&path, PUBLIC, fill, |draft| fs::rename(draft, &path))
}

/// Makes the file `path` under its own name, for a folder nobody looks into yet, and brings it to the disk; its name
/// gets there by [`sync_folder`]. What is there already is neither replaced nor followed.
///
/// # Errors
/// When something has that name, or it cannot be written; then nothing is left of it.
pub(crate) fn create(
    path: &Path,
    mode: u32,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    let filled = fill(&mut file).and_then(|()| file.sync_all());
    if filled.is_err() {
        let _ = fs::remove_file(path);
    }
    filled
}

/// Brings the names in a folder to the disk.
///
/// # Errors
/// When the system cannot.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Refuses a folder in which others could put files in the place of ours.
///
/// # Errors
/// When it is neither ours nor root's, or the group or others can write to it. The sticky bit is no excuse: others
/// could still take names before we do.
pub(crate) fn own_folder(path: &Path) -> Result<(), Unsafe> {
    own_folder_of(path, uid())
}

/// The content of a file to which nobody but its owner has one of the permissions in `forbidden`; a symbolic link is
/// followed. At most `most` bytes.
///
/// # Errors
/// When it is no file, neither ours nor root's, open to others, too large, or cannot be read.
pub(crate) fn read_private(path: &Path, forbidden: u32, most: u64) -> Result<Zeroizing<Vec<u8>>, Unsafe> {
    read_private_of(path, (forbidden, most), uid())
}

fn put(
    path: &Path,
    mode: u32,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
    place: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<()> {
    let mut random = [0; 8];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| io::Error::other("the system gives no random numbers"))?;
    let draft = path.with_file_name(format!(".portcullis-{}", to_hex(&random)));
    create(&draft, mode, fill)?;
    let placed = place(&draft);
    // After a link it is a second name of the file; after a rename it is gone.
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => placed.and(Err(error)),
        _ => placed,
    }?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    sync_folder(folder.unwrap_or(Path::new(".")))
}

/// Lets those read `file` who could read the one before it.
fn same_readers(file: &File, before: &Metadata) -> io::Result<()> {
    let now = file.metadata()?;
    if (now.uid(), now.gid()) != (before.uid(), before.gid()) {
        // Only root can, as a rule. Else it is ours from now on.
        let _ = fchown(file, Some(before.uid()), Some(before.gid()));
    }
    let mode = before.mode() & 0o777;
    if now.mode() & 0o777 == mode { Ok(()) } else { file.set_permissions(fs::Permissions::from_mode(mode)) }
}

fn uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn own_folder_of(path: &Path, ours: u32) -> Result<(), Unsafe> {
    let io = |source| Unsafe::Io { path: path.to_owned(), source };
    let found = fs::metadata(path).map_err(io)?;
    if !found.is_dir() {
        return Err(io(ErrorKind::NotADirectory.into()));
    }
    owned(path, &found, ours)?;
    if found.mode() & 0o022 != 0 {
        let (owner, mode) = (found.uid(), found.mode() & 0o7777);
        return Err(Unsafe::Folder { path: path.to_owned(), owner, mode });
    }
    Ok(())
}

fn read_private_of(
    path: &Path,
    (forbidden, most): (u32, u64),
    ours: u32,
) -> Result<Zeroizing<Vec<u8>>, Unsafe> {
    let io = |source| Unsafe::Io { path: path.to_owned(), source };
    // Only so that opening a pipe does not wait for somebody to write to it.
    if !fs::metadata(path).map_err(io)?.is_file() {
        return Err(Unsafe::NoFile(path.to_owned()));
    }
    let file = File::open(path).map_err(io)?;
    // Of what was opened, not of the name: that may mean another file by now.
    let found = file.metadata().map_err(io)?;
    if !found.is_file() {
        return Err(Unsafe::NoFile(path.to_owned()));
    }
    owned(path, &found, ours)?;
    let mode = found.mode() & 0o777;
    if mode & forbidden != 0 {
        return Err(Unsafe::Exposed { path: path.to_owned(), mode });
    }
    if found.len() > most {
        return Err(Unsafe::TooLarge { path: path.to_owned(), most });
    }
    // As large as it can get: growing would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(found.len()).unwrap_or(0)));
    file.take(found.len()).read_to_end(&mut bytes).map_err(io)?;
    Ok(bytes)
}

fn owned(path: &Path, found: &Metadata, ours: u32) -> Result<(), Unsafe> {
    if found.uid() == ours || found.uid() == 0 {
        return Ok(());
    }
    Err(Unsafe::Owner { path: path.to_owned(), owner: found.uid(), ours })
}

/// Why a secret is not safe in a file or folder.
#[derive(Debug, thiserror::Error)]
pub enum Unsafe {
    /// It is somebody else's.
    #[error(
        "{path} belongs to uid {owner}, who can change it: run this as that user (`sudo -u '#{owner}' …`), or chown {ours} {path}"
    )]
    Owner {
        /// Which.
        path: PathBuf,
        /// Whose.
        owner: u32,
        /// Who we are.
        ours: u32,
    },
    /// Others can write to the folder.
    #[error(
        "the folder {path}, of uid {owner}, has mode {mode:04o}, so others can change what is in it: name a folder that nobody else uses, or chmod go-w {path}"
    )]
    Folder {
        /// Which.
        path: PathBuf,
        /// Whose.
        owner: u32,
        /// Its permissions.
        mode: u32,
    },
    /// Others can read or change the file.
    #[error("{path} has mode {mode:04o}, so others can read or change it: chmod 600 {path}")]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A folder, pipe or device.
    #[error("{0} is not a regular file: name one, of mode 600")]
    NoFile(PathBuf),
    /// It cannot be what it should.
    #[error("{path} is larger than {most} bytes: it is not the right file, name another one")]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// How many bytes it may have.
        most: u64,
    },
    /// It cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
