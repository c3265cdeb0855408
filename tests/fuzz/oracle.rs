//! Holds the gate against hyper: what the gate passes, hyper must read exactly as the gate understood it.
//!
//! Shared by the property tests and the fuzz targets. Three readers look at the same bytes: the gate (where
//! does each message end?), a small decoder that believes the gate (what is in it, then?), and hyper. Where
//! they differ, somebody can smuggle.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use portcullis::listener::gate::{Ending, Fault, Limits, RequestGate, RequestRules, ResponseGate, Verdict};
use std::cell::RefCell;
use std::convert::Infallible;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::runtime::Runtime;

/// What a run has shown, so that a test can tell whether its inputs are worth anything.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen {
    /// Messages that passed whole.
    pub(crate) messages: usize,
    /// Bytes of their bodies.
    pub(crate) body_bytes: usize,
    /// Why the gate refused the rest.
    pub(crate) refused: Option<Fault>,
}

/// A message as one of the readers understood it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Message {
    /// Method and target, or the status.
    subject: String,
    fields: usize,
    /// None: cut off.
    body: Option<Body>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Body {
    data: Vec<u8>,
    trailers: usize,
}

/// Sends `pieces` through a request gate and what passes through hyper's server. Panics where they disagree.
pub(crate) fn requests(rules: RequestRules, pieces: &[&[u8]]) -> Seen {
    let mut gate = RequestGate::new(rules);
    let (passed, refused) = feed(|input| gate.inspect(input), pieces);
    let (ends, cut_off) = request_ends(rules, &passed);
    if refused.is_none() {
        assert_eq!(gate.in_body(), cut_off, "the cuts changed where the last message ends");
    }

    let believed = believed_requests(&passed, &ends);
    let read = run(server_reads(&passed));

    assert_eq!(believed, read, "the gate and hyper disagree on {}", passed.escape_ascii());
    Seen { messages: ends.len(), body_bytes: body_bytes(&believed), refused }
}

/// Sends `pieces`, an upstream's answer, through a response gate and what passes through hyper's client.
/// Panics where they disagree.
pub(crate) fn answers(head: bool, pieces: &[&[u8]]) -> Seen {
    let gate = || {
        let mut gate = ResponseGate::new(Limits::of_responses());
        gate.expect(head);
        gate
    };
    let mut first = gate();
    let (passed, refused) = feed(|input| first.inspect(input), pieces);
    let mut second = gate();
    if !passed.is_empty() {
        assert_eq!(
            second.inspect(&passed),
            Verdict::Pass { sound: passed.len() },
            "what passed must pass again"
        );
    }
    let whole = second.finish() == Ending::Clean;

    let believed = whole.then(|| believed_answer(head, &passed));
    let read = run(client_reads(head, &passed));

    assert_eq!(believed, read, "the gate and hyper disagree on {}", passed.escape_ascii());
    let bodies: Vec<_> = believed.into_iter().collect();
    Seen { messages: bodies.len(), body_bytes: body_bytes(&bodies), refused }
}

fn body_bytes(messages: &[Message]) -> usize {
    messages.iter().filter_map(|message| message.body.as_ref()).map(|body| body.data.len()).sum()
}

/// Feeds a gate as a shell does: what was not passed is shown again. What passed, and why the rest did not.
fn feed(mut inspect: impl FnMut(&[u8]) -> Verdict, pieces: &[&[u8]]) -> (Vec<u8>, Option<Fault>) {
    let mut passed = Vec::new();
    let mut left = Vec::new();
    for piece in pieces {
        left.extend_from_slice(piece);
        match inspect(&left) {
            Verdict::Pass { sound } => passed.extend(left.drain(..sound)),
            Verdict::Refuse { sound, fault, .. } => {
                passed.extend(left.drain(..sound));
                return (passed, Some(fault));
            }
        }
    }
    (passed, None)
}

