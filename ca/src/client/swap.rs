//! A folder whose files change all at once, as Kubernetes does it with its volumes.
//!
//! The files are symbolic links into `..data/`, and `..data` is one to a version folder `..7`. A new version is
//! written beside; then one rename lets `..data` point to it. Whoever reads sees the old version or the new one, and
//! so does whoever comes after a crash: the steps before the rename do not touch the old version, those after it do
//! not touch the new one.
//!
//! Decides the steps ([`plan`]: pure) and takes them ([`take`]). It must not know what the files mean.

use crate::files;
use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The link to the current version.
const DATA: &str = "..data";
/// Its successor, for a moment.
const DRAFT: &str = "..data_tmp";

/// A file of a version: its name and what is in it.
pub(super) type Content = (&'static str, Zeroizing<Vec<u8>>);

/// One thing done to the file system. It may hold a private key: no `Debug`.
pub(super) enum Step {
    /// Make a folder, mode 0700.
    Folder(PathBuf),
    /// Write a file, mode 0600, and bring it to the disk.
    File(PathBuf, Zeroizing<Vec<u8>>),
    /// Bring the names in a folder to the disk.
    Sync(PathBuf),
    /// Make a symbolic link at the first path to the second.
    Link(PathBuf, PathBuf),
    /// Give a thing a new name, in place of what had it.
    Rename(PathBuf, PathBuf),
    /// Remove a file or link.
    Remove(PathBuf),
    /// Remove a folder with what is in it.
    RemoveFolder(PathBuf),
}

/// What is in the folder now.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Numbers of version folders, whole or not.
    pub(super) versions: Vec<u64>,
    /// Whether a draft was left behind.
    pub(super) draft: bool,
    /// Which of the links to files are there.
    pub(super) links: Vec<&'static str>,
}

/// Looks at the folder. `names`: the files a version has.
///
/// # Errors
/// When it cannot be read, or something that is no link stands where a link should.
pub(super) fn look(dir: &Path, names: &[&'static str]) -> Result<Found, SwapError> {
    let failed = |source| SwapError { path: dir.to_owned(), source };
    let mut found = Found::default();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        found.versions.extend(number(name));
        found.draft |= name == DRAFT;
        if let Some(known) = names.iter().find(|known| **known == name) {
            if !entry.file_type().map_err(failed)?.is_symlink() {
                return Err(foreign(entry.path()));
            }
            found.links.push(known);
        }
    }
    Ok(found)
}

/// The steps that make `files` the content of `dir`.
pub(super) fn plan(dir: &Path, found: &Found, files: Vec<Content>) -> Vec<Step> {
    let version = format!("..{}", found.versions.iter().max().unwrap_or(&0).saturating_add(1));
    let folder = dir.join(&version);
    let mut steps = Vec::new();
    if found.draft {
        steps.push(Step::Remove(dir.join(DRAFT)));
    }
    steps.push(Step::Folder(folder.clone()));
    let mut links = Vec::new();
    for (name, content) in files {
        steps.push(Step::File(folder.join(name), content));
        if !found.links.contains(&name) {
            links.push(Step::Link(dir.join(name), Path::new(DATA).join(name)));
        }
    }
    steps.push(Step::Sync(folder));
    steps.append(&mut links);
    steps.push(Step::Link(dir.join(DRAFT), version.into()));
    steps.push(Step::Sync(dir.to_owned()));
    steps.push(Step::Rename(dir.join(DRAFT), dir.join(DATA)));
    steps.push(Step::Sync(dir.to_owned()));
    steps.extend(found.versions.iter().map(|old| Step::RemoveFolder(dir.join(format!("..{old}")))));
    steps
}

/// Takes a step.
///
/// # Errors
/// When the system refuses.
pub(super) fn take(step: &Step) -> Result<(), SwapError> {
    let (path, done) = match step {
        Step::Folder(path) => (path, DirBuilder::new().mode(0o700).create(path)),
        Step::File(path, content) => {
            (path, files::create(path, files::PRIVATE, |file| file.write_all(content)))
        }
        Step::Sync(path) => (path, files::sync_folder(path)),
        Step::Link(path, to) => (path, symlink(to, path)),
        Step::Rename(from, path) => (path, fs::rename(from, path)),
        Step::Remove(path) => (path, fs::remove_file(path)),
        Step::RemoveFolder(path) => (path, fs::remove_dir_all(path)),
    };
    done.map_err(|source| SwapError { path: path.clone(), source })
}

/// The folder of the current version; `None`: there is none yet.
///
/// # Errors
/// When `..data` is something else than a link to a version.
pub(super) fn current(dir: &Path) -> Result<Option<PathBuf>, SwapError> {
    let path = dir.join(DATA);
    match fs::read_link(&path) {
        Ok(to) if to.to_str().and_then(number).is_some() => Ok(Some(dir.join(to))),
        Ok(_) => Err(foreign(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SwapError { path, source }),
    }
}

/// A file or folder the system does not let us read or write.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct SwapError {
    /// Which.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

fn number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("..")?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn foreign(path: PathBuf) -> SwapError {
    let source = io::Error::other("was not put here by a join: choose an empty folder");
    SwapError { path, source }
}
