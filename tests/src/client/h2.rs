//! A sound HTTP/2 client: the `h2` crate on a runtime of its own, used without `async`.

use crate::message::Headers;
use crate::{Authority, wait};
use bytes::Bytes;
use h2::client::{Connection, SendRequest};
use http::Request;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

/// A connection.
pub struct H2 {
    local: LocalSet,
    runtime: Runtime,
    send: SendRequest<Bytes>,
    ended: Arc<Mutex<Option<String>>>,
}

/// A response.
#[derive(Debug, Clone, Default)]
pub struct H2Response {
    /// Status code.
    pub status: u16,
    /// Header fields.
    pub headers: Headers,
    /// Body.
    pub body: Vec<u8>,
    /// Trailer fields.
    pub trailers: Headers,
    /// What broke it: code of RST_STREAM or GOAWAY, or words.
    pub error: Option<String>,
}

impl H2Response {
    /// First value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl H2 {
    /// Connects by prior knowledge.
    pub fn connect(address: SocketAddr) -> Self {
        Self::shake(address, async |address| {
            tokio::net::TcpStream::connect(address).await.expect("a connection")
        })
    }

    /// Connects over TLS, ALPN `h2`.
    pub fn connect_tls(address: SocketAddr, authority: &Authority, name: &str) -> Self {
        let connector = tokio_rustls::TlsConnector::from(authority.client(&["h2"]));
        let name = rustls::pki_types::ServerName::try_from(name.to_owned()).expect("a name");
        Self::shake(address, async move |address| {
            let socket = tokio::net::TcpStream::connect(address).await.expect("a connection");
            connector.connect(name.clone(), socket).await.expect("a handshake")
        })
    }

    /// Connects over TLS with a configuration of the test's own, ALPN `h2`.
    pub fn connect_with(
        address: SocketAddr,
        config: Arc<rustls::ClientConfig>,
        name: rustls::pki_types::ServerName<'static>,
    ) -> Self {
        let connector = tokio_rustls::TlsConnector::from(config);
        Self::shake(address, async move |address| {
            let socket = tokio::net::TcpStream::connect(address).await.expect("a connection");
            connector.connect(name, socket).await.expect("a handshake")
        })
    }

    fn shake<S>(address: SocketAddr, connect: impl AsyncFnOnce(SocketAddr) -> S) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let local = LocalSet::new();
        let ended = Arc::new(Mutex::new(None));
        let note = ended.clone();
        let send = local.block_on(&runtime, async move {
            let stream = connect(address).await;
            let (send, connection) = h2::client::handshake(stream).await.expect("a handshake");
            tokio::task::spawn_local(drive(connection, note));
            send
        });
        Self { local, runtime, send, ended }
    }

    /// GET from host `a`.
    pub fn get(&self, path: &str) -> H2Response {
        self.request(Request::get(format!("http://a{path}")).body(()).expect("a request"), Vec::new())
    }

    /// POST to host `a`.
    pub fn post(&self, path: &str, body: impl Into<Vec<u8>>) -> H2Response {
        self.request(Request::post(format!("http://a{path}")).body(()).expect("a request"), body.into())
    }

    /// Any request; waits for the end of its answer.
    pub fn request(&self, request: Request<()>, body: Vec<u8>) -> H2Response {
        let send = self.send.clone();
        self.run(async move { exchange(send, request, body).await })
    }

    /// `count` GETs at the same time.
    pub fn get_together(&self, path: &str, count: usize) -> Vec<H2Response> {
        let send = self.send.clone();
        let path = path.to_owned();
        self.run(async move {
            let start = |_| {
                let request = Request::get(format!("http://a{path}")).body(()).expect("a request");
                tokio::task::spawn_local(exchange(send.clone(), request, Vec::new()))
            };
            let mut responses = Vec::new();
            for task in (0..count).map(start).collect::<Vec<_>>() {
                responses.push(task.await.expect("a task"));
            }
            responses
        })
    }

    /// Sends a request and takes it back (RST_STREAM CANCEL) as soon as `condition` holds.
    pub fn cancel_when(&self, path: &str, mut condition: impl FnMut() -> bool) {
        let send = self.send.clone();
        let request = Request::get(format!("http://a{path}")).body(()).expect("a request");
        self.run(async move {
            let mut send = send.ready().await.expect("a connection");
            let (_response, mut stream) = send.send_request(request, true).expect("a stream");
            while !condition() {
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
            stream.send_reset(h2::Reason::CANCEL);
            // Gives the connection the chance to write it.
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        });
    }

    /// Lets the connection run until it ends; how it ended.
    pub fn until_closed(&self) -> String {
        let ended = self.ended.clone();
        self.run(async move {
            loop {
                if let Some(words) = ended.lock().unwrap_or_else(PoisonError::into_inner).clone() {
                    return words;
                }
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
        })
    }

    fn run<T>(&self, work: impl Future<Output = T>) -> T {
        let bounded = async { tokio::time::timeout(wait::PATIENCE, work).await };
        self.local.block_on(&self.runtime, bounded).expect("an answer in time")
    }
}

async fn drive<S: AsyncRead + AsyncWrite + Unpin>(
    connection: Connection<S>,
    ended: Arc<Mutex<Option<String>>>,
) {
    let words = match connection.await {
        Ok(()) => "closed".to_owned(),
        Err(error) => describe(&error),
    };
    *ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(words);
}

async fn exchange(send: SendRequest<Bytes>, request: Request<()>, body: Vec<u8>) -> H2Response {
    let mut out = H2Response::default();
    if let Err(error) = attempt(send, request, body, &mut out).await {
        out.error = Some(describe(&error));
    }
    out
}

async fn attempt(
    send: SendRequest<Bytes>,
    request: Request<()>,
    body: Vec<u8>,
    out: &mut H2Response,
) -> Result<(), h2::Error> {
    let mut send = send.ready().await?;
    let (response, mut stream) = send.send_request(request, body.is_empty())?;
    if !body.is_empty() {
        let body = Bytes::from(body);
        tokio::task::spawn_local(async move {
            let mut body = body;
            while !body.is_empty() {
                stream.reserve_capacity(body.len());
                let Some(Ok(room)) = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await else {
                    return;
                };
                let part = body.split_to(room.min(body.len()));
                if stream.send_data(part, body.is_empty()).is_err() {
                    return;
                }
            }
        });
    }
    let (parts, mut body) = response.await?.into_parts();
    out.status = parts.status.as_u16();
    out.headers = headers(&parts.headers);
    while let Some(part) = body.data().await {
        let part = part?;
        out.body.extend_from_slice(&part);
        body.flow_control().release_capacity(part.len())?;
    }
    out.trailers = headers(&body.trailers().await?.unwrap_or_default());
    Ok(())
}

fn headers(map: &http::HeaderMap) -> Headers {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Headers(map.iter().map(|(name, value)| (name.to_string(), text(value))).collect())
}

fn describe(error: &h2::Error) -> String {
    let what = if error.is_go_away() {
        "goaway"
    } else if error.is_reset() {
        "reset"
    } else {
        "broken"
    };
    match error.reason() {
        Some(reason) => format!("{what} {reason:?}"),
        None => format!("{what} {error}"),
    }
}
