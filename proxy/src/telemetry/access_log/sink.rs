//! Where lines end up: a file descriptor, and what becomes of a write that fails half way.

use crate::config::observe::LogSink;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

/// An open sink.
#[derive(Debug)]
pub(super) struct Sink {
    to: LogSink,
    file: File,
    /// The last write ended inside a line: the rest of that line is lost, the next one must not be glued to it.
    torn: bool,
}

impl Sink {
    /// Opens `to`; a file is made when it is not there, readable for its owner and group.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub(super) fn open(to: &LogSink) -> io::Result<Self> {
        Ok(Self { to: to.clone(), file: open(to)?, torn: false })
    }

    /// Opens the same sink again, for a file that was moved away; on errors the old one stays.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        self.file = open(&self.to)?;
        self.torn = false;
        Ok(())
    }

    /// Writes whole lines. Returns how many were lost, and why.
    pub(super) fn write(&mut self, lines: &[u8]) -> Result<(), Lost> {
        if self.torn {
            self.file.write_all(b"\n").map_err(|source| Lost { lines: count(lines), source })?;
            self.torn = false;
        }
        let mut rest = lines;
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => return Err(self.lose(lines, rest, io::ErrorKind::WriteZero.into())),
                Ok(n) => rest = rest.get(n..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.lose(lines, rest, error)),
            }
        }
        Ok(())
    }

    fn lose(&mut self, lines: &[u8], rest: &[u8], source: io::Error) -> Lost {
        let written = lines.len().saturating_sub(rest.len());
        self.torn = lines.get(..written).and_then(<[u8]>::last).is_some_and(|byte| *byte != b'\n');
        Lost { lines: count(rest), source }
    }
}

/// Lines that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{lines} access log lines could not be written")]
pub(super) struct Lost {
    /// How many.
    pub(super) lines: u64,
    /// Why.
    pub(super) source: io::Error,
}

fn count(lines: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', lines).count() as u64
}

fn open(to: &LogSink) -> io::Result<File> {
    let duplicate = |fd: io::Result<OwnedFd>| fd.map(File::from);
    match to {
        // The descriptor itself: the standard handles would buffer and lock once more.
        LogSink::Stdout => duplicate(io::stdout().as_fd().try_clone_to_owned()),
        LogSink::Stderr => duplicate(io::stderr().as_fd().try_clone_to_owned()),
        LogSink::File(path) => OpenOptions::new().append(true).create(true).mode(0o640).open(path),
    }
}
