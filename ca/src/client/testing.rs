//! What the tests of the client need: a small authority, and a real server over TLS that does what a test tells it.

use super::agent::Options;
use super::identity::Identity;
use super::state::StateDir;
use crate::bundle::Bundle;
use crate::certificate;
use crate::clock;
use crate::csr;
use crate::issuer::{Issuer, self_signed_root};
use crate::key::Key;
use crate::names::{AuthorityId, Fingerprint, Serial};
use crate::policy::Grant;
use crate::profile::Validity;
use crate::proto::certificate_authority_server::{CertificateAuthority, CertificateAuthorityServer};
use crate::proto::{self, Acknowledgement, BootstrapRequest, Issued, RenewRequest};
use crate::time::Timestamp;
use crate::tls::LocalExecutor;
use crate::token::JoinToken;
use crate::trust::Trust;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use std::collections::HashMap;
use std::fs;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

pub(super) const DOMAIN: &str = "shop.example";
pub(super) const ORDER: &str = "spiffe://shop.example/svc/order";
pub(super) const AUTHORITY: &str = "spiffe://shop.example/ca";
const DAY: i64 = 86_400;

/// Runs a test that needs a local runtime. None takes longer than half a minute.
pub(super) fn local<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())
        .unwrap();
    let limit = Duration::from_secs(30);
    runtime.block_on(async { tokio::time::timeout(limit, test).await.expect("the test takes too long") })
}

/// A root and an intermediate.
pub(super) struct Ca {
    root: Vec<u8>,
    intermediate: Issuer,
}

/// First and last second, and when to renew; each in seconds from now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Life(pub(super) i64, pub(super) i64, pub(super) i64);

/// A usual day.
pub(super) const USUAL: Life = Life(-60, DAY, DAY / 2);
/// Half of it has gone: to be renewed.
pub(super) const DUE: Life = Life(-7_200, 7_200, -60);
/// All of it has gone.
pub(super) const EXPIRED: Life = Life(-7_200, -3_600, -5_000);

/// An agent with its directory and the file with its join token in `folder`.
pub(super) fn options(folder: &Path) -> Options {
    Options {
        dir: folder.join("svid"),
        token_file: Some(folder.join("token")),
        ttl: None,
        keep_key: false,
        url: None,
    }
}

/// Puts an identity where such an agent looks for it.
pub(super) fn stored(folder: &Path, identity: &Identity) {
    StateDir::open(&folder.join("svid")).unwrap().store(identity).unwrap();
}

/// Puts a new join token where such an agent looks for it.
pub(super) fn give_token(folder: &Path, server: &Server) {
    fs::write(folder.join("token"), format!("{}\n", server.token().reveal())).unwrap();
}

fn serial() -> Serial {
    let mut bits = [0; 16];
    aws_lc_rs::rand::fill(&mut bits).unwrap();
    Serial::from_random(bits)
}

fn from_now(seconds: i64) -> Timestamp {
    Timestamp(clock::wall().0 + seconds)
}

impl Ca {
    pub(super) fn new() -> Self {
        let domain = DOMAIN.parse().unwrap();
        let validity = Validity { not_before: from_now(-10 * DAY), not_after: from_now(10 * DAY) };
        let root_key = Key::generate().unwrap();
        let root = self_signed_root((&domain, &AuthorityId::root(1)), validity, serial(), &root_key).unwrap();
        let issuer = Issuer::new(root.clone(), root_key).unwrap();
        let key = Key::generate().unwrap();
        let name = (&domain, &AuthorityId::intermediate(1));
        let intermediate = issuer.intermediate(name, validity, serial(), &key).unwrap();
        Self { root, intermediate: Issuer::new(intermediate, key).unwrap() }
    }

    pub(super) fn pin(&self) -> Fingerprint {
        Fingerprint::of(&self.root)
    }

    /// A certificate for `id`, with its intermediate.
    pub(super) fn chain(&self, id: &str, public_key: &[u8], life: Life) -> Vec<Vec<u8>> {
        let Life(first, last, _) = life;
        let grant = Grant {
            id: id.parse().unwrap(),
            dns: Vec::new(),
            not_before: from_now(first),
            not_after: from_now(last),
        };
        let leaf = self.intermediate.leaf(&grant, public_key, serial()).unwrap();
        vec![leaf, self.intermediate.certificate().to_vec()]
    }

