//! One HTTP/1 request as it should be.

use super::Raw;
use crate::message::Response;
use std::net::SocketAddr;

/// A request about to be sent.
#[derive(Debug, Clone)]
pub struct Client {
    method: String,
    target: String,
    host: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Client {
    /// A request with this method.
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.into(),
            target: target.into(),
            host: "a".into(),
            headers: Vec::new(),
            body: None,
        }
    }

    /// GET.
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// POST with a body.
    pub fn post(target: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", target).body(body)
    }

    /// Asks for this host; without it, for `a`.
    pub fn host(self, host: &str) -> Self {
        Self { host: host.into(), ..self }
    }

    /// With a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With a body and its length.
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: Some(body.into()), ..self }
    }

    /// The bytes of it.
    pub fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", self.method, self.target, self.host);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = &self.body {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }

    /// Sends it on a new connection and waits for the answer.
    pub fn send(&self, address: SocketAddr) -> Response {
        self.send_on(&mut Raw::connect(address))
    }

    /// Sends it on this connection and waits for the answer.
    pub fn send_on(&self, connection: &mut Raw) -> Response {
        connection.send(self.bytes());
        connection.response(&self.method)
    }
}
