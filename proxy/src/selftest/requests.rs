//! Attacks on the reading of requests, by a member: what two readers could take for two different things is refused.
//!
//! All of them go to a path nobody has, so that one that is let through does no harm.

use super::probe::Prober;
use super::verdict::{Reply, Verdict, is_answered, is_not_switched, is_refused, is_thrown_out, is_too_large};
use super::{Row, row};
use crate::config::service::Protocol;
use crate::config::trust::Strictness;
use crate::tls::knock::Knock;
use bytes::Bytes;
use http::{Method, Request, request};
use http_body_util::Empty;

/// The host that is asked for.
const HOST: &str = "portcullis-selftest";
/// The path that is asked for.
const PATH: &str = "/.portcullis-selftest";
/// So many fields are sent where too many are.
const FIELDS: usize = 1000;

/// A request of HTTP/1 with more field lines, each with its line end; the connection ends with the answer.
pub(super) fn get(fields: &str) -> Vec<u8> {
    of_line(&format!("GET {PATH} HTTP/1.1"), &format!("Connection: close\r\n{fields}"))
}

fn of_line(line: &str, fields: &str) -> Vec<u8> {
    format!("{line}\r\nHost: {HOST}\r\n{fields}\r\n").into_bytes()
}

/// A request of HTTP/2.
pub(super) fn get2() -> request::Builder {
    Request::builder().uri(format!("https://{HOST}{PATH}"))
}

/// Without a body.
pub(super) fn bare(builder: request::Builder) -> Result<Request<Empty<Bytes>>, http::Error> {
    builder.body(Empty::new())
}

/// A head that two readers could cut differently.
struct Smuggled {
    number: &'static str,
    attack: &'static str,
    bytes: Vec<u8>,
}

