//! A member of the mesh as a process: started, looked at from outside, ended.

use crate::edge::Metrics;
use crate::message::Response;
use crate::output::Output;
use crate::{Client, wait};
use serde_json::Value;
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A running process. It is killed when dropped; when the test is failing then, what it wrote is printed.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Mutex<Child>,
    id: u32,
    output: Output,
}

impl Process {
    /// Starts `command`.
    ///
    /// # Panics
    /// When it cannot be run.
    pub fn start(name: &str, command: &mut Command) -> Self {
        command.env("NO_COLOR", "1").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let output = Output::of(&mut child);
        Self { name: name.into(), id: child.id(), child: Mutex::new(child), output }
    }

    /// What it is called here.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// `address=` of the first message about `which`.
    pub fn address_of(&self, which: &str) -> SocketAddr {
        self.output.address(which)
    }

    /// Address of the admin listener.
    pub fn admin(&self) -> SocketAddr {
        self.address_of("listening admin ")
    }

    /// GET on the admin listener.
    pub fn admin_get(&self, target: &str) -> Response {
        Client::get(target).host("localhost").send(self.admin())
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

    /// How often evidence of users was refused so far for `reason`.
    pub fn rejected(&self, reason: &str) -> f64 {
        self.metric("portcullis_identity_rejected_total", &[("reason", reason)])
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
    pub fn wait_for_lines(&self, count: usize) -> Vec<Value> {
        self.output.wait_for_lines(count);
        self.output.lines()
    }

    /// Its messages (stderr) so far.
    pub fn messages(&self) -> Vec<String> {
        self.output.messages()
    }

    /// Waits until a message holds `part`; the message.
    pub fn wait_for_message(&self, part: &str) -> String {
        self.wait_for_messages(part, 1)
    }

    /// Waits until `count` messages hold `part`; the last of them.
    pub fn wait_for_messages(&self, part: &str, count: usize) -> String {
        wait::eventually(&format!("{count} messages of {} with {part:?}", self.name), || {
            self.messages().into_iter().filter(|line| line.contains(part)).nth(count - 1)
        })
    }

    /// How many messages hold `part` so far.
    pub fn count_messages(&self, part: &str) -> usize {
        self.messages().iter().filter(|line| line.contains(part)).count()
    }

    /// Sends a signal: `TERM`, `HUP`, `INT`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([format!("-{name}"), self.id.to_string()]).status();
        assert!(status.expect("kill runs").success(), "kill -{name}");
    }

    /// Asks it to end and waits; its exit code.
    ///
    /// # Panics
    /// When it does not end in time, or ended by a signal.
    pub fn stop(&self) -> i32 {
        self.signal("TERM");
        let status = wait::eventually("the process to exit", || self.exit_status());
        self.output.wait_for_end();
        status.code().unwrap_or_else(|| panic!("{} ended by {status}", self.name))
    }

    /// Kills it on the spot.
    pub fn kill(&self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Whether it still runs.
    pub fn is_running(&self) -> bool {
        self.exit_status().is_none()
    }

    /// How it ended, if it has.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner).try_wait().expect("a child")
    }

    /// Waits until it says that it is ready, for `patience` at most: `Some(None)`. `Some(Some(_))`: it ended.
    pub fn wait_ready(&self, patience: Duration) -> Option<Option<ExitStatus>> {
        wait::within(patience, || {
            // "not ready" and "listening ready" are other messages.
            let said = self.messages().iter().any(|line| line.trim_end().ends_with(" INFO ready"));
            if said { Some(None) } else { self.exit_status().map(Some) }
        })
    }

    /// Everything it wrote, log lines and messages: what must not hold a token.
    pub fn everything(&self) -> String {
        let lines: Vec<String> = self.access_log().iter().map(ToString::to_string).collect();
        [lines.join("\n"), self.messages().join("\n")].join("\n")
    }

    /// Waits until its output is read to the end.
    pub(super) fn wait_for_end(&self) {
        self.output.wait_for_end();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            self.output.wait_for_end();
            eprintln!("=== {} ({})", self.name, self.id);
            self.output.print();
        }
    }
}
