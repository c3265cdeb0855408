//! HTTP/2 used to burn memory, time or upstream requests: rows H01 to H08, in bounded sizes.
//!
//! After each: the connection was ended or held back, memory is where it was, the upstream saw no more than the streams that
//! may be open, and the next client is served.

use portcullis_tests::client::{Frame, flag, kind};
use portcullis_tests::{Edge, Frames, Raw, Upstream, wait};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Streams a client may have open, with room for those that are being given back.
const STREAMS: usize = 110;
const MIB: u64 = 1 << 20;

/// What an attack may cost: the memory before it.
struct Quiet {
    rss: u64,
}

impl Quiet {
    fn before(edge: &Edge) -> Self {
        assert_eq!(edge.get("/pub").status, 200);
        Self { rss: edge.rss() }
    }

    fn after(&self, edge: &Edge, name: &str, growth: u64) {
        assert!(edge.rss() < self.rss + growth, "{name}: memory {} -> {}", self.rss, edge.rss());
        assert_eq!(edge.get("/pub").status, 200, "{name}: the next client");
    }
}

fn scene() -> (Upstream, Edge) {
    let upstream = Upstream::at_head(|request, wire| match request.target.as_str() {
        "/pub/slow" => wire.until_gone(),
        _ => wire.reply(request, &portcullis_tests::Reply::new(200).body("ok")),
    });
    let edge = Edge::with(|c| {
        c.service_with("api", &[&upstream], "timeout: { request: none }")
            .route("* /pub/**", "api")
            .listener("timeouts: { write: 1s }")
    });
    (upstream, edge)
}

/// Whether the connection was ended, with GOAWAY or without.
fn ended(frames: &mut Frames) -> bool {
    let end = wait::now() + Duration::from_secs(10);
    loop {
        match frames.next(end.saturating_duration_since(wait::now())) {
            Some(Frame { kind: kind::GOAWAY, .. }) => return true,
            Some(_) => {}
            None => return frames.raw().end().is_some(),
        }
    }
}

#[test]
fn a_rapid_reset_ends_the_connection() {
    let (upstream, edge) = scene();
    let quiet = Quiet::before(&edge);
    let mut frames = Frames::connect(edge.address());
    let block = Frames::block(&Frames::pseudo("GET", "/pub/slow"));

    for burst in 0..20 {
        let mut bytes = Vec::new();
        for stream in (0..100).map(|index| (burst * 100 + index) * 2 + 1) {
            bytes.extend(Frames::bytes(kind::HEADERS, flag::WHOLE, stream, &block));
            bytes.extend(Frames::bytes(kind::RST_STREAM, 0, stream, &8u32.to_be_bytes()));
        }
        if !frames.send(&bytes) {
            break;
        }
    }

    assert!(ended(&mut frames), "H01 2,000 resets were taken");
    assert!(upstream.busiest() <= STREAMS, "H01 {} requests at once", upstream.busiest());
    quiet.after(&edge, "H01", 8 * MIB);
}

#[test]
fn a_patient_reset_of_every_request_ends_the_connection() {
    let (upstream, edge) = scene();
    let mut frames = Frames::connect(edge.address());
    let mut taken = 0;

    while taken < 500 && upstream.count() < 500 {
        let stream = taken * 2 + 1;
        let sent = frames.get(stream, "/pub/slow");
        let arrived =
            wait::within(Duration::from_millis(300), || (upstream.count() > taken as usize).then_some(()));
        if !sent || arrived.is_none() {
            break;
        }
        frames.reset(stream, 8);
        taken += 1;
    }

    assert!(taken < 300, "H01 {taken} requests were sent up and taken back on one connection");
    assert!(ended(&mut frames), "H01");
    upstream.wait_abandoned(upstream.count());
}

