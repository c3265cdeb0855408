//! What a process writes: access log lines on stdout, messages on stderr, each read by a thread.

use crate::wait;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Output so far.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    shared: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Debug, Default)]
struct State {
    stdout: Vec<String>,
    stderr: Vec<String>,
    ended: usize,
}

impl Output {
    /// Starts to read both pipes of `child`.
    pub(crate) fn of(child: &mut Child) -> Self {
        let output = Self { shared: Arc::default() };
        output.read(child.stdout.take().expect("a pipe"), |state| &mut state.stdout);
        output.read(child.stderr.take().expect("a pipe"), |state| &mut state.stderr);
        output
    }

    fn read(&self, pipe: impl Read + Send + 'static, lines: fn(&mut State) -> &mut Vec<String>) {
        let shared = self.shared.clone();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(pipe);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line)).into_owned();
                lines(&mut shared.0.lock().unwrap_or_else(PoisonError::into_inner)).push(text);
                shared.1.notify_all();
                line.clear();
            }
            shared.0.lock().unwrap_or_else(PoisonError::into_inner).ended += 1;
            shared.1.notify_all();
        });
    }

    /// The access log.
    ///
    /// # Panics
    /// When a line is not one JSON object.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let read = |line: &String| match serde_json::from_str(line) {
            Ok(Value::Object(object)) => Value::Object(object),
            other => panic!("the access log has the line {line:?}: {other:?}"),
        };
        self.lock().stdout.iter().map(read).collect()
    }

    /// How many lines the access log has.
    pub(crate) fn line_count(&self) -> usize {
        self.lock().stdout.len()
    }

    /// Waits until there are `count` lines.
    pub(crate) fn wait_for_lines(&self, count: usize) {
        let fewer = |state: &mut State| state.stdout.len() < count;
        let waited = self.shared.1.wait_timeout_while(self.lock(), wait::PATIENCE, fewer);
        let (state, result) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!result.timed_out(), "{} access log lines, waited for {count}", state.stdout.len());
    }

    /// All messages.
    pub(crate) fn messages(&self) -> Vec<String> {
        self.lock().stderr.clone()
    }

    /// Whether a message holds `part`.
    pub(crate) fn has_message(&self, part: &str) -> bool {
        // A message may end with the word itself.
        self.lock().stderr.iter().any(|line| format!("{line} ").contains(part))
    }

    /// `address=` of the first message about `which`.
    pub(crate) fn address(&self, which: &str) -> SocketAddr {
        let state = self.lock();
        let line = state.stderr.iter().find(|line| line.contains("listening") && line.contains(which));
        let line = line.unwrap_or_else(|| panic!("no message about {which:?} in {:#?}", state.stderr));
        let address = line.split("address=").nth(1).and_then(|rest| rest.split_whitespace().next());
        address.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no address in {line:?}"))
    }

    /// Waits until both pipes have ended.
    pub(crate) fn wait_for_end(&self) {
        let waited = self.shared.1.wait_timeout_while(self.lock(), wait::PATIENCE, |state| state.ended < 2);
        drop(waited);
    }

    /// Prints everything, for a failing test.
    pub(crate) fn print(&self) {
        let state = self.lock();
        eprintln!("--- access log of the edge ({} lines, the last 40)", state.stdout.len());
        state.stdout.iter().skip(state.stdout.len().saturating_sub(40)).for_each(|line| eprintln!("{line}"));
        eprintln!("--- messages of the edge ({} lines, the last 60)", state.stderr.len());
        state.stderr.iter().skip(state.stderr.len().saturating_sub(60)).for_each(|line| eprintln!("{line}"));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
