//! The real binary as a child process: started with a configuration of its own, looked at from outside.
//!
//! It is ready when it says so in its log; its ports are read from there too. It is killed when dropped. When the test is
//! failing at that moment, its access log and its messages are printed.

mod config;
mod metrics;

pub use config::{Addressed, Config};
pub use metrics::Metrics;

use crate::message::Response;
use crate::output::Output;
use crate::{Client, field, program, wait};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tempfile::TempDir;

/// A running `portcullis edge`, or a sidecar ([`Config::sidecar`]).
#[derive(Debug)]
pub struct Edge {
    child: Mutex<Child>,
    id: u32,
    folder: TempDir,
    config: Mutex<Config>,
    output: Output,
}

/// Why an edge did not start.
#[derive(Debug)]
pub struct NotStarted {
    /// Exit code.
    pub code: Option<i32>,
    /// What it wrote to stderr.
    pub messages: String,
}

impl Edge {
    /// Starts one with the configuration `describe` makes, and waits until it is ready.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn with(describe: impl FnOnce(Config) -> Config) -> Self {
        Self::start(describe(Config::new()))
    }

    /// As [`Edge::with`].
    pub fn start(config: Config) -> Self {
        match Self::try_start(config) {
            Ok(edge) => edge,
            Err(failed) => panic!("the edge did not start ({:?}):\n{}", failed.code, failed.messages),
        }
    }

    /// Starts one; an error when it ends before it is ready.
    pub fn try_start(config: Config) -> Result<Self, NotStarted> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("portcullis.yaml");
        std::fs::write(&file, config.yaml()).expect("written");
        let mut child = command(&config)
            .args([config.mode(), "--config"])
            .arg(&file)
            .current_dir(folder.path())
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let output = Output::of(&mut child);
        let edge =
            Self { id: child.id(), child: Mutex::new(child), folder, config: Mutex::new(config), output };
        let ended = wait::eventually("the edge to be ready", || {
            if edge.output.has_message(" ready ") { Some(None) } else { edge.exit_status().map(Some) }
        });
        match ended {
            None => Ok(edge),
            Some(status) => {
                edge.output.wait_for_end();
                Err(NotStarted { code: status.code(), messages: edge.output.messages().join("\n") })
            }
        }
    }

    /// Address of the first listener of the file.
    pub fn address(&self) -> SocketAddr {
        self.listener(0)
    }

    /// Address of a listener, counted as in the file.
    pub fn listener(&self, index: usize) -> SocketAddr {
        self.output.address(&format!("listener={index} "))
    }

    /// Address of the admin listener.
    pub fn admin(&self) -> SocketAddr {
        self.output.address("listening admin ")
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The configuration file.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("portcullis.yaml")
    }

    /// A folder for files of the test.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// GET on the first listener.
    pub fn get(&self, target: &str) -> Response {
        Client::get(target).send(self.address())
    }

    /// GET on the admin listener.
    pub fn admin_get(&self, target: &str) -> Response {
        Client::get(target).host("localhost").send(self.admin())
    }

    /// POST on the admin listener.
    pub fn admin_post(&self, target: &str) -> Response {
        Client::new("POST", target).host("localhost").body("").send(self.admin())
    }

    /// The metrics as they are now.
    pub fn metrics(&self) -> Metrics {
        let response = self.admin_get("/metrics");
        assert_eq!(response.status, 200, "/metrics");
        Metrics::read(&response.text())
    }

    /// Sum of the samples of `name` whose labels hold all of `labels`.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.metrics().sum(name, labels)
    }

    /// How many exchanges the metrics have counted.
    pub fn counted(&self) -> u64 {
        self.metric("http_server_request_duration_seconds_count", &[]) as u64
    }

    /// The access log so far.
    pub fn access_log(&self) -> Vec<Value> {
        self.output.lines()
    }

    /// How many lines the access log has so far.
    pub fn line_count(&self) -> usize {
        self.output.line_count()
    }

    /// Waits until the access log has `count` lines.
    ///
    /// # Panics
    /// When it does not get so many in time.
    pub fn wait_for_lines(&self, count: usize) -> Vec<Value> {
        self.output.wait_for_lines(count);
        self.output.lines()
    }

    /// Waits for the line in the access log of the exchange that had this answer.
    pub fn line_of(&self, answer: &Response) -> Value {
        let id = answer.header("x-request-id").expect("an answer with X-Request-ID");
        wait::eventually("the line of the exchange", || {
            self.access_log().into_iter().find(|line| field(line, "portcullis.request_id") == id)
        })
    }

    /// Waits until a message holds `part`; the message.
    pub fn wait_for_message(&self, part: &str) -> String {
        self.wait_for_messages(part, 1)
    }

    /// Waits until `count` messages hold `part`; the last of them.
    pub fn wait_for_messages(&self, part: &str, count: usize) -> String {
        wait::eventually(&format!("{count} messages with {part:?}"), || {
            self.messages().into_iter().filter(|line| line.contains(part)).nth(count - 1)
        })
    }

    /// Its messages (stderr) so far.
    pub fn messages(&self) -> Vec<String> {
        self.output.messages()
    }

    /// Writes another configuration into the file, in one step.
    pub fn rewrite(&self, describe: impl FnOnce(Config) -> Config) {
        let mut config = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        *config = describe(config.clone());
        self.rewrite_text(&config.yaml());
    }

    /// Writes any text into the configuration file, in one step.
    pub fn rewrite_text(&self, text: &str) {
        let beside = self.folder.path().join("portcullis.yaml.new");
        std::fs::write(&beside, text).expect("written");
        std::fs::rename(&beside, self.file()).expect("renamed");
    }

    /// Resident memory in bytes.
    pub fn rss(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id)).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("VmRSS") * 1024
    }

    /// Open file descriptors.
    pub fn fds(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.id)).map(Iterator::count).unwrap_or_default()
    }

    /// CPU time used so far, user and system.
    pub fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id)).unwrap_or_default();
        let after = stat.rsplit(')').next().unwrap_or_default();
        let ticks: u64 =
            after.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Duration::from_millis(ticks * 10)
    }

    /// Sends a signal: `TERM`, `HUP`, `INT`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([format!("-{name}"), self.id.to_string()]).status();
        assert!(status.expect("kill runs").success(), "kill -{name}");
    }

    /// Whether the process still runs.
    pub fn is_running(&self) -> bool {
        self.exit_status().is_none()
    }

    /// Waits until the process has ended and its output is read; its exit code.
    ///
    /// # Panics
    /// When it does not end in time, or ended by a signal.
    pub fn wait_exit(&self) -> i32 {
        let status = wait::eventually("the edge to exit", || self.exit_status());
        self.output.wait_for_end();
        status.code().unwrap_or_else(|| panic!("the edge ended by {status}"))
    }

    fn exit_status(&self) -> Option<ExitStatus> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner).try_wait().expect("a child")
    }
}

/// The binary, under `prlimit` when the configuration asks for few files.
fn command(config: &Config) -> Command {
    let Some(files) = config.files() else { return Command::new(program("portcullis")) };
    let mut command = Command::new("prlimit");
    command.arg(format!("--nofile={files}:{files}")).arg(program("portcullis"));
    command
}

impl Drop for Edge {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
        if std::thread::panicking() {
            self.output.wait_for_end();
            self.output.print();
        }
    }
}
