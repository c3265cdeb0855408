//! The application as a child process: `portcullis sidecar --config FILE -- COMMAND…`.
//!
//! Decides how it is started, which signals reach it, how its end is told. Must not know: requests, the drain's order
//! (that is `farewell`). Standard input, output, error and the environment are the child's as they are ours.
//!
//! | signal to portcullis | without a command | with a command |
//! |--|--|--|
//! | TERM | drain | drain; the child gets TERM when it is its turn (`farewell`) |
//! | INT | drain without the delay | the same; the child gets TERM when it is its turn |
//! | a second TERM or INT | cut, exit | the child is killed, cut, exit |
//! | HUP | reload | reload; **not** forwarded: a program that does not know it would die of it |
//! | USR1 | open the access log again | the same; not forwarded, for the same reason |
//! | USR2, QUIT, WINCH | as the system has it | forwarded: they can only be meant for the application |
//!
//! To send the application HUP or USR1, send it to the application: its process id is in the log.
//!
//! # Process group
//! The child leads a group of its own. A signal to our group (a supervisor that ends "the group") must not reach it before
//! peers have looked away, and SIGKILL can be sent to all it has started. TERM goes to the child alone, as the kubelet
//! sends it to process 1 alone: a master process knows best how to end its workers.
//! The exception is a standard input that is a terminal: a group in the background must not read it. The child stays
//! in our group then; Ctrl-C and Ctrl-\ reach both of us from the kernel, QUIT and WINCH are not forwarded as they
//! would come twice, and SIGKILL is sent to the child alone.
//!
//! # Process 1
//! As process 1 (or as a subreaper) whatever loses its parent becomes ours: it is collected too, while `ended` waits.
//! Only this file collects children of the process; elsewhere processes must not be started.
//!
//! # If portcullis dies
//! Started `through` [`super::launch`] the child gets TERM when the thread that started it ends, whatever the cause. Without
//! it the child would live on: the call that arranges this must be made in the child, which takes `unsafe` otherwise.

pub use super::ended::{Ended, SpawnError};
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitOptions, child_subreaper, getpid, kill_process, kill_process_group, wait, waitpid,
};
use std::cell::Cell;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{sleep, timeout};

/// The child is looked at this often even when nobody told us to.
const LOOK: Duration = Duration::from_secs(1);

/// A running application. Dropping it kills it: nobody is left behind.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    group: Group,
    /// Orphans come to us.
    init: bool,
    ended: Cell<Option<Ended>>,
}

/// Which process group the child is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    /// One that it leads.
    Own,
    /// Ours, because of the terminal.
    Shared,
}

impl Child {
    /// Starts `command`, inside a tokio runtime, on the thread that lives as long as the process.
    ///
    /// `through`: words for this very binary that make it become the command, see [`super::launch::through`]; a command
    /// that cannot be run then shows as an end with 127 or 126. `None` starts the command itself.
    ///
    /// # Errors
    /// When there is no command, it is not found or cannot be run, or its end could not be heard of.
    pub fn spawn(command: &[OsString], through: Option<&[OsString]>) -> Result<Self, SpawnError> {
        let (program, arguments) = command.split_first().ok_or(SpawnError::Nothing)?;
        let mut start = match through {
            None => Command::new(program),
            Some(words) => {
                let mut start = Command::new("/proc/self/exe");
                start.arg0("portcullis").args(words).arg("--").arg(program);
                start
            }
        };
        start.args(arguments);
        let group = if io::stdin().is_terminal() { Group::Shared } else { Group::Own };
        if group == Group::Own {
            start.process_group(0);
        }
        // Before it starts: where SIGCHLD is ignored the system would throw its end away.
        drop(signal(SignalKind::child()).map_err(SpawnError::Signals)?);
        let child = start.spawn().map_err(|error| SpawnError::of(program, error))?;
        let init = getpid() == Pid::INIT || matches!(child_subreaper(), Ok(Some(_)));
        Ok(Self { pid: Pid::from_child(&child), group, init, ended: Cell::new(None) })
    }

