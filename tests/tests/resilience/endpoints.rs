//! Which endpoint is asked: by hash, by zone, by how quick it is; new ones slowly, bad ones not at all, but never nobody.

use super::count;
use portcullis_tests::{Addressed, Backend, Client, Edge, Upstream, wait};
use std::collections::{HashMap, HashSet};

fn named(count: usize) -> Vec<Upstream> {
    const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
    NAMES.iter().take(count).map(|name| Upstream::named(name)).collect()
}

fn addressed(upstreams: &[Upstream]) -> Vec<&dyn Addressed> {
    upstreams.iter().map(|upstream| upstream as &dyn Addressed).collect()
}

#[test]
fn the_same_caller_is_sent_to_the_same_endpoint_by_every_process() {
    let upstreams = named(5);
    let all = addressed(&upstreams);
    let start = || {
        Edge::with(|config| {
            config
                .service_with("api", &all, "balance: hash, hash: { header: X-Tenant }")
                .route("* /**", "api")
                .workers(2)
        })
    };
    let edges = [start(), start()];
    let place = |tenant: usize| {
        let seen: HashSet<_> = (0..6)
            .map(|turn| {
                let request = Client::get("/").header("X-Tenant", &format!("tenant-{tenant}"));
                request.send(edges[turn % 2].address()).text()
            })
            .collect();
        assert_eq!(seen.len(), 1, "tenant {tenant}: {seen:?}");
        seen.into_iter().next()
    };

    let places: HashSet<_> = (0..40).map(place).collect();

    assert!(places.len() >= 4, "forty tenants on {places:?}");
}

#[test]
fn when_the_endpoint_of_a_caller_dies_only_its_callers_move() {
    let backends = [Backend::named("a"), Backend::named("b"), Backend::named("c")];
    let all: Vec<_> = backends.iter().map(|backend| backend as &dyn Addressed).collect();
    let edge = Edge::with(|config| {
        config
            .service_with("api", &all, "balance: hash, hash: { header: X-Tenant }, pool: { max_idle: 0 }")
            .route("* /**", "api")
            .workers(1)
    });
    let places = || -> HashMap<usize, String> {
        let ask = |tenant: usize| {
            let answer = Client::get("/").header("X-Tenant", &tenant.to_string()).send(edge.address());
            assert_eq!(answer.status, 200, "{}", answer.text());
            (tenant, answer.text())
        };
        (0..30).map(ask).collect()
    };
    let before = places();

    backends[0].kill();
    let after = places();

    for (tenant, place) in &before {
        let now = &after[tenant];
        assert!(if place == "a" { now != "a" } else { now == place }, "tenant {tenant}: {place} -> {now}");
    }
}

#[test]
fn endpoints_of_our_own_zone_come_first() {
    let upstreams = named(6);
    let endpoints: Vec<_> = upstreams
        .iter()
        .enumerate()
        .map(|(index, upstream)| {
            let zone = if index < 3 { "here" } else { "there" };
            format!("{{ address: \"{}\", zone: {zone} }}", upstream.address())
        })
        .collect();
    let keys = format!("endpoints: [{}]", endpoints.join(", "));
    let edge = Edge::with(|config| config.top("zone: here").service_text("api", &keys).route("* /**", "api"));

    let answers: Vec<_> = (0..60).map(|_| edge.get("/")).collect();

    assert_eq!(count(&answers, 200), 60);
    let near: usize = upstreams.iter().take(3).map(Upstream::count).sum();
    assert_eq!(near, 60, "some went to the other zone");
}

#[test]
fn the_last_endpoint_is_never_left_out() {
    let bad = Upstream::replying(503);
    let edge = Edge::with(|config| {
        config.service_with("api", &[&bad], "retry: none, outlier: { consecutive: 1 }").route("* /**", "api")
    });

    let answers: Vec<_> = (0..10).map(|_| edge.get("/")).collect();

    assert_eq!(bad.count(), 10);
    assert!(answers.iter().all(|answer| answer.status == 503));
}

