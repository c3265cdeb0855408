//! A Redis of a test's own, and what tests ask it.

use super::{Store, StoreTally};
use crate::admission::limit::ask::{Ask, Key};
use crate::clock;
use crate::config::limit::{Algorithm, KeyPart, Limit, Rate, Rates, Scope, Sharing, Window};
use crate::config::store::{OnFailure, Redis, Servers};
use std::cell::RefCell;
use std::future::Future;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

/// Runs `test` as a worker runs.
pub(super) fn worker<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default());
    runtime.unwrap().block_on(test)
}

/// A server that ends with the test.
pub(super) struct Server {
    child: Child,
    pub(super) port: u16,
    options: Vec<String>,
    folder: tempfile::TempDir,
}

impl Server {
    pub(super) async fn start(options: &[&str]) -> Self {
        let port = free_port();
        let folder = tempfile::tempdir().unwrap();
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        let mut server = Self { child: run(port, &folder, &options), port, options, folder };
        server.ready().await;
        server
    }

    /// A sentinel that follows the rules of `file`, and writes to it.
    pub(super) async fn sentinel(file: &std::path::Path) -> Self {
        let mut rules = std::fs::read_to_string(file).unwrap();
        let port = free_port();
        rules.insert_str(0, &format!("port {port}\nbind 127.0.0.1\n"));
        std::fs::write(file, rules).unwrap();
        let child = program().arg(file).arg("--sentinel").spawn().expect(MISSING);
        let mut server = Self { child, port, options: Vec::new(), folder: tempfile::tempdir().unwrap() };
        server.ready().await;
        server
    }

    /// Ends it, as if its machine had died.
    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again where it was.
    pub(super) async fn again(&mut self) {
        self.child = run(self.port, &self.folder, &self.options);
        self.ready().await;
    }

    async fn ready(&mut self) {
        within(Duration::from_secs(10), "redis-server accepts connections", || {
            assert_eq!(self.child.try_wait().unwrap(), None, "redis-server has ended");
            std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        })
        .await;
    }

    /// `STOP` or `CONT`.
    pub(super) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status().unwrap();
        assert!(status.success(), "kill -s {name}");
    }

    /// A connection past the store.
    pub(super) fn direct(&self) -> redis::Connection {
        let client = redis::Client::open(("127.0.0.1", self.port)).unwrap();
        client.get_connection_with_timeout(Duration::from_secs(5)).unwrap()
    }

    pub(super) fn config(&self) -> Redis {
        config(self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Cluster nodes also listen 10000 above.
pub(super) fn free_port() -> u16 {
    let port = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    std::iter::repeat_with(port).find(|port| *port < 55_000).unwrap()
}

fn run(port: u16, folder: &tempfile::TempDir, options: &[String]) -> Child {
    let port = port.to_string();
    program()
        .args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"])
        .arg(folder.path())
        .args(options)
        .spawn()
        .expect(MISSING)
}

const MISSING: &str = "these tests need the program `redis-server` (package redis-server) in the path";

fn program() -> Command {
    let mut program = Command::new("redis-server");
    program.stdout(Stdio::null()).stderr(Stdio::null());
    program
}

/// A store on this machine; slower than 20 ms so that a busy machine is no failure.
pub(super) fn config(port: u16) -> Redis {
    Redis {
        sources: Default::default(),
        servers: Servers::Single(format!("127.0.0.1:{port}").into()),
        user: None,
        password: None,
        database: 0,
        tls: None,
        prefix: "test:".into(),
        timeout: Duration::from_secs(2),
        on_failure: OnFailure::Divide,
        instances: None,
    }
}

/// What a store has counted.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) errors: RefCell<Vec<&'static str>>,
    pub(super) breaker: RefCell<Vec<bool>>,
}

impl StoreTally for Seen {
    fn store_error(&self, word: &'static str) {
        self.errors.borrow_mut().push(word);
    }

    fn breaker(&self, open: bool) {
        self.breaker.borrow_mut().push(open);
    }
}

pub(super) fn store(config: &Redis) -> (Store, Rc<Seen>) {
    let seen = Rc::new(Seen::default());
    (Store::new(config, seen.clone()).unwrap(), seen)
}

pub(super) fn rate(amount: u32, window: Duration, burst: u32) -> Rate {
    Rate { amount, window: Window::Every(window), burst }
}

pub(super) fn limit(algorithm: Algorithm, rate: Rate) -> Limit {
    Limit {
        name: "limit".into(),
        key: vec![KeyPart::Ip],
        algorithm,
        rates: Rates { default: rate, tiers: Vec::new() },
        scope: Scope::Global(Sharing::Exact),
        queue: None,
    }
}

pub(super) fn ask(limit: &Limit, key: u128, cost: u32) -> Ask<'_> {
    Ask { limit, tier: 0, key: Key(key), cost }
}

/// Waits for something that happens elsewhere.
pub(super) async fn within(time: Duration, what: &str, mut happens: impl FnMut() -> bool) {
    let end = clock::now() + time;
    while !happens() {
        assert!(clock::now() < end, "within {time:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
