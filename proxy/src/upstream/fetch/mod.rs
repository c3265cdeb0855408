//! What the proxy itself asks of services outside: one small answer, over HTTP/1.1, within a time.
//!
//! | what | bound |
//! |--|--|
//! | the whole call: name, connection, TLS, answer | `Remote::timeout` |
//! | addresses of a name that are tried | 4, each a share of that time |
//! | head | 32 KiB, 100 fields |
//! | body | what the caller says; nothing is read beyond |
//! | redirects | none is followed |
//! | proxies from the environment | none is asked |
//! | idle connections | one, for 20 s |
//!
//! A connection that turns out closed when it is used again is replaced once. What is sent must therefore do no harm
//! when it is sent twice. Must not know what the answer means.

mod fault;
mod freshness;
mod place;

pub use fault::FetchError;
pub use place::shown;

use super::connect::tcp;
use crate::clock;
use crate::config::auth::Remote;
use crate::tls::client::{ClientTls, Transport};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use place::Place;
use std::cell::RefCell;
use std::fmt::Display;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// Largest head of an answer, bytes.
const HEAD: usize = 32 * 1024;
/// Most fields of a head.
const FIELDS: usize = 100;
/// Nothing of a connection grows beyond this.
const BUFFER: usize = 64 * 1024;
/// How long a connection is kept for the next call: what lies longer is often dropped on the way without a word.
const IDLE: Duration = Duration::from_secs(20);
/// Most addresses of a name that are tried.
const ADDRESSES: usize = 4;

/// Asks one service. Belongs to one thread; needs a local runtime, in which its connections run.
#[derive(Debug)]
pub struct Fetcher {
    place: Place,
    tls: Option<ClientTls>,
    timeout: Duration,
    idle: RefCell<Option<(Line, Instant)>>,
}

/// A whole answer with a status of success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// 200 … 299.
    pub status: u16,
    /// How long it may be used by its `Cache-Control`, zero for `no-store`; `None` = it does not say.
    pub max_age: Option<Duration>,
    /// What it says it is.
    pub content_type: Option<HeaderValue>,
    /// All of it.
    pub body: Vec<u8>,
}

/// A connection. Ends when it is dropped, whatever it is doing.
#[derive(Debug)]
struct Line {
    sender: http1::SendRequest<Full<Bytes>>,
    task: AbortHandle,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Fetcher {
    /// Reads the authorities to believe; connects to nobody yet.
    pub fn new(remote: &Remote) -> Result<Self, FetchError> {
        let place = Place::of(&remote.url)?;
        let tls = if place.secure {
            Some(ClientTls::for_host(&place.host, remote.ca.as_deref()).map_err(in_words(FetchError::Tls))?)
        } else {
            None
        };
        Ok(Self { place, tls, timeout: remote.timeout, idle: RefCell::default() })
    }

    /// GET. The body has at most `most` bytes.
    pub async fn get(&self, accept: &str, most: usize) -> Result<Fetched, FetchError> {
        let request = self.place.get(accept)?;
        self.call(request.map(|()| Full::default()), most).await
    }

    /// POST of a form (`application/x-www-form-urlencoded`) that must do no harm when it comes twice.
    /// `authorization` is the whole field value. The body of the answer has at most `most` bytes.
    pub async fn post_form(
        &self,
        authorization: &str,
        body: String,
        most: usize,
    ) -> Result<Fetched, FetchError> {
        let request = self.place.post_form(authorization)?;
        self.call(request.map(|()| Full::from(body)), most).await
    }

    async fn call(&self, request: Request<Full<Bytes>>, most: usize) -> Result<Fetched, FetchError> {
        let answered = async {
            let (line, response) = self.send(request).await?;
            let fetched = read(response, most).await?;
            // Only here is it certain that nothing more comes.
            self.idle.replace(Some((line, clock::now())));
            Ok(fetched)
        };
        timeout(self.timeout, answered).await.unwrap_or(Err(FetchError::Timeout))
    }

    /// Sends it on the idle connection, or when that fails on a new one.
    async fn send(&self, request: Request<Full<Bytes>>) -> Result<(Line, Response<Incoming>), FetchError> {
        let idle = self.idle.take().filter(|(_, since)| clock::now() < *since + IDLE);
        if let Some((mut line, _)) = idle
            && line.sender.ready().await.is_ok()
            && let Ok(response) = line.sender.send_request(request.clone()).await
        {
            return Ok((line, response));
        }
        let mut line = self.open().await?;
        let response = line.sender.send_request(request).await.map_err(in_words(FetchError::Protocol))?;
        Ok((line, response))
    }

    async fn open(&self) -> Result<Line, FetchError> {
        let stream = self.connect().await?;
        let transport = match &self.tls {
            None => Transport::Plain(stream),
            Some(tls) => {
                let secured = tls.connector.connect(tls.name.clone(), stream).await;
                Transport::Tls(Box::new(secured.map_err(in_words(FetchError::Tls))?))
            }
        };
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(BUFFER)
            .max_header_size(HEAD)
            .max_headers(FIELDS)
            .handshake(TokioIo::new(transport))
            .await
            .map_err(in_words(FetchError::Protocol))?;
        let task = tokio::task::spawn_local(async move {
            // Its end is seen by whoever holds the sender.
            let _ended = connection.await.is_ok();
        });
        Ok(Line { sender, task: task.abort_handle() })
    }

    /// Connects to the first address that takes it. One that does not answer leaves time for the others.
    async fn connect(&self) -> Result<TcpStream, FetchError> {
        let found = tokio::net::lookup_host((&*self.place.host, self.place.port)).await;
        let addresses: Vec<SocketAddr> =
            found.map_err(in_words(FetchError::Resolve))?.take(ADDRESSES).collect();
        let share = self.timeout / u32::try_from(addresses.len()).unwrap_or(1).max(1);
        let mut fault = FetchError::Resolve("the name has no address".into());
        for address in addresses {
            match timeout(share, tcp(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => fault = FetchError::Connect(format!("{address}: {error}").into()),
                Err(_elapsed) => fault = FetchError::Timeout,
            }
        }
        Err(fault)
    }
}

/// Reads the answer. What is left of one that cannot be used goes with its connection.
async fn read(response: Response<Incoming>, most: usize) -> Result<Fetched, FetchError> {
    let (head, mut body) = response.into_parts();
    match head.status.as_u16() {
        200..=299 => {}
        300..=399 => return Err(FetchError::Redirected),
        status => return Err(FetchError::Status(status)),
    }
    if body.size_hint().lower() > most as u64 {
        return Err(FetchError::TooLarge);
    }
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        // What is no data is a trailer: nobody asks for one.
        let Ok(data) = frame.map_err(in_words(FetchError::Protocol))?.into_data() else { continue };
        if whole.len() + data.len() > most {
            return Err(FetchError::TooLarge);
        }
        whole.extend_from_slice(&data);
    }
    Ok(Fetched {
        status: head.status.as_u16(),
        max_age: freshness::max_age(&head.headers),
        content_type: head.headers.get(CONTENT_TYPE).cloned(),
        body: whole,
    })
}

/// Keeps what whoever noticed says about it.
fn in_words<E: Display>(fault: fn(Box<str>) -> FetchError) -> impl Fn(E) -> FetchError {
    move |error| fault(error.to_string().into())
}

#[cfg(test)]
#[path = "support_tests.rs"]
pub(crate) mod support;

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
