//! Which certificate a client is shown: the first that carries the name it asked for, else the first of all.
//!
//! The default certificate for unknown names lets clients without SNI connect; a request for a name the
//! certificate does not cover is answered 421 later, not here.

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::sync::Arc;

/// A certificate and the names it is good for.
#[derive(Debug)]
pub struct Named {
    /// Chain and key.
    pub key: Arc<CertifiedKey>,
    /// DNS names of the leaf, lower case.
    pub names: Arc<[Box<str>]>,
}

/// The certificates of one listener; the first is the default.
#[derive(Debug)]
pub struct Certificates(pub Vec<Named>);

impl Certificates {
    /// The certificate for `sni`, which may be absent. `None` only when there is no certificate at all.
    pub fn choose(&self, sni: Option<&str>) -> Option<&Named> {
        let by = |exact: bool| {
            sni.and_then(|sni| {
                self.0.iter().find(|named| named.names.iter().any(|name| carries(name, sni, exact)))
            })
        };
        by(true).or_else(|| by(false)).or_else(|| self.0.first())
    }
}

fn carries(name: &str, sni: &str, exact: bool) -> bool {
    match (exact, name.strip_prefix("*.")) {
        (true, _) => name == sni,
        (false, Some(parent)) => sni.split_once('.').is_some_and(|(_, rest)| rest == parent),
        (false, None) => false,
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let sni = hello.server_name().map(str::to_ascii_lowercase);
        self.choose(sni.as_deref()).map(|named| Arc::clone(&named.key))
    }
}
