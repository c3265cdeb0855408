//! What the services share: a listener, one log line per request on stdout, JSON in and JSON out; a
//! text that is an answer of its own goes out as it is.
//! The part that answers is plain: a [`Request`] in, an [`Answer`] out, no I/O. A call to another service that an answer
//! needs is made in between: [`Service::needs`] says which, and the request then holds what came of it.

mod call;
mod catalog;
mod issuer;
mod orders;
mod payment;
mod trouble;
mod users;

pub use call::{Call, Called};
use trouble::Trouble;

use crate::options;
use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, LOCATION, SERVER};
use hyper::http::request::Parts;
use hyper::{HeaderMap, StatusCode, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

const MAX_BODY: usize = 64 * 1024;

/// One service: its state and how it answers.
pub trait Service: 'static {
    /// The call to another service without which there is no answer.
    fn needs(&self, _request: &Request) -> Option<Call> {
        None
    }

    fn answer(&mut self, request: &Request) -> Answer;
}

/// A request, read to its end.
#[derive(Default)]
pub struct Request {
    /// `GET` also for HEAD: the server leaves the body out.
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// What came of the call that was needed; `None` when none was, or the service calls nobody.
    pub called: Option<Called>,
}

impl Request {
    fn read(head: Parts, body: Bytes) -> Self {
        Self {
            method: head.method.as_str().replace("HEAD", "GET"),
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers,
            body,
            called: None,
        }
    }

    /// The parts of the path between slashes.
    pub fn segments(&self) -> Vec<&str> {
        self.path.split('/').filter(|segment| !segment.is_empty()).collect()
    }

    /// The first query parameter of this name, decoded.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let mut pairs = self.query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| decoded(value))
    }
}

/// What goes back.
#[derive(Debug, PartialEq)]
pub struct Answer {
    pub status: StatusCode,
    pub location: Option<String>,
    pub body: Value,
}

impl Answer {
    pub fn ok(body: Value) -> Self {
        Self { status: StatusCode::OK, location: None, body }
    }

    pub fn created(location: String, body: Value) -> Self {
        Self { status: StatusCode::CREATED, location: Some(location), body }
    }

    pub fn fault(status: StatusCode, detail: &str) -> Self {
        Self { status, location: None, body: json!({ "error": detail }) }
    }

    pub fn not_found() -> Self {
        Self::fault(StatusCode::NOT_FOUND, "there is no such thing here")
    }
}

/// A service as it runs.
struct Running {
    name: String,
    /// Where it calls others.
    outbound: Option<u16>,
    service: RefCell<Box<dyn Service>>,
    trouble: Cell<Trouble>,
}

/// Runs a service until SIGTERM or Ctrl-C.
pub async fn run(options: options::Service) -> anyhow::Result<()> {
    let options::Service { name, port, outbound } = options;
    let service: Box<dyn Service> = match name.as_str() {
        "catalog" => Box::new(catalog::Catalog::stocked()),
        "orders" => Box::<orders::Orders>::default(),
        "users" => Box::new(users::Users::registered()),
        "payment" => Box::<payment::Payment>::default(),
        "issuer" => Box::new(issuer::Issuer::at(port)?),
        _ => bail!("there is no service {name}; there are catalog, orders, users, payment and issuer"),
    };
    let service = RefCell::new(service);
    let running = Rc::new(Running { name, outbound, service, trouble: Cell::default() });
    let listener =
        TcpListener::bind(("127.0.0.1", port)).await.with_context(|| format!("cannot use port {port}"))?;
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        () = accept(listener, running) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

async fn accept(listener: TcpListener, running: Rc<Running>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of files, most likely: others must finish first.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let running = Rc::clone(&running);
        tokio::task::spawn_local(async move {
            let exchange = service_fn(|request| exchange(request, &running));
            let mut http = http1::Builder::new();
            let _ = http.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), exchange).await;
        });
    }
}

async fn exchange(
    request: hyper::Request<Incoming>,
    running: &Running,
) -> io::Result<hyper::Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let id = head.headers.get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or("-").to_owned();
    let line = format!("{} {}", head.method, head.uri);
    let answer = match Limited::new(body, MAX_BODY).collect().await {
        Err(_) => Answer::fault(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large or was cut off"),
        Ok(_) if head.uri.path() == "/healthz" => {
            // Asked every second: no line in the log.
            return Ok(Answer::ok(json!({ "status": "ok" })).into_response(&running.name));
        }
        Ok(body) => {
            let request = Request::read(head, body.to_bytes());
            match running.press(&request) {
                Some(answer) => answer,
                None => {
                    running.trouble.get().suffer().await?;
                    running.answer(request).await
                }
            }
        }
    };
    println!("{line} {} request-id={id}", answer.status.as_u16());
    Ok(answer.into_response(&running.name))
}

