//! A Redis Cluster of three primaries and three replicas.

use super::{RedisServer, free_port_pair};
use crate::wait;
use std::process::{Command, Stdio};

/// Six processes that share sixteen thousand slots.
#[derive(Debug)]
pub struct RedisCluster {
    /// The nodes; the first three begin as primaries.
    pub nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts it, and waits until every node says that all is well.
    ///
    /// # Panics
    /// When `redis-server` or `redis-cli` is not installed.
    pub fn start() -> Self {
        let arguments = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"];
        let nodes: Vec<RedisServer> =
            (0..6).map(|_| RedisServer::with(free_port_pair(), &arguments)).collect();
        let addresses = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port()));
        let made = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(addresses)
            .args(["--cluster-replicas", "1", "--cluster-yes"])
            .stdin(Stdio::null())
            .output()
            .expect("redis-cli runs (Debian package redis-tools)");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
        let cluster = Self { nodes };
        cluster.wait_until_well();
        // A replica that never had the data of its primary does not take over.
        let has_data = |node: &RedisServer| {
            node.command(&["INFO", "replication"])
                .is_some_and(|state| state.contains("master_link_status:up"))
        };
        wait::eventually("the replicas to have their data", || {
            (cluster.nodes.iter().filter(|node| has_data(node)).count() == 3).then_some(())
        });
        cluster
    }

    /// Waits until every node that runs says that all slots are served.
    pub fn wait_until_well(&self) {
        wait::within(std::time::Duration::from_secs(60), || {
            let mut states = self.nodes.iter().filter_map(|node| node.command(&["CLUSTER", "INFO"]));
            states.all(|state| state.contains("cluster_state:ok")).then_some(())
        })
        .expect("the cluster is well");
    }

    /// `["127.0.0.1:7000", …]`, as a configuration has it.
    pub fn addresses(&self) -> String {
        let addresses = self.nodes.iter().map(|node| format!("\"127.0.0.1:{}\"", node.port()));
        format!("[{}]", addresses.collect::<Vec<_>>().join(", "))
    }

    /// Moves 2,000 slots of the first primary to the second one, key by key. More would leave it none, and with it no
    /// majority to choose a new primary.
    pub fn move_slots(&self) {
        let id = |index: usize| {
            let node = self.nodes.get(index).expect("six nodes");
            let answer = node.command(&["CLUSTER", "MYID"]).expect("an id");
            answer.lines().nth(1).expect("an id").to_owned()
        };
        let first = self.nodes.first().expect("six nodes");
        let moved = Command::new("redis-cli")
            .args(["--cluster", "reshard", &format!("127.0.0.1:{}", first.port())])
            .args(["--cluster-from", &id(0), "--cluster-to", &id(1)])
            .args(["--cluster-slots", "2000", "--cluster-yes"])
            .stdin(Stdio::null())
            .output()
            .expect("redis-cli runs");
        assert!(moved.status.success(), "{}", String::from_utf8_lossy(&moved.stdout));
        self.wait_until_well();
    }
}