/// Where the messages of `passed` end by the gate's own account, and whether one more is cut off.
fn request_ends(rules: RequestRules, passed: &[u8]) -> (Vec<usize>, bool) {
    let mut gate = RequestGate::new(rules);
    let mut ends = Vec::new();
    let mut start = 0;
    for end in 1..=passed.len() {
        match gate.inspect(&passed[start..end]) {
            Verdict::Pass { sound: 0 } => continue,
            Verdict::Pass { sound } => start += sound,
            Verdict::Refuse { fault, .. } => panic!("{fault:?} in {}, which passed", passed.escape_ascii()),
        }
        assert_eq!(start, end, "a byte in the middle was held back");
        if gate.at_boundary() {
            ends.push(end);
        }
    }
    assert_eq!(start, passed.len(), "passed the beginning of a head: {}", passed.escape_ascii());
    (ends, gate.in_body())
}

// What the small decoder reads, given that the gate is right about where messages end.

fn believed_requests(passed: &[u8], ends: &[usize]) -> Vec<Message> {
    let mut messages = Vec::new();
    let mut start = 0;
    for &end in ends.iter().chain(Some(&passed.len()).filter(|&&end| ends.last() != Some(&end) && end > 0)) {
        let complete = ends.contains(&end);
        let head = Head::of(&passed[start..end]);
        let mut parts = head.first.split(' ');
        let subject = format!("{} {}", parts.next().unwrap(), normal(parts.next().unwrap()));
        let body = complete.then(|| head.body(false));
        messages.push(Message { subject, fields: head.fields.len(), body });
        start = end;
        // hyper reads no further, and need not.
        if head.closes() {
            break;
        }
    }
    messages
}

/// A target as hyper's `Uri` writes it: byte by byte, but an absolute one has a scheme in lower case and a
/// path.
fn normal(target: &str) -> String {
    match target.split_once("://") {
        Some((scheme, rest)) if !target.starts_with('/') => {
            let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
            let slash = if path.starts_with('/') { "" } else { "/" };
            format!("{}://{authority}{slash}{path}", scheme.to_ascii_lowercase())
        }
        _ => target.to_owned(),
    }
}

fn believed_answer(head: bool, mut passed: &[u8]) -> Message {
    loop {
        let answer = Head::of(passed);
        let status = &answer.first[9..12];
        if status.starts_with('1') {
            passed = answer.rest;
            continue;
        }
        let bodiless = head || status == "204" || status == "304";
        let body = if bodiless {
            assert!(answer.rest.is_empty(), "a body where none can be");
            Body::default()
        } else {
            answer.body(true)
        };
        return Message { subject: status.to_owned(), fields: answer.fields.len(), body: Some(body) };
    }
}

/// A head taken apart without any doubt about its form.
struct Head<'a> {
    first: String,
    fields: Vec<(String, String)>,
    rest: &'a [u8],
}

impl<'a> Head<'a> {
    fn of(message: &'a [u8]) -> Self {
        let message = message.strip_prefix(b"\r\n").unwrap_or(message);
        let end = message.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head");
        // Latin-1, so that every byte is one character.
        let text: String = message[..end].iter().map(|&byte| char::from(byte)).collect();
        let mut lines = text.split("\r\n").map(str::to_owned);
        let first = lines.next().unwrap();
        let blank = |c| c == ' ' || c == '\t';
        let field = |line: String| {
            let (name, value) = line.split_once(':').expect("a colon");
            (name.to_ascii_lowercase(), value.trim_matches(blank).to_owned())
        };
        Self { first, fields: lines.map(field).collect(), rest: &message[end + 4..] }
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.fields.iter().filter(move |field| field.0 == name).map(|field| field.1.as_str())
    }

    /// Whether hyper ends the connection after this message.
    fn closes(&self) -> bool {
        let has = |wanted: &str| {
            let values = self
                .values("connection")
                .filter(|value| value.bytes().all(|b| b == b'\t' || (b' '..0x7f).contains(&b)));
            values.flat_map(|value| value.split(',')).any(|token| token.trim().eq_ignore_ascii_case(wanted))
        };
        has("close") || (self.first.ends_with("HTTP/1.0") && !has("keep-alive"))
    }

