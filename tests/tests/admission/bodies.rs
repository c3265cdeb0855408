//! Bodies: not too long, not too slow, and not asked for before it is known that they are wanted.

use super::guarded;
use portcullis_tests::issuer::Issuer;
use portcullis_tests::{Edge, Raw, Upstream, wait};
use serde_json::json;
use std::time::Duration;

#[test]
fn a_body_is_asked_for_only_after_authentication_and_limits() {
    let (upstream, issuer) = (Upstream::replying(200), Issuer::start());
    let edge = guarded(&upstream, &issuer);
    let head = |authorization: &str| {
        format!(
            "POST /x HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n{authorization}\r\n"
        )
    };

    let mut refused = Raw::connect(edge.address());
    refused.send(head(""));
    let answer = refused.response("POST");
    assert_eq!(answer.status, 401, "no 100 before it");

    let mut taken = Raw::connect(edge.address());
    taken.send(head(&format!("authorization: Bearer {}\r\n", issuer.token(json!({})))));
    wait::eventually("100 Continue", || {
        taken.read(wait::now() + Duration::from_millis(50));
        taken.inbox().starts_with(b"HTTP/1.1 100 ").then_some(())
    });
    taken.send("tea");
    let answer = taken.response("POST");
    assert_eq!((answer.status, answer.interim), (200, vec![100]));
    assert_eq!(upstream.count(), 1);
}

#[test]
fn a_body_that_is_too_long_is_refused_early_and_one_that_grows_too_long_when_it_does() {
    let upstream = Upstream::replying(200);
    let edge = Edge::with(|c| {
        c.service("app", &upstream)
            .route_text("app", "match: POST /**, auth: public, to: app, body: { max: 10B }")
    });

    let mut announced = Raw::connect(edge.address());
    announced.send("POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 11\r\n\r\n");
    assert_eq!(announced.response("POST").status, 413, "without a byte of it");

    let mut growing = Raw::connect(edge.address());
    growing.send("POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n6\r\n123456\r\n6\r\n123456\r\n0\r\n\r\n");
    assert_eq!(growing.response("POST").status, 413);
}

#[test]
fn an_upload_may_take_as_long_as_it_wants_but_not_as_slowly() {
    let upstream = Upstream::replying(200);
    let edge = Edge::with(|c| {
        c.service("app", &upstream)
            .route_text("slow", "match: POST /slow, auth: public, to: app, body: { min_rate: 10KiB/s }, timeout: { request: none, idle: 60s }")
            .route_text("any", "match: POST /any, auth: public, to: app, timeout: { request: none, idle: 60s }")
    });
    let dribble = |path: &str| {
        let mut raw = Raw::connect(edge.address());
        raw.send(format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n"));
        // A byte every half second is never silent.
        wait::within(Duration::from_secs(25), || {
            raw.send("x");
            match raw.try_response("POST", Duration::from_millis(500)) {
                Ok(Some(answer)) => Some(answer.status),
                Ok(None) => None,
                Err(_closed) => Some(0),
            }
        })
    };

    assert_eq!(dribble("/slow"), Some(408));
    assert_eq!(dribble("/any"), None, "it goes on where no pace is asked for");
}
