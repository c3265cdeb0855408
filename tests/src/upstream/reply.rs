//! A sound HTTP/1 answer.

use crate::message::{Headers, Request};
use serde_json::{Value, json};

/// An answer; its length is written for it.
#[derive(Debug, Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    chunked: Option<Headers>,
}

impl Reply {
    /// An empty one.
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), chunked: None }
    }

    /// 200 with JSON.
    pub fn json(value: &Value) -> Self {
        Self::new(200).header("content-type", "application/json").body(value.to_string())
    }

    /// With a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With a body.
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// In chunks, with these trailers.
    pub fn chunked(self, trailers: &[(&str, &str)]) -> Self {
        let trailers =
            trailers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { chunked: Some(Headers(trailers)), ..self }
    }

    /// The bytes of it, as the answer to a request with `method`.
    pub(super) fn bytes(&self, method: &str) -> Vec<u8> {
        let mut out = format!("HTTP/1.1 {} Reason\r\n", self.status).into_bytes();
        for (name, value) in &self.headers {
            out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        let bodiless = matches!(self.status, 100..200 | 204 | 304);
        match &self.chunked {
            Some(trailers) => self.write_chunks(&mut out, trailers),
            None if bodiless => out.extend_from_slice(b"\r\n"),
            None => {
                out.extend_from_slice(format!("content-length: {}\r\n\r\n", self.body.len()).as_bytes());
                if method != "HEAD" {
                    out.extend_from_slice(&self.body);
                }
            }
        }
        out
    }

    fn write_chunks(&self, out: &mut Vec<u8>, trailers: &Headers) {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
        for part in self.body.chunks(1000) {
            out.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
            out.extend_from_slice(part);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"0\r\n");
        for (name, value) in &trailers.0 {
            out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// A request as JSON.
pub(super) fn echo(request: &Request) -> Value {
    let pairs = |headers: &Headers| headers.0.iter().map(|(n, v)| json!([n, v])).collect::<Vec<_>>();
    json!({
        "method": request.method,
        "target": request.target,
        "headers": pairs(&request.headers),
        "trailers": pairs(&request.trailers),
        "body": String::from_utf8_lossy(&request.body),
    })
}
