//! One `redis-server`.

use crate::edge::Addressed;
use crate::wait;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tempfile::TempDir;

/// A running `redis-server`.
#[derive(Debug)]
pub struct RedisServer {
    child: Mutex<Option<Child>>,
    folder: TempDir,
    address: SocketAddr,
    arguments: Vec<String>,
}

impl RedisServer {
    /// Starts one that keeps nothing.
    pub fn start() -> Self {
        Self::with(super::free_port(), &[])
    }

    /// Starts one on a port, with more arguments of its command line.
    ///
    /// # Panics
    /// When `redis-server` is not installed or does not answer.
    pub fn with(port: u16, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let usual = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"];
        let arguments = usual.iter().chain(arguments).map(ToString::to_string).collect();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let server = Self { child: Mutex::new(None), folder, address, arguments };
        server.run();
        server
    }

    /// Starts it again after [`Self::kill`], empty.
    pub fn run(&self) {
        let child = Command::new("redis-server")
            .arg("--port")
            .arg(self.address.port().to_string())
            .arg("--dir")
            .arg(self.folder.path())
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server runs (Debian package redis-server)");
        *self.child.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
        wait::eventually("redis to answer", || self.command(&["PING"]));
    }

    /// Ends it at once, as `kill -9` does.
    pub fn kill(&self) {
        if let Some(mut child) = self.child.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Stops it without closing its connections: it hears, and does not answer.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let id = child.as_ref().expect("it runs").id();
        let status = Command::new("kill").args([format!("-{name}"), id.to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// What it answers to a command; `None` when it does not within two seconds, or refuses.
    pub fn command(&self, words: &[&str]) -> Option<String> {
        ask(self.address, words)
    }

    /// How many keys it holds.
    pub fn keys(&self) -> usize {
        let answer = self.command(&["DBSIZE"]).unwrap_or_default();
        answer.trim_start_matches(':').trim().parse().unwrap_or_default()
    }
}

impl Addressed for RedisServer {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a server answers to a command; `None` when it does not within two seconds, or refuses.
pub(crate) fn ask(address: SocketAddr, words: &[&str]) -> Option<String> {
    let patience = Duration::from_secs(2);
    let mut stream = TcpStream::connect_timeout(&address, patience).ok()?;
    stream.set_read_timeout(Some(patience)).ok()?;
    let mut text = format!("*{}\r\n", words.len());
    for word in words {
        text.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    stream.write_all(text.as_bytes()).ok()?;
    let mut answer = vec![0; 65_536];
    let count = stream.read(&mut answer).ok().filter(|count| *count > 0)?;
    let answer = String::from_utf8_lossy(answer.get(..count)?).into_owned();
    (!answer.starts_with('-')).then_some(answer)
}