#[test]
fn streams_broken_by_the_client_are_given_back_upstream_and_end_the_connection() {
    let cases: [(&str, u8, &[u8]); 6] = [
        ("WINDOW_UPDATE of 0", kind::WINDOW_UPDATE, &[0, 0, 0, 0]),
        ("WINDOW_UPDATE too far", kind::WINDOW_UPDATE, &[0x7f, 0xff, 0xff, 0xff]),
        ("HEADERS after the end", kind::HEADERS, &[]),
        ("DATA after the end", kind::DATA, b"x"),
        ("PRIORITY of 4 bytes", kind::PRIORITY, &[0, 0, 0, 0]),
        ("PRIORITY on itself", kind::PRIORITY, &[]),
    ];
    for (name, frame, payload) in cases {
        let (upstream, edge) = scene();
        let quiet = Quiet::before(&edge);
        let mut frames = Frames::connect(edge.address());
        let block = Frames::block(&Frames::pseudo("GET", "/pub/slow"));

        for burst in 0..30 {
            let mut bytes = Vec::new();
            for stream in (0..50u32).map(|index| (burst * 50 + index) * 2 + 1) {
                bytes.extend(Frames::bytes(kind::HEADERS, flag::WHOLE, stream, &block));
                let itself = [stream.to_be_bytes().as_slice(), &[0]].concat();
                let payload = if name == "PRIORITY on itself" { &itself } else { payload };
                bytes.extend(Frames::bytes(
                    frame,
                    flag::END_HEADERS * u8::from(frame == kind::HEADERS),
                    stream,
                    payload,
                ));
            }
            if !frames.send(&bytes) {
                break;
            }
        }

        assert!(ended(&mut frames), "H02 {name}: the connection goes on");
        drop(frames);
        let live = || upstream.count() - 1 == upstream.abandoned();
        wait::eventually(&format!("H02 {name}: every request upstream to be taken back"), || {
            live().then_some(())
        });
        assert!(upstream.busiest() <= STREAMS, "H02 {name}: {} requests at once", upstream.busiest());
        quiet.after(&edge, name, 8 * MIB);
    }
}

#[test]
fn an_endless_head_ends_the_connection() {
    let (upstream, edge) = scene();
    let quiet = Quiet::before(&edge);
    let requests = upstream.count();

    for (name, size, count) in [("empty", 0, 100_000), ("1 byte", 1, 100_000), ("16 KiB", 16_384, 1000)] {
        let mut frames = Frames::connect(edge.address());
        frames.frame(kind::HEADERS, flag::NONE, 1, &Frames::block(&Frames::pseudo("GET", "/pub")));
        // Literals that never end: the first says it is long.
        let part = Frames::bytes(kind::CONTINUATION, flag::NONE, 1, &vec![0; size]);
        let burst = part.repeat(if size > 1000 { 1 } else { 100 });
        let bursts = count * part.len() / burst.len();
        let taken = (0..bursts).take_while(|_| frames.send(&burst)).count();
        assert!(ended(&mut frames), "H03 {name}: {taken} of {bursts} bursts were taken");
    }

    assert_eq!(upstream.count(), requests, "H03");
    quiet.after(&edge, "H03", 8 * MIB);
}

#[test]
fn a_small_head_that_unpacks_into_a_large_one_is_refused() {
    let (upstream, edge) = scene();
    let quiet = Quiet::before(&edge);
    let requests = upstream.count();
    let start = Frames::block(&Frames::pseudo("GET", "/pub"));
    let referenced = |field: Vec<u8>, count: usize| [start.clone(), field, vec![0xbe; count]].concat();
    let bombs = [
        ("H04 4 KiB referenced 12,000 times", referenced(Frames::indexed("x", &"y".repeat(4000)), 12_000)),
        ("H05 accept-encoding 10,000 times", [start.clone(), vec![0x90; 10_000]].concat()),
        ("H05 cookie 10,000 times", referenced(Frames::indexed("cookie", "a"), 10_000)),
        ("H05 cookie 300 times", referenced(Frames::indexed("cookie", "a"), 300)),
    ];

    for (name, block) in &bombs {
        let mut frames = Frames::connect(edge.address());
        frames.frame(kind::HEADERS, flag::WHOLE, 1, block);
        let ended = frames.ending(1);
        assert!(ended.refused(), "{name}: {ended:?}");
    }

    assert_eq!(upstream.count(), requests);
    quiet.after(&edge, "H04 H05", 8 * MIB);
}

#[test]
fn empty_data_frames_have_a_budget() {
    let (_upstream, edge) = scene();
    let quiet = Quiet::before(&edge);
    let mut frames = Frames::connect(edge.address());

    frames.headers(1, flag::END_HEADERS, &Frames::pseudo("POST", "/pub"));
    let burst = Frames::bytes(kind::DATA, flag::NONE, 1, b"").repeat(1000);
    let taken = (0..100).take_while(|_| frames.send(&burst)).count();

    assert!(ended(&mut frames), "H06 {taken} of 100 bursts were taken");
    quiet.after(&edge, "H06", 4 * MIB);
}

