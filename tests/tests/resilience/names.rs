//! Endpoints from DNS, by a real name server and by one that does harm (N01 … N06, N08).

use portcullis_tests::{Edge, NameServer, Upstream, wait};
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// Upstreams on several loopback addresses and one port.
fn pair() -> (Upstream, Upstream, u16) {
    let port = portcullis_tests::redis::free_port();
    let on = |host: &str| Upstream::build().on(format!("{host}:{port}").parse().expect("an address"));
    let named =
        |host: &'static str| on(host).answering(move |_| portcullis_tests::Reply::new(200).body(host));
    (named("127.0.0.1"), named("127.0.0.2"), port)
}

fn edge_of(question: &str, names: &NameServer, more: &str) -> Edge {
    let keys = format!("{question}, {}{more}", names.resolve());
    Edge::with(|config| config.service_text("api", &keys).route("* /**", "api").workers(1))
}

fn answers(edge: &Edge, text: &str) {
    wait::eventually("another endpoint", || (edge.get("/").text() == text).then_some(()));
}

#[test]
fn n01_a_change_is_picked_up_when_the_time_to_live_is_over() {
    let (_a, _b, port) = pair();
    for seconds in [0, 1] {
        let names = NameServer::with(&[&format!("host-record=api.shop.test,127.0.0.1,{seconds}")]);
        let edge = edge_of(&format!("dns: \"api.shop.test:{port}\""), &names, "");
        answers(&edge, "127.0.0.1");

        names.change(&[&format!("host-record=api.shop.test,127.0.0.2,{seconds}")]);

        answers(&edge, "127.0.0.2");
    }
}

#[test]
fn n01_a_time_to_live_of_years_is_shortened() {
    let (_a, _b, port) = pair();
    let names = NameServer::with(&["host-record=api.shop.test,127.0.0.1,1000000000"]);
    let keys = format!(
        "dns: \"api.shop.test:{port}\", resolve: {{ servers: [\"{}\"], allow: [local], max_ttl: 2s }}",
        names.address()
    );
    let edge = Edge::with(|config| config.service_text("api", &keys).route("* /**", "api"));
    answers(&edge, "127.0.0.1");

    names.change(&["host-record=api.shop.test,127.0.0.2,1"]);

    answers(&edge, "127.0.0.2");
}

#[test]
fn n02_a_name_that_is_gone_is_believed_late_and_a_server_that_is_silent_not_at_all() {
    let (a, _b, port) = pair();
    let names = NameServer::with(&["host-record=api.shop.test,127.0.0.1,1"]);
    let edge = edge_of(&format!("dns: \"api.shop.test:{port}\""), &names, "");
    answers(&edge, "127.0.0.1");

    names.freeze();
    edge.wait_for_message("source_failing");
    assert_eq!(edge.get("/").status, 200);
    names.thaw();

    // It exists no more: two answers agree, then it is held back like any empty set.
    names.change(&["host-record=other.shop.test,127.0.0.1,1"]);
    wait::within(Duration::from_secs(60), || (edge.get("/").status == 503).then_some(()))
        .expect("it is believed");
    names.change(&["host-record=api.shop.test,127.0.0.1,1"]);
    answers(&edge, "127.0.0.1");
    assert!(a.count() > 1);
}

#[test]
fn n02_without_an_answer_at_the_start_the_service_has_no_endpoint_and_gets_one_later() {
    let (_a, _b, port) = pair();
    let names = NameServer::with(&["host-record=other.shop.test,127.0.0.1,1"]);
    let edge = edge_of(&format!("dns: \"api.shop.test:{port}\""), &names, "");
    let answer = edge.get("/");
    assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("NO_ENDPOINT")));
    wait::eventually("the message that there is nobody", || {
        edge.messages().iter().any(|line| line.contains("service=api") && line.contains("WARN")).then_some(())
    });
    let row = &edge.admin_get("/clusters").json()["clusters"][0];
    assert_eq!((row["service"].as_str(), row["standing"].as_str()), (Some("api"), Some("nobody")), "{row}");

    names.change(&["host-record=api.shop.test,127.0.0.1,1"]);

    answers(&edge, "127.0.0.1");
}

#[test]
fn n03_answers_that_point_at_this_machine_are_not_believed() {
    let (a, _b, port) = pair();
    let names = NameServer::with(&[
        "host-record=api.shop.test,127.0.0.1,1",
        "host-record=meta.shop.test,169.254.169.254,1",
        "host-record=six.shop.test,::ffff:127.0.0.1,1",
    ]);
    for name in ["api", "meta", "six"] {
        let keys = format!(
            "dns: \"{name}.shop.test:{port}\", resolve: {{ servers: [\"{}\"], min_ttl: 1s }}",
            names.address()
        );
        let edge = Edge::with(|config| config.service_text("api", &keys).route("* /**", "api"));
        edge.wait_for_message(&format!("{name}.shop.test"));
        let answer = edge.get("/");
        assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("NO_ENDPOINT")), "{name}");
    }
    assert_eq!(a.count(), 0);
}

