//! Upstreams that answer badly: rows F32, F33 and H19.
//!
//! What is ambiguous becomes 502 and its connection is not used again; what breaks off is seen to be broken by the client: no
//! clean end on HTTP/1, RST_STREAM on HTTP/2. The next client is served by another connection.

use portcullis_tests::{Client, Edge, H2, H2Reply, Raw, Report, Upstream, field, wait};
use std::time::Duration;

/// What the client must see of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// 502, and the connection upstream is given up.
    BadGateway,
    /// This status with this body, or 502; and the connection upstream is given up.
    Clean(u16, &'static str),
    /// A head, but no clean end.
    Cut,
}

use Seen::{BadGateway, Clean, Cut};

/// A bad answer; `method` of the request it answers.
struct Row {
    id: &'static str,
    name: &'static str,
    method: &'static str,
    answer: Vec<u8>,
    seen: Seen,
}

fn row(id: &'static str, name: &'static str, answer: impl AsRef<[u8]>, seen: Seen) -> Row {
    Row { id, name, method: "GET", answer: answer.as_ref().to_vec(), seen }
}

fn rows() -> Vec<Row> {
    let many: String = (0..10_000).map(|i| format!("h{i}: 1\r\n")).collect();
    let big = "x".repeat(1 << 20);
    let smuggled = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison";
    vec![
        row(
            "F32",
            "CL and TE",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            BadGateway,
        ),
        row(
            "F32",
            "two lengths",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc",
            BadGateway,
        ),
        row("F32", "a length that is none", "HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nab", BadGateway),
        row("F32", "unknown coding", "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nabc", BadGateway),
        row("F32", "NUL in a header", "HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 0\r\n\r\n", BadGateway),
        row(
            "F32",
            "bare CR in a header",
            "HTTP/1.1 200 OK\r\nx: a\rb\r\ncontent-length: 0\r\n\r\n",
            BadGateway,
        ),
        row("F32", "bare LF", "HTTP/1.1 200 OK\ncontent-length: 0\n\n", BadGateway),
        row("F32", "folded header", "HTTP/1.1 200 OK\r\nx: a\r\n b\r\ncontent-length: 0\r\n\r\n", BadGateway),
        row(
            "F32",
            "10,000 headers",
            format!("HTTP/1.1 200 OK\r\n{many}content-length: 0\r\n\r\n"),
            BadGateway,
        ),
        row(
            "F32",
            "a header of 1 MiB",
            format!("HTTP/1.1 200 OK\r\nx: {big}\r\ncontent-length: 0\r\n\r\n"),
            BadGateway,
        ),
        row("F32", "endless 1xx", "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(5000), BadGateway),
        row(
            "F32",
            "101 nobody asked for",
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
            BadGateway,
        ),
        row("F32", "HTTP/9.9", "HTTP/9.9 200 OK\r\ncontent-length: 0\r\n\r\n", BadGateway),
        row("F32", "no status", "HTTP/1.1 OK\r\ncontent-length: 0\r\n\r\n", BadGateway),
        row("F32", "no HTTP", "SSH-2.0-OpenSSH_9.2\r\n", BadGateway),
        row("F32", "nothing at all", "", BadGateway),
        row("F32", "half a head", "HTTP/1.1 200 OK\r\ncontent-le", BadGateway),
        row(
            "F32",
            "204 with a length",
            "HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello",
            BadGateway,
        ),
        row(
            "F32",
            "bad chunk",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
            Cut,
        ),
        row(
            "F32",
            "chunk too long",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhelloXX\r\n0\r\n\r\n",
            Cut,
        ),
        row(
            "F32",
            "bytes after the body",
            format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok{smuggled}"),
            Clean(200, "ok"),
        ),
        Row {
            method: "HEAD",
            ..row(
                "F32",
                "HEAD with a body",
                "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
                Clean(200, ""),
            )
        },
        row(
            "F33",
            "50 of 100",
            format!("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{}", "x".repeat(50)),
            Cut,
        ),
        row(
            "F33",
            "no last chunk",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
            Cut,
        ),
        row("F33", "inside a chunk", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n50\r\nhello", Cut),
    ]
}

/// An upstream that sends the bytes of row N for `/bad/N` and closes, by RST when the query says so.
fn scene(rows: &[Row]) -> (Upstream, Edge) {
    let answers: Vec<Vec<u8>> = rows.iter().map(|row| row.answer.clone()).collect();
    let upstream = Upstream::scripted(move |request, wire| {
        let path = request.target.split('?').next().unwrap_or_default();
        match path.strip_prefix("/bad/").and_then(|index| index.parse::<usize>().ok()) {
            Some(index) => {
                wire.send(&answers[index]);
                // Long enough for the head to be read before the RST throws it away.
                wire.pause(Duration::from_millis(30));
                if request.target.ends_with("?rst") { wire.reset() } else { wire.close() }
            }
            None => wire.reply(request, &portcullis_tests::Reply::new(200).body("sound")),
        }
    });
    let edge =
        Edge::with(|c| c.service_with("api", &[&upstream], "retry: none").route("* /**", "api").workers(1));
    (upstream, edge)
}

#[test]
fn a_bad_answer_is_a_502_or_visibly_cut_and_its_connection_is_given_up() {
    let rows = rows();
    let (upstream, edge) = scene(&rows);
    let mut report = Report::new();

    for (index, row) in rows.iter().enumerate() {
        report.row(row.id, row.name);
        let (requests, lines) = (upstream.count(), edge.line_count());
        let mut raw = Raw::connect(edge.address());
        raw.send(Client::new(row.method, &format!("/bad/{index}")).bytes());
        match raw.try_response(row.method, Duration::from_secs(10)) {
            Ok(Some(answer)) => see(&mut report, row.seen, answer.status, &answer.text(), answer.complete),
            Ok(None) => report.check(row.seen == Cut, || "no answer at all".into()),
            Err(fault) => report.check(false, || format!("the answer is malformed: {fault}")),
        }
        let next = edge.get("/next");
        report.check((next.status, next.text().as_str()) == (200, "sound"), || {
            format!("the next client got {} {:?}", next.status, next.text())
        });
        report.equal("requests upstream", upstream.count() - requests, 2);
        wait::within(Duration::from_secs(5), || (edge.line_count() >= lines + 2).then_some(()));
        report.equal("access log lines", edge.line_count() - lines, 2);
        if row.seen != Clean(200, "ok") && row.method == "GET" {
            let faulty = edge.access_log()[lines..].iter().any(|line| field(line, "error.type").is_string());
            report.check(faulty, || "no access log line has an error.type".into());
        }
    }

    report.end();
}

fn see(report: &mut Report, seen: Seen, status: u16, body: &str, complete: bool) {
    match seen {
        BadGateway => report.check(status == 502 && complete, || format!("{status} {body:?}, expected 502")),
        Clean(expected, text) => report
            .check(status == 502 && complete || (status, body, complete) == (expected, text, true), || {
                format!("{status} {body:?}, complete: {complete}")
            }),
        Cut => report.check(!complete || status == 502, || format!("{status} {body:?} looks complete")),
    }
}

#[test]
fn over_http_2_a_cut_answer_ends_with_a_reset() {
    let rows = rows();
    let (_upstream, edge) = scene(&rows);
    let mut report = Report::new();
    let client = H2::connect(edge.address());

    for (index, row) in rows.iter().enumerate().filter(|(_, row)| row.method == "GET") {
        report.row(row.id, row.name);
        let answer = client.get(&format!("/bad/{index}"));
        see(&mut report, row.seen, answer.status, &answer.text(), answer.error.is_none());
        if row.seen == Cut && answer.status == 200 {
            report.check(answer.error.as_deref().is_some_and(|error| error.starts_with("reset")), || {
                format!("{:?}", answer.error)
            });
        }
        report.equal("the next stream", client.get("/next").status, 200);
    }

    report.end();
}

#[test]
fn an_answer_broken_by_a_reset_is_cut_too() {
    let rows = rows();
    let (_upstream, edge) = scene(&rows);
    let mut report = Report::new();

    for (index, row) in rows.iter().enumerate().filter(|(_, row)| row.id == "F33") {
        report.row(row.id, row.name);
        let mut raw = Raw::connect(edge.address());
        raw.send(Client::get(&format!("/bad/{index}?rst")).bytes());
        let answer = raw.try_response("GET", Duration::from_secs(10)).expect("a sound answer");
        report.check(answer.is_none_or(|answer| !answer.complete || answer.status == 502), || {
            "looks complete".into()
        });
        report.equal("the next client", edge.get("/next").status, 200);
    }

    report.end();
}

#[test]
fn bytes_sent_before_any_request_are_never_an_answer() {
    let poison = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison";
    let upstream = Upstream::scripted(move |request, wire| {
        wire.reply(request, &portcullis_tests::Reply::new(200).body("sound"));
        wire.pause(Duration::from_millis(20));
        wire.send(poison);
    });
    let edge = Edge::with(|c| c.service("api", &upstream).route("* /**", "api").workers(1));

    for round in 0..10 {
        let answer = edge.get("/");
        assert!(answer.text() != "poison", "F32 round {round}: the client got what nobody had asked for");
        assert!(matches!(answer.status, 200 | 502), "F32 round {round}: {}", answer.status);
        // The poison arrives while the connection lies in the pool; later nobody could tell it from an answer.
        wait::pause(Duration::from_millis(60));
    }
}

#[test]
fn an_http_2_upstream_that_resets_goes_away_or_falls_silent_ends_only_its_own_streams() {
    let upstream = Upstream::h2(|request| match request.target.as_str() {
        "/reset" => H2Reply::new(200).part("half").reset(2),
        "/refuse" => H2Reply::new(200).reset_before_head(2),
        "/leave" => H2Reply::new(200).part("last words").go_away(),
        "/silent" => H2Reply::new(200).stall_before_head(),
        _ => H2Reply::new(200).part("sound"),
    });
    let edge = Edge::with(|c| {
        c.service_with("api", &[&upstream], "protocol: h2, timeout: { request: 500ms }")
            .route("* /**", "api")
            .workers(1)
    });

    let reset = edge.get("/reset");
    assert!(!reset.complete || reset.status == 502, "H19 {reset:?}");
    assert_eq!(edge.get("/refuse").status, 502, "H19");
    assert_eq!(edge.get("/leave").text(), "last words", "H19");
    assert_eq!(edge.get("/after").text(), "sound", "H19 a new connection after GOAWAY");
    assert_eq!(edge.get("/silent").status, 504, "H19");
    assert_eq!(edge.get("/after").text(), "sound", "H19");
    upstream.wait_abandoned(1);
}

#[test]
fn a_connection_with_bytes_behind_the_end_of_an_answer_serves_nobody_else() {
    let upstream = Upstream::scripted(|_, wire| {
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n");
        wire.pause(Duration::from_millis(30));
        wire.send("helloXTRA");
    });
    let edge = Edge::with(|c| c.service("api", &upstream).route("* /**", "api").workers(1));

    for round in 0..5 {
        let answer = edge.get("/");
        assert_eq!((answer.status, answer.text()), (200, "hello".into()), "F32 round {round}");
    }

    assert_eq!(upstream.count(), 5);
    assert_eq!(upstream.connections(), 5);
}
