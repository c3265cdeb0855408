//! The audit file: the events of the store, written out.
//!
//! The store is the outbox. A flush appends the pending events to the file, makes them durable, and only then has the
//! store forget them; so a crash or a full disk loses none, and what was written before a crash is not written twice
//! ([`chain::go_on`] decides). Several processes may flush at once: the file's lock makes them take turns.
//!
//! | what is at the end of the file | what a flush does |
//! |--|--|
//! | the line the store knows as the last | goes on after it |
//! | that, then lines of a flush whose store never learned of it | goes on after them, without writing their events again |
//! | that, then other lines | notes that, goes on after them |
//! | something before it: the file was cut off, changed or moved away | goes on as if nothing had happened, so that the chain shows it |
//! | half a line | takes it away first |

use super::chain::{self, Line};
use super::{Caller, Event, Report, Verifier, What};
use crate::clock;
use crate::store::{AuditHead, Store, StoreError};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How much of the end of a file is read at first.
const WINDOW: u64 = 64 * 1024;
/// A longer line is no line of ours.
const LONGEST_LINE: u64 = 1024 * 1024;
/// How long a writer waits for another one, and how often it looks.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(5);

/// Why the audit file could not be read or written. Events that were not written stay in the store.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The disk is full.
    #[error("{0}: the disk is full; make room: the audit events wait in the store until they can be written")]
    Full(PathBuf),
    /// The file.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody else holds the file.
    #[error(
        "{0}: another process holds it, perhaps one that was stopped: the audit events wait in the store"
    )]
    Held(PathBuf),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The file, opened for writing.
#[derive(Debug)]
pub struct AuditFile {
    path: PathBuf,
    pub(super) file: File,
}

/// Holds the lock of the file.
struct Held<'a>(&'a File);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // Closing the file would release it as well.
        let _ = self.0.unlock();
    }
}

/// The end of the file.
struct End {
    /// Lines after the one that was asked for.
    lines: Vec<Line>,
    /// Where the last whole line ends, in bytes.
    whole: u64,
    /// How long the file is.
    length: u64,
}

impl AuditFile {
    /// Opens it; makes it, for its owner alone, when it is not there.
    ///
    /// # Errors
    /// When it cannot be opened for reading and writing.
    pub fn open(path: &Path) -> Result<Self, AuditError> {
        let io = |source| at(path, source);
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(0o600);
        let file = match options.clone().create_new(true).open(path) {
            Ok(file) => {
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
                File::open(folder.unwrap_or(Path::new(".")))
                    .and_then(|folder| folder.sync_all())
                    .map_err(io)?;
                file
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => options.open(path).map_err(io)?,
            Err(error) => return Err(io(error)),
        };
        Ok(Self { path: path.to_owned(), file })
    }

    /// Writes the pending events of the store and has it forget them.
    ///
    /// # Errors
    /// When file or store cannot be written: then the events stay pending.
    pub fn flush(&self, store: &dyn Store) -> Result<(), AuditError> {
        if store.read()?.audit_pending()?.is_empty() {
            return Ok(());
        }
        let _held = self.hold()?;
        // Open until the file is durable: nobody adds an event in between, so none is forgotten unwritten.
        let write = store.write()?;
        let pending = write.audit_pending()?;
        if pending.is_empty() {
            return Ok(());
        }
        let head = write.audit_head()?;
        let end = end(&self.file, &head).map_err(|source| at(&self.path, source))?;
        let addition = chain::go_on(head, &end.lines, &pending, foreign_lines);
        self.append(&end, addition.text.as_bytes()).map_err(|source| at(&self.path, source))?;
        write.audit_written(&addition.head)?;
        Ok(write.commit()?)
    }

    /// Takes the lock, or gives up after a while: somebody may hold it and do nothing, stopped in a terminal.
    fn hold(&self) -> Result<Held<'_>, AuditError> {
        let end = clock::monotonic() + PATIENCE;
        loop {
            match self.file.try_lock() {
                Ok(()) => return Ok(Held(&self.file)),
                Err(TryLockError::WouldBlock) if clock::monotonic() < end => std::thread::park_timeout(LOOK),
                Err(TryLockError::WouldBlock) => return Err(AuditError::Held(self.path.clone())),
                Err(TryLockError::Error(source)) => return Err(at(&self.path, source)),
            }
        }
    }