    pub(super) fn trust(&self, sequence: u64) -> Trust {
        let bundle = Bundle {
            trust_domain: DOMAIN.parse().unwrap(),
            roots: vec![self.root.clone()],
            sequence,
            refresh_hint: Duration::from_secs(60),
        };
        Trust { bundle, denied: Vec::new(), asserters: vec!["spiffe://shop.example/edge".parse().unwrap()] }
    }

    /// `ORDER`, as if it had joined.
    pub(super) fn identity(&self, urls: &[String], life: Life) -> Identity {
        let key = Arc::new(Key::generate().unwrap());
        let chain = self.chain(ORDER, key.public(), life);
        Identity {
            svid: certificate::svid(&chain[0]).unwrap(),
            chain,
            key,
            trust: self.trust(1),
            instance: "00112233aabbccdd".parse().unwrap(),
            renew_after: from_now(life.2),
            urls: urls.to_vec(),
            ttl: None,
        }
    }

    /// A token for `ORDER` at these addresses.
    pub(super) fn token(&self, urls: &[String]) -> JoinToken {
        let mut secret = [0; 32];
        aws_lc_rs::rand::fill(&mut secret).unwrap();
        JoinToken::new(urls.to_vec(), DOMAIN.parse().unwrap(), vec![self.pin()], secret)
    }
}

/// What a server does, and what it saw.
pub(super) struct Script {
    /// HTTP requests that came in.
    pub(super) requests: usize,
    /// The public keys certificates were asked for, in order.
    pub(super) keys: Vec<Fingerprint>,
    /// Lives that were asked for.
    pub(super) ttls: Vec<u32>,
    /// Streams of trusts the client has ended.
    pub(super) ended: usize,
    /// How many answers are lost on the way.
    pub(super) lose: usize,
    /// Refuse everything with this.
    pub(super) refuse: Option<Status>,
    /// How wrong the server's clock is, in milliseconds.
    pub(super) clock_off: i64,
    /// The life of what it issues.
    pub(super) life: Life,
    /// Whom it issues certificates to.
    pub(super) id: &'static str,
    /// What it has issued: the same for the same token and key.
    issued: HashMap<(String, Fingerprint), Vec<Vec<u8>>>,
}

/// A running authority.
pub(super) struct Server {
    pub(super) url: String,
    pub(super) ca: Arc<Ca>,
    pub(super) trust: watch::Sender<Trust>,
    /// Sequences that were acknowledged.
    pub(super) acknowledged: mpsc::UnboundedReceiver<u64>,
    script: Arc<Mutex<Script>>,
    accepting: JoinHandle<()>,
}

/// How a server shows itself.
pub(super) struct Face {
    pub(super) id: &'static str,
    pub(super) life: Life,
    /// The certificate of whom it shows is by this authority.
    pub(super) shown_by: Arc<Ca>,
}

impl Server {
    /// A server of `ca` that is what it should be.
    pub(super) async fn start(ca: &Arc<Ca>) -> Self {
        let face = Face { id: AUTHORITY, life: USUAL, shown_by: Arc::clone(ca) };
        Self::with_face(ca, &face).await
    }

    pub(super) async fn with_face(ca: &Arc<Ca>, face: &Face) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let script = Script {
            requests: 0,
            keys: Vec::new(),
            ttls: Vec::new(),
            ended: 0,
            lose: 0,
            refuse: None,
            clock_off: 0,
            life: USUAL,
            id: ORDER,
            issued: HashMap::new(),
        };
        let script = Arc::new(Mutex::new(script));
        let (trust, trusts) = watch::channel(ca.trust(1));
        let (acknowledge, acknowledged) = mpsc::unbounded_channel();
        let fake = Fake {
            ca: Arc::clone(ca),
            script: Arc::clone(&script),
            trusts,
            acknowledge,
            cut: Arc::new(Notify::new()),
        };
        let accepting = tokio::task::spawn_local(accept(listener, acceptor(ca, face), fake));
        Self { url, ca: Arc::clone(ca), trust, acknowledged, script, accepting }
    }

    pub(super) fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    pub(super) fn urls(&self) -> Vec<String> {
        vec![self.url.clone()]
    }

    pub(super) fn token(&self) -> JoinToken {
        self.ca.token(&self.urls())
    }

    pub(super) async fn next_acknowledged(&mut self) -> u64 {
        self.acknowledged.recv().await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn acceptor(ca: &Ca, face: &Face) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from(ca.root.clone())).unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()
        .unwrap();
    let key = Key::generate().unwrap();
    let mut chain = face.shown_by.chain(face.id, key.public(), face.life);
    chain.push(face.shown_by.root.clone());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(
            chain.into_iter().map(CertificateDer::from).collect(),
            PrivatePkcs8KeyDer::from(key.pkcs8().to_vec()).into(),
        )
        .unwrap();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, fake: Fake) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::task::spawn_local(serve(stream, acceptor.clone(), fake.clone()));
    }
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, fake: Fake) {
    let Ok(tls) = acceptor.accept(stream).await else { return };
    let cut = Arc::clone(&fake.cut);
    let script = Arc::clone(&fake.script);
    let service = CertificateAuthorityServer::new(fake);
    let answer = service_fn(move |request| {
        script.lock().unwrap().requests += 1;
        let mut service = service.clone();
        async move { tonic::codegen::Service::call(&mut service, request).await }
    });
    let connection =
        hyper::server::conn::http2::Builder::new(LocalExecutor).serve_connection(TokioIo::new(tls), answer);
    tokio::select! {
        _ended = connection => {}
        () = cut.notified() => {}
    }
}

