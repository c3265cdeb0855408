//! Tests of the server over real TLS sockets: an authority in a folder of its own, a server on a free port, and clients
//! made here, which also do what no honest client does.

mod calls;
mod ending;
mod flood;
mod handshake;
mod hostile;
mod stream;

use super::{Limits, Options, ServeError, serve};
use crate::authority::{Authority, Init, NewEntry, NewToken};
use crate::certificate;
use crate::clock;
use crate::entry::Grants;
use crate::issuer::Issuer;
use crate::key::Key;
use crate::names::{Fingerprint, Serial};
use crate::policy::Grant;
use crate::proto::certificate_authority_client::CertificateAuthorityClient;
use crate::proto::{BootstrapRequest, Issued, RenewRequest};
use crate::spiffe::SpiffeId;
use crate::time::Timestamp;
use crate::verify;
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::Status;
use tonic::body::Body;

const DOMAIN: &str = "shop.example";
const ORDER: &str = "spiffe://shop.example/svc/order";

/// Runs a test on a local runtime. None takes longer than a minute.
fn local<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())
        .unwrap();
    let limit = Duration::from_secs(60);
    runtime.block_on(async { timeout(limit, Box::pin(test)).await.expect("the test takes too long") })
}

/// The usual limits, with quick eyes.
fn limits() -> Limits {
    Limits { look: Duration::from_millis(10), ..Limits::default() }
}

/// An authority that goes away with its folder.
struct Ground {
    authority: Arc<Authority>,
    folder: TempDir,
}

/// A workload: its key and its chain.
struct Workload {
    key: Key,
    chain: Vec<Vec<u8>>,
}

impl Ground {
    fn new() -> Self {
        Self::of(DOMAIN)
    }

