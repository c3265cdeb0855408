//! Active checks over time: thresholds, endpoints that come and go, reloads. Every check waits for its answer until the test
//! says what it is, so that nothing here depends on how quick anybody is.

use super::health::{QUICK, becomes, row, standing};
use portcullis_tests::{Addressed, Config, Edge, Reply, Upstream, wait};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};

/// An upstream whose answers to checks are given one by one; requests for `/` are answered with 200 at once.
struct Asked {
    upstream: Upstream,
    answers: Sender<u16>,
}

impl Asked {
    fn new() -> Self {
        let (answers, given) = channel();
        let given = Mutex::new(given);
        let upstream = Upstream::scripted(move |request, wire| {
            if request.target == "/" {
                return wire.reply(request, &Reply::new(200));
            }
            let given = given.lock().unwrap_or_else(PoisonError::into_inner).recv();
            match given {
                Ok(status) => wire.reply(request, &Reply::new(status)),
                Err(_over) => wire.close(),
            }
        });
        Self { upstream, answers }
    }

    fn checks(&self) -> usize {
        self.upstream.requests().iter().filter(|request| request.target != "/").count()
    }

    /// Waits until so many checks have come.
    fn wait_for_checks(&self, count: usize) {
        wait::eventually(&format!("{count} checks"), || (self.checks() >= count).then_some(()));
    }

    /// Answers the check that waits. When the next one comes, what this one said has been noted.
    fn answer(&self, status: u16) {
        let before = self.checks();
        self.answers.send(status).expect("it waits");
        self.wait_for_checks(before + 1);
    }

    fn served(&self) -> usize {
        self.upstream.requests().iter().filter(|request| request.target == "/").count()
    }
}

impl Addressed for Asked {
    fn address(&self) -> std::net::SocketAddr {
        self.upstream.address()
    }
}

/// Checks that wait as long as the test does.
fn health(path: &str, healthy: u32, unhealthy: u32) -> String {
    format!(
        "health: {{ path: {path}, interval: 10ms, timeout: 10m, healthy: {healthy}, unhealthy: {unhealthy} }}"
    )
}

fn api(config: Config, upstreams: &[&dyn Addressed], keys: &str) -> Config {
    config.service_with("api", upstreams, &format!("balance: round-robin, {keys}")).route("* /**", "api")
}

/// Another configuration, in force.
fn reload(edge: &Edge, config: Config) {
    let before = edge.metric("portcullis_config_reloads_total", &[("result", "applied")]);
    edge.rewrite(|_| config);
    wait::eventually("the new configuration", || {
        let now = edge.metric("portcullis_config_reloads_total", &[("result", "applied")]);
        (now > before).then_some(())
    });
}

#[test]
fn so_many_in_a_row_and_no_fewer_change_what_an_endpoint_is() {
    let asked = Asked::new();
    let edge = Edge::with(|config| api(config, &[&asked], &health("/healthz", 2, 3)));
    asked.wait_for_checks(1);
    assert_eq!(standing(&edge, "api", &asked).0, "unknown");

    let story = [
        (500, "unknown"),
        (500, "unknown"),
        (200, "well"),
        (500, "well"),
        (500, "well"),
        (200, "well"),
        (500, "well"),
        (500, "well"),
        (500, "ill"),
        (200, "ill"),
        (500, "ill"),
        (200, "ill"),
        (200, "well"),
    ];
    for (turn, (status, word)) in story.into_iter().enumerate() {
        asked.answer(status);
        assert_eq!(standing(&edge, "api", &asked).0, word, "after check {turn}");
    }
    let lines = |event: &str| edge.messages().iter().filter(|line| line.contains(event)).count();
    edge.wait_for_messages("endpoint_well", 2);
    assert_eq!((lines("endpoint_well"), lines("endpoint_ill")), (2, 1));
}

#[test]
fn who_was_never_asked_is_served_while_nobody_is_known_to_be_well() {
    let (a, b) = (Asked::new(), Asked::new());
    let edge = Edge::with(|config| api(config, &[&a, &b], &health("/healthz", 1, 1)));
    a.wait_for_checks(1);
    b.wait_for_checks(1);

    assert!((0..10).all(|_| edge.get("/").status == 200));
    assert!(a.served() > 0 && b.served() > 0);
    assert_eq!(standing(&edge, "api", &a), ("unknown".to_owned(), String::new()));

    // One is ill: the other is used, although nobody knows anything of it.
    a.answer(500);
    let before = a.served();
    assert!((0..10).all(|_| edge.get("/").status == 200));
    assert_eq!(a.served(), before);
}

#[test]
fn an_endpoint_that_is_new_waits_for_its_first_check_beside_one_that_is_well() {
    let (old, new) = (Asked::new(), Asked::new());
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("endpoints.yaml");
    let write = |all: &[&Asked]| {
        let lines: Vec<String> = all.iter().map(|one| format!("- \"{}\"\n", one.address())).collect();
        let beside = file.with_extension("new");
        std::fs::write(&beside, lines.concat()).expect("written");
        std::fs::rename(&beside, &file).expect("renamed");
    };
    write(&[&old]);
    let keys = format!("file: {}, balance: round-robin, {}", file.display(), health("/healthz", 1, 1));
    let edge = Edge::with(|config| config.service_text("api", &keys).route("* /**", "api"));
    old.wait_for_checks(1);
    old.answer(200);

    write(&[&old, &new]);
    new.wait_for_checks(1);
    assert!((0..10).all(|_| edge.get("/").status == 200));
    assert_eq!(new.served(), 0, "it got requests before it was asked");

    new.answer(200);
    wait::eventually("its first request", || {
        assert_eq!(edge.get("/").status, 200);
        (new.served() > 0).then_some(())
    });

    // Who leaves and comes back is another one: what was found of it says nothing.
    new.answer(500);
    assert_eq!(standing(&edge, "api", &new).0, "ill");
    write(&[&old]);
    wait::eventually("it to be gone", || {
        (!edge.admin_get("/clusters").text().contains(&new.address().to_string())).then_some(())
    });
    let before = new.checks();
    write(&[&old, &new]);
    new.wait_for_checks(before + 1);
    assert_eq!(standing(&edge, "api", &new).0, "unknown");
}

