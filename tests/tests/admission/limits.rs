//! How often, in one process.

use portcullis_tests::issuer::Issuer;
use portcullis_tests::{Client, Config, Edge, Raw, Report, Response, Upstream, wait};
use serde_json::json;
use std::time::Duration;

fn edge(upstream: &Upstream, limits: &str, route: &str) -> Edge {
    Edge::start(config(upstream, limits, route))
}

fn config(upstream: &Upstream, limits: &str, route: &str) -> Config {
    Config::new()
        .top("trust: { proxies: [127.0.0.1/32] }")
        .top(&format!("limits: {{ {limits} }}"))
        .service("app", upstream)
        .route_text("app", &format!("match: \"* /**\", auth: public, to: app, {route}"))
}

fn from(edge: &Edge, address: &str) -> Response {
    Client::get("/x").header("x-forwarded-for", address).send(edge.address())
}

fn number(answer: &Response, name: &str) -> u64 {
    answer.header(name).unwrap_or_else(|| panic!("{name} is missing")).parse().unwrap()
}

#[test]
fn each_algorithm_admits_so_many_and_says_how_much_is_left_and_when_there_is_more() {
    let upstream = Upstream::replying(200);
    let mut report = Report::new();
    for algorithm in ["token-bucket", "fixed-window", "sliding-window"] {
        report.row(algorithm, "");
        let edge = edge(
            &upstream,
            &format!("few: {{ key: user, algorithm: {algorithm}, rate: 5/h, scope: instance }}")
                .replace("key: user", "key: { header: X-Who }"),
            "limits: [few]",
        );
        let ask = || Client::get("/x").header("x-who", "a").send(edge.address());

        let answers: Vec<Response> = (0..7).map(|_| ask()).collect();

        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        report.check(statuses == [200, 200, 200, 200, 200, 429, 429], || format!("{statuses:?}"));
        let left: Vec<u64> = answers.iter().map(|answer| number(answer, "x-ratelimit-remaining")).collect();
        report.check(left == [4, 3, 2, 1, 0, 0, 0], || format!("{left:?}"));
        let refused = answers.last().unwrap();
        let wait = number(refused, "retry-after");
        // In a sliding window the five count on, less and less, in the hour after.
        let longest = if algorithm == "sliding-window" { 3600 + 720 } else { 3600 };
        report.check((1..=longest).contains(&wait), || format!("retry after {wait}"));
        report.check(refused.header("ratelimit-policy") == Some("\"few\";q=5;w=3600"), || {
            format!("{:?}", refused.header("ratelimit-policy"))
        });
        let limit = refused.header("ratelimit").unwrap_or_default().to_owned();
        report.check(limit.starts_with("\"few\";r=0;t="), || limit);
        report.check(refused.json()["retryAfterSeconds"] == wait, || refused.text());
        report.check(refused.code() == "RATE_LIMITED", || refused.code());
        let other = Client::get("/x").header("x-who", "b").send(edge.address());
        report.check(other.status == 200, || "another is not limited".to_owned());
    }
    report.end();
}

#[test]
fn addresses_are_counted_as_far_as_they_are_believed_and_v6_by_its_network() {
    let upstream = Upstream::replying(200);
    let edge = edge(&upstream, "few: { key: ip, rate: 2/h, scope: instance }", "limits: [few]");

    for (address, expected) in [
        ("198.51.100.1", 200),
        ("::ffff:198.51.100.1", 200),
        ("198.51.100.1", 429),
        // Whoever stands left of what the proxy says is invented.
        ("9.9.9.9, 198.51.100.1", 429),
        ("198.51.100.2", 200),
        ("2001:db8:0:1::1", 200),
        ("2001:db8:0:1:ffff::2", 200),
        ("2001:db8:0:1:1234::3", 429),
        ("2001:db8:0:2::1", 200),
    ] {
        assert_eq!(from(&edge, address).status, expected, "{address}");
    }
}

#[test]
fn what_is_missing_is_shared_by_all_who_lack_it_and_long_values_are_told_apart() {
    let upstream = Upstream::replying(200);
    let edge =
        edge(&upstream, "few: { key: { header: X-Who }, rate: 1/h, scope: instance }", "limits: [few]");
    let ask = |who: Option<&str>| {
        let request = Client::get("/x");
        match who {
            Some(who) => request.header("x-who", who),
            None => request,
        }
        .send(edge.address())
        .status
    };

    assert_eq!([ask(None), ask(None)], [200, 429]);
    let (long, longer) = ("x".repeat(8_000), "x".repeat(8_001));
    assert_eq!([ask(Some(&long)), ask(Some(&long)), ask(Some(&longer))], [200, 429, 200]);
    assert_eq!([ask(Some("")), ask(Some(""))], [200, 429]);
}

#[test]
fn of_several_limits_the_tightest_is_told_and_who_is_refused_by_one_spends_nothing_of_the_others() {
    let upstream = Upstream::replying(200);
    let edge = edge(
        &upstream,
        "wide: { key: ip, rate: 10/h, scope: instance }, narrow: { key: { header: X-Who }, rate: 2/h, scope: instance }",
        "limits: [wide, narrow]",
    );
    let ask = |who: &str| Client::get("/x").header("x-who", who).send(edge.address());

    let first = ask("a");
    assert!(
        first.header("ratelimit").unwrap().starts_with("\"narrow\";r=1"),
        "{:?}",
        first.header("ratelimit")
    );
    ask("a");
    for _ in 0..5 {
        assert_eq!(ask("a").status, 429);
    }
    // Two of ten are spent: eight are left for others.
    let others: Vec<u16> = (0..9).map(|who| ask(&format!("o{who}")).status).collect();
    assert_eq!(others, [200, 200, 200, 200, 200, 200, 200, 200, 429]);
}