    fn of(domain: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let init = Init {
            trust_domain: domain.parse().unwrap(),
            urls: vec!["https://ca.shop.example:8443".to_owned()],
            ttl_default: Duration::from_secs(86_400),
            root_life: Duration::from_secs(365 * 86_400),
            password: None,
            now: clock::wall(),
        };
        let dir = folder.path().join("ca");
        Authority::init(&dir, &init).unwrap();
        Self { authority: Arc::new(Authority::open(&dir, None).unwrap()), folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("ca").join(name)
    }

    /// Registers `id` and makes a token for it.
    fn token(&self, id: &str) -> String {
        self.register(id, Grants::default());
        let new = NewToken { entry: id.parse().unwrap(), ttl: Duration::from_secs(600), urls: Vec::new() };
        self.authority.create_token(&new, clock::wall()).unwrap().0.reveal()
    }

    fn register(&self, id: &str, grants: Grants) {
        let ttl_max = Duration::from_secs(86_400);
        let new = NewEntry { id: id.parse().unwrap(), dns: Vec::new(), ttl_max, grants, replace: true };
        self.authority.create_entry(new, clock::wall()).unwrap();
    }

    /// A workload with a certificate of the ledger, as if it had joined.
    fn workload(&self, id: &str) -> Workload {
        let key = Key::generate().unwrap();
        let ask = crate::authority::BootstrapAsk {
            token: &self.token(id),
            csr: &key.request().unwrap(),
            ttl: None,
            caller: &Default::default(),
            now: clock::wall(),
        };
        let chain = self.authority.bootstrap(ask).unwrap().chain;
        Workload { key, chain }
    }

    /// A workload with a certificate the ledger does not know, good from `first` to `last` seconds from now.
    fn forged(&self, id: &str, first: i64, last: i64) -> Workload {
        let signing = self.authority.settings().unwrap().signing;
        let record = self.authority.authorities().unwrap().into_iter().find(|one| one.id == signing).unwrap();
        let key = Key::read(&self.authority.dir().key(&signing), None).unwrap();
        let issuer = Issuer::new(record.der.clone(), key).unwrap();
        let now = clock::wall().0;
        let grant = Grant {
            id: id.parse().unwrap(),
            dns: Vec::new(),
            not_before: Timestamp(now + first),
            not_after: Timestamp(now + last),
        };
        let key = Key::generate().unwrap();
        let leaf = issuer.leaf(&grant, key.public(), Serial::from_random([7; 16])).unwrap();
        Workload { key, chain: vec![leaf, record.der] }
    }

    async fn serve(&self) -> Running {
        self.serve_with(limits()).await
    }

    async fn serve_with(&self, limits: Limits) -> Running {
        let (ready, told) = oneshot::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let bind = "127.0.0.1:0".parse().unwrap();
        let options = Options { bind, limits, ready: Some(ready) };
        let authority = Arc::clone(&self.authority);
        let task = tokio::task::spawn_local(async move {
            let shutdown = async {
                let _gone = stopped.await;
            };
            serve(authority, options, shutdown).await
        });
        let address = told.await.unwrap();
        Running { address, pins: self.pins(), stop, task }
    }

    /// The SHA-256 of the roots in force.
    fn pins(&self) -> Vec<Fingerprint> {
        self.authority.trust().unwrap().bundle.fingerprints()
    }

    /// Waits until `seen` says that it is so.
    async fn until(&self, seen: impl Fn(&Authority) -> bool) {
        while !seen(&self.authority) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Workload {
    fn id(&self) -> SpiffeId {
        certificate::svid(&self.chain[0]).unwrap().id
    }
}

/// A running server.
struct Running {
    address: SocketAddr,
    pins: Vec<Fingerprint>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), ServeError>>,
}

impl Running {
    /// Asks it to stop; what comes is what it ends with.
    fn stop(self) -> JoinHandle<Result<(), ServeError>> {
        self.stop.send(()).unwrap();
        self.task
    }

    /// TLS as a client speaks it, showing `workload`.
    fn tls(&self, workload: Option<&Workload>) -> ClientConfig {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = Arc::new(Pinned { pins: self.pins.clone() });
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match workload {
            None => config.with_no_client_auth(),
            Some(Workload { key, chain }) => {
                let chain = chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
                let key = PrivatePkcs8KeyDer::from(key.pkcs8().to_vec());
                config.with_client_auth_cert(chain, key.into()).unwrap()
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        config
    }

    /// A connection after its handshake; in TLS 1.3 the server may still refuse the client then.
    async fn shake(&self, config: ClientConfig) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::from(self.address.ip());
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    /// A client that shows `workload`.
    async fn client(&self, workload: Option<&Workload>) -> Client {
        self.try_client(workload).await.unwrap()
    }

    async fn try_client(&self, workload: Option<&Workload>) -> Result<Client, Box<dyn std::error::Error>> {
        let tls = self.shake(self.tls(workload)).await?;
        let mut builder = http2::Builder::new(crate::tls::LocalExecutor);
        let (send, connection) = builder.timer(TokioTimer::new()).handshake(TokioIo::new(tls)).await?;
        let driver = tokio::task::spawn_local(connection);
        let origin: Uri = format!("https://{}", self.address).parse()?;
        let call = CertificateAuthorityClient::with_origin(Channel(send.clone()), origin.clone())
            .max_decoding_message_size(16 << 20);
        Ok(Client { call, send, origin, driver })
    }
}

/// A connected client.
struct Client {
    call: CertificateAuthorityClient<Channel>,
    send: SendRequest<Body>,
    origin: Uri,
    driver: JoinHandle<hyper::Result<()>>,
}

impl Client {
    async fn bootstrap(&mut self, token: &str, key: &Key) -> Result<Issued, Status> {
        let request = BootstrapRequest { token: token.to_owned(), csr: key.request().unwrap(), ttl: 0 };
        Ok(self.call.bootstrap(request).await?.into_inner())
    }

    async fn renew(&mut self, key: &Key) -> Result<Issued, Status> {
        let request = RenewRequest { csr: key.request().unwrap(), ttl: 0 };
        Ok(self.call.renew(request).await?.into_inner())
    }
}

/// How long a status says to wait.
fn pushback(status: &Status) -> Option<Duration> {
    let millis = status.metadata().get("grpc-retry-pushback-ms")?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_millis(millis))
}

/// hyper's sender as a service the generated client can call.
#[derive(Debug, Clone)]
struct Channel(SendRequest<Body>);

impl tonic::codegen::Service<Request<Body>> for Channel {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = hyper::Result<Response<Incoming>>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

/// Believes the authority's own certificate under one of the roots.
#[derive(Debug)]
struct Pinned {
    pins: Vec<Fingerprint>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain: Vec<&[u8]> = std::iter::once(end_entity).chain(intermediates).map(AsRef::as_ref).collect();
        let (svid, _root) = verify::verify_pinned(&chain, &self.pins, None, clock::wall()).unwrap();
        assert_eq!(svid.id.path(), "/ca");
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        panic!("TLS 1.2 was agreed on")
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
