//! Programs in Python, with the packages that `tests/run` brings: gRPC, WebSocket, the WebSocket case suite.

use crate::edge::Addressed;
use crate::{repository, wait};
use std::ffi::OsStr;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

/// A program of the environment that `tests/run` makes: `python`, `kosoku`.
///
/// # Panics
/// When `PORTCULLIS_STREAMS` does not say where it is.
pub fn program(name: &str) -> PathBuf {
    let folder = std::env::var_os("PORTCULLIS_STREAMS").expect("PORTCULLIS_STREAMS, which tests/run sets");
    PathBuf::from(folder).join("bin").join(name)
}

fn script(file: &str) -> PathBuf {
    repository().join("tests/tests/streams/python").join(file)
}

/// A server; its script gets the port as its argument.
#[derive(Debug)]
pub struct PythonServer {
    child: Child,
    address: SocketAddr,
}

impl PythonServer {
    /// Starts it.
    ///
    /// # Panics
    /// When it does not listen.
    pub fn start(file: &str) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], crate::redis::free_port()));
        let child = Command::new(program("python"))
            .arg(script(file))
            .arg(address.port().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let server = Self { child: child.expect("python runs"), address };
        wait::eventually("the server to listen", || TcpStream::connect(address).ok());
        server
    }
}

impl Addressed for PythonServer {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for PythonServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a script to its end.
///
/// # Panics
/// When it cannot be started.
pub fn run(file: &str, arguments: &[&str]) -> Output {
    run_program("python", [script(file).as_os_str()].into_iter().chain(arguments.iter().map(OsStr::new)))
}

/// Runs a program of the environment to its end.
///
/// # Panics
/// When it cannot be started.
pub fn run_program<'a>(name: &str, arguments: impl IntoIterator<Item = &'a OsStr>) -> Output {
    Command::new(program(name)).args(arguments).stdin(Stdio::null()).output().expect("it runs")
}
