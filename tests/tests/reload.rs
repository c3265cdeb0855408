//! A new configuration while requests go on: all of it or nothing, and nobody notices.

use portcullis_tests::{Client, Edge, Raw, Reply, Upstream, wait};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

fn two() -> (Upstream, Upstream, Edge) {
    let (a, b) = (Upstream::named("a"), Upstream::named("b"));
    let edge = Edge::with(|c| c.service("a", &a).service("b", &b).route("GET /x", "a").route("GET /b", "b"));
    (a, b, edge)
}

fn answers(edge: &Edge, path: &str, expected: &str) {
    wait::eventually(&format!("{path} to be answered by {expected}"), || {
        (edge.get(path).text() == expected).then_some(())
    });
}

#[test]
fn a_changed_file_is_taken_over() {
    let (_a, _b, edge) = two();
    assert_eq!(edge.get("/x").text(), "a");

    edge.rewrite(|c| c.without_routes().route("GET /x", "b").route("GET /new", "a"));

    answers(&edge, "/x", "b");
    assert_eq!(edge.get("/new").text(), "a");
    assert_eq!(edge.get("/b").status, 404);
    assert_eq!(edge.metric("portcullis_config_last_reload_success", &[]), 1.0);
}

#[test]
fn sighup_reads_the_file_again() {
    let (_a, _b, edge) = two();
    edge.rewrite(|c| c.without_routes().route("GET /x", "b"));
    answers(&edge, "/x", "b");
    let reloads = edge.metric("portcullis_config_reloads_total", &[]);

    edge.signal("HUP");

    wait::eventually("one more reload", || {
        (edge.metric("portcullis_config_reloads_total", &[]) > reloads).then_some(())
    });
    assert_eq!(edge.get("/x").text(), "b");
}

#[test]
fn a_bad_file_leaves_the_old_configuration_and_says_where_it_is_wrong() {
    let (_a, _b, edge) = two();
    let good = std::fs::read_to_string(edge.file()).expect("the file");
    let bad = [
        ("not YAML", "version: 1\nlisteners: [\n".to_owned(), "1"),
        ("unknown key", good.replace("services:", "servises:"), "services"),
        ("unknown service", good.replace("to: a", "to: nobody"), "nobody"),
        ("route twice", format!("{good}  - {{ name: again, match: \"GET /x\", auth: public, to: b }}\n"), "again"),
        ("missing certificate", good.replace("\"127.0.0.1:0\" }\nservices", "\"127.0.0.1:0\", tls: { certificates: [{ cert: no.pem, key: \"file:no.key\" }] } }\nservices"), "no.pem"),
        ("half a file", good.get(..good.len() / 2).expect("ASCII").to_owned(), "portcullis.yaml"),
        ("empty", String::new(), "portcullis.yaml"),
    ];

    for (refused, (name, text, word)) in bad.iter().enumerate() {
        assert_ne!(text, &good, "{name} is no change");
        let seen = edge.messages().len();
        edge.rewrite_text(text);
        wait::eventually(&format!("{name} to be refused"), || {
            (edge.metric("portcullis_config_reloads_total", &[("result", "refused")]) > refused as f64)
                .then_some(())
        });
        wait::eventually(&format!("{name}: a message with {word:?}"), || {
            edge.messages().iter().skip(seen).any(|line| line.contains(word)).then_some(())
        });
        assert_eq!(edge.get("/x").text(), "a", "{name}");
        assert_eq!(edge.metric("portcullis_config_last_reload_success", &[]), 0.0, "{name}");
    }

    edge.rewrite_text(&good);
    wait::eventually("the good file to be taken again", || {
        (edge.metric("portcullis_config_last_reload_success", &[]) == 1.0).then_some(())
    });
}

#[test]
fn connections_and_counters_outlive_a_reload() {
    let (a, _b, edge) = two();
    let mut raw = Raw::connect(edge.address());
    for _ in 0..10 {
        assert_eq!(Client::get("/x").send_on(&mut raw).text(), "a");
    }
    let (connections, counted) = (a.connections(), edge.counted());

    edge.rewrite(|c| c.route("GET /new", "b"));
    answers(&edge, "/new", "b");

    assert_eq!(Client::get("/x").send_on(&mut raw).text(), "a", "the client's connection goes on");
    assert_eq!(Client::get("/new").send_on(&mut raw).text(), "b", "and sees the new routes");
    assert_eq!(a.connections(), connections, "the pool of an unchanged service is kept");
    assert!(edge.counted() > counted);
}

