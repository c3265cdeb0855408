//! One process the demo started: its log, whether it still runs, how it is stopped.
//!
//! Each is in a process group of its own, so that Ctrl-C reaches the demo alone, which then stops them in order.
//! Each is started with `--tied`: should the demo be killed, the pipe at its stdin closes and it ends by itself.

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

const TICK: Duration = Duration::from_millis(20);
/// How often [`TICK`] passes before a process that was asked to end is killed: 5 s.
const TICKS_TO_END: usize = 250;

/// Where the output of a process goes.
pub struct Logs {
    pub stdout: PathBuf,
    pub stderr: PathBuf,
}

/// A running process; stopped when dropped.
pub struct Process {
    pub name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts this very program again with other words.
    pub fn start(name: &'static str, words: &[&str], logs: Logs) -> anyhow::Result<Self> {
        let stderr = File::options().create(true).append(true).open(&logs.stderr)?;
        let stdout = File::options().create(true).append(true).open(&logs.stdout)?;
        let child = Command::new(std::env::current_exe()?)
            .arg("--tied")
            .args(words)
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(stderr)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name, child, log: logs.stderr })
    }

    /// An error that shows the last lines of its log if the process has ended.
    pub fn still_runs(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(anyhow::anyhow!("{}", self.obituary(status))),
        }
    }

    /// The last lines of its log, indented.
    pub fn last_lines(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        lines.iter().skip(lines.len().saturating_sub(20)).map(|line| format!("\n  | {line}")).collect()
    }

    fn obituary(&self, status: ExitStatus) -> String {
        format!(
            "{} ended by itself ({status}); its last lines in {}:{}",
            self.name,
            self.log.display(),
            self.last_lines()
        )
    }

    /// SIGTERM, five seconds to comply, then SIGKILL. Returns once it is gone.
    fn stop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        for _ in 0..TICKS_TO_END {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            pause();
        }
        eprintln!("shop: {} did not end within 5 s and is killed", self.name);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "no worker: the demo has nothing else to do; must work in Drop"
)]
fn pause() {
    std::thread::sleep(TICK);
}

/// All processes; dropping them, even in a panic, stops the last started first: the edge before its services.
#[derive(Default)]
pub struct Processes(Vec<Process>);

impl Processes {
    /// Adds the newest and hands it back.
    pub fn add(&mut self, process: Process) -> &mut Process {
        self.0.push_mut(process)
    }

    /// An error as soon as one of them has ended.
    pub fn all_run(&mut self) -> anyhow::Result<()> {
        self.0.iter_mut().try_for_each(Process::still_runs)
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        while let Some(newest) = self.0.pop() {
            drop(newest);
        }
    }
}