#[test]
fn a_reload_that_asks_the_same_keeps_what_was_found() {
    let (a, b, c) = (Asked::new(), Asked::new(), Asked::new());
    let describe = |all: &[&dyn Addressed], keys: &str| api(Config::new(), all, keys);
    let edge = Edge::start(describe(&[&a, &b], &health("/healthz", 1, 1)));
    a.wait_for_checks(1);
    b.wait_for_checks(1);
    a.answer(500);
    b.answer(200);
    let ill = || {
        assert_eq!(standing(&edge, "api", &a), ("ill".to_owned(), "status 500".to_owned()));
        assert_eq!(standing(&edge, "api", &b).0, "well");
        let before = a.served();
        assert!((0..6).all(|_| edge.get("/").status == 200));
        assert_eq!(a.served(), before, "an ill endpoint got requests");
    };
    ill();

    // Nothing that a check sees: even the check that is on its way goes on.
    let checks = a.checks();
    reload(&edge, describe(&[&a, &b], &format!("retry: none, {}", health("/healthz", 1, 1))));
    ill();
    assert_eq!((a.checks(), a.upstream.abandoned()), (checks, 0));

    // Another endpoint, and other thresholds: asked anew, but nothing is forgotten.
    reload(&edge, describe(&[&a, &b, &c], &format!("retry: none, {}", health("/healthz", 1, 1))));
    c.wait_for_checks(1);
    a.wait_for_checks(checks + 1);
    ill();
    reload(&edge, describe(&[&a, &b, &c], &health("/healthz", 2, 2)));
    a.wait_for_checks(checks + 2);
    ill();
}

#[test]
fn a_reload_that_asks_something_else_begins_with_unknown() {
    let (a, b) = (Asked::new(), Asked::new());
    let describe = |keys: &str| api(Config::new(), &[&a, &b], keys);
    let edge = Edge::start(describe(&health("/healthz", 2, 2)));
    a.wait_for_checks(1);
    a.answer(500);
    a.answer(500);
    assert_eq!(standing(&edge, "api", &a).0, "ill");

    let checks = a.checks();
    reload(&edge, describe(&health("/ready", 2, 2)));
    a.wait_for_checks(checks + 1);

    assert_eq!(standing(&edge, "api", &a), ("unknown".to_owned(), String::new()));
    let before = a.served();
    assert!((0..10).all(|_| edge.get("/").status == 200));
    assert!(a.served() > before, "it is still left out");
    let asked = a.upstream.requests().into_iter().filter(|one| one.target == "/ready").count();
    assert_eq!(asked, 1);
}

#[test]
fn without_health_all_are_served_and_nobody_is_asked_any_more() {
    let (ill, well) = (
        Upstream::answering(|request| Reply::new(if request.target == "/" { 200 } else { 500 })),
        Upstream::replying(200),
    );
    let other = Upstream::replying(200);
    let describe = |keys: &str| {
        let other_keys = format!("health: {{ path: /healthz, {QUICK} }}");
        api(Config::new(), &[&ill, &well], keys).service_with("other", &[&other], &other_keys)
    };
    let checked = format!("health: {{ path: /healthz, {QUICK} }}");
    let edge = Edge::start(describe(&checked));
    becomes(&edge, "api", &ill, "ill");
    let checks = || ill.requests().iter().filter(|one| one.target != "/").count();
    let served = || ill.requests().iter().filter(|one| one.target == "/").count();
    let rest = || {
        // What was on its way has arrived, although nobody may have accepted it yet; then others are asked many times,
        // and these not once.
        let others = |more: usize| {
            let turn = other.count();
            wait::eventually("checks of others", || (other.count() >= turn + more).then_some(()));
        };
        others(4);
        wait::eventually("the last check to end", || (ill.open_connections() == 0).then_some(()));
        let before = checks();
        others(10);
        assert_eq!(checks(), before, "the checks go on");
    };

    reload(&edge, describe("pool: { max_idle: 0 }"));
    rest();
    assert_eq!(standing(&edge, "api", &ill), ("unchecked".to_owned(), String::new()));
    let before = served();
    wait::eventually("requests for all", || {
        assert_eq!(edge.get("/").status, 200);
        (served() > before).then_some(())
    });

    // And the same when the whole service goes.
    reload(&edge, describe(&checked));
    becomes(&edge, "api", &ill, "ill");
    let keys = format!("health: {{ path: /healthz, {QUICK} }}");
    reload(&edge, Config::new().service_with("other", &[&other], &keys).route("* /**", "other"));
    rest();
    let clusters = edge.admin_get("/clusters");
    assert!(!clusters.text().contains(&ill.address().to_string()));
    assert_eq!(row(&clusters, "other", &other.address().to_string()).0, "well");
}