#[test]
fn an_answer_that_is_on_its_way_is_finished_under_the_old_configuration() {
    static GO: AtomicBool = AtomicBool::new(false);
    let upstream = Upstream::scripted(|request, wire| {
        if request.target != "/slow" {
            return wire.reply(request, &Reply::new(200).body("old"));
        }
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf");
        wait::eventually("the test to go on", || GO.load(Ordering::Relaxed).then_some(()));
        wire.send("half");
    });
    let other = Upstream::named("other");
    let edge = Edge::with(|c| c.service("api", &upstream).service("other", &other).route("GET /**", "api"));
    let mut raw = Raw::connect(edge.address());
    raw.send(Client::get("/slow").bytes());
    upstream.wait_for_requests(1);

    edge.rewrite(|c| c.without_routes().route("GET /**", "other"));
    answers(&edge, "/x", "other");
    GO.store(true, Ordering::Relaxed);

    assert_eq!(raw.response("GET").text(), "halfhalf");
}

#[test]
fn no_request_fails_during_twenty_reloads() {
    let (a, b) = (
        Upstream::answering(|_| Reply::new(200).body("a")),
        Upstream::answering(|_| Reply::new(200).body("b")),
    );
    let edge = Edge::with(|c| c.service("a", &a).service("b", &b).route("GET /x", "a"));
    let (done, served) = (AtomicBool::new(false), AtomicUsize::new(0));

    std::thread::scope(|scope| {
        let load = || {
            let mut raw = Raw::connect(edge.address());
            while !done.load(Ordering::Relaxed) {
                let answer = Client::get("/x").send_on(&mut raw);
                assert_eq!(answer.status, 200, "{}", answer.text());
                if answer.says_close() || served.fetch_add(1, Ordering::Relaxed) % 50 == 0 {
                    raw = Raw::connect(edge.address());
                }
            }
        };
        let loads: Vec<_> = (0..4).map(|_| scope.spawn(load)).collect();
        for round in 0..20 {
            let service = if round % 2 == 0 { "b" } else { "a" };
            edge.rewrite(|c| c.without_routes().route("GET /x", service));
            edge.signal("HUP");
            answers(&edge, "/x", service);
        }
        done.store(true, Ordering::Relaxed);
        for load in loads {
            load.join().expect("no request failed");
        }
    });

    assert!(served.load(Ordering::Relaxed) > 100);
    assert_eq!(edge.metric("portcullis_config_reloads_total", &[("result", "refused")]), 0.0);
}

#[test]
fn listeners_come_and_go_with_the_file() {
    let (_a, _b, edge) = two();
    let first = edge.address();

    edge.rewrite(|c| c.more_listeners("http: [h1]"));

    wait::eventually("the new listener", || {
        edge.messages().iter().any(|line| line.contains("listener=1 ")).then_some(())
    });
    assert_eq!(Client::get("/x").send(edge.listener(1)).text(), "a");
    assert_eq!(Client::get("/x").send(first).text(), "a", "the old one stays");
}

#[test]
fn a_reload_that_fails_at_the_access_log_opens_nothing_and_the_next_one_does() {
    let (_a, _b, edge) = two();
    let good = std::fs::read_to_string(edge.file()).expect("the file");
    let more = good.replace("listeners:\n", "listeners:\n  - { bind: \"127.0.0.2:0\" }\n");
    let bad = format!("{more}observe: {{ access_log: {{ to: \"file:/nowhere/access.log\" }} }}\n");

    edge.rewrite_text(&bad);
    edge.wait_for_message("the new configuration was refused");
    edge.rewrite_text(&more);

    edge.wait_for_message("address=127.0.0.2:");
    wait::eventually("the new listener to be there", || {
        edge.admin_get("/listeners").text().contains("127.0.0.2:").then_some(())
    });
    assert!(!edge.messages().iter().any(|line| line.contains("without its socket")));
}
