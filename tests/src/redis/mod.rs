//! Real Redis servers on free ports of this machine: one, one with replicas and sentinels, a cluster.
//!
//! Each is a process of the test, ended when it is dropped; nothing is kept on disk beyond that.

mod cluster;
mod sentinel;
mod server;

pub use cluster::RedisCluster;
pub use sentinel::Sentinels;
pub use server::RedisServer;

use std::net::TcpListener;

/// A port nobody has at this moment.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

/// A port nobody has, whose neighbour 10000 further is free too: Redis Cluster wants both.
pub(crate) fn free_port_pair() -> u16 {
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    (0..1000)
        .map(|_| fastrand::u16(20_000..50_000))
        .find(|port| free(*port) && free(port + 10_000))
        .expect("a pair of free ports")
}
