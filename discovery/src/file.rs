//! A file that lists endpoints and is watched.
//!
//! Decides when the file is read: it is looked at once a second, through symlinks, and taken up when it looks
//! different and has looked the same for a second, so that it is not read half-written. No kernel events: one `stat` a
//! second costs nothing and sees every way a file can change (written, renamed, the `..data` link of a mounted volume,
//! a network file system) alike.
//!
//! | the file looks | and then |
//! |--|--|
//! | like nothing yet: the first look | taken up at once |
//! | as it was taken up | the same is said again; what could not be read is tried again, and the first look is |
//! | different, since less than a second | nothing is said |
//! | different, since a second | taken up |
//! | different again once it has been read | nothing is said: that was half of each |
//!
//! A file that is missing, unreadable, too large, blank or wrong is a failure and never an empty set. It must not know
//! how a list is written: whoever makes one brings the reader.

use super::{Endpoints, Observation, Source, SourceError, clock};
use std::fs::{self, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// How often the file is looked at, and how long it must look the same.
const INTERVAL: Duration = Duration::from_secs(1);
/// Largest file, in bytes; a list of 10,000 endpoints has less than one MiB.
const LARGEST: u64 = 8 << 20;

/// A list of endpoints in a file.
#[derive(Debug)]
pub struct File {
    path: PathBuf,
    parse: fn(&str) -> Result<Endpoints, String>,
    /// The next look waits for nothing.
    early: bool,
    /// What was taken up last.
    taken: Option<Taken>,
    /// How it looks now if that is different, and since when.
    changed: Option<(Look, Instant)>,
}

/// What was made of a file.
#[derive(Debug)]
struct Taken {
    look: Look,
    seen: Observation,
    /// To be taken up again although it looks the same: it could not be read, and that can become better; or it was
    /// the first look, and the file may have been written twice within one tick of its clock.
    again: bool,
}

impl File {
    /// The file `path`; `parse` makes endpoints of its text, or says what is wrong with it. Nothing is read yet.
    pub fn new(path: impl Into<PathBuf>, parse: fn(&str) -> Result<Endpoints, String>) -> Self {
        Self { path: path.into(), parse, early: true, taken: None, changed: None }
    }

    /// Looks at the file; `None` = it is changing.
    fn glance(&mut self, now: Instant) -> Option<Observation> {
        let look = Look::at(&self.path);
        if let Some(taken) = self.taken.as_ref().filter(|taken| taken.look == look) {
            self.changed = None;
            return if taken.again { self.take(look) } else { Some(taken.seen.clone()) };
        }
        if self.taken.is_some() && !self.has_settled(&look, now) {
            return None;
        }
        self.take(look)
    }

    /// Whether the file looks different and has done so for long enough.
    fn has_settled(&mut self, look: &Look, now: Instant) -> bool {
        match &self.changed {
            Some((last, since)) if last == look => now.saturating_duration_since(*since) >= INTERVAL,
            _ => {
                self.changed = Some((look.clone(), now));
                false
            }
        }
    }

    /// Takes the file up as it looks; `None` = meanwhile it looks different.
    fn take(&mut self, look: Look) -> Option<Observation> {
        let read = look.check().and_then(|()| bytes(&self.path));
        let again = read.is_err() || self.taken.is_none();
        let seen = match read.and_then(|bytes| self.understand(&bytes)) {
            Ok(endpoints) if endpoints.is_empty() => Observation::Nothing,
            Ok(endpoints) => Observation::Found(endpoints),
            Err(why) => Observation::Failed(SourceError(format!("{}: {why}", self.path.display()))),
        };
        if Look::at(&self.path) != look {
            return None;
        }
        self.taken = Some(Taken { look, seen: seen.clone(), again });
        Some(seen)
    }

    fn understand(&self, bytes: &[u8]) -> Result<Endpoints, String> {
        let text = str::from_utf8(bytes).map_err(|_| "it is not text in UTF-8".to_owned())?;
        // Whoever has no endpoint says so; a disk that is full or a write that was cut leaves nothing at all.
        if text.trim().is_empty() {
            return Err("it is blank, which is no list, not even an empty one".to_owned());
        }
        (self.parse)(text)
    }
}

impl Source for File {
    fn name(&self) -> String {
        format!("file {}", self.path.display())
    }

    async fn look(&mut self) -> Observation {
        // Stays true when this future is dropped: the next look is to be at once.
        if !std::mem::replace(&mut self.early, true) {
            sleep(INTERVAL).await;
        }
        loop {
            if let Some(seen) = self.glance(clock::now()) {
                self.early = false;
                return seen;
            }
            sleep(INTERVAL).await;
        }
    }
}

/// How a file looks from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Look {
    /// A file that can be read.
    File(Stamp),
    /// Anything else, and why it cannot.
    Other(String),
}

/// Differs when a file is another one, or has been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    /// Device and inode.
    place: (u64, u64),
    /// In bytes.
    size: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
}

impl Look {
    /// Looks at what `path` leads to.
    fn at(path: &Path) -> Self {
        match fs::metadata(path) {
            Ok(found) if found.is_file() => Self::File(Stamp::of(&found)),
            Ok(_) => Self::Other("it is not a file".to_owned()),
            Err(error) => Self::Other(error.to_string()),
        }
    }

    /// Why it is not even to be opened.
    fn check(&self) -> Result<(), String> {
        match self {
            Self::File(stamp) if stamp.size <= LARGEST => Ok(()),
            Self::File(stamp) => Err(format!("it has {} bytes, allowed are {LARGEST}", stamp.size)),
            Self::Other(why) => Err(why.clone()),
        }
    }
}

impl Stamp {
    fn of(found: &Metadata) -> Self {
        Self {
            place: (found.dev(), found.ino()),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
        }
    }
}

/// What is in a file; more than is allowed is not read, whatever its size was said to be.
fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(LARGEST).read_to_end(&mut bytes));
    read.map(|_| bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
