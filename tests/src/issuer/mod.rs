//! An issuer of tokens: keys under `/jwks.json`, judgement under `/introspect` (RFC 7662), and tokens of any kind, also
//! wrong ones.

mod key;
mod real;

pub use key::SigningKey;
pub use real::{Browser, MockServer, PyJwt};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The audience of its tokens, unless they say otherwise.
pub const AUDIENCE: &str = "shop-api";

/// An issuer of tokens.
#[derive(Debug)]
pub struct Issuer {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    how: Mutex<How>,
    /// Requests for keys.
    fetched: AtomicUsize,
    /// Requests for judgement.
    asked: AtomicUsize,
}

/// How it answers.
#[derive(Debug, Default, Clone)]
struct How {
    keys: Vec<SigningKey>,
    judged: HashMap<String, Value>,
    fault: Option<Fault>,
}

/// What is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Answers with this status.
    Status(u16),
    /// Takes connections and says nothing.
    Silent,
    /// Answers with this body instead.
    Body(String),
    /// Sends whoever asks there.
    Redirect(String),
}

impl Issuer {
    /// One with one key.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::<State>::default();
        state.how().keys.push(SigningKey::new("k1"));
        let served = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&served);
                std::thread::spawn(move || serve(&state, stream));
            }
        });
        Self { address, state }
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its name in tokens.
    pub fn name(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `jwt: { … }` of a configuration, and more keys of it.
    pub fn jwt(&self, more: &str) -> String {
        let name = self.name();
        format!(
            "jwt: {{ issuer: \"{name}\", audience: {AUDIENCE}, jwks: \"{name}/jwks.json\", algorithms: [ES256]{more} }}"
        )
    }

    /// How often its keys were fetched.
    pub fn fetched(&self) -> usize {
        self.state.fetched.load(Ordering::Relaxed)
    }

    /// How often it was asked to judge a token.
    pub fn asked(&self) -> usize {
        self.state.asked.load(Ordering::Relaxed)
    }

    /// Has something wrong with it; `None`: all is well again.
    pub fn fault(&self, fault: Option<Fault>) {
        self.state.how().fault = fault;
    }

    /// Shows one more key, and signs with it from now on.
    pub fn add_key(&self, kid: &str) {
        self.state.how().keys.insert(0, SigningKey::new(kid));
    }

    /// Does not show a key any more.
    pub fn remove_key(&self, kid: &str) {
        self.state.how().keys.retain(|key| key.kid() != kid);
    }

    /// The key it signs with.
    pub fn key(&self) -> SigningKey {
        self.state.how().keys.first().expect("a key").clone()
    }

    /// What it says of an opaque token when it is asked; without this, that it is not active.
    pub fn judges(&self, token: &str, answer: Value) {
        self.state.how().judged.insert(token.to_owned(), answer);
    }

    /// A good token with these claims beside the usual ones.
    pub fn token(&self, claims: Value) -> String {
        self.key().sign(&json!({}), &self.claims(claims))
    }

    /// The usual claims, and these.
    pub fn claims(&self, claims: Value) -> Value {
        let mut all =
            json!({ "iss": self.name(), "aud": AUDIENCE, "sub": "alice", "exp": now() + 600, "iat": now() });
        merge(&mut all, claims);
        all
    }
}

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "tokens live by the wall clock")]
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// Members of `more` replace those of `all`; `null` removes them.
pub(crate) fn merge(all: &mut Value, more: Value) {
    let (Value::Object(all), Value::Object(more)) = (all, more) else { return };
    for (name, value) in more {
        if value.is_null() {
            all.remove(&name);
        } else {
            all.insert(name, value);
        }
    }
}

/// Base64 as tokens have it.
pub fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl State {
    fn how(&self) -> MutexGuard<'_, How> {
        self.how.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers the requests of one connection.
fn serve(state: &State, stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut stream = stream;
    while let Some((target, body)) = request(&mut reader) {
        let how = state.how().clone();
        let is_keys = target.starts_with("/jwks");
        if is_keys { &state.fetched } else { &state.asked }.fetch_add(1, Ordering::Relaxed);
        let (status, more, text) = match &how.fault {
            Some(Fault::Silent) => {
                // Until whoever asks gives up.
                let _gone = reader.read(&mut [0; 1]);
                return;
            }
            Some(Fault::Status(status)) => (*status, String::new(), String::new()),
            Some(Fault::Body(body)) => (200, String::new(), body.clone()),
            Some(Fault::Redirect(to)) => (302, format!("location: {to}\r\n"), String::new()),
            None if is_keys => (200, String::new(), keys(&how)),
            None => (200, String::new(), judgement(&how, &body)),
        };
        let head = format!(
            "HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\n{more}content-length: {}\r\n\r\n",
            text.len()
        );
        if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(text.as_bytes())).is_err() {
            return;
        }
    }
}

/// Target and body of the next request; `None` at the end.
fn request(reader: &mut BufReader<TcpStream>) -> Option<(String, String)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let target = line.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        let mut field = String::new();
        reader.read_line(&mut field).ok().filter(|count| *count > 0)?;
        if field.trim().is_empty() {
            break;
        }
        if let Some(value) = field.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((target, String::from_utf8_lossy(&body).into_owned()))
}

fn keys(how: &How) -> String {
    json!({ "keys": how.keys.iter().map(SigningKey::jwk).collect::<Vec<_>>() }).to_string()
}

fn judgement(how: &How, body: &str) -> String {
    let token = body.split('&').find_map(|pair| pair.strip_prefix("token=")).unwrap_or_default();
    how.judged.get(token).cloned().unwrap_or_else(|| json!({ "active": false })).to_string()
}

/// How long the proxy waits between two fetches for keys it does not know.
pub const BETWEEN_FETCHES: Duration = Duration::from_secs(10);
