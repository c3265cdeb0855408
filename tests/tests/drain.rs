//! The end of the process: whoever is served is served to the end, whoever comes is told in time.

use portcullis_tests::client::{flag, kind};
use portcullis_tests::{Client, Edge, Frames, Raw, Reply, Upstream, wait};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// An upstream that answers `/slow` only when it is let go.
fn scene(drain: &str) -> (Upstream, Edge, Arc<AtomicBool>) {
    let go = Arc::new(AtomicBool::new(false));
    let gate = go.clone();
    let upstream = Upstream::scripted(move |request, wire| {
        if request.target == "/slow" {
            let _ = wait::within(wait::PATIENCE, || gate.load(Ordering::Relaxed).then_some(()));
        }
        wire.reply(request, &Reply::new(200).body("whole"));
    });
    let edge = Edge::with(|c| c.drain(drain).service("api", &upstream).route("* /**", "api"));
    (upstream, edge, go)
}

#[test]
fn while_it_waits_it_serves_but_is_not_ready_and_asks_clients_to_leave() {
    let (_upstream, edge, _go) = scene("delay: 1500ms, timeout: 5s");
    assert_eq!(edge.admin_get("/ready").status, 200);
    let mut kept = Raw::connect(edge.address());
    assert!(!Client::get("/").send_on(&mut kept).says_close());

    edge.signal("TERM");

    wait::eventually("it to be not ready", || (edge.admin_get("/ready").status == 503).then_some(()));
    assert_eq!(edge.admin_get("/live").status, 200);
    let answer = Client::get("/").send_on(&mut kept);
    assert_eq!((answer.status, answer.says_close()), (200, true), "on a kept connection");
    let fresh = edge.get("/");
    assert_eq!((fresh.status, fresh.says_close()), (200, true), "on a new connection");
    assert_eq!(edge.wait_exit(), 0);
}

#[test]
fn what_is_in_flight_is_finished_and_then_the_process_ends_with_0() {
    let (upstream, edge, go) = scene("delay: 0s, timeout: 10s");
    let address = edge.address();
    let mut raw = Raw::connect(address);
    raw.send(Client::get("/slow").bytes());
    upstream.wait_for_requests(1);

    edge.signal("TERM");

    wait::eventually("the listener to be closed", || TcpStream::connect(address).is_err().then_some(()));
    assert!(edge.is_running(), "a request is in flight");
    go.store(true, Ordering::Relaxed);
    let answer = raw.response("GET");
    assert_eq!((answer.text().as_str(), answer.says_close()), ("whole", true));
    assert_eq!(edge.wait_exit(), 0);
    assert_eq!(edge.access_log().len(), 1, "the line of the last request is written");
}

#[test]
fn what_does_not_end_in_time_is_cut() {
    let (upstream, edge, _go) = scene("delay: 0s, timeout: 300ms");
    let mut raw = Raw::connect(edge.address());
    raw.send(Client::get("/slow").bytes());
    upstream.wait_for_requests(1);
    let start = wait::now();

    edge.signal("TERM");

    let code = edge.wait_exit();
    assert!(wait::now() - start < Duration::from_secs(4), "{:?}", wait::now() - start);
    assert_eq!(code, 0);
    assert!(
        raw.try_response("GET", wait::PATIENCE).expect("sound").is_none_or(|answer| answer.status == 503)
    );
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (upstream, edge, _go) = scene("delay: 20s, timeout: 20s");
    let mut raw = Raw::connect(edge.address());
    raw.send(Client::get("/slow").bytes());
    upstream.wait_for_requests(1);
    edge.signal("TERM");
    wait::eventually("it to be not ready", || (edge.admin_get("/ready").status == 503).then_some(()));
    let start = wait::now();

    edge.signal("TERM");

    edge.wait_exit();
    assert!(wait::now() - start < Duration::from_secs(4), "{:?}", wait::now() - start);
}

#[test]
fn an_interrupt_drains_without_the_delay() {
    let (_upstream, edge, _go) = scene("delay: 20s, timeout: 5s");
    let start = wait::now();

    edge.signal("INT");

    assert_eq!(edge.wait_exit(), 0);
    assert!(wait::now() - start < Duration::from_secs(4), "{:?}", wait::now() - start);
}

#[test]
fn idle_connections_are_closed_without_a_word() {
    let (_upstream, edge, _go) = scene("delay: 0s, timeout: 10s");
    let mut idle = Raw::connect(edge.address());
    assert_eq!(Client::get("/").send_on(&mut idle).status, 200);
    let mut fresh = Raw::connect(edge.address());
    let start = wait::now();

    edge.signal("TERM");

    assert_eq!((idle.until_closed(), fresh.until_closed()), (vec![], vec![]));
    assert_eq!(edge.wait_exit(), 0);
    assert!(wait::now() - start < Duration::from_secs(4), "{:?}", wait::now() - start);
}

#[test]
fn an_http_2_client_is_told_by_goaway_and_its_streams_are_finished() {
    let (upstream, edge, go) = scene("delay: 1s, timeout: 10s");
    let mut frames = Frames::connect(edge.address());
    frames.get(1, "/slow");
    upstream.wait_for_requests(1);

    edge.signal("TERM");

    assert_eq!(frames.goaway(wait::PATIENCE), Some(0), "GOAWAY without an error");
    assert!(edge.is_running());
    go.store(true, Ordering::Relaxed);
    let end = loop {
        let frame = frames.next(wait::PATIENCE).expect("the answer");
        match frame.kind {
            // The second GOAWAY is sent after this PING has come back.
            kind::PING if frame.flags & flag::ACK == 0 => {
                frames.frame(kind::PING, flag::ACK, 0, &frame.payload);
            }
            kind::DATA | kind::HEADERS if frame.stream == 1 && frame.flags & flag::END_STREAM != 0 => {
                break frame;
            }
            _ => {}
        }
    };
    assert_eq!((end.stream, frames.status(1)), (1, Some(200)));
    assert_eq!(edge.wait_exit(), 0);
}

#[test]
fn no_request_fails_while_an_instance_leaves() {
    for _ in 0..5 {
        let (_upstream, edge, _go) = scene("delay: 300ms, timeout: 5s");
        let address = edge.address();
        std::thread::scope(|scope| {
            let load = || {
                // Like a load balancer: looks away once it is told to.
                let mut raw = Raw::connect(address);
                let mut served = 0;
                loop {
                    let answer = Client::get("/").send_on(&mut raw);
                    assert_eq!(answer.status, 200);
                    served += 1;
                    if answer.says_close() {
                        return served;
                    }
                }
            };
            let loads: Vec<_> = (0..4).map(|_| scope.spawn(load)).collect();
            wait::eventually("some traffic", || (edge.line_count() > 20).then_some(()));
            edge.signal("TERM");
            let served: usize = loads.into_iter().map(|load| load.join().expect("no request failed")).sum();
            assert_eq!(edge.wait_exit(), 0);
            assert_eq!(edge.access_log().len(), served);
        });
    }
}

#[test]
fn an_exchange_that_is_cut_is_our_doing_in_the_log() {
    let (upstream, edge, _go) = scene("delay: 0s, timeout: 200ms");
    let mut slow = Raw::connect(edge.address());
    slow.send(Client::get("/slow").bytes());
    upstream.wait_for_requests(1);

    edge.signal("TERM");

    assert_eq!(edge.wait_exit(), 0);
    let line = edge.wait_for_lines(1).remove(0);
    assert_eq!(portcullis_tests::field(&line, "error.type"), "drain_cut");
    assert_eq!(portcullis_tests::field(&line, "portcullis.ended_by"), "proxy");
}
