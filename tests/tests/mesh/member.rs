//! Somebody with a certificate: TLS with it, and requests over both versions of HTTP. Also certificates no authority
//! gives: signed with the stolen key of ours, so that nothing but their content is wrong.

use super::forge::b64;
use super::world::HOST;
use portcullis_ca::client::{Identity, StateDir};
use portcullis_ca::key::Key;
use portcullis_ca::names::Fingerprint;
use portcullis_tests::client::{Ended, flag};
use portcullis_tests::transport::Transport;
use portcullis_tests::{Ca, Client, Frames, Raw, mutual_tls, wait};
use rcgen::{
    CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use rustls::client::ResolvesClientCert;
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, SignatureScheme, StreamOwned};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A version of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Http {
    /// HTTP/1.1.
    One,
    /// HTTP/2.
    Two,
}

/// Both of them.
pub(super) const BOTH: [Http; 2] = [Http::One, Http::Two];

/// A certificate and its key.
#[derive(Debug, Clone)]
pub(super) struct Member {
    /// What it holds.
    pub(super) identity: Arc<Identity>,
}

impl Member {
    /// The one whose files are in `folder`.
    pub(super) fn load(folder: &Path) -> Self {
        let identity = StateDir::open(folder).expect("a folder").load().expect("files").expect("an identity");
        Self { identity: Arc::new(identity) }
    }

    /// Its SPIFFE ID.
    pub(super) fn id(&self) -> String {
        self.identity.svid.id.to_string()
    }

    /// SHA-256 of its leaf, as a JWS names it.
    pub(super) fn leaf(&self) -> String {
        b64(Fingerprint::of(&self.identity.chain[0]).as_bytes())
    }

    /// Its chain, as a header holds it.
    pub(super) fn chain(&self) -> String {
        self.identity.chain.iter().map(b64).collect::<Vec<_>>().join(".")
    }

    /// Its TLS.
    pub(super) fn tls(&self, http: Http) -> ClientConfig {
        offering((*mutual_tls::connecting(&self.identity)).clone(), http)
    }

    /// The same, but it shows no certificate.
    pub(super) fn tls_without_certificate(&self, http: Http) -> ClientConfig {
        let mut config = self.tls(http);
        config.client_auth_cert_resolver = Arc::new(Nothing);
        config
    }

    /// One request, without a body; the status, 0 when there is no answer.
    pub(super) fn ask(&self, to: SocketAddr, http: Http, request: &Client) -> u16 {
        ask(&self.tls(http), to, http, request)
    }

    /// A connection for HTTP/1.
    pub(super) fn raw(&self, to: SocketAddr) -> Raw {
        raw(shake(&self.tls(Http::One), to, HOST).expect("a handshake"))
    }

    /// A connection for HTTP/2.
    pub(super) fn frames(&self, to: SocketAddr) -> Frames {
        Frames::over(raw(shake(&self.tls(Http::Two), to, HOST).expect("a handshake")))
    }

    /// Somebody with a certificate by the thief of this authority's key; trusts what this one does.
    pub(super) fn forged(&self, ca: &Ca, uris: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Self {
        let pem = std::fs::read_to_string(ca.dir().join("keys/intermediate-1.key")).expect("a key");
        let der = self.identity.chain[1].as_slice().into();
        let issuer =
            Issuer::from_ca_cert_der(&der, KeyPair::from_pem(&pem).expect("a key")).expect("an issuer");
        let mut params = params(uris);
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let leaf = params.signed_by(&key, &issuer).expect("a certificate");
        self.showing(vec![leaf.der().to_vec(), self.identity.chain[1].clone()], &key)
    }

    /// Somebody who has signed for itself.
    pub(super) fn self_signed(&self, uri: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let leaf = params(&[uri]).self_signed(&key).expect("a certificate");
        self.showing(vec![leaf.der().to_vec()], &key)
    }

    /// Somebody who shows this chain, and trusts what this one does.
    pub(super) fn showing(&self, chain: Vec<Vec<u8>>, key: &KeyPair) -> Self {
        let key = Arc::new(Key::from_pem(&key.serialize_pem(), None).expect("a key"));
        Self { identity: Arc::new(Identity { chain, key, ..(*self.identity).clone() }) }
    }
}

/// What a good certificate says, with these URIs.
pub(super) fn params(uris: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names =
        uris.iter().map(|uri| SanType::URI((*uri).try_into().expect("ASCII"))).collect();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
    let now = portcullis_ca::clock::wall().calendar();
    params.not_before = now - Duration::from_secs(60);
    params.not_after = now + Duration::from_secs(3600);
    params.use_authority_key_identifier_extension = true;
    let serial = portcullis_ca::names::Serial::from_random(fastrand::u128(..).to_be_bytes());
    params.serial_number = Some(serial.as_bytes().to_vec().into());
    params
}

/// Offers nothing but this version.
pub(super) fn offering(mut config: ClientConfig, http: Http) -> ClientConfig {
    config.alpn_protocols = vec![if http == Http::Two { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
    config
}

/// A handshake, as far as the client sees one: in TLS 1.3 it has ended before the other side looks at the certificate.
pub(super) fn shake(
    config: &ClientConfig,
    to: SocketAddr,
    name: &str,
) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let socket = TcpStream::connect(to)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(wait::PATIENCE))?;
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let session = ClientConnection::new(Arc::new(config.clone()), name).expect("a session");
    let mut stream = StreamOwned::new(session, socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

/// The connection to send anything on.
pub(super) fn raw(stream: StreamOwned<ClientConnection, TcpStream>) -> Raw {
    Raw::over(Transport::Client(Box::new(stream)))
}

/// As [`Member::ask`], with any TLS.
pub(super) fn ask(config: &ClientConfig, to: SocketAddr, http: Http, request: &Client) -> u16 {
    let Ok(stream) = shake(config, to, HOST) else { return 0 };
    let mut raw = raw(stream);
    if http == Http::One {
        raw.send(request.bytes());
        let answer = raw.try_response("GET", wait::PATIENCE);
        return answer.ok().flatten().map_or(0, |answer| answer.status);
    }
    let text = String::from_utf8(request.bytes()).expect("text");
    let mut lines = text.lines().take_while(|line| !line.is_empty());
    let target = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    let host = text.lines().find_map(|line| line.strip_prefix("Host: ")).unwrap_or(HOST);
    let mut fields = vec![(":method", "GET"), (":scheme", "https"), (":authority", host), (":path", target)];
    let named: Vec<(String, &str)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .filter(|(name, _)| name != "host")
        .collect();
    fields.extend(named.iter().map(|(name, value)| (name.as_str(), *value)));
    let mut frames = Frames::over(raw);
    frames.headers(1, flag::WHOLE, &fields);
    match frames.ending(1) {
        Ended::Answer(status) => status,
        _ => 0,
    }
}

/// A client without a certificate.
#[derive(Debug)]
struct Nothing;

impl ResolvesClientCert for Nothing {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}
