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
/// How often [`TICK`] passes before we stop waiting for a process: 30 s.
const TICKS_TO_READY: usize = 1500;
/// How often [`TICK`] passes before a process that was asked to end is killed: 5 s.
const TICKS_TO_END: usize = 250;

/// Where the output of a process goes.
pub struct Logs {
    pub stdout: PathBuf,
    pub stderr: PathBuf,
}

/// How a process that runs to its end has ended.
pub struct Ended {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Runs this very program with other words, to its end.
pub async fn run(words: &[&str]) -> anyhow::Result<Ended> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(words).stdin(Stdio::null()).process_group(0);
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Ended { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) })
}

/// A running process; stopped when dropped.
pub struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts this very program again with other words.
    pub fn start(name: &'static str, words: &[String], logs: Logs) -> anyhow::Result<Self> {
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
    fn still_runs(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(anyhow::anyhow!("{}", self.obituary(status))),
        }
    }

    /// The last lines of its log, indented.
    fn last_lines(&self) -> String {
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

/// All processes; dropping them, even in a panic, stops the last started first: the edge before what stands behind it,
/// the authority last.
#[derive(Default)]
pub struct Processes(Vec<Process>);

impl Processes {
    /// Adds the newest.
    pub fn add(&mut self, process: Process) {
        self.0.push(process);
    }

    /// Waits until `ready` says so: at most 30 s, and not when one of the processes has ended.
    pub async fn until(&mut self, name: &str, ready: impl AsyncFn() -> bool) -> anyhow::Result<()> {
        for _ in 0..TICKS_TO_READY {
            if ready().await {
                return Ok(());
            }
            self.all_run()?;
            tokio::time::sleep(TICK).await;
        }
        let late = self.0.iter().find(|process| process.name == name);
        let lines = late.map(Process::last_lines).unwrap_or_default();
        anyhow::bail!("{name} does not get ready; its last lines:{lines}")
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
