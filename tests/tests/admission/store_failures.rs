//! The store slow, gone, full, read only, and back again.

use super::shared_limits::{admitted, edge};
use portcullis_tests::redis::{RedisServer, free_port};
use portcullis_tests::{Client, Edge, Report, Upstream, wait};
use std::time::Duration;

const LIMIT: &str = "key: { header: X-Who }, rate: 100/h, scope: global, sharing: exact";

/// A store for `stores:` that has little time.
fn store(redis: &RedisServer, more: &str) -> String {
    format!("stores: {{ redis: {{ url: \"{}\", timeout: 200ms{more} }} }}", redis.url())
}

fn ask(edge: &Edge, who: &str) -> u16 {
    Client::get("/x").header("x-who", who).send(edge.address()).status
}

#[test]
fn a_store_that_is_frozen_is_replaced_as_the_file_says_within_its_time() {
    for (on_failure, expected) in [("allow", 200), ("deny", 503), ("divide", 200)] {
        let (upstream, redis) = (Upstream::replying(200), RedisServer::start());
        let edge = edge(&upstream, &store(&redis, &format!(", on_failure: {on_failure}")), LIMIT);
        assert_eq!(ask(&edge, "a"), 200);

        redis.freeze();

        for who in 0..20 {
            assert_eq!(ask(&edge, &format!("b{who}")), expected, "{on_failure}");
        }
        let errors = edge.metric("portcullis_limit_store_total", &[("event", "error")]);
        assert!(errors >= 1.0, "{on_failure}: {errors}");
        // Not every request has waited: the breaker is open.
        let slow = edge
            .access_log()
            .iter()
            .filter(|line| line["portcullis.duration_ms"].as_f64() > Some(180.0))
            .count();
        assert!(slow <= 10, "{on_failure}: {slow} requests waited for the store");

        redis.thaw();
        // Each worker has a breaker of its own.
        let errors = || edge.metric("portcullis_limit_store_total", &[("event", "error")]);
        wait::eventually("the store to be asked again", || {
            let before = errors();
            let answers: Vec<u16> = (0..10).map(|who| ask(&edge, &format!("c{who}"))).collect();
            (answers == [200; 10] && errors() == before).then_some(())
        });
    }
}

#[test]
fn without_the_store_each_process_counts_its_share() {
    let (upstream, redis) = (Upstream::replying(200), RedisServer::start());
    let store = store(&redis, ", on_failure: divide, instances: 4");
    let edges = [edge(&upstream, &store, LIMIT)];
    assert_eq!(ask(&edges[0], "warm"), 200);

    redis.kill();

    assert_eq!(admitted(&edges, 4, 200), 25);
    redis.run();
    wait::eventually("the store to count again", || {
        ask(&edges[0], "z");
        (redis.keys() >= 2).then_some(())
    });
}

#[test]
fn every_way_a_store_can_be_wrong_is_a_failure_of_the_store_and_never_a_500() {
    let upstream = Upstream::replying(200);
    let mut report = Report::new();
    let primary = free_port().to_string();
    let kinds: [(&str, Vec<&str>); 3] = [
        ("out of memory", vec!["--maxmemory", "1mb", "--maxmemory-policy", "noeviction"]),
        ("read only", vec!["--replicaof", "127.0.0.1", &primary]),
        ("no scripts", vec!["--rename-command", "EVALSHA", "", "--rename-command", "EVAL", ""]),
    ];
    for (name, arguments) in kinds {
        report.row(name, "");
        let redis = RedisServer::with(free_port(), &arguments);
        let edge = edge(&upstream, &store(&redis, ", on_failure: deny"), LIMIT);
        let status = ask(&edge, "a");
        report.check(status == 503, || status.to_string());
        let answer = Client::get("/x").send(edge.address());
        report.check(answer.code() == "LIMIT_UNAVAILABLE", || answer.text());
        report.check(edge.is_running(), || "it has ended".to_owned());
    }
    report.end();
}

#[test]
fn a_store_that_comes_and_goes_leaks_nothing() {
    let (upstream, redis) = (Upstream::replying(200), RedisServer::start());
    let edge = edge(&upstream, &store(&redis, ", on_failure: allow"), LIMIT);
    ask(&edge, "a");
    let before = edge.fds();

    for _ in 0..4 {
        redis.kill();
        for who in 0..20 {
            assert_eq!(ask(&edge, &format!("x{who}")), 200);
        }
        redis.run();
        wait::eventually("the store to count again", || {
            ask(&edge, "b");
            (redis.keys() >= 1).then_some(())
        });
    }

    wait::within(Duration::from_secs(10), || (edge.fds() <= before + 4).then_some(()))
        .unwrap_or_else(|| panic!("{} → {} files", before, edge.fds()));
}

#[test]
fn nobody_waits_for_a_store_that_was_never_there() {
    let upstream = Upstream::replying(200);
    let text =
        format!("stores: {{ redis: {{ url: \"redis://127.0.0.1:{}\", on_failure: allow }} }}", free_port());

    let edge = edge(&upstream, &text, LIMIT);

    assert_eq!(ask(&edge, "a"), 200);
    assert_eq!(edge.metric("portcullis_limit_total", &[("limit", "shared"), ("verdict", "refused")]), 0.0);
}
