//! How an application ended or why it never began, as a shell would tell it.
//!
//! | what happened | exit code |
//! |--|--|
//! | it ended by itself | its own, 0–255 |
//! | a signal ended it | 128 + the number of the signal |
//! | the command is not found | 127 |
//! | the command cannot be run | 126 |
//! | anything else that kept it from beginning | 1 |

use rustix::process::WaitStatus;
use std::ffi::OsString;
use std::{fmt, io};

/// What a shell adds to the number of the signal that ended a process.
const BY_SIGNAL: i32 = 128;

/// How the application ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It said so itself: 0–255.
    Code(i32),
    /// The number of the signal that ended it.
    Signal(i32),
}

/// The application could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// `--` and nothing behind it.
    #[error("there is no command to run")]
    Nothing,
    /// No such file, or a script whose interpreter does not exist.
    #[error("`{0}`: command not found")]
    NotFound(String),
    /// It is there, but cannot be run.
    #[error("`{0}`: cannot be run: {1}")]
    NotExecutable(String, io::Error),
    /// Nobody would tell us of its end.
    #[error("cannot listen for the end of the application: {0}")]
    Signals(io::Error),
}

impl SpawnError {
    /// What a shell would have started `program` with and failed.
    pub fn of(program: &OsString, error: io::Error) -> Self {
        let program = program.to_string_lossy().into_owned();
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound(program),
            _ => Self::NotExecutable(program, error),
        }
    }

    /// The exit code a shell gives for it: 127 not found, 126 not executable; 1 otherwise.
    pub const fn code(&self) -> u8 {
        match self {
            Self::NotFound(_) => 127,
            Self::NotExecutable(..) => 126,
            Self::Nothing | Self::Signals(_) => 1,
        }
    }
}

impl Ended {
    /// What the system says of it; `None` when it has not ended.
    pub(super) fn of(status: WaitStatus) -> Option<Self> {
        status.exit_status().map(Self::Code).or_else(|| status.terminating_signal().map(Self::Signal))
    }

    /// The exit code as a shell gives it: the program's own, or 128 + the signal's number.
    pub fn code(self) -> u8 {
        let code = match self {
            Self::Code(code) => code,
            Self::Signal(number) => BY_SIGNAL + number,
        };
        u8::try_from(code).unwrap_or(u8::MAX)
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(out, "exited with {code}"),
            Self::Signal(number) => write!(out, "was ended by signal {number}"),
        }
    }
}
