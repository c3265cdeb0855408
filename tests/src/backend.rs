//! A service in a process of its own, to be stopped and killed as services are: `python3` with its HTTP server.

use crate::edge::Addressed;
use crate::wait;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// A service in a process of its own; it answers every GET with its name.
#[derive(Debug)]
pub struct Backend {
    child: Mutex<Option<Child>>,
    address: SocketAddr,
    name: &'static str,
}

const SCRIPT: &str = r#"
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *words):
        pass
    def do_GET(self):
        body = sys.argv[2].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

ThreadingHTTPServer.allow_reuse_address = True
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"#;

impl Backend {
    /// Starts it.
    ///
    /// # Panics
    /// When there is no python3.
    pub fn named(name: &'static str) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port");
        let backend = Self { child: Mutex::new(None), address: free, name };
        backend.run();
        backend
    }

    /// Starts it again after [`Self::kill`].
    ///
    /// # Panics
    /// When there is no python3.
    pub fn run(&self) {
        let child = Command::new("python3")
            .args(["-c", SCRIPT, &self.address.port().to_string(), self.name])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        *self.child.lock().unwrap_or_else(PoisonError::into_inner) = Some(child.expect("python3 runs"));
        wait::eventually("the service to listen", || TcpStream::connect(self.address).ok());
    }

    /// Ends it at once, as `kill -9` does.
    pub fn kill(&self) {
        if let Some(mut child) = self.child.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Stops it without closing its connections: it takes some more, and answers nobody.
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
}

impl Addressed for Backend {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.kill();
    }
}