#[test]
fn n04_an_answer_too_long_for_a_datagram_comes_over_tcp() {
    let (_a, _b, port) = pair();
    let mut records: Vec<_> =
        (1..200).map(|index| format!("host-record=api.shop.test,127.0.1.{index},1")).collect();
    records.push("host-record=api.shop.test,127.0.0.1,1".into());
    let lines: Vec<_> = records.iter().map(String::as_str).collect();
    let names = NameServer::with(&lines);
    let edge = edge_of(&format!("dns: \"api.shop.test:{port}\""), &names, "");

    wait::eventually("all to be known", || {
        let clusters = edge.admin_get("/clusters").text();
        (clusters.matches(&format!(":{port}")).count() >= 200).then_some(())
    });
}

#[test]
fn srv_records_say_port_weight_and_tier() {
    let (a, b, port) = pair();
    let names = NameServer::with(&[
        "host-record=a.shop.test,127.0.0.1,1",
        "host-record=b.shop.test,127.0.0.2,1",
        &format!("srv-host=_http._tcp.shop.test,a.shop.test,{port},0,10"),
        &format!("srv-host=_http._tcp.shop.test,b.shop.test,{port},1,10"),
        "local-ttl=1",
    ]);
    let edge = edge_of("srv: _http._tcp.shop.test", &names, "");
    answers(&edge, "127.0.0.1");
    let before = (a.count(), b.count());

    (0..20).for_each(|_| drop(edge.get("/")));

    assert_eq!((a.count() - before.0, b.count() - before.1), (20, 0), "the second tier was used");
}

#[test]
fn n06_an_endpoint_that_is_gone_finishes_what_it_has_and_gets_no_more() {
    let port = portcullis_tests::redis::free_port();
    let held = Upstream::build().at_head().on(format!("127.0.0.1:{port}").parse().expect("an address"));
    let held = held.scripted(|request, wire| {
        wire.pause(Duration::from_secs(if request.target == "/slow" { 6 } else { 0 }));
        wire.reply(request, &portcullis_tests::Reply::new(200).body("127.0.0.1"));
    });
    let other = Upstream::build().on(format!("127.0.0.2:{port}").parse().expect("an address"));
    let _other = other.answering(|_| portcullis_tests::Reply::new(200).body("127.0.0.2"));
    let names = NameServer::with(&["host-record=api.shop.test,127.0.0.1,1"]);
    let edge = edge_of(&format!("dns: \"api.shop.test:{port}\""), &names, "");
    answers(&edge, "127.0.0.1");
    let mut slow = super::send_only(edge.address(), "/slow");
    wait::eventually("the slow one", || {
        held.requests().iter().any(|one| one.target == "/slow").then_some(())
    });

    names.change(&["host-record=api.shop.test,127.0.0.2,1"]);
    answers(&edge, "127.0.0.2");

    assert_eq!(slow.response("GET").text(), "127.0.0.1");
    held.wait_all_closed();
}

/// A name server of a few lines: what it answers to everything is one byte, the code (RFC 1035 §4.1.1).
fn wicked(code: &Arc<AtomicU8>) -> std::net::SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let (address, code) = (socket.local_addr().expect("an address"), Arc::clone(code));
    std::thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((length, client)) = socket.recv_from(&mut question) {
            let mut answer = question[..length].to_vec();
            match code.load(Ordering::SeqCst) {
                // Another id than was asked for.
                200 => answer[0] ^= 0xff,
                // Not a message at all.
                201 => answer = vec![0xff; 40],
                code => answer[3] = code,
            }
            if let Some(flags) = answer.get_mut(2) {
                *flags |= 0x80;
            }
            let _ = socket.send_to(&answer, client);
        }
    });
    address
}

#[test]
fn n02_and_n04_answers_that_say_nothing_leave_the_last_good_one_standing() {
    let (_a, _b, port) = pair();
    let good = NameServer::with(&["host-record=api.shop.test,127.0.0.1,1"]);
    // SERVFAIL, NOTIMP, REFUSED, a wrong id, rubbish.
    for kind in [2, 4, 5, 200, 201] {
        let code = Arc::new(AtomicU8::new(kind));
        let bad = wicked(&code);
        let keys = |server: std::net::SocketAddr| {
            format!("dns: \"api.shop.test:{port}\", resolve: {{ servers: [\"{server}\"], allow: [local] }}")
        };
        let edge =
            Edge::with(|config| config.service_text("api", &keys(good.address())).route("* /**", "api"));
        answers(&edge, "127.0.0.1");
        let fresh = Edge::with(|config| config.service_text("api", &keys(bad)).route("* /**", "api"));
        fresh.wait_for_message("source_failing");
        assert_eq!(fresh.get("/").status, 503, "{kind}");
        assert!(fresh.is_running());
        assert_eq!(edge.get("/").status, 200);
    }
}