#[test]
fn padding_is_given_back_to_the_window() {
    let upstream = Upstream::replying(200);
    let edge = Edge::with(|c| c.service("api", &upstream).route("* /pub/**", "api"));
    let mut frames = Frames::connect(edge.address());
    let payload = [&[255, b'x'][..], &[0; 255]].concat();
    let mut window = 65_535_i64;

    frames.headers(1, flag::END_HEADERS, &Frames::pseudo("POST", "/pub"));
    for _ in 0..4000 {
        while window < 300 {
            let frame = frames.next(wait::PATIENCE).expect("H06 more window");
            if frame.kind == kind::WINDOW_UPDATE && frame.stream == 1 {
                window += i64::from(u32::from_be_bytes(frame.payload[..4].try_into().expect("four bytes")));
            }
        }
        assert!(frames.frame(kind::DATA, flag::PADDED, 1, &payload));
        window -= payload.len() as i64;
    }
    frames.frame(kind::DATA, flag::END_STREAM, 1, b"");

    let ended = frames.ending(1);
    assert_eq!(frames.status(1), Some(200), "H06 {ended:?}");
    assert_eq!(upstream.request().body.len(), 4000, "H06");
}

#[test]
fn control_frames_without_end_do_not_fill_the_memory() {
    let (_upstream, edge) = scene();
    let quiet = Quiet::before(&edge);
    let kinds: [(&str, u8, u32, &[u8]); 5] = [
        ("SETTINGS", kind::SETTINGS, 0, &[0, 4, 0, 0, 0xff, 0xff]),
        ("PING", kind::PING, 0, &[0; 8]),
        ("PRIORITY", kind::PRIORITY, 1, &[0, 0, 0, 0, 1]),
        ("WINDOW_UPDATE", kind::WINDOW_UPDATE, 0, &[0, 0, 0, 1]),
        ("unknown", 0x77, 0, &[0; 32]),
    ];

    for (name, frame, stream, payload) in kinds {
        let mut raw = Frames::connect(edge.address());
        let flood = Frames::bytes(frame, flag::NONE, stream, payload).repeat(100_000);
        // Nothing is read: the answers must not pile up on the other side.
        raw.raw().send_some(&flood, Duration::from_millis(500));
        // The allocator takes memory in pieces of 4 MiB.
        quiet.after(&edge, name, 10 * MIB);
    }
}

#[test]
fn streams_whose_window_stays_shut_hold_their_upstreams_back_and_are_reaped() {
    stalled(0);
}

#[test]
fn streams_of_a_client_that_does_not_read_hold_their_upstreams_back_and_are_reaped() {
    stalled(65_535);
}

/// 100 streams of 100 MiB each, none of them read, with this initial window.
fn stalled(window: u32) {
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = sent.clone();
    let upstream = Upstream::scripted(move |request, wire| {
        if request.target == "/pub" {
            return wire.reply(request, &portcullis_tests::Reply::new(200));
        }
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 104857600\r\n\r\n");
        while wire.send(vec![7; 1 << 16]) {
            counter.fetch_add(1 << 16, Ordering::Relaxed);
        }
        wire.close();
    });
    let edge = Edge::with(|c| {
        c.service("api", &upstream).route("* /pub/**", "api").listener("timeouts: { write: 2s }")
    });
    let quiet = Quiet::before(&edge);
    let mut frames = Frames::with_settings(Raw::connect(edge.address()), &[(1, 0), (4, window)]);

    for stream in 0..100 {
        frames.get(stream * 2 + 1, "/pub/large");
    }
    upstream.wait_for_requests(101);

    quiet.after(&edge, "H08", 48 * MIB);
    wait::eventually("H08 streams that stand still to be reaped", || {
        (upstream.open_connections() <= 2).then_some(())
    });
    let held = sent.load(Ordering::Relaxed);
    // What the sockets between us and the upstreams hold, and no more.
    assert!(held < 100 * 6 * MIB as usize, "H08 {held} bytes were sent");
}
