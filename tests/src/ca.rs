//! The real certificate authority: a folder of its own, the commands of the binary, the server as a child process.

use crate::output::Output;
use crate::{program, wait};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use tempfile::TempDir;

/// The trust domain of every [`Ca`].
pub const TRUST_DOMAIN: &str = "shop.example";

/// An authority that was made by `portcullis ca init`.
#[derive(Debug)]
pub struct Ca {
    folder: TempDir,
}

/// How a command ended, and all it printed.
#[derive(Debug)]
pub struct Ran {
    /// Exit code; `None`: a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// Runs a prepared command to its end.
    ///
    /// # Panics
    /// When it cannot be run, or prints no text.
    pub fn of(command: &mut Command) -> Self {
        let output =
            command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// What it printed, when it succeeded.
    ///
    /// # Panics
    /// When it did not.
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}\n{}", self.out, self.err);
        self.out
    }
}

impl Ca {
    /// A new one with the settings of the commands themselves.
    #[expect(clippy::new_without_default, reason = "making keys is no default")]
    pub fn new() -> Self {
        Self::with(&[])
    }

    /// A new one with more words for `ca init`.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn with(words: &[&str]) -> Self {
        let ca = Self { folder: tempfile::tempdir().expect("a folder") };
        let all: Vec<_> = ["init", TRUST_DOMAIN].iter().chain(words).copied().collect();
        ca.run(&all).ok();
        ca
    }

    /// The folder of the authority.
    pub fn dir(&self) -> PathBuf {
        self.path("ca")
    }

    /// A place for a file of the test.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `portcullis ca WORDS…`, prepared.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(program("portcullis"));
        command.arg("ca").args(words).current_dir(self.folder.path());
        command.env("PORTCULLIS_CA_DIR", self.dir()).env("NO_COLOR", "1");
        command
    }

    /// `portcullis ca WORDS…`, to its end.
    pub fn run(&self, words: &[&str]) -> Ran {
        Ran::of(&mut self.command(words))
    }

    /// What a command that succeeds prints as JSON.
    ///
    /// # Panics
    /// When it fails, or prints no JSON.
    pub fn json(&self, words: &[&str]) -> Value {
        let all: Vec<_> = words.iter().chain(&["--json"]).copied().collect();
        let out = self.run(&all).ok();
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{words:?} printed {out}: {error}"))
    }

    /// Registers `name` (`svc/order`) with more words.
    pub fn entry(&self, name: &str, words: &[&str]) {
        let all: Vec<_> = ["entry", "create", name].iter().chain(words).copied().collect();
        self.run(&all).ok();
    }

    /// A join token for `name`, which names the address of `server`.
    pub fn token(&self, name: &str, server: &CaServer) -> String {
        self.run(&["token", "create", name, "--url", &server.url()]).ok().trim().to_owned()
    }

    /// Registers `name` and bootstraps it with a token; its files are in the folder that is returned.
    pub fn join(&self, name: &str, server: &CaServer) -> PathBuf {
        self.entry(name, &[]);
        let out = self.path(&name.replace('/', "-"));
        let token = self.token(name, server);
        self.run(&["bootstrap", &token, "--out", &out.display().to_string()]).ok();
        out
    }

    /// Registers `name` and makes its certificate by hand; its files are in the folder that is returned.
    pub fn issue(&self, name: &str, entry: &[&str]) -> PathBuf {
        self.entry(name, entry);
        let out = self.path(&name.replace('/', "-"));
        self.run(&["issue", name, "--out", &out.display().to_string()]).ok();
        out
    }

    /// Starts the server on a free port.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn serve(&self) -> CaServer {
        self.serve_at("127.0.0.1:0")
    }

    /// The same at an address of the test's choice.
    pub fn serve_at(&self, bind: &str) -> CaServer {
        CaServer::start(self.command(&["serve", "--bind", bind]))
    }

    /// On a free port, with more words.
    pub fn serve_with(&self, words: &[&str]) -> CaServer {
        let all: Vec<_> = ["serve", "--bind", "127.0.0.1:0"].iter().chain(words).copied().collect();
        CaServer::start(self.command(&all))
    }
}

/// A running `portcullis ca serve`. It is killed when dropped.
#[derive(Debug)]
pub struct CaServer {
    child: Mutex<Child>,
    id: u32,
    output: Output,
}

impl CaServer {
    fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let output = Output::of(&mut child);
        let server = Self { id: child.id(), child: Mutex::new(child), output };
        wait::eventually("the authority to be ready", || {
            let ended = server.exit_status();
            assert!(ended.is_none(), "it ended: {ended:?}\n{}", server.messages());
            server.output.has_message(" ready ").then_some(())
        });
        server
    }

    /// Where it is reached.
    pub fn url(&self) -> String {
        format!("https://{}", self.address())
    }

    /// The same as an address.
    pub fn address(&self) -> std::net::SocketAddr {
        self.output.address("")
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// What it wrote.
    pub fn messages(&self) -> String {
        self.output.messages().join("\n")
    }

    /// How it ended, if it has.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner).try_wait().expect("a child")
    }

    /// Kills it on the spot, as `kill -9` does.
    pub fn kill(&self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Drop for CaServer {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- the authority said:\n{}", self.messages());
        }
    }
}

/// `openssl WORDS…`, to its end.
pub fn openssl(folder: &Path, words: &[&str]) -> Ran {
    Ran::of(Command::new("openssl").args(words).current_dir(folder))
}
