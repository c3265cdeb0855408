//! Becoming the application: what stands between portcullis and the command it starts.
//!
//! Some things can only be arranged inside the new process, and doing so between fork and exec takes `unsafe`. So the
//! new process is this binary once more, for a moment: `portcullis launch --starter PID --files N -- COMMAND…`.
//!
//! | arranged | why |
//! |--|--|
//! | TERM when the starter dies | an application without its sidecar is reachable by nobody, or past every rule; TERM and not KILL so that it can put its things in order |
//! | the soft limit of open files as it was | portcullis raises its own; programs that use select(2) or close all files one by one must not inherit that |
//!
//! Then the command takes over the process: same id, same group, same files. The first of the two is lost when the command
//! is setuid or has file capabilities (prctl(2), `PR_SET_PDEATHSIG`).
//!
//! | exit code | means |
//! |--|--|
//! | 127 | the command is not found |
//! | 126 | it cannot be run |
//! | 1 | the starter was gone already |
//! | else | the command's own |

use super::child::SpawnError;
use rustix::process::{
    Pid, Resource, Rlimit, Signal, getpid, getppid, getrlimit, set_parent_process_death_signal, setrlimit,
};
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// What is arranged before the command takes over.
#[derive(Debug, Clone, Copy, Default)]
pub struct Arrange {
    /// Process id of whoever starts us; end when it has gone. `None`: nobody in particular.
    pub starter: Option<i32>,
    /// Soft limit of open files; `None` leaves it.
    pub files: Option<u64>,
}

/// The soft limit of open files now: to be asked before it is raised, and handed to [`through`].
pub fn soft_file_limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// The words that make this binary `launch` a command; `words` are those it was started with, without its name.
///
/// Whatever stood before `sidecar` is kept: this binary may be inside another one that needs a word for us.
pub fn through(words: impl IntoIterator<Item = OsString>, files: Option<u64>) -> Vec<OsString> {
    let mut launch: Vec<OsString> = words.into_iter().take_while(|word| word != "sidecar").collect();
    launch.extend(["launch".into(), "--starter".into(), getpid().as_raw_pid().to_string().into()]);
    if let Some(files) = files {
        launch.extend(["--files".into(), files.to_string().into()]);
    }
    launch
}

/// Why the process did not become the command.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The command itself.
    #[error(transparent)]
    Command(SpawnError),
    /// Nobody would be there for it.
    #[error("portcullis has ended before the application was started")]
    Orphan,
    /// The kernel does not tell of the starter's death.
    #[error("cannot tie the application to portcullis: {0}")]
    Arrange(#[from] rustix::io::Errno),
}

impl Fault {
    /// The exit code for it; see the table.
    pub const fn code(&self) -> u8 {
        match self {
            Self::Command(error) => error.code(),
            Self::Orphan | Self::Arrange(_) => 1,
        }
    }
}

/// Becomes `command`; returns only when that failed.
pub fn run(arrange: Arrange, command: &[OsString]) -> Fault {
    match become_it(arrange, command) {
        Ok(never) => match never {},
        Err(fault) => fault,
    }
}

fn become_it(arrange: Arrange, command: &[OsString]) -> Result<std::convert::Infallible, Fault> {
    let (program, arguments) = command.split_first().ok_or(Fault::Command(SpawnError::Nothing))?;
    if let Some(starter) = arrange.starter {
        set_parent_process_death_signal(Some(Signal::TERM))?;
        // It may have died before we asked to be told.
        if getppid().map(Pid::as_raw_pid) != Some(starter) {
            return Err(Fault::Orphan);
        }
    }
    if let Some(files) = arrange.files {
        let maximum = getrlimit(Resource::Nofile).maximum;
        // A limit that cannot be lowered is no reason not to run.
        let _kept = setrlimit(Resource::Nofile, Rlimit { current: Some(files), maximum }).is_err();
    }
    let error = Command::new(program).args(arguments).exec();
    Err(Fault::Command(SpawnError::of(program, error)))
}

#[cfg(test)]
#[path = "launch_tests.rs"]
mod tests;
