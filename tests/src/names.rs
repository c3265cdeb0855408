//! A real name server: dnsmasq, whose records change.

use crate::wait;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// A running dnsmasq.
#[derive(Debug)]
pub struct NameServer {
    child: Mutex<Option<Child>>,
    address: SocketAddr,
}

impl NameServer {
    /// Starts one with these lines of its configuration, as in `host-record=shop.test,127.0.0.1,1` (name, address,
    /// seconds to live) or `srv-host=_http._tcp.shop.test,a.shop.test,8080,0,1`. What it does not know does not exist.
    pub fn with(lines: &[&str]) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], crate::redis::free_port()));
        let server = Self { child: Mutex::new(None), address };
        server.change(lines);
        server
    }

    /// Goes on with other records.
    ///
    /// # Panics
    /// When `dnsmasq` is not installed or does not answer.
    pub fn change(&self, lines: &[&str]) {
        self.kill();
        let child = Command::new("dnsmasq")
            .args([
                "--keep-in-foreground",
                "--conf-file=/dev/null",
                "--no-resolv",
                "--no-hosts",
                "--user=root",
            ])
            .args(["--bind-interfaces", "--listen-address=127.0.0.1", "--pid-file", "--local=/test/"])
            .arg(format!("--port={}", self.address.port()))
            .args(lines.iter().map(|line| format!("--{line}")))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = child.expect("dnsmasq runs (Debian package dnsmasq-base)");
        *self.child.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
        wait::eventually("dnsmasq to listen", || TcpStream::connect(self.address).ok());
    }

    /// Ends it at once.
    pub fn kill(&self) {
        if let Some(mut child) = self.child.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Stops it: it hears, and does not answer.
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

    /// Where it answers, over UDP and TCP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `resolve:` of a service that asks it.
    pub fn resolve(&self) -> String {
        format!("resolve: {{ servers: [\"{}\"], allow: [local], min_ttl: 1s }}", self.address)
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.kill();
    }
}