#[derive(Clone)]
struct Fake {
    ca: Arc<Ca>,
    script: Arc<Mutex<Script>>,
    trusts: watch::Receiver<Trust>,
    acknowledge: mpsc::UnboundedSender<u64>,
    cut: Arc<Notify>,
}

impl Fake {
    fn wire(&self, trust: &Trust) -> proto::Trust {
        let off = self.script.lock().unwrap().clock_off;
        trust.to_wire(i64::try_from(clock::wall_millis()).unwrap() + off)
    }

    /// Issues, once for a token and key; `None`: the answer is to be lost.
    fn issue(&self, token: &str, request: &[u8], ttl: u32) -> Result<Option<Issued>, Status> {
        let trust = self.wire(&self.trusts.borrow());
        let key = csr::parse(request).unwrap().public_key;
        let mut script = self.script.lock().unwrap();
        script.keys.push(Fingerprint::of(&key));
        script.ttls.push(ttl);
        if let Some(status) = &script.refuse {
            return Err(status.clone());
        }
        let (life, id) = (script.life, script.id);
        let chain = script.issued.entry((token.to_owned(), Fingerprint::of(&key)));
        let chain = chain.or_insert_with(|| self.ca.chain(id, &key, life)).clone();
        if script.lose > 0 {
            script.lose -= 1;
            return Ok(None);
        }
        let instance = "00112233aabbccdd".to_owned();
        Ok(Some(Issued { chain, renew_after: from_now(life.2).0, trust: Some(trust), instance }))
    }

    async fn answer(&self, issued: Result<Option<Issued>, Status>) -> Result<Response<Issued>, Status> {
        match issued? {
            Some(issued) => Ok(Response::new(issued)),
            None => {
                self.cut.notify_waiters();
                std::future::pending().await
            }
        }
    }
}

#[tonic::async_trait]
impl CertificateAuthority for Fake {
    type WatchBundleStream = Pin<Box<dyn tokio_stream::Stream<Item = Result<proto::Trust, Status>> + Send>>;

    async fn bootstrap(&self, request: Request<BootstrapRequest>) -> Result<Response<Issued>, Status> {
        let request = request.into_inner();
        self.answer(self.issue(&request.token, &request.csr, request.ttl)).await
    }

    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<Issued>, Status> {
        let request = request.into_inner();
        self.answer(self.issue("", &request.csr, request.ttl)).await
    }

    async fn watch_bundle(
        &self,
        request: Request<Streaming<Acknowledgement>>,
    ) -> Result<Response<Self::WatchBundleStream>, Status> {
        let (out, stream) = mpsc::channel(4);
        tokio::task::spawn_local(self.clone().watched(request.into_inner(), out));
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

impl Fake {
    /// Sends each trust, hears acknowledgements, and ends when the client ends.
    async fn watched(
        mut self,
        mut heard: Streaming<Acknowledgement>,
        out: mpsc::Sender<Result<proto::Trust, Status>>,
    ) {
        self.trusts.mark_changed();
        loop {
            tokio::select! {
                changed = self.trusts.changed() => {
                    let trust = self.trusts.borrow_and_update().clone();
                    let trust = self.wire(&trust);
                    if changed.is_err() || out.send(Ok(trust)).await.is_err() {
                        return;
                    }
                }
                message = heard.message() => match message {
                    Ok(Some(message)) if self.acknowledge.send(message.sequence).is_ok() => {}
                    Ok(None) => {
                        self.script.lock().unwrap().ended += 1;
                        return;
                    }
                    _ => return,
                }
            }
        }
    }
}
