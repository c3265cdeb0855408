//! A certificate of a member: its files, and TLS with it by somebody who is no product of ours.

use super::mesh::id;
use crate::transport::Transport;
use crate::{Frames, H2, Raw, Response, wait};
use portcullis_ca::certificate::certificates_from_pem;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A certificate, its key, and where both stand.
#[derive(Debug, Clone)]
pub struct Svid {
    name: String,
    folder: PathBuf,
    chain: Vec<Vec<u8>>,
    key: Vec<u8>,
}

impl Svid {
    /// Reads the files of `folder`, written by the authority for `name`.
    pub(super) fn read(name: &str, folder: PathBuf) -> Self {
        let text = std::fs::read_to_string(folder.join("svid.pem")).expect("a certificate");
        let chain = certificates_from_pem(&text).expect("certificates");
        let key = portcullis_ca::key::Key::read(&folder.join("svid.key"), None).expect("a key");
        Self { name: name.into(), folder, chain, key: key.pkcs8().to_vec() }
    }

    /// One that was made elsewhere: DER and PKCS#8.
    pub(super) fn made(name: &str, folder: PathBuf, chain: Vec<Vec<u8>>, key: Vec<u8>) -> Self {
        Self { name: name.into(), folder, chain, key }
    }

    /// `svc/order`.
    pub fn name(&self) -> String {
        self.name.clone()
    }

    /// Its SPIFFE ID.
    pub fn id(&self) -> String {
        id(&self.name)
    }

    /// The folder of its files.
    pub fn folder(&self) -> &std::path::Path {
        &self.folder
    }

    /// File of the chain.
    pub fn cert(&self) -> PathBuf {
        self.folder.join("svid.pem")
    }

    /// File of the key.
    pub fn key_file(&self) -> PathBuf {
        self.folder.join("svid.key")
    }

    /// File of the roots.
    pub fn bundle(&self) -> PathBuf {
        self.folder.join("bundle.pem")
    }

    /// DER: leaf, then intermediates.
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    /// PKCS#8.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// As a server without client certificates: for upstreams that only look like members.
    pub fn server_files(&self) -> crate::Identity {
        crate::Identity { cert: self.cert(), key: self.key_file() }
    }

    /// TLS clients with it.
    pub fn client(&self) -> MeshClient {
        MeshClient { identity: Some(self.clone()), sni: None, alpn: vec!["http/1.1"] }
    }
}

/// TLS connections as a member, or as nobody. Believes every server.
#[derive(Debug, Clone)]
pub struct MeshClient {
    identity: Option<Svid>,
    sni: Option<String>,
    alpn: Vec<&'static str>,
}

/// What became of a connection on which one request was sent.
#[derive(Debug)]
pub enum Outcome {
    /// The other side said in TLS what it does not like.
    Alert(String),
    /// It closed without a byte.
    Closed,
    /// It answered.
    Answered(Box<Response>),
    /// Nothing came in time.
    Silence,
}

impl Outcome {
    /// Whether not one byte of HTTP came back and the connection is over.
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Alert(_) | Self::Closed)
    }
}

impl MeshClient {
    /// Somebody without a certificate.
    pub fn nobody() -> Self {
        Self { identity: None, sni: None, alpn: vec!["http/1.1"] }
    }

    /// Asks for this server name; without it, for none.
    pub fn sni(self, name: &str) -> Self {
        Self { sni: Some(name.into()), ..self }
    }

    /// Offers these protocols; without it, HTTP/1.1.
    pub fn alpn(self, alpn: &[&'static str]) -> Self {
        Self { alpn: alpn.to_vec(), ..self }
    }

    /// The configuration.
    pub fn config(&self) -> ClientConfig {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let believes = Arc::new(Believing(Arc::clone(&provider)));
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.expect("versions").dangerous().with_custom_certificate_verifier(believes);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(svid) => {
                let chain = svid.chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
                let key: PrivateKeyDer<'_> = PrivatePkcs8KeyDer::from(svid.key.clone()).into();
                builder.with_client_auth_cert(chain, key).expect("a certificate and its key")
            }
        };
        config.alpn_protocols = self.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        config.enable_sni = self.sni.is_some();
        config
    }

    fn name(&self) -> ServerName<'static> {
        let name = self.sni.clone().unwrap_or_else(|| "127.0.0.1".into());
        ServerName::try_from(name).expect("a server name")
    }

    /// Connects and shakes hands as far as our side goes: whether the other side takes our certificate shows at the
    /// first read.
    pub fn try_stream(
        &self,
        address: SocketAddr,
    ) -> std::io::Result<StreamOwned<ClientConnection, TcpStream>> {
        self.stream_with(Arc::new(self.config()), address)
    }

    /// As [`MeshClient::try_stream`], with a configuration of the test's own.
    pub fn stream_with(
        &self,
        config: Arc<ClientConfig>,
        address: SocketAddr,
    ) -> std::io::Result<StreamOwned<ClientConnection, TcpStream>> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(wait::PATIENCE))?;
        let session = ClientConnection::new(config, self.name()).expect("a session");
        let mut stream = StreamOwned::new(session, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(stream)
    }

    /// A connection to send anything on.
    ///
    /// # Panics
    /// When our side of the handshake fails.
    pub fn connect(&self, address: SocketAddr) -> Raw {
        let stream = self.try_stream(address).unwrap_or_else(|error| panic!("the handshake failed: {error}"));
        Raw::over(Transport::Client(Box::new(stream)))
    }

    /// An HTTP/2 connection.
    pub fn h2(&self, address: SocketAddr) -> H2 {
        let config = Self { alpn: vec!["h2"], ..self.clone() }.config();
        H2::connect_with(address, Arc::new(config), self.name())
    }

    /// HTTP/2 frames one by one.
    pub fn frames(&self, address: SocketAddr) -> Frames {
        Frames::over(Self { alpn: vec!["h2"], ..self.clone() }.connect(address))
    }

    /// Sends one GET of `/open/probe` and says what became of it.
    pub fn probe(&self, address: SocketAddr) -> Outcome {
        let mut stream = match self.try_stream(address) {
            Ok(stream) => stream,
            Err(error) => return Self::failed(&error),
        };
        let request = crate::Client::get("/open/probe").bytes();
        // It may be refused while we write: the reason is read below.
        let _ = stream.write_all(&request).and_then(|()| stream.flush());
        let _ = stream.sock.set_read_timeout(Some(Duration::from_secs(10)));
        let mut space = [0; 4096];
        let came = match stream.read(&mut space) {
            Ok(0) => return Outcome::Closed,
            Ok(count) => &space[..count],
            Err(error) => return Self::failed(&error),
        };
        let mut raw = Raw::over(Transport::Client(Box::new(stream)));
        raw.inbox().extend_from_slice(came);
        Outcome::Answered(Box::new(raw.response("GET")))
    }

    fn failed(error: &std::io::Error) -> Outcome {
        use std::io::ErrorKind::{TimedOut, WouldBlock};
        match error.kind() {
            WouldBlock | TimedOut => Outcome::Silence,
            _ if error.to_string().contains("alert") => Outcome::Alert(error.to_string()),
            _ => Outcome::Closed,
        }
    }
}

/// Believes every server that has the key of the certificate it shows.
#[derive(Debug)]
pub(super) struct Believing(pub(super) Arc<CryptoProvider>);

impl ServerCertVerifier for Believing {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