    /// Its process id.
    pub fn id(&self) -> i32 {
        self.pid.as_raw_pid()
    }

    /// Waits for its end. May be given up and called again; afterwards it answers at once.
    ///
    /// To be waited on all the time as process 1: orphans are collected here.
    pub async fn ended(&self) -> Ended {
        // Before the first look, so that no end falls in between.
        let mut deaths = signal(SignalKind::child()).ok();
        loop {
            if let Some(ended) = self.look() {
                return ended;
            }
            match &mut deaths {
                // A look too often harms nobody.
                Some(deaths) => drop(timeout(LOOK, deaths.recv()).await),
                None => sleep(LOOK).await,
            }
        }
    }

    /// Sends it a signal; nothing happens when it has ended.
    pub fn tell(&self, signal: Signal) {
        // Only we collect it, so until then its number is not given to anybody else.
        if self.ended.get().is_none()
            && let Err(error) = kill_process(self.pid, signal)
        {
            tracing::warn!(%error, signal = signal.as_raw(), "the application could not be sent a signal");
        }
    }

    /// Asks it to end: SIGTERM to the child alone.
    pub fn terminate(&self) {
        self.tell(Signal::TERM);
    }

    /// Ends it by force: SIGKILL, to all of its group when that is its own.
    pub fn kill(&self) {
        match self.group {
            Group::Shared => self.tell(Signal::KILL),
            Group::Own if self.ended.get().is_none() => {
                if kill_process_group(self.pid, Signal::KILL).is_err() {
                    self.tell(Signal::KILL);
                }
            }
            Group::Own => {}
        }
    }

    /// Hands on what can only be meant for the application; see the table. Registered at once, then to be spawned.
    ///
    /// # Errors
    /// When a signal cannot be listened for.
    pub fn forward(self: &Rc<Self>) -> io::Result<impl Future<Output = ()> + use<>> {
        let child = Rc::clone(self);
        let mut usr2 = signal(SignalKind::user_defined2())?;
        let mut quit = signal(SignalKind::quit())?;
        let mut winch = signal(SignalKind::window_change())?;
        Ok(async move {
            loop {
                let meant = tokio::select! {
                    _ = usr2.recv() => Signal::USR2,
                    _ = quit.recv(), if child.group == Group::Own => Signal::QUIT,
                    _ = winch.recv(), if child.group == Group::Own => Signal::WINCH,
                };
                child.tell(meant);
            }
        })
    }

    fn look(&self) -> Option<Ended> {
        if self.ended.get().is_none() {
            let gone = if self.init { self.collect_all() } else { self.collect() };
            if gone && self.ended.get().is_none() {
                tracing::error!("somebody else collected the application; how it ended is not known");
                self.ended.set(Some(Ended::Code(1)));
            }
        }
        self.ended.get()
    }

    /// Looks at the child; whether there is none any more.
    fn collect(&self) -> bool {
        match waitpid(Some(self.pid), WaitOptions::NOHANG) {
            Ok(Some((_, status))) => self.ended.set(Ended::of(status)),
            Ok(None) => {}
            Err(error) => return error == Errno::CHILD,
        }
        false
    }

    /// Collects whoever has ended; whether there is no child at all any more.
    fn collect_all(&self) -> bool {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.pid => self.ended.set(Ended::of(status)),
                Ok(Some((orphan, _))) => tracing::debug!(pid = orphan.as_raw_pid(), "an orphan has ended"),
                Ok(None) => return false,
                Err(error) => return error == Errno::CHILD,
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // A look first: were it collected already, its number could be somebody else's.
        if self.look().is_none() {
            self.kill();
        }
    }
}

#[cfg(test)]
#[path = "child_tests.rs"]
mod tests;
