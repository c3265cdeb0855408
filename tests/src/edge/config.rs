//! A configuration, written piece by piece. Pieces are YAML in flow style, so that a test says what a user would write.

use crate::{BlackHole, Refused, Upstream};
use std::fmt::Write as _;
use std::net::SocketAddr;

/// A configuration file in the making.
#[derive(Debug, Clone)]
pub struct Config {
    mode: &'static str,
    raw: Option<String>,
    files: Option<u32>,
    workers: u32,
    drain: String,
    listener: String,
    listeners: Vec<String>,
    top: Vec<String>,
    services: Vec<String>,
    routes: Vec<String>,
}

/// Something that has an address.
pub trait Addressed {
    /// The address.
    fn address(&self) -> SocketAddr;
}

impl Config {
    /// One plain listener for both versions of HTTP, an admin listener, two workers, no drain delay, no route.
    #[expect(clippy::new_without_default, reason = "a file in the making is no default")]
    pub fn new() -> Self {
        Self {
            mode: "edge",
            raw: None,
            files: None,
            workers: 2,
            drain: "delay: 0s, timeout: 5s".into(),
            listener: String::new(),
            listeners: Vec::new(),
            top: Vec::new(),
            services: Vec::new(),
            routes: Vec::new(),
        }
    }

    /// This text and nothing else.
    pub fn raw(text: impl Into<String>) -> Self {
        Self { raw: Some(text.into()), ..Self::new() }
    }

    /// This text and nothing else, for `portcullis sidecar`.
    pub fn sidecar(text: impl Into<String>) -> Self {
        Self { mode: "sidecar", ..Self::raw(text) }
    }

    /// Keys for the plain listener, as in `timeouts: { header: 300ms }`.
    pub fn listener(mut self, keys: &str) -> Self {
        let _ = write!(self.listener, ", {keys}");
        self
    }

    /// One more listener on a port of the system's choice: its other keys.
    pub fn more_listeners(mut self, keys: &str) -> Self {
        self.listeners.push(format!("{{ bind: \"127.0.0.1:0\", {keys} }}"));
        self
    }

    /// A line at the top level, as in `trust: { proxies: [127.0.0.0/8] }`.
    pub fn top(mut self, line: &str) -> Self {
        self.top.push(line.into());
        self
    }

    /// Worker threads.
    pub fn workers(self, workers: u32) -> Self {
        Self { workers, ..self }
    }

    /// Keys of `drain:`.
    pub fn drain(self, keys: &str) -> Self {
        Self { drain: keys.into(), ..self }
    }

    /// How many files the process may open.
    pub fn max_files(self, files: u32) -> Self {
        Self { files: Some(files), ..self }
    }

    /// A service of one endpoint.
    pub fn service(self, name: &str, upstream: &impl Addressed) -> Self {
        self.service_with(name, &[upstream], "")
    }

    /// A service of several endpoints with more keys, as in `timeout: { request: 1s }`.
    pub fn service_with(self, name: &str, upstreams: &[&dyn Addressed], keys: &str) -> Self {
        let endpoints: Vec<String> = upstreams.iter().map(|one| format!("\"{}\"", one.address())).collect();
        self.service_text(name, &format!("endpoints: [{}], {keys}", endpoints.join(", ")))
    }

    /// A service, all keys given.
    pub fn service_text(mut self, name: &str, keys: &str) -> Self {
        self.services.push(format!("{name}: {{ {keys} }}"));
        self
    }

    /// A route to a service; its name is the service's and its place in the file: `api-0`.
    pub fn route(self, matching: &str, service: &str) -> Self {
        let name = format!("{service}-{}", self.routes.len());
        self.route_with(&name, matching, &format!("to: {service}"))
    }

    /// A route with more keys: at least `to:` or `split:`.
    pub fn route_with(mut self, name: &str, matching: &str, keys: &str) -> Self {
        self.routes.push(format!("{{ name: {name}, match: \"{matching}\", auth: public, {keys} }}"));
        self
    }

    /// A route, all keys but its name given.
    pub fn route_text(mut self, name: &str, keys: &str) -> Self {
        self.routes.push(format!("{{ name: {name}, {keys} }}"));
        self
    }

    /// Forgets the routes.
    pub fn without_routes(mut self) -> Self {
        self.routes.clear();
        self
    }

    /// The file.
    pub fn yaml(&self) -> String {
        if let Some(raw) = &self.raw {
            return raw.clone();
        }
        let mut out = format!("version: 1\nworkers: {}\nadmin: {{ bind: \"127.0.0.1:0\" }}\n", self.workers);
        let _ = writeln!(out, "drain: {{ {} }}\nlisteners:", self.drain);
        let _ = writeln!(out, "  - {{ bind: \"127.0.0.1:0\"{} }}", self.listener);
        for listener in &self.listeners {
            let _ = writeln!(out, "  - {listener}");
        }
        for line in &self.top {
            let _ = writeln!(out, "{line}");
        }
        let _ = writeln!(out, "services:{}", if self.services.is_empty() { " {}" } else { "" });
        for service in &self.services {
            let _ = writeln!(out, "  {service}");
        }
        let _ = writeln!(out, "routes:{}", if self.routes.is_empty() { " []" } else { "" });
        for route in &self.routes {
            let _ = writeln!(out, "  - {route}");
        }
        out
    }

    pub(super) fn mode(&self) -> &'static str {
        self.mode
    }

    pub(super) fn files(&self) -> Option<u32> {
        self.files
    }
}

impl Addressed for Upstream {
    fn address(&self) -> SocketAddr {
        self.address()
    }
}

impl Addressed for Refused {
    fn address(&self) -> SocketAddr {
        self.address()
    }
}

impl Addressed for BlackHole {
    fn address(&self) -> SocketAddr {
        self.address()
    }
}

impl Addressed for SocketAddr {
    fn address(&self) -> SocketAddr {
        *self
    }
}
