//! What a finished handshake told us about a connection. Pure.

use portcullis_ca::certificate::Svid;
use portcullis_ca::names::Fingerprint;
use portcullis_ca::time::Timestamp;
use rustls::pki_types::CertificateDer;
use std::sync::Arc;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

/// What TLS told us.
#[derive(Debug, Clone)]
pub struct TlsFacts {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// Server name the client asked for, lower case.
    pub sni: Option<Arc<str>>,
    /// Names the certificate we showed is good for.
    pub names: Arc<[Box<str>]>,
    /// The member of the mesh at the other end.
    pub peer: Option<Arc<Peer>>,
    /// The certificate a client outside showed, verified.
    pub certificate: Option<Arc<ClientCertificate>>,
}

/// A verified member of the mesh.
#[derive(Debug)]
pub struct Peer {
    /// What its certificate says.
    pub svid: Svid,
    /// SHA-256 of its leaf's DER.
    pub leaf: Fingerprint,
    /// DER as it showed them: leaf, then intermediates.
    pub chain: Vec<Vec<u8>>,
}

/// A certificate of a client outside, verified in the handshake.
#[derive(Debug)]
pub struct ClientCertificate {
    /// The common name of its subject; `None` unless there is exactly one.
    pub common_name: Option<Box<str>>,
    /// SHA-256 of its DER.
    pub fingerprint: Fingerprint,
    /// It says nothing any more after that, however long its connection lasts.
    pub not_after: Timestamp,
    /// As it was shown: leaf, then intermediates.
    pub chain: Vec<CertificateDer<'static>>,
}

impl ClientCertificate {
    /// What the certificates say that were shown; `None`: none was.
    pub fn of(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let leaf = chain.first()?;
        Some(Self {
            common_name: common_name(leaf),
            fingerprint: Fingerprint::of(leaf),
            not_after: not_after(leaf),
            chain: chain.iter().map(|one| one.clone().into_owned()).collect(),
        })
    }
}

/// The end of its validity; what cannot be read has ended.
fn not_after(der: &[u8]) -> Timestamp {
    let parsed = X509Certificate::from_der(der).ok();
    Timestamp(parsed.map_or(0, |(_, certificate)| certificate.validity().not_after.timestamp()))
}

/// The common name of the subject. Of several none is believed: who reads the first and who the last would see two
/// users. Nor is one that is empty or holds control characters.
fn common_name(der: &[u8]) -> Option<Box<str>> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let mut names = certificate.subject().iter_common_name();
    let (only, None) = (names.next()?, names.next()) else { return None };
    let name = only.as_str().ok()?;
    let sound = !name.is_empty() && !name.contains(char::is_control);
    sound.then(|| name.into())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(sni: Option<&str>, names: &[&str]) -> TlsFacts {
        TlsFacts {
            version: "TLSv1.3",
            sni: sni.map(Arc::from),
            names: names.iter().map(|n| Box::from(*n)).collect(),
            peer: None,
            certificate: None,
        }
    }

    fn named(names: &[&str]) -> Option<Box<str>> {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        // rcgen keeps one value of each kind: the second common name is written as a surname, then renamed.
        let kinds = [rcgen::DnType::CommonName, rcgen::DnType::CustomDnType(vec![2, 5, 4, 4])];
        for (kind, name) in kinds.into_iter().zip(names) {
            params.distinguished_name.push(kind, *name);
        }
        params.distinguished_name.push(rcgen::DnType::OrganizationName, "CN=root");
        let mut der = params.self_signed(&key).unwrap().der().to_vec();
        while let Some(at) = der.windows(5).position(|bytes| bytes == [6, 3, 85, 4, 4]) {
            der[at + 4] = 3;
        }
        ClientCertificate::of(&[der.into()]).unwrap().common_name
    }

    #[test]
    fn a_client_is_named_by_its_one_common_name() {
        assert_eq!(named(&["alice"]).as_deref(), Some("alice"));
        assert_eq!(named(&["till-7.devices.shop.example"]).as_deref(), Some("till-7.devices.shop.example"));
        for nobody in [&[][..], &[""], &["alice", "bob"], &["alice", "alice"], &["alice\0.shop"], &["a\r\nb"]]
        {
            assert_eq!(named(nobody), None, "{nobody:?}");
        }
        let unread = CertificateDer::from(&b"no certificate"[..]);
        assert_eq!(ClientCertificate::of(&[unread]).unwrap().common_name, None);
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
