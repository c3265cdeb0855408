//! Sentinels and clusters: what takes over when a part of the store is gone.

use super::shared_limits::{admitted, edge};
use portcullis_tests::redis::{RedisCluster, Sentinels};
use portcullis_tests::{Client, Edge, Upstream, wait};
use std::time::Duration;

const LIMIT: &str = "key: { header: X-Who }, rate: 100/h, scope: global, sharing: exact";

fn ask(edge: &Edge, who: &str) -> u16 {
    Client::get("/x").header("x-who", who).send(edge.address()).status
}

#[test]
fn after_a_failover_of_sentinels_the_new_primary_counts() {
    let (upstream, redis) = (Upstream::replying(200), Sentinels::start());
    let addresses: Vec<String> = redis.addresses().iter().map(|address| format!("\"{address}\"")).collect();
    let store = format!(
        "stores: {{ redis: {{ sentinel: {{ addresses: [{}], primary: counts }}, timeout: 1s, on_failure: deny }} }}",
        addresses.join(", ")
    );
    let edges = [edge(&upstream, &store, LIMIT)];
    assert_eq!(admitted(&edges, 4, 150), 100);

    redis.fail_over();

    wait::within(Duration::from_secs(30), || (ask(&edges[0], "bob") == 200).then_some(()))
        .expect("it counts again");
    assert!(redis.second.keys() >= 1);
}

#[test]
fn a_cluster_counts_exactly_while_slots_move_and_after_a_primary_is_gone() {
    let (upstream, redis) = (Upstream::replying(200), RedisCluster::start());
    let store =
        format!("stores: {{ redis: {{ cluster: {}, timeout: 1s, on_failure: deny }} }}", redis.addresses());
    let edges: Vec<Edge> = (0..2).map(|_| edge(&upstream, &store, LIMIT)).collect();
    assert_eq!(admitted(&edges, 8, 300), 100);
    let spread = redis.nodes.iter().take(3).filter(|node| {
        (0..40).for_each(|who| assert_eq!(ask(&edges[0], &format!("spread-{who}")), 200));
        node.keys() > 0
    });
    assert_eq!(spread.count(), 3, "keys are spread over the cluster");

    redis.move_slots();
    assert_eq!(admitted(&edges, 8, 50), 0, "what was counted has moved with its slot");
    for who in 0..30 {
        assert_eq!(ask(&edges[1], &format!("moved-{who}")), 200);
    }

    redis.nodes[1].kill();
    for who in 0..30 {
        wait::within(Duration::from_secs(30), || {
            (ask(&edges[0], &format!("after-{who}")) == 200).then_some(())
        })
        .expect("the replica counts");
    }
}