    /// The body, which must be exactly the rest. `answer`: without a length it is all there is.
    fn body(&self, answer: bool) -> Body {
        if self.values("transfer-encoding").next().is_some() {
            return dechunk(self.rest);
        }
        let length = self.values("content-length").next().map(|value| value.parse().unwrap());
        let length: usize = length.unwrap_or(if answer { self.rest.len() } else { 0 });
        assert_eq!(self.rest.len(), length, "the gate ends a body elsewhere than its length says");
        Body { data: self.rest.to_vec(), trailers: 0 }
    }
}

fn dechunk(mut rest: &[u8]) -> Body {
    let mut body = Body::default();
    loop {
        let line = take_line(&mut rest);
        let digits: String = line.chars().take_while(char::is_ascii_hexdigit).collect();
        let size = usize::from_str_radix(&digits, 16).expect("a chunk size");
        if size == 0 {
            break;
        }
        body.data.extend_from_slice(&rest[..size]);
        assert_eq!(&rest[size..size + 2], b"\r\n");
        rest = &rest[size + 2..];
    }
    while !take_line(&mut rest).is_empty() {
        body.trailers += 1;
    }
    assert!(rest.is_empty(), "the gate ends a chunked body too late");
    body
}

fn take_line(rest: &mut &[u8]) -> String {
    let end = rest.windows(2).position(|two| two == b"\r\n").expect("a whole line");
    let line = rest[..end].iter().map(|&byte| char::from(byte)).collect();
    *rest = &rest[end + 2..];
    line
}

// What hyper reads.

fn run<T>(future: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: Runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}

/// Room for all that either side may write, so that nobody waits for a reader.
fn pipe(bytes: &[u8]) -> (DuplexStream, DuplexStream) {
    tokio::io::duplex(bytes.len() + 256 * 1024)
}

async fn server_reads(bytes: &[u8]) -> Vec<Message> {
    let read = RefCell::new(Vec::new());
    let (mut near, far) = pipe(bytes);
    near.write_all(bytes).await.unwrap();
    near.shutdown().await.unwrap();
    let service = service_fn(async |request: Request<Incoming>| {
        let (parts, body) = request.into_parts();
        let subject = format!("{} {}", parts.method, parts.uri);
        let message = Message { subject, fields: parts.headers.len(), body: None };
        let at = read.borrow().len();
        read.borrow_mut().push(message);
        let body = collect(body).await;
        read.borrow_mut()[at].body = body;
        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
    });
    let mut replies = Vec::new();
    let mut server = hyper::server::conn::http1::Builder::new();
    // The error is a cut-off body, which is on the list already, or hyper refusing what passed, which the
    // list will lack.
    let (_, answered) = tokio::join!(
        server.half_close(true).serve_connection(TokioIo::new(far), service),
        near.read_to_end(&mut replies),
    );
    answered.unwrap();
    read.into_inner()
}

async fn client_reads(head: bool, bytes: &[u8]) -> Option<Message> {
    let (near, mut far) = pipe(bytes);
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(near)).await.expect("no bytes are sent yet");
    let method = if head { Method::HEAD } else { Method::GET };
    let request = Request::builder().method(method).uri("/").body(Empty::<Bytes>::new()).unwrap();
    let upstream = async {
        let mut asked = [0; 1024];
        let _ = far.read(&mut asked).await;
        far.write_all(bytes).await.unwrap();
        far.shutdown().await.unwrap();
    };
    let client = async {
        let (parts, body) = sender.send_request(request).await.ok()?.into_parts();
        let body = collect(body).await?;
        Some(Message {
            subject: parts.status.as_str().to_owned(),
            fields: parts.headers.len(),
            body: Some(body),
        })
    };
    tokio::join!(client, connection, upstream).0
}

async fn collect(mut body: Incoming) -> Option<Body> {
    let mut collected = Body::default();
    while let Some(frame) = body.frame().await {
        match frame.ok()?.into_data() {
            Ok(data) => collected.data.extend_from_slice(&data),
            Err(frame) => collected.trailers += frame.trailers_ref()?.len(),
        }
    }
    Some(collected)
}
