//! What is known about a downstream connection: who is at the other end, how it is secured, what has gone wrong.
//!
//! Shared by the I/O shell, the exchanges on it and the sweep, all on one worker.

use super::gate::Fault;
use super::proxy_protocol;
use http::HeaderValue;
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use crate::config::Timeouts;

/// A downstream connection.
#[derive(Debug)]
pub struct Connection {
    /// The address that connected.
    pub peer: SocketAddr,
    /// The client: `peer`, or what a trusted PROXY header says.
    pub client: SocketAddr,
    /// `client`'s address as a header value, made once.
    pub client_value: HeaderValue,
    /// Whether `peer` may speak about other addresses and ids.
    pub peer_is_trusted: bool,
    /// TLS facts; `None` on plain connections.
    pub tls: Option<TlsFacts>,
    /// Port to name when the listener redirects to https.
    pub redirect_https: Option<u16>,
    /// How long the client may take.
    pub timeouts: Timeouts,
    /// Exchanges that have begun and not ended.
    pub in_flight: Cell<u32>,
    /// Why no further byte of this connection is believed.
    pub fault: Cell<Option<Fault>>,
    /// Whether the marker request of a refusal has been handed to the HTTP parser.
    pub marker_sent: Cell<bool>,
}

/// What TLS told us.
#[derive(Debug, Clone)]
pub struct TlsFacts {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// Server name the client asked for, lower case.
    pub sni: Option<Arc<str>>,
    /// Names the certificate we showed is good for.
    pub names: Arc<[Box<str>]>,
}

impl TlsFacts {
    /// Whether a request for `host` belongs on this connection.
    ///
    /// A client may reuse a connection for every name its certificate covers, and for the name it asked for;
    /// without SNI there is nothing to hold the host against.
    pub fn serves(&self, host: &str) -> bool {
        let Some(sni) = &self.sni else { return true };
        sni.as_ref() == host || self.names.iter().any(|name| covers(name, host))
    }
}

/// Whether a certificate name covers `host`: equal, or `*.` for one label (RFC 9525 §6.3).
fn covers(name: &str, host: &str) -> bool {
    match name.strip_prefix("*.") {
        Some(parent) => host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == parent),
        None => name == host,
    }
}

impl Connection {
    /// `http` or `https`.
    pub const fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Counts an exchange in; the guard counts it out.
    pub fn enter(self: &Rc<Self>) -> InFlight {
        self.in_flight.set(self.in_flight.get() + 1);
        InFlight(Rc::clone(self))
    }
}

/// One exchange in flight.
#[derive(Debug)]
pub struct InFlight(Rc<Connection>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.set(self.0.in_flight.get().saturating_sub(1));
    }
}

/// The client's address: the peer, or what its PROXY header says.
pub fn client_address(peer: SocketAddr, said: Option<proxy_protocol::Source>) -> SocketAddr {
    match said {
        Some(proxy_protocol::Source::Address(address)) => address,
        Some(proxy_protocol::Source::Local) | None => peer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(sni: Option<&str>, names: &[&str]) -> TlsFacts {
        TlsFacts {
            version: "TLSv1.3",
            sni: sni.map(Arc::from),
            names: names.iter().map(|n| Box::from(*n)).collect(),
        }
    }

    #[test]
    fn a_request_belongs_on_a_connection_whose_certificate_covers_its_host() {
        let shop = facts(Some("shop.example"), &["shop.example", "*.api.example"]);

        assert!(shop.serves("shop.example"));
        assert!(shop.serves("v1.api.example"));
        assert!(!shop.serves("admin.example"));
        assert!(!shop.serves("a.b.api.example"));
        assert!(facts(None, &["shop.example"]).serves("anything"));
    }
}