#[test]
fn no_more_than_half_are_left_out_however_many_fail() {
    let bad: Vec<_> = (0..4).map(|_| Upstream::replying(503)).collect();
    let all = addressed(&bad);
    let edge = Edge::with(|config| {
        config
            .service_with(
                "api",
                &all,
                "balance: round-robin, retry: none, outlier: { consecutive: 1, base: 60s }",
            )
            .route("* /**", "api")
            .workers(1)
    });

    (0..40).for_each(|_| drop(edge.get("/")));

    wait::eventually("the gauge", || {
        let ejected = edge
            .metric("portcullis_upstream_endpoints", &[("upstream_cluster", "api"), ("state", "ejected")]);
        (ejected == 2.0).then_some(())
    });
}

#[test]
fn a_new_endpoint_gets_its_share_slowly() {
    let (old, new) = (Upstream::named("old"), Upstream::named("new"));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("endpoints.yaml");
    std::fs::write(&file, format!("[\"{}\"]\n", old.address())).expect("written");
    let keys = format!("file: {}, slow_start: 20s, balance: round-robin", file.display());
    let edge = Edge::with(|config| config.service_text("api", &keys).route("* /**", "api").workers(1));
    wait::eventually("the file to be read", || (edge.get("/").status == 200).then_some(()));

    // The old one was new itself: it gets ahead.
    wait::pause(std::time::Duration::from_secs(6));

    std::fs::write(&file, format!("[\"{}\", \"{}\"]\n", old.address(), new.address())).expect("written");
    wait::eventually("the new endpoint", || (edge.get("/").text() == "new").then_some(()));
    let before = (old.count(), new.count());
    (0..100).for_each(|_| drop(edge.get("/")));

    let (of_old, of_new) = (old.count() - before.0, new.count() - before.1);
    assert!(of_new >= 1 && of_new * 2 < of_old, "{of_new} of {}", of_old + of_new);
}

#[test]
fn a_service_that_is_stopped_or_killed_costs_its_clients_nothing_but_time() {
    let backends = [Backend::named("a"), Backend::named("b"), Backend::named("c")];
    let all: Vec<_> = backends.iter().map(|backend| backend as &dyn Addressed).collect();
    let edge = Edge::with(|config| {
        config
            .service_with(
                "api",
                &all,
                "timeout: { connect: 300ms, per_try: 300ms, request: 5s }, outlier: { consecutive: 2, base: 60s }, \
                 retry: { floor: 100/s }",
            )
            .route("* /**", "api")
            .workers(1)
    });
    let mut bad = Vec::new();
    for turn in 0..90 {
        match turn {
            20 => backends[0].freeze(),
            50 => backends[0].thaw(),
            60 => backends[1].kill(),
            _ => {}
        }
        let answer = edge.get("/");
        if answer.status != 200 {
            bad.push((turn, answer.status, answer.text()));
        }
    }

    assert!(bad.is_empty(), "{bad:?}");
}

#[test]
fn ten_thousand_endpoints_are_taken_over_at_once_and_chosen_from() {
    let real = Upstream::replying(200);
    let list = |weight: u32| {
        let mut lines = format!("- {{ address: \"{}\", weight: 1000 }}\n", real.address());
        for index in 0..9_999_u32 {
            lines += &format!(
                "- {{ address: \"127.{}.{}.{}:9\", weight: {weight} }}\n",
                1 + index / 62_500,
                (index / 250) % 250,
                1 + index % 250
            );
        }
        lines
    };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("endpoints.yaml");
    std::fs::write(&file, list(1)).expect("written");
    let keys = format!("file: {}, timeout: {{ connect: 1s }}, bulkhead: none", file.display());
    let edge = Edge::with(|config| config.service_text("api", &keys).route("* /**", "api").workers(1));
    wait::eventually("the file to be read", || (edge.get("/").status == 200).then_some(()));
    assert!(edge.admin_get("/clusters").text().lines().count() >= 10_000);

    std::fs::write(&file, list(2)).expect("written");
    edge.wait_for_messages("endpoints_changed", 2);

    let answers: Vec<_> = (0..50).map(|_| edge.get("/")).collect();
    // Most are refused somewhere first; nearly all must be answered in the end.
    assert!(
        count(&answers, 200) >= 1,
        "{:?}",
        answers.iter().map(|answer| answer.status).collect::<Vec<_>>()
    );
}
