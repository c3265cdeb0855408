//! Serving HTTP/2: one thread, one runtime, the `h2` crate.

use super::record::Record;
use crate::message::{Headers, Request};
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use std::net::TcpListener;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

/// What an HTTP/2 upstream does with a request.
type Answer = Arc<dyn Fn(&Request) -> H2Reply + Send + Sync>;

/// An HTTP/2 answer.
#[derive(Debug, Clone)]
pub struct H2Reply {
    status: u16,
    headers: Vec<(String, String)>,
    parts: Vec<Bytes>,
    trailers: Vec<(String, String)>,
    end: End,
}

/// How an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Sound,
    Reset(u32),
    ResetBeforeHead(u32),
    Stall,
    StallBeforeHead,
    GoAway,
}

impl H2Reply {
    /// An empty one.
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), parts: Vec::new(), trailers: Vec::new(), end: End::Sound }
    }

    /// With a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With one more part of the body.
    pub fn part(mut self, part: impl Into<Bytes>) -> Self {
        self.parts.push(part.into());
        self
    }

    /// With a trailer.
    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        self.trailers.push((name.into(), value.into()));
        self
    }

    /// Ends by RST_STREAM with this code, after the body.
    pub fn reset(self, code: u32) -> Self {
        Self { end: End::Reset(code), ..self }
    }

    /// RST_STREAM with this code instead of a head.
    pub fn reset_before_head(self, code: u32) -> Self {
        Self { end: End::ResetBeforeHead(code), ..self }
    }

    /// Never ends, until the client resets the stream.
    pub fn stall(self) -> Self {
        Self { end: End::Stall, ..self }
    }

    /// Not even a head, until the client resets the stream.
    pub fn stall_before_head(self) -> Self {
        Self { end: End::StallBeforeHead, ..self }
    }

    /// Ends in order and sends GOAWAY.
    pub fn go_away(self) -> Self {
        Self { end: End::GoAway, ..self }
    }
}

/// Starts the thread.
pub(super) fn start(
    listener: TcpListener,
    record: Arc<Record>,
    tls: Option<Arc<rustls::ServerConfig>>,
    answer: Answer,
) {
    listener.set_nonblocking(true).expect("a non-blocking listener");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, accept(listener, record, tls, answer));
    });
}

async fn accept(
    listener: TcpListener,
    record: Arc<Record>,
    tls: Option<Arc<rustls::ServerConfig>>,
    answer: Answer,
) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    while let Ok((socket, _)) = listener.accept().await {
        let socket = socket.into_std().expect("a socket");
        let Some(id) = record.opened(socket.try_clone().ok()) else { return };
        let socket = tokio::net::TcpStream::from_std(socket).expect("a socket");
        let (record, answer, tls) = (record.clone(), answer.clone(), tls.clone());
        tokio::task::spawn_local(async move {
            match tls {
                None => serve(socket, &record, answer).await,
                Some(config) => {
                    if let Ok(stream) = tokio_rustls::TlsAcceptor::from(config).accept(socket).await {
                        serve(stream, &record, answer).await;
                    }
                }
            }
            record.closed(id);
        });
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, record: &Arc<Record>, answer: Answer) {
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(100);
    let Ok(mut connection) = builder.handshake::<_, Bytes>(stream).await else { return };
    let leave = std::rc::Rc::new(tokio::sync::Notify::new());
    loop {
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            () = leave.notified() => {
                connection.graceful_shutdown();
                continue;
            }
        };
        let Some(Ok((request, respond))) = accepted else { return };
        let (record, answer, leave) = (record.clone(), answer.clone(), leave.clone());
        tokio::task::spawn_local(async move {
            let (parts, body) = request.into_parts();
            let Some(request) = collect(parts, body, &record).await else { return };
            let reply = answer(&request);
            record.change(|state| {
                state.requests.push(request);
                state.busy += 1;
                state.busiest = state.busiest.max(state.busy);
            });
            let go_away = reply.end == End::GoAway;
            respond_with(reply, respond, &record).await;
            record.change(|state| state.busy -= 1);
            if go_away {
                leave.notify_one();
            }
        });
    }
}

/// The whole request, trailers included; `None` when the client took it back.
async fn collect(parts: http::request::Parts, mut body: h2::RecvStream, record: &Record) -> Option<Request> {
    let mut request = Request {
        method: parts.method.to_string(),
        target: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers: headers(&parts.headers),
        ..Request::default()
    };
    if let Some(authority) = parts.uri.authority() {
        request.headers.0.insert(0, ("host".into(), authority.to_string()));
    }
    while let Some(part) = body.data().await {
        let part = part.ok()?;
        record.change(|state| state.body_bytes += part.len() as u64);
        request.body.extend_from_slice(&part);
        body.flow_control().release_capacity(part.len()).ok()?;
    }
    request.trailers = headers(&body.trailers().await.ok()?.unwrap_or_default());
    Some(request)
}

async fn respond_with(reply: H2Reply, mut respond: SendResponse<Bytes>, record: &Record) {
    match reply.end {
        End::ResetBeforeHead(code) => return respond.send_reset(Reason::from(code)),
        End::StallBeforeHead => {
            let _ = std::future::poll_fn(|context| respond.poll_reset(context)).await;
            return record.change(|state| state.abandoned += 1);
        }
        _ => {}
    }
    let mut response = http::Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(name, value);
    }
    let response = response.body(()).expect("a sound answer");
    let bare =
        reply.parts.is_empty() && reply.trailers.is_empty() && matches!(reply.end, End::Sound | End::GoAway);
    let Ok(mut stream) = respond.send_response(response, bare) else { return };
    for part in reply.parts {
        if !send(&mut stream, part).await {
            return record.change(|state| state.abandoned += 1);
        }
    }
    match reply.end {
        End::Reset(code) => stream.send_reset(Reason::from(code)),
        End::Stall => {
            let _ = std::future::poll_fn(|context| stream.poll_reset(context)).await;
            record.change(|state| state.abandoned += 1);
        }
        _ if bare => {}
        _ if reply.trailers.is_empty() => drop(stream.send_data(Bytes::new(), true)),
        _ => drop(stream.send_trailers(fields(&reply.trailers))),
    }
}

/// Sends as the window allows; `false` when the client is gone.
async fn send(stream: &mut SendStream<Bytes>, mut part: Bytes) -> bool {
    while !part.is_empty() {
        stream.reserve_capacity(part.len());
        let Some(Ok(room)) = std::future::poll_fn(|context| stream.poll_capacity(context)).await else {
            return false;
        };
        let now = part.split_to(room.min(part.len()));
        if stream.send_data(now, false).is_err() {
            return false;
        }
    }
    true
}

fn headers(map: &http::HeaderMap) -> Headers {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Headers(map.iter().map(|(name, value)| (name.to_string(), text(value))).collect())
}

fn fields(pairs: &[(String, String)]) -> http::HeaderMap {
    let name = |name: &str| http::HeaderName::from_bytes(name.as_bytes()).expect("a name");
    pairs.iter().map(|(n, v)| (name(n), http::HeaderValue::from_str(v).expect("a value"))).collect()
}
