//! What every hostile HTTP/1 row must keep, whatever it sends (invariants K1 to K5).
//!
//! K1: exactly the requests that were answered from upstream reached it. K2: nobody reached `/admin`, which no route opens.
//! K3: all that reached the upstream is strictly parseable (the recorder panics otherwise). K4: the process serves the next
//! client. K5: a refusal is one answer, one access log line, one count in the metrics, and where framing is in doubt the
//! connection is closed with nothing after the answer.

use portcullis_tests::{Client, Config, Edge, Raw, Report, Upstream, wait};
use std::time::Duration;

/// How long a row may take; long, because the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(10);

/// One attack on a connection of its own.
pub struct Row {
    /// Id in the list of attacks.
    pub id: &'static str,
    /// What is special about it.
    pub name: String,
    /// What is sent.
    pub send: Vec<u8>,
    /// What must come back.
    pub expect: Expect,
}

/// What must come back.
#[derive(Debug, Clone, Copy)]
pub enum Expect {
    /// One of these, nothing upstream, then the connection is closed.
    Closed(&'static [u16]),
    /// One of these, nothing upstream; the connection goes on or is closed.
    Refused(&'static [u16]),
    /// So many answers 200 from upstream; the connection goes on.
    Forwarded(usize),
    /// So many answers 200 from upstream, then one of these, then the connection is closed.
    ForwardedThenClosed(usize, &'static [u16]),
}

/// `POST /pub` to host `a`, then this.
pub fn post(rest: impl AsRef<[u8]>) -> Vec<u8> {
    [b"POST /pub HTTP/1.1\r\nHost: a\r\n".as_slice(), rest.as_ref()].concat()
}

/// `GET /pub` to host `a` with these header lines.
pub fn get(lines: impl AsRef<[u8]>) -> Vec<u8> {
    [b"GET /pub HTTP/1.1\r\nHost: a\r\n".as_slice(), lines.as_ref(), b"\r\n\r\n"].concat()
}

/// A chunked `POST /pub` with this after the head.
pub fn chunked(body: impl AsRef<[u8]>) -> Vec<u8> {
    [post("Transfer-Encoding: chunked\r\n\r\n").as_slice(), body.as_ref()].concat()
}

/// A row.
pub fn row(id: &'static str, name: impl Into<String>, send: impl AsRef<[u8]>, expect: Expect) -> Row {
    Row { id, name: name.into(), send: send.as_ref().to_vec(), expect }
}

/// An upstream that answers 200, and an edge in front of it: `/pub` for all, `/hosted` for host `a`.
pub fn scene(config: impl FnOnce(Config) -> Config) -> (Upstream, Edge) {
    let upstream = Upstream::echo();
    let edge = Edge::with(|c| {
        config(c).service("api", &upstream).route_with("pub", "* /pub/**", "to: api").route_with(
            "hosted",
            "GET /hosted",
            "to: api, hosts: [a]",
        )
    });
    (upstream, edge)
}

/// Runs the rows one after the other and checks the invariants after each.
pub fn run(rows: Vec<Row>, upstream: &Upstream, edge: &Edge) {
    let mut report = Report::new();
    let mut counted = edge.counted();
    for row in rows {
        report.row(row.id, &row.name);
        let expected = check(&row, &mut report, upstream, edge);
        // Looked at once a row: the control thread asks every worker for its figures.
        let enough = wait::within(PATIENCE, || Some(edge.counted()).filter(|now| *now >= counted + expected));
        let now = enough.unwrap_or_else(|| edge.counted());
        report.equal("exchanges in the metrics", now - counted, expected);
        counted = now;
    }
    report.end();
}

/// Sends the row; how many exchanges that were.
fn check(row: &Row, report: &mut Report, upstream: &Upstream, edge: &Edge) -> u64 {
    let (requests, lines) = (upstream.count(), edge.line_count());
    let mut raw = Raw::connect(edge.address());
    raw.send(&row.send);

    let (forwarded, refusal, closes) = match row.expect {
        Expect::Closed(statuses) => (0, Some(statuses), true),
        Expect::Refused(statuses) => (0, Some(statuses), false),
        Expect::Forwarded(count) => (count, None, false),
        Expect::ForwardedThenClosed(count, statuses) => (count, Some(statuses), true),
    };
    for index in 0..forwarded {
        answered(report, &mut raw, &format!("answer {index}"), &[200], false);
    }
    if let Some(statuses) = refusal {
        answered(report, &mut raw, "the refusal", statuses, closes);
    }
    let mut expected = forwarded + usize::from(refusal.is_some());
    let mut sound = forwarded;
    if closes {
        let rest = raw.closes_within(PATIENCE);
        report.check(rest.is_some(), || "the connection stays open".into());
        let rest = String::from_utf8_lossy(&rest.unwrap_or_default()).into_owned();
        report.check(rest.is_empty(), || format!("after the refusal came {rest:?}"));
    } else if refusal.is_none() {
        raw.send(Client::get("/pub/same-connection").bytes());
        answered(report, &mut raw, "the next request of the connection", &[200], false);
        (expected, sound) = (expected + 1, sound + 1);
    }
    alive(report, edge);
    (expected, sound) = (expected + 1, sound + 1);

    let seen = upstream.faults();
    report.check(seen.is_empty(), || format!("upstream read nonsense: {seen:?}"));
    if seen.is_empty() {
        report.equal("requests upstream", upstream.count() - requests, sound);
    }
    report.check(!upstream.saw("/admin"), || "upstream saw /admin".into());
    wait::within(PATIENCE, || (edge.line_count() >= lines + expected).then_some(()));
    report.equal("access log lines", edge.line_count() - lines, expected);
    expected as u64
}

/// One answer with one of these statuses.
fn answered(report: &mut Report, raw: &mut Raw, what: &str, statuses: &[u16], closes: bool) {
    let response = match raw.try_response("GET", PATIENCE) {
        Ok(Some(response)) => response,
        Ok(None) => return report.check(false, || format!("{what}: nothing, connection {:?}", raw.end())),
        Err(fault) => return report.check(false, || format!("{what} is malformed: {fault}")),
    };
    let status = response.status;
    report.check(statuses.contains(&status), || {
        format!("{what} is {status}, expected {statuses:?}: {}", response.text())
    });
    report.check(response.complete, || format!("{what} is cut short"));
    report.check(response.header("x-request-id").is_some(), || format!("{what} has no x-request-id"));
    if status >= 400 {
        let kind = response.header("content-type").unwrap_or_default().to_owned();
        report.check(kind == "application/problem+json", || format!("{what} has content-type {kind:?}"));
        report.check(!response.code().is_empty(), || format!("{what} has no code"));
        report.check(response.header("proxy-status").is_some(), || format!("{what} has no proxy-status"));
    }
    report.check(!closes || response.says_close(), || format!("{what} does not say connection: close"));
}

/// The next client is served.
fn alive(report: &mut Report, edge: &Edge) {
    let mut raw = Raw::connect(edge.address());
    raw.send(Client::get("/pub/next-client").bytes());
    answered(report, &mut raw, "the next client", &[200], false);
}
