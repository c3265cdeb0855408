//! Retry storms (A05): everything fails for a while; the service must not get much more than it is asked for, and be well
//! soon after.

use portcullis_tests::{Client, Edge, Reply, Upstream, wait};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// How long everything fails.
const STORM: Duration = Duration::from_secs(60);

/// Offers about so many requests a second for this long, from four clients; says how many were sent and answered well.
fn offer(edge: &Edge, a_second: u32, span: Duration) -> (usize, usize) {
    let (sent, good) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let end = wait::now() + span;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut raw = portcullis_tests::Raw::connect(edge.address());
                while wait::now() < end {
                    let answer = Client::get("/").send_on(&mut raw);
                    sent.fetch_add(1, Ordering::Relaxed);
                    good.fetch_add(usize::from(answer.status == 200), Ordering::Relaxed);
                    if answer.says_close() {
                        raw = portcullis_tests::Raw::connect(edge.address());
                    }
                    wait::pause(Duration::from_secs(4) / a_second);
                }
            });
        }
    });
    (sent.into_inner(), good.into_inner())
}

#[test]
fn a05_a_service_that_fails_gets_a_fifth_more_at_the_most_and_is_well_soon_after() {
    let fails = Arc::new(AtomicBool::new(true));
    let backend = || {
        let fails = Arc::clone(&fails);
        Upstream::answering(move |_| Reply::new(if fails.load(Ordering::SeqCst) { 503 } else { 200 }))
    };
    let (one, other) = (backend(), backend());
    let edge = Edge::with(|config| {
        config.service_with("api", &[&one, &other], "retry: { floor: 1/s }").route("* /**", "api").workers(2)
    });

    let (sent, _) = offer(&edge, 200, STORM);
    let got = one.count() + other.count();
    // The floor of one a second, and the ten that a quiet service may spend at once.
    let most = sent as f64 * 1.2 + STORM.as_secs_f64() + 10.0;
    assert!(got as f64 <= most, "{got} for {sent}");
    assert!(got > sent, "nothing was tried again");

    fails.store(false, Ordering::SeqCst);
    // At once, not only after the five seconds that are promised.
    let (sent, good) = offer(&edge, 200, Duration::from_secs(5));
    assert_eq!(good, sent, "it is not well");
}

#[test]
fn a05_a_post_is_never_sent_twice_in_a_storm() {
    let upstream = Upstream::replying(503);
    let edge = Edge::with(|config| config.service("api", &upstream).route("* /**", "api"));

    (0..50).for_each(|_| drop(Client::post("/", "x").send(edge.address())));

    assert_eq!(upstream.count(), 50);
}
