//! HTTP/1 messages, read as strictly as can be: what only a lenient reader understands is a fault.
//!
//! Both sides of the proxy are read with this: a byte the proxy writes that is not exactly RFC 9112 fails the test. A chunk
//! extension, a bare LF, two lengths, a padded number: all faults, although some are legal, because nobody needs to send them.

mod body;
mod head;

pub use body::Body;
pub use head::{read_request, read_response};

/// Header fields in the order they came, names as sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, String)>);

impl Headers {
    /// First value of `name`, whatever its case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    /// Every value of `name`.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str()).collect()
    }

    /// Whether there is one of this name.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

/// A request, body included.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Method as sent.
    pub method: String,
    /// Target as sent.
    pub target: String,
    /// Header fields; on HTTP/2 `host` holds the authority.
    pub headers: Headers,
    /// Body without its framing.
    pub body: Vec<u8>,
    /// Trailer fields.
    pub trailers: Headers,
}

impl Request {
    /// First value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// The request line without the version.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

/// A response, body included.
#[derive(Debug, Clone, Default)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Header fields.
    pub headers: Headers,
    /// Body without its framing.
    pub body: Vec<u8>,
    /// Trailer fields.
    pub trailers: Headers,
    /// 1xx answers that came before.
    pub interim: Vec<u16>,
    /// Whether the body ended as its framing said.
    pub complete: bool,
}

impl Response {
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

    /// The `code` of a problem+json body, empty when it is none.
    pub fn code(&self) -> String {
        self.json().get("code").and_then(|code| code.as_str()).unwrap_or_default().to_owned()
    }

    /// Whether the sender said it would close the connection.
    pub fn says_close(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

#[cfg(test)]
mod tests;