#[test]
fn tiers_have_rates_of_their_own_and_costs_count() {
    let (upstream, issuer) = (Upstream::replying(200), Issuer::start());
    let edge = Edge::with(|c| {
        c.top(&format!("auth: {{ customer: {{ {}, identity: {{ tier: plan }} }} }}", issuer.jwt("")))
            .top("limits: { by-tier: { key: user, tiers: { free: 2/h, premium: 4/h }, default: 1/h, scope: instance } }")
            .service("app", &upstream)
            .route_text("app", "match: GET /**, auth: customer, to: app, limits: [by-tier]")
    });
    let admitted = |user: &str, plan: Option<&str>| {
        let token = issuer.token(json!({ "sub": user, "plan": plan }));
        (0..8).filter(|_| super::with_token(&edge, "/x", &token).status == 200).count()
    };

    assert_eq!(admitted("f", Some("free")), 2);
    assert_eq!(admitted("p", Some("premium")), 4);
    assert_eq!(admitted("n", None), 1);
    assert_eq!(admitted("u", Some("unheard-of")), 1);

    let costly = super::limits::edge(
        &upstream,
        "few: { key: ip, rate: 10/h, scope: instance }",
        "limits: [{ limit: few, cost: 4 }]",
    );
    let answers: Vec<u16> = (0..3).map(|_| costly.get("/x").status).collect();
    assert_eq!(answers, [200, 200, 429]);
}

#[test]
fn a_queue_lets_wait_instead_of_refusing_and_lets_go_of_who_has_left() {
    let upstream = Upstream::replying(200);
    let edge = edge(
        &upstream,
        "smooth: { key: ip, rate: 1/s, burst: 1, queue: { length: 3, wait: 5s }, scope: instance }",
        "limits: [smooth]",
    );

    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..8).map(|_| scope.spawn(|| edge.get("/x").status)).collect();
        asking.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(
        statuses.iter().filter(|status| **status == 200).count(),
        4,
        "one at once and three that wait: {statuses:?}"
    );

    wait::eventually("the queue to be empty", || (edge.get("/x").status == 200).then_some(()));
    for _ in 0..3 {
        let mut waits = Raw::connect(edge.address());
        waits.send("GET /x HTTP/1.1\r\nhost: a\r\n\r\n");
        waits.reset();
    }
    wait::within(Duration::from_secs(15), || (edge.get("/x").status == 200).then_some(()))
        .expect("their places are free");
}

#[test]
fn a_quota_ends_with_the_month_of_its_zone() {
    let upstream = Upstream::replying(200);
    let edge = edge(
        &upstream,
        "month: { key: ip, quota: 2/month, timezone: Europe/Berlin, scope: instance }",
        "limits: [month]",
    );

    let answers: Vec<Response> = (0..3).map(|_| edge.get("/x")).collect();

    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200, 200, 429]);
    let wait = number(&answers[2], "retry-after");
    assert!((1..=31 * 86_400 + 3_600).contains(&wait), "{wait}");
}

#[test]
fn a_flood_limit_refuses_before_a_token_is_looked_at() {
    let (upstream, issuer) = (Upstream::replying(200), Issuer::start());
    let edge = Edge::with(|c| {
        c.top(&format!("auth: {{ customer: {{ {} }} }}", issuer.jwt("")))
            .top("limits: { flood: { key: ip, rate: 3/h, scope: instance } }")
            .top("defaults: { limits: [flood] }")
            .service("app", &upstream)
            .route_text("app", "match: GET /**, auth: customer, to: app")
    });

    let statuses: Vec<u16> = (0..5).map(|_| super::with_token(&edge, "/x", "a.b.c").status).collect();

    assert_eq!(statuses, [401, 401, 401, 429, 429]);
    assert_eq!(edge.metric("portcullis_authenticate_total", &[("verdict", "refused")]), 3.0);
    assert_eq!(edge.metric("portcullis_limit_total", &[("verdict", "refused"), ("limit", "flood")]), 2.0);
}

#[test]
fn keys_that_change_all_the_time_do_not_grow_the_process() {
    let upstream = Upstream::replying(200);
    let edge =
        edge(&upstream, "few: { key: { header: X-Who }, rate: 1/h, scope: instance }", "limits: [few]");
    let mut raw = Raw::connect(edge.address());
    let mut ask = |who: usize| {
        Client::get("/x").header("x-who", &who.to_string()).send_on(&mut raw);
    };
    (0..2_000).for_each(&mut ask);
    let before = edge.rss();

    (2_000..22_000).for_each(&mut ask);

    assert!(edge.rss() < before + (8 << 20), "{} → {}", before, edge.rss());
}

#[test]
fn counts_go_on_over_a_reload() {
    let upstream = Upstream::replying(200);
    let edge = edge(&upstream, "few: { key: ip, rate: 2/h, scope: instance }", "limits: [few]");
    assert_eq!(edge.get("/x").status, 200);
    assert_eq!(edge.get("/x").status, 200);

    edge.rewrite(|c| c.top("strict: { http10: keep }"));
    edge.wait_for_message("reloaded");

    assert_eq!(edge.get("/x").status, 429);
}
