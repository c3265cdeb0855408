//! A primary, its replica, and three sentinels that watch them.

use super::{RedisServer, free_port};
use crate::wait;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// What the sentinels call their primary.
pub const PRIMARY: &str = "counts";

/// A primary, its replica, and three sentinels.
#[derive(Debug)]
pub struct Sentinels {
    /// The first primary.
    pub first: RedisServer,
    /// What takes over when that is gone.
    pub second: RedisServer,
    sentinels: Vec<(Child, SocketAddr)>,
    _folder: TempDir,
}

impl Sentinels {
    /// Starts all of it, and waits until the sentinels know of the replica and of each other.
    ///
    /// # Panics
    /// When `redis-sentinel` is not installed.
    pub fn start() -> Self {
        let first = RedisServer::start();
        let of = first.port().to_string();
        let second = RedisServer::with(free_port(), &["--replicaof", "127.0.0.1", &of]);
        let folder = tempfile::tempdir().expect("a folder");
        let sentinels = (0..3).map(|index| sentinel(folder.path(), index, first.port())).collect();
        let all = Self { first, second, sentinels, _folder: folder };
        wait::eventually("the sentinels to know each other", || {
            all.sentinels.iter().all(|(_, address)| knows_all(*address)).then_some(())
        });
        all
    }

    /// Addresses of the sentinels.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sentinels.iter().map(|(_, address)| *address).collect()
    }

    /// Ends the primary and waits until the replica has taken over.
    pub fn fail_over(&self) {
        self.first.kill();
        wait::within(std::time::Duration::from_secs(60), || {
            self.second.command(&["ROLE"]).filter(|role| role.contains("master")).map(drop)
        })
        .expect("the replica takes over");
    }
}

fn sentinel(folder: &std::path::Path, index: usize, primary: u16) -> (Child, SocketAddr) {
    let port = free_port();
    let file = folder.join(format!("sentinel-{index}.conf"));
    let text = format!(
        "bind 127.0.0.1\nport {port}\ndir {}\n\
         sentinel monitor {PRIMARY} 127.0.0.1 {primary} 2\n\
         sentinel down-after-milliseconds {PRIMARY} 1000\n\
         sentinel failover-timeout {PRIMARY} 5000\n",
        folder.display()
    );
    std::fs::write(&file, text).expect("written");
    let child = Command::new("redis-sentinel")
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-sentinel runs (Debian package redis-sentinel)");
    (child, SocketAddr::from(([127, 0, 0, 1], port)))
}

fn knows_all(address: SocketAddr) -> bool {
    let answer = super::server::ask(address, &["SENTINEL", "MASTER", PRIMARY]).unwrap_or_default();
    let field =
        |name: &str| answer.split(&format!("{name}\r\n")).nth(1)?.split("\r\n").nth(1).map(str::to_owned);
    field("num-slaves").as_deref() == Some("1") && field("num-other-sentinels").as_deref() == Some("2")
}

impl Drop for Sentinels {
    fn drop(&mut self) {
        for (child, _) in &mut self.sentinels {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
