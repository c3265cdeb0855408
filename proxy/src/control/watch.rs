//! Noticing that files of the configuration have changed.
//!
//! Looks once a second instead of asking the kernel for events: a handful of `stat` calls cost nothing, and they
//! see every way a file can change (rename, symlink swap of a mounted volume, network file system) alike.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

/// How often to look.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// How the files looked at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look(Vec<Option<(u64, u64, i64, i64)>>);

impl Look {
    /// Looks at `files` through symlinks. A missing file looks like nothing.
    pub fn at(files: &[PathBuf]) -> Self {
        let seen = files.iter().map(|file| {
            let seen = fs::metadata(file).ok()?;
            Some((seen.ino(), seen.size(), seen.mtime(), seen.mtime_nsec()))
        });
        Self(seen.collect())
    }
}

/// Decides when a change has settled: files are taken up when they looked different from what was loaded and
/// the same twice in a row, so that a file is not read half-written. Pure.
#[derive(Debug)]
pub struct Settling {
    loaded: Look,
    last: Look,
}

impl Settling {
    /// `loaded` is how the files looked when they were loaded.
    pub fn new(loaded: Look) -> Self {
        Self { last: loaded.clone(), loaded }
    }

    /// Takes note of a look; `true` = load now.
    pub fn settled(&mut self, now: Look) -> bool {
        let steady = now == self.last;
        self.last = now;
        if steady && self.last != self.loaded {
            self.loaded = self.last.clone();
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(size: u64) -> Look {
        Look(vec![Some((1, size, 0, 0))])
    }

    #[test]
    fn a_change_is_taken_up_once_it_stays_the_same() {
        let mut settling = Settling::new(look(1));

        let loads: Vec<_> = [1, 2, 3, 3, 3, 1, 1].map(|size| settling.settled(look(size))).into();

        assert_eq!(loads, [false, false, false, true, false, false, true]);
    }

    #[test]
    fn a_file_that_is_replaced_looks_different_and_a_missing_one_like_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        fs::write(&file, "one").unwrap();
        let files = [file.clone()];
        let first = Look::at(&files);
        assert_eq!(first, Look::at(&files));

        fs::write(folder.path().join("b"), "two").unwrap();
        fs::rename(folder.path().join("b"), &file).unwrap();

        assert_ne!(first, Look::at(&files));
        fs::remove_file(&file).unwrap();
        assert_eq!(Look::at(&files), Look(vec![None]));
    }
}
