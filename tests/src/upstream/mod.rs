//! The recorder: an upstream that keeps raw bytes, reads requests strictly and answers as it is told.
//!
//! A thread a connection, blocking. What the proxy sends and a strict reader does not understand is kept as a fault, and
//! [`Upstream::requests`] fails the test for it: invariant K3 of every suite.

mod record;
mod reply;
mod serve;
mod h2;
mod unreachable;

pub use h2::H2Reply;
pub use reply::Reply;
pub use serve::Wire;
pub use unreachable::{BlackHole, Refused};

use crate::message::Request;
use crate::{Identity, wait};
use record::Record;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

/// A running upstream.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    record: Arc<Record>,
}

/// What an HTTP/1 upstream does with a request.
type Script = Arc<dyn Fn(&Request, &mut Wire) + Send + Sync>;

/// An upstream about to be started.
#[derive(Default)]
pub struct Builder {
    at_head: bool,
    tls: Option<Arc<rustls::ServerConfig>>,
    on: Option<SocketAddr>,
}

impl Upstream {
    /// Answers every request with `status` and a short body.
    pub fn replying(status: u16) -> Self {
        Self::answering(move |_| Reply::new(status).body("ok"))
    }

    /// Answers 200 and says in `x-upstream` who it is.
    pub fn named(name: &'static str) -> Self {
        Self::answering(move |_| Reply::new(200).header("x-upstream", name).body(name))
    }

    /// Answers 200 with the request as JSON: `method`, `target`, `headers`, `body`.
    pub fn echo() -> Self {
        Self::answering(|request| Reply::json(&reply::echo(request)))
    }

    /// Answers every request as `answer` says.
    pub fn answering(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::scripted(move |request, wire| wire.reply(request, &answer(request)))
    }

    /// Answers every request with these very bytes, then closes.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::scripted(move |_, wire| {
            wire.send(&bytes);
            wire.close();
        })
    }

    /// Does with every request what `script` says, once the request is there as a whole.
    pub fn scripted(script: impl Fn(&Request, &mut Wire) + Send + Sync + 'static) -> Self {
        Self::build().scripted(script)
    }

    /// As [`Upstream::scripted`], but as soon as the head is there.
    pub fn at_head(script: impl Fn(&Request, &mut Wire) + Send + Sync + 'static) -> Self {
        Self::build().at_head().scripted(script)
    }

    /// Speaks HTTP/2 by prior knowledge and answers as `answer` says.
    pub fn h2(answer: impl Fn(&Request) -> H2Reply + Send + Sync + 'static) -> Self {
        Self::build().h2(answer)
    }

    /// An upstream with more to say about it.
    pub fn build() -> Builder {
        Builder::default()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request so far, in the order they were complete (or their heads, see [`Upstream::at_head`]).
    ///
    /// # Panics
    /// When anything arrived that a strict reader does not understand.
    pub fn requests(&self) -> Vec<Request> {
        self.record.look(|state| {
            assert!(state.faults.is_empty(), "upstream read nonsense: {:#?}", state.faults);
            state.requests.clone()
        })
    }

    /// The only request so far.
    ///
    /// # Panics
    /// When there is none, or more than one.
    pub fn request(&self) -> Request {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "requests that reached the upstream");
        requests.remove(0)
    }

    /// How many requests there were so far.
    pub fn count(&self) -> usize {
        self.requests().len()
    }

    /// Waits until there were `count` requests.
    pub fn wait_for_requests(&self, count: usize) -> Vec<Request> {
        self.record.wait(&format!("{count} requests upstream"), |state| state.requests.len() >= count);
        self.requests()
    }

    /// What was not understood so far; [`Upstream::requests`] panics for it.
    pub fn faults(&self) -> Vec<String> {
        self.record.look(|state| state.faults.clone())
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.record.look(|state| state.accepted)
    }

    /// Connections open now.
    pub fn open_connections(&self) -> usize {
        self.record.look(|state| state.open)
    }

    /// Largest number of requests that were being answered at the same time.
    pub fn busiest(&self) -> usize {
        self.record.look(|state| state.busiest)
    }

    /// Body bytes read so far, all requests together.
    pub fn body_bytes(&self) -> u64 {
        self.record.look(|state| state.body_bytes)
    }

    /// How often a script saw its client leave ([`Wire::until_gone`], [`H2Reply::stall`]).
    pub fn abandoned(&self) -> usize {
        self.record.look(|state| state.abandoned)
    }

    /// Waits until [`Upstream::abandoned`] is `count`; the time it became so.
    pub fn wait_abandoned(&self, count: usize) -> std::time::Instant {
        self.record.wait("the upstream to see its client leave", |state| state.abandoned >= count);
        wait::now()
    }

    /// Waits until no connection is open.
    pub fn wait_all_closed(&self) {
        self.record.wait("all upstream connections to close", |state| state.open == 0);
    }

    /// Whether these bytes arrived, on any connection (searched in the first 4 MiB of each).
    pub fn saw(&self, bytes: impl AsRef<[u8]>) -> bool {
        let needle = bytes.as_ref();
        self.record
            .look(|state| state.raw.iter().any(|raw| raw.windows(needle.len()).any(|part| part == needle)))
    }

    /// All bytes of all connections, as text.
    pub fn raw_text(&self) -> String {
        self.record.look(|state| String::from_utf8_lossy(&state.raw.concat()).into_owned())
    }

    /// Ends every connection, but goes on listening.
    pub fn close_connections(&self) {
        self.record.close_connections();
    }
}

impl Builder {
    /// Runs the script when the head of a request is there; its body is read by [`Wire::read_body`] or afterwards.
    pub fn at_head(self) -> Self {
        Self { at_head: true, ..self }
    }

    /// Listens with TLS; `alpn` is what is agreed on.
    pub fn tls(self, identity: &Identity, alpn: &[&str]) -> Self {
        Self { tls: Some(identity.server(alpn)), ..self }
    }

    /// Listens on this address instead of a free port.
    pub fn on(self, address: SocketAddr) -> Self {
        Self { on: Some(address), ..self }
    }

    /// Starts it.
    pub fn answering(self, answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Upstream {
        self.scripted(move |request, wire| wire.reply(request, &answer(request)))
    }

    /// Starts it.
    pub fn scripted(self, script: impl Fn(&Request, &mut Wire) + Send + Sync + 'static) -> Upstream {
        let (listener, upstream) = self.bind();
        let rules = serve::Rules { at_head: self.at_head, tls: self.tls, script: Arc::new(script) };
        serve::start(listener, upstream.record.clone(), rules);
        upstream
    }

    /// Starts it, speaking HTTP/2.
    pub fn h2(self, answer: impl Fn(&Request) -> H2Reply + Send + Sync + 'static) -> Upstream {
        let (listener, upstream) = self.bind();
        h2::start(listener, upstream.record.clone(), self.tls, Arc::new(answer));
        upstream
    }

    fn bind(&self) -> (TcpListener, Upstream) {
        let address = self.on.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
        let listener = TcpListener::bind(address).expect("a port");
        let address = listener.local_addr().expect("an address");
        (listener, Upstream { address, record: Arc::default() })
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.record.stop();
        // Wakes the accepting thread, which then ends.
        let _ = std::net::TcpStream::connect(self.address);
    }
}
