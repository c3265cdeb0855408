//! Applications beside sidecars, and what they got to see.

use crate::message::{Headers, Request, Response};
use crate::{Client, Reply, Upstream, wait};
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};

/// Names only the proxies set, as identity.md §4 lists them.
const NAMES: [&str; 12] = [
    "x-forwarded-user",
    "x-forwarded-groups",
    "x-forwarded-email",
    "x-forwarded-preferred-username",
    "remote-user",
    "txn-token",
    "workload-identity-token",
    "workload-proof-token",
    "x-forwarded-client-cert",
    "x-client-cert",
    "x-original-url",
    "x-rewrite-url",
];
const BEGINNINGS: [&str; 5] = ["x-auth-", "x-user-", "x-portcullis-", "portcullis-", "ssl-client-"];

/// Whether `name` is one of them, as an application that folds names would read it.
pub fn protected(name: &str) -> bool {
    let fold = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let folded: String = name.chars().map(fold).collect();
    NAMES.contains(&folded.as_str()) || BEGINNINGS.iter().any(|prefix| folded.starts_with(prefix))
}

/// The headers an [`Upstream::echo`] says it saw.
pub fn seen(answer: &Response) -> Headers {
    let pair = |value: &Value| {
        let text = |index: usize| value.get(index).and_then(Value::as_str).unwrap_or_default().to_owned();
        (text(0), text(1))
    };
    let json = answer.json();
    let all = ["headers", "trailers"].into_iter().filter_map(|part| json.get(part)?.as_array());
    Headers(all.flatten().map(pair).collect())
}

/// An application that answers each request by a call of its own, through its sidecar. Its answer is JSON: `status`,
/// `headers` and `body` of what it got.
pub struct Relay {
    app: Upstream,
    through: Arc<OnceLock<SocketAddr>>,
}

impl std::ops::Deref for Relay {
    type Target = Upstream;

    fn deref(&self) -> &Upstream {
        &self.app
    }
}

impl Relay {
    /// One that calls what `call` makes of the request it got.
    pub fn calling(call: impl Fn(&Request) -> Client + Send + Sync + 'static) -> Self {
        let through: Arc<OnceLock<SocketAddr>> = Arc::default();
        let way = Arc::clone(&through);
        let app = Upstream::answering(move |request| {
            let Some(outbound) = way.get() else { return Reply::new(500).body("no sidecar yet") };
            let answer = call(request).send(*outbound);
            let headers: Vec<_> = answer.headers.0.iter().map(|(n, v)| json!([n, v])).collect();
            Reply::json(&json!({
                "status": answer.status, "headers": headers, "body": answer.text(),
            }))
        });
        Self { app, through }
    }

    /// One that hands on the trace of its request, as applications do, and answers with the status of its call.
    pub fn passing(service: &'static str) -> Self {
        let through: Arc<OnceLock<SocketAddr>> = Arc::default();
        let way = Arc::clone(&through);
        let app = Upstream::answering(move |request| {
            let Some(outbound) = way.get() else { return Reply::new(500).body("no sidecar yet") };
            let trace = request.header("traceparent").unwrap_or_default();
            let call =
                Client::new(&request.method, &request.target).host(service).header("traceparent", trace);
            Reply::new(call.send(*outbound).status)
        });
        Self { app, through }
    }

    /// One that calls the same path at `service` and copies `Txn-Token`, as an application should, unless the request says
    /// `X-Forget: 1`.
    pub fn to(service: &'static str) -> Self {
        Self::calling(move |request| {
            let call = Client::new(&request.method, &request.target).host(service);
            match request.header("txn-token").filter(|_| !request.headers.has("x-forget")) {
                Some(token) => call.header("Txn-Token", token),
                None => call,
            }
        })
    }

    /// Says where its sidecar takes calls.
    pub fn through(&self, outbound: SocketAddr) {
        let _ = self.through.set(outbound);
    }

    /// The application itself.
    pub fn app(&self) -> &Upstream {
        &self.app
    }
}

/// A Python application behind `wsgiref`, which folds header names; it answers with what it finds in its environment.
#[derive(Debug)]
pub struct Wsgi {
    child: Child,
    address: SocketAddr,
}

const SCRIPT: &str = r#"
import json, sys
from wsgiref.simple_server import make_server, WSGIRequestHandler

class Quiet(WSGIRequestHandler):
    def log_message(self, *words):
        pass

def app(environ, start):
    found = {k: v for k, v in environ.items() if k.startswith("HTTP_") or k == "REMOTE_USER"}
    body = json.dumps(found).encode()
    start("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]

make_server("127.0.0.1", int(sys.argv[1]), app, handler_class=Quiet).serve_forever()
"#;

impl Wsgi {
    /// Starts it.
    ///
    /// # Panics
    /// When there is no python3.
    #[expect(clippy::new_without_default, reason = "a process is no default")]
    pub fn new() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port");
        let mut command = Command::new("python3");
        command.args(["-c", SCRIPT, &free.port().to_string()]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let wsgi = Self { child: child.expect("python3 runs"), address: free };
        wait::eventually("the WSGI application to listen", || std::net::TcpStream::connect(free).ok());
        wsgi
    }
}

impl crate::Addressed for Wsgi {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Wsgi {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