impl Running {
    /// Somebody presses the button that makes trouble.
    fn press(&self, request: &Request) -> Option<Answer> {
        if request.method != "POST" || request.path != "/trouble" {
            return None;
        }
        let word = request.parameter("is").unwrap_or_default();
        let Some(trouble) = Trouble::read(&word) else {
            return Some(Answer::fault(StatusCode::BAD_REQUEST, "?is=slow, dead or nothing"));
        };
        self.trouble.set(trouble);
        Some(Answer::ok(json!({ "trouble": word })))
    }

    async fn answer(&self, mut request: Request) -> Answer {
        let needed = self.service.borrow().needs(&request);
        if let Some((call, outbound)) = needed.zip(self.outbound) {
            request.called = Some(call.make(outbound, &request).await);
        }
        self.service.borrow_mut().answer(&request)
    }
}

/// Every header as it was received; the values of a repeated one in a row. Of the passport only that it is there: it is
/// good for a minute in the hands it was given to, and nowhere to be shown around.
fn mirror(headers: &HeaderMap) -> Value {
    let mut received = BTreeMap::<&str, Vec<_>>::new();
    for (name, value) in headers {
        let shown = match name.as_str() {
            "txn-token" => format!("({} bytes)", value.len()).into(),
            _ => String::from_utf8_lossy(value.as_bytes()),
        };
        received.entry(name.as_str()).or_default().push(shown);
    }
    received.into_iter().map(|(name, values)| (name, values.join(", "))).collect()
}

impl Answer {
    fn into_response(self, name: &str) -> hyper::Response<Full<Bytes>> {
        let (kind, body) = match &self.body {
            Value::String(text) => ("text/plain; charset=utf-8", format!("{text}\n")),
            value => ("application/json", format!("{value:#}\n")),
        };
        let mut response = hyper::Response::new(Full::from(body));
        *response.status_mut() = self.status;
        let headers = [
            (CONTENT_TYPE, Some(kind.into())),
            (SERVER, Some(format!("shop-{name}"))),
            (LOCATION, self.location),
        ];
        for (field, value) in headers {
            if let Some(Ok(value)) = value.map(|value: String| value.parse()) {
                response.headers_mut().insert(field, value);
            }
        }
        response
    }
}

/// `+` and `%xx` of a query value turned back; what is no escape stays as it is.
fn decoded(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        let escape = (*byte == b'%').then(|| tail.split_at_checked(2)).flatten();
        let escape = escape
            .and_then(|(hex, tail)| Some((u8::from_str_radix(str::from_utf8(hex).ok()?, 16).ok()?, tail)));
        let (byte, tail) = escape.unwrap_or((if *byte == b'+' { b' ' } else { *byte }, tail));
        bytes.push(byte);
        rest = tail;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request line and a body, as the tests of the services write them.
    pub fn request(line: &str, body: &str) -> Request {
        let (method, target) = line.split_once(' ').unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let [method, path, query] = [method, path, query].map(str::to_owned);
        Request { method, path, query, body: body.to_owned().into(), ..Request::default() }
    }

    #[test]
    fn a_text_is_sent_as_text_and_anything_else_as_json() {
        let kind = |body| Answer::ok(body).into_response("x").headers()[CONTENT_TYPE].clone();

        assert_eq!(kind(json!("a.b.c")), "text/plain; charset=utf-8");
        assert_eq!(kind(json!({ "a": 1 })), "application/json");
    }

    #[test]
    fn the_mirror_shows_every_value_of_a_header_but_no_passport() {
        let mut asked = HeaderMap::new();
        for (name, value) in [("x-one", "1"), ("x-two", "a"), ("x-two", "b"), ("txn-token", "secret")] {
            asked.append(name, value.parse().unwrap());
        }

        let shown = mirror(&asked);

        assert_eq!(shown, json!({ "x-one": "1", "x-two": "a, b", "txn-token": "(6 bytes)" }));
    }

    #[test]
    fn query_parameters_are_found_and_decoded() {
        let request = request("GET /a?x=1&q=green%20t%65a+%C3%A9%zz&q=2", "");

        assert_eq!(request.parameter("q").as_deref(), Some("green tea é%zz"));
        assert_eq!(request.parameter("y"), None);
    }
}