fn smuggled() -> Vec<Smuggled> {
    let post = |fields: &str, body: &str| {
        let mut bytes = of_line(&format!("GET {PATH} HTTP/1.1"), fields);
        bytes.extend_from_slice(body.as_bytes());
        bytes
    };
    let inner = format!("GET {PATH}/smuggled HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    let chunked = format!("0\r\n\r\n{inner}");
    let both = format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", chunked.len());
    let twice = "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n";
    let bare_lf = format!("GET {PATH} HTTP/1.1\nHost: {HOST}\n\n").into_bytes();
    let list = [
        ("16a", "Content-Length and Transfer-Encoding", post(&both, &chunked)),
        ("16b", "Transfer-Encoding twice", post(twice, &chunked)),
        ("16c", "a coding that only looks like chunked", post("Transfer-Encoding: xchunked\r\n", &chunked)),
        (
            "16d",
            "Content-Length twice, different",
            post("Content-Length: 0\r\nContent-Length: 5\r\n", &inner),
        ),
        ("16e", "a folded header line", post("X-Selftest: a\r\n X-Auth-User: admin\r\n", "")),
        ("16f", "a space before the colon", post("Content-Length : 0\r\n", "")),
        ("16g", "lines that end with LF alone", bare_lf),
        ("16h", "a CR and a NUL inside a value", post("X-Selftest: a\rb\0c\r\n", "")),
        (
            "16i",
            "Transfer_Encoding, which some read as the real one",
            post("Transfer_Encoding: chunked\r\n", &chunked),
        ),
        ("16j", "Host twice", post("Host: other.example\r\n", "")),
    ];
    list.into_iter().map(|(number, attack, bytes)| Smuggled { number, attack, bytes }).collect()
}

/// All of them.
pub(super) async fn run(prober: &Prober<'_>) -> Vec<Row> {
    let mut rows = underscores(prober).await;
    for (number, fields) in [("14a", "x-auth-user"), ("14b", "txn-token")] {
        let bytes = of_line(&format!("GET {PATH} HTTP/1.1"), &format!("Connection: close, {fields}\r\n"));
        let verdict = is_answered(&prober.tls(prober.member(), &bytes).await, &wanted(prober, 400));
        rows.push(row(
            number,
            &format!("Connection: {fields}, so that the next hop deletes it"),
            "400",
            verdict,
        ));
    }
    for Smuggled { number, attack, bytes } in smuggled() {
        let reply = prober.tls(prober.member(), &bytes).await;
        rows.push(row(number, attack, "400 and closed", is_thrown_out(&reply)));
    }
    rows.extend(switching(prober).await);
    rows.push(coalescing(prober).await);
    rows.extend(large(prober).await);
    rows.extend(tracing(prober).await);
    rows
}

/// What must be answered. A workload that speaks tcp takes tunnels only: everything else is answered 405, unread.
fn wanted(prober: &Prober<'_>, status: u16) -> [u16; 2] {
    let is_tcp = prober.subject.sidecar.workload.protocol == Protocol::Tcp;
    [status, if is_tcp { 405 } else { status }]
}

/// Names that applications fold to protected ones.
async fn underscores(prober: &Prober<'_>) -> Vec<Row> {
    const NAMES: [&str; 4] = ["X_Auth_User", "X-Auth_User", "TXN_TOKEN", "Portcullis_Stamps"];
    let attack = |kind: &str| format!("X_Auth_User and other spellings ({kind})");
    if prober.subject.config.strict.underscores != Strictness::Refuse {
        let why = "`strict: underscores` is not `refuse`: what the application gets is not seen from here";
        return vec![row("12a", &attack("h1, h2"), "400", Verdict::NotApplicable(why.to_owned()))];
    }
    let (mut h1, mut h2) = (Vec::new(), Vec::new());
    for name in NAMES {
        let reply = prober.tls(prober.member(), &get(&format!("{name}: admin\r\n"))).await;
        h1.push(is_answered(&reply, &[400]));
        let reply = second(prober, get2().header(name.to_ascii_lowercase(), "admin")).await;
        h2.push(is_answered(&reply, &wanted(prober, 400)));
    }
    vec![
        row("12a", &attack("h1"), "400", Verdict::worst(h1)),
        row("12b", &attack("h2"), "400", Verdict::worst(h2)),
    ]
}

/// One exchange over HTTP/2.
pub(super) async fn second(prober: &Prober<'_>, builder: request::Builder) -> Reply {
    match bare(builder) {
        Ok(request) => prober.h2(prober.member(), request).await,
        Err(error) => Reply::ended(super::verdict::End::Broken(error.to_string())),
    }
}

async fn switching(prober: &Prober<'_>) -> Vec<Row> {
    const TUNNEL: &str = "CONNECT, a tunnel past the rules";
    let settings = "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n";
    let upgrade = of_line(
        &format!("GET {PATH} HTTP/1.1"),
        &format!("Connection: Upgrade, HTTP2-Settings, close\r\n{settings}"),
    );
    let upgrade = is_not_switched(&prober.tls(prober.member(), &upgrade).await);
    let mut rows = vec![row("17a", "Upgrade: h2c", "not switched", upgrade)];
    if prober.subject.sidecar.workload.protocol == Protocol::Tcp {
        let why = "the workload speaks tcp: tunnels are how it is called";
        rows.push(row("17b", TUNNEL, "refused", Verdict::NotApplicable(why.to_owned())));
        return rows;
    }
    let first = b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n";
    let first = is_refused(&prober.tls(prober.member(), first).await);
    let builder = Request::builder().method(Method::CONNECT).uri("127.0.0.1:22");
    let second = is_refused(&second(prober, builder).await);
    rows.push(row("17b", &format!("{TUNNEL} (h1)"), "refused", first));
    rows.push(row("17c", &format!("{TUNNEL} (h2)"), "refused", second));
    rows
}

async fn coalescing(prober: &Prober<'_>) -> Row {
    let knock = Knock { sni: Some("one.selftest.invalid"), ..prober.member() };
    let uri = format!("https://two.selftest.invalid{PATH}");
    let verdict = match bare(Request::builder().uri(uri)) {
        Ok(request) => is_answered(&prober.h2(knock, request).await, &wanted(prober, 421)),
        Err(error) => Verdict::Failed(error.to_string()),
    };
    row("19", "TLS asks for one name, the request for another", "421", verdict)
}

async fn large(prober: &Prober<'_>) -> Vec<Row> {
    let fields: String = (0..FIELDS).map(|number| format!("X-Selftest-{number}: a\r\n")).collect();
    let first = is_too_large(&prober.tls(prober.member(), &get(&fields)).await);
    let builder =
        (0..FIELDS).fold(get2(), |builder, number| builder.header(format!("x-selftest-{number}"), "a"));
    let second = is_too_large(&second(prober, builder).await);
    vec![
        row("27a", "1000 header fields (h1)", "431 or closed", first),
        row("27b", "1000 header fields (h2)", "431 or reset", second),
    ]
}

async fn tracing(prober: &Prober<'_>) -> Vec<Row> {
    let first = of_line(&format!("TRACE {PATH} HTTP/1.1"), "Connection: close\r\n");
    let first = is_refused(&prober.tls(prober.member(), &first).await);
    let second = is_refused(&second(prober, get2().method(Method::TRACE)).await);
    vec![
        row("28a", "TRACE, which shows what only the application may see (h1)", "refused", first),
        row("28b", "TRACE (h2)", "refused", second),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_head_ends_and_asks_for_a_path_nobody_has() {
        for bytes in smuggled().into_iter().map(|one| one.bytes).chain([get(""), get("X-A: b\r\n")]) {
            let text = String::from_utf8(bytes).unwrap();

            assert!(text.starts_with("GET /.portcullis-selftest HTTP/1.1"), "{text}");
            assert!(text.contains("\r\n\r\n") || text.contains("\n\n"), "{text}");
        }
    }
}