    fn append(&self, end: &End, text: &[u8]) -> io::Result<()> {
        if end.length > end.whole {
            self.file.set_len(end.whole)?;
        }
        let written = self.file.write_all_at(text, end.whole).and_then(|()| self.file.sync_data());
        if written.is_err() {
            // Half of it may be there. The next flush would cope with that, readers had better not have to.
            let _ = self.file.set_len(end.whole);
        }
        written
    }
}

fn foreign_lines(count: u64) -> String {
    Event { count: Some(count), ..Event::new(What::ForeignLines, clock::wall(), Caller::default()) }.to_json()
}

fn at(path: &Path, source: io::Error) -> AuditError {
    let path = path.to_owned();
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => AuditError::Full(path),
        _ => AuditError::Io { path, source },
    }
}

/// The lines after `head`, read from the end, so that a long file costs nothing.
fn end(file: &File, head: &Option<AuditHead>) -> io::Result<End> {
    let known = head.as_ref().map_or(0, |head| head.number);
    let length = file.metadata()?.len();
    let mut window = WINDOW;
    loop {
        let start = length.saturating_sub(window);
        let (texts, whole) = whole_lines(file, start, length)?;
        let lines: Vec<_> = texts.iter().filter_map(|text| Line::parse(text)).collect();
        let last_known = lines.iter().rposition(|line| line.number <= known);
        if start == 0 || last_known.is_some() {
            let lines = lines.into_iter().skip(last_known.map_or(0, |index| index + 1)).collect();
            return Ok(End { lines, whole, length });
        }
        window = window.saturating_mul(2);
    }
}

/// The whole lines between two places, without what may be the rest of a line at the first of them; and where they end.
fn whole_lines(file: &File, start: u64, length: u64) -> io::Result<(Vec<String>, u64)> {
    let mut bytes = vec![0; usize::try_from(length - start).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, start)?;
    let mut pieces: Vec<_> = bytes.split(|byte| *byte == b'\n').collect();
    let unfinished = pieces.pop().map_or(0, <[u8]>::len);
    let rest = usize::from(start > 0);
    let lines = pieces.into_iter().skip(rest).map(|line| String::from_utf8_lossy(line).into_owned());
    Ok((lines.collect(), length - u64::try_from(unfinished).map_err(io::Error::other)?))
}

/// Verifies the chain of a file. A file that is not there has no lines.
///
/// `head` is what the store remembers; it must have been read before, as the file may grow meanwhile.
///
/// # Errors
/// When the file cannot be read.
pub fn verify(path: &Path, head: Option<AuditHead>) -> Result<Report, AuditError> {
    let mut verifier = Verifier::new(head);
    let Some(file) = open(path)? else { return Ok(verifier.finish(false)) };
    // Not while somebody is writing: a line would seem unfinished. Only so long: nobody is to wait for a reader.
    file.lock_shared().map_err(|source| at(path, source))?;
    let length = file.metadata().map(|file| file.len()).map_err(|source| at(path, source));
    file.unlock().map_err(|source| at(path, source))?;
    let mut reader = BufReader::new((&file).take(length?));
    let mut line = Vec::new();
    loop {
        line.clear();
        reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line).map_err(|source| at(path, source))?;
        if line.pop_if(|last| *last == b'\n').is_some() {
            verifier.eat(&line);
        } else if u64::try_from(line.len()).is_ok_and(|length| length < LONGEST_LINE) {
            return Ok(verifier.finish(!line.is_empty()));
        } else {
            verifier.eat(b"");
            reader.skip_until(b'\n').map_err(|source| at(path, source))?;
        }
    }
}

/// The last `count` whole lines, the oldest first; [`Line::parse`] reads them. What is no line is given as it is.
///
/// # Errors
/// When the file cannot be read.
pub fn tail(path: &Path, count: usize) -> Result<Vec<String>, AuditError> {
    let Some(file) = open(path)? else { return Ok(Vec::new()) };
    let io = |source| at(path, source);
    let length = file.metadata().map_err(io)?.len();
    let mut window = WINDOW;
    loop {
        let start = length.saturating_sub(window);
        let (mut lines, _) = whole_lines(&file, start, length).map_err(io)?;
        if start == 0 || lines.len() >= count {
            return Ok(lines.split_off(lines.len().saturating_sub(count)));
        }
        window = window.saturating_mul(2);
    }
}

fn open(path: &Path) -> Result<Option<File>, AuditError> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at(path, error)),
    }
}
