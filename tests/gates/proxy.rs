//! The proxy under a tool that counts, and the work it is given.

use portcullis_tests::{Client, Config, Raw, Reply, Upstream, program, repository, wait};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

/// What counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    /// Syscalls.
    Strace,
    /// Instructions and calls.
    Callgrind,
}

impl Tool {
    /// The program, which is also the name of the Debian package.
    fn program(self) -> &'static str {
        match self {
            Self::Strace => "strace",
            Self::Callgrind => "valgrind",
        }
    }

    /// Its arguments, which make the proxy the child itself, so that signals reach it.
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Strace => &["-D", "-f", "-c", "-o"],
            Self::Callgrind => &["--tool=callgrind", "--quiet", "--callgrind-out-file"],
        }
    }

    /// Where its report of a run with so many requests stays for whoever wants to read it.
    pub(crate) fn report(self, requests: u32) -> PathBuf {
        repository().join(format!("target/gates/{}.{requests}", self.program()))
    }

    /// What ends a report that is complete.
    fn end_of_report(self) -> &'static str {
        match self {
            Self::Strace => " total\n",
            Self::Callgrind => "\ntotals: ",
        }
    }

    fn command(self, report: &std::path::Path) -> Command {
        let mut command = Command::new(self.program());
        let (last, first) = self.arguments().split_last().expect("arguments");
        command.args(first);
        match self {
            Self::Strace => command.arg(last).arg(report),
            Self::Callgrind => command.arg(format!("{last}={}", report.display())),
        };
        command
    }
}

/// Sends `requests` through a proxy under `tool`, ends it, and gives what the tool reports.
///
/// # Panics
/// When the tool or the binary is missing, or an answer is not 200.
pub(crate) fn run(tool: Tool, requests: u32) -> String {
    assert!(
        std::env::var_os("PORTCULLIS_BIN_DIR").is_some(),
        "the figures hold for an optimised binary; run: tests/run gates"
    );
    let report = tool.report(requests);
    std::fs::create_dir_all(report.parent().expect("a folder")).expect("target/gates");
    let _ = std::fs::remove_file(&report);
    let upstream =
        Upstream::answering(|_| Reply::new(200).header("content-type", "text/plain").body("x".repeat(66)));
    let config = Config::new().workers(1).service("api", &upstream).route("* /**", "api");
    let file = report.with_extension("yaml");
    std::fs::write(&file, config.yaml()).expect("written");

    let mut edge = tool
        .command(&report)
        .arg(program("portcullis"))
        .args(["edge", "--config"])
        .arg(&file)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|fault| panic!("{0} is needed: {fault}; run: apt-get install {0}", tool.program()));
    let (address, messages) = ready(&mut edge);
    let rest = std::thread::spawn(|| messages.lines().map_while(Result::ok).collect::<Vec<_>>());
    talk(address, requests);
    end(&mut edge);

    let complete = |text: &String| text.contains(tool.end_of_report());
    let text =
        wait::within(Duration::from_secs(20), || std::fs::read_to_string(&report).ok().filter(complete));
    text.unwrap_or_else(|| panic!("{tool:?} wrote no report; the messages: {:#?}", rest.join()))
}

/// Reads messages until the proxy is ready: its address, and what it goes on to say.
fn ready(edge: &mut Child) -> (std::net::SocketAddr, BufReader<ChildStderr>) {
    let mut messages = BufReader::new(edge.stderr.take().expect("a pipe"));
    let (mut line, mut all, mut address) = (String::new(), String::new(), None);
    while messages.read_line(&mut line).is_ok_and(|count| count > 0) {
        if line.contains("listening") && line.contains("listener=0 ") {
            let word = line.split("address=").nth(1).and_then(|rest| rest.split_whitespace().next());
            address = word.and_then(|word| word.parse().ok());
        }
        if let Some(address) = address.filter(|_| line.contains(" ready ")) {
            return (address, messages);
        }
        all.push_str(&line);
        line.clear();
    }
    panic!("the proxy did not start: {all}")
}

fn talk(address: std::net::SocketAddr, requests: u32) {
    let request = Client::get("/items/1").header("user-agent", "gate").header("accept", "*/*");
    let mut connection = Raw::connect(address);
    for _ in 0..requests {
        let answer = request.send_on(&mut connection);
        assert_eq!((answer.status, answer.body.len()), (200, 66));
    }
}

fn end(edge: &mut Child) {
    let killed = Command::new("kill").arg("-TERM").arg(edge.id().to_string()).status();
    assert!(killed.expect("kill runs").success(), "kill");
    let status = wait::within(Duration::from_secs(60), || edge.try_wait().expect("a child"));
    let status = status.unwrap_or_else(|| {
        let _ = edge.kill();
        panic!("the proxy did not end")
    });
    assert!(status.success(), "the proxy ended with {status}");
}
