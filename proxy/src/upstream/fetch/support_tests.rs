//! A service outside, on loopback, that answers as a test says and counts who comes.

use crate::config::auth::Remote;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// An answer; `None` = silence.
pub(crate) type Reply = Option<Response<UnsyncBoxBody<Bytes, Infallible>>>;

/// The service.
pub(crate) struct Outside {
    pub(crate) address: SocketAddr,
    /// Connections it has taken.
    pub(crate) connections: Rc<Cell<usize>>,
    /// What it was asked.
    pub(crate) heard: Rc<RefCell<Vec<Heard>>>,
}

/// A question.
pub(crate) struct Heard {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// A whole answer.
pub(crate) fn says(status: u16, body: impl Into<Bytes>) -> Reply {
    Some(Response::builder().status(status).body(BodyExt::boxed_unsync(Full::new(body.into()))).unwrap())
}

/// An answer with this field too.
pub(crate) fn with(reply: Reply, name: &'static str, value: &str) -> Reply {
    reply.map(|mut response| {
        response.headers_mut().insert(name, value.parse().unwrap());
        response
    })
}

/// 50 MiB without saying so before; `sent` counts.
pub(crate) fn floods(sent: &Arc<AtomicUsize>) -> Reply {
    let flood = Flood { left: 50 << 20, sent: Arc::clone(sent) };
    Some(Response::new(BodyExt::boxed_unsync(flood)))
}

struct Flood {
    left: usize,
    sent: Arc<AtomicUsize>,
}

impl Body for Flood {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        const PIECE: usize = 16 << 10;
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= PIECE;
        self.sent.fetch_add(PIECE, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b' '; PIECE])))))
    }
}

/// Starts a service that answers each question so.
pub(crate) async fn outside(answer: impl Fn(&Heard) -> Reply + 'static) -> Outside {
    start(None, answer).await
}

/// The same with TLS.
pub(crate) async fn outside_tls(
    acceptor: TlsAcceptor,
    answer: impl Fn(&Heard) -> Reply + 'static,
) -> Outside {
    start(Some(acceptor), answer).await
}

async fn start(tls: Option<TlsAcceptor>, answer: impl Fn(&Heard) -> Reply + 'static) -> Outside {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let outside =
        Outside { address: listener.local_addr().unwrap(), connections: Rc::default(), heard: Rc::default() };
    let (connections, heard, answer) =
        (Rc::clone(&outside.connections), Rc::clone(&outside.heard), Rc::new(answer));
    tokio::task::spawn_local(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            connections.set(connections.get() + 1);
            let (tls, heard, answer) = (tls.clone(), Rc::clone(&heard), Rc::clone(&answer));
            tokio::task::spawn_local(async move {
                match tls {
                    None => serve(stream, heard, answer).await,
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            serve(stream, heard, answer).await;
                        }
                    }
                }
            });
        }
    });
    outside
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin + 'static>(
    stream: S,
    heard: Rc<RefCell<Vec<Heard>>>,
    answer: Rc<impl Fn(&Heard) -> Reply + 'static>,
) {
    let service = service_fn(|request: Request<Incoming>| {
        let (heard, answer) = (Rc::clone(&heard), Rc::clone(&answer));
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let question = Heard {
                method: head.method,
                target: head.uri.to_string(),
                headers: head.headers,
                body: String::from_utf8(body.to_vec()).unwrap(),
            };
            let reply = answer(&question);
            heard.borrow_mut().push(question);
            match reply {
                Some(reply) => Ok::<_, Infallible>(reply),
                None => std::future::pending().await,
            }
        }
    });
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let _ended = connection.await.is_ok();
}

/// Reads the head of a question from a bare socket.
pub(crate) async fn hear(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(bytes).unwrap()
}

impl Outside {
    /// Where it is asked in plain, within ten seconds.
    pub(crate) fn remote(&self) -> Remote {
        remote(&format!("http://{}/keys?x=1", self.address))
    }

    /// The same with TLS.
    pub(crate) fn remote_tls(&self, ca: Option<PathBuf>) -> Remote {
        Remote { ca, ..remote(&format!("https://{}/keys", self.address)) }
    }
}

/// A place to ask, within ten seconds.
pub(crate) fn remote(url: &str) -> Remote {
    Remote { url: url.parse().unwrap(), ca: None, timeout: Duration::from_secs(10) }
}

/// Somebody with a certificate for `name` by an authority of their own, and the bundle to believe it by.
pub(crate) fn certified(name: &str) -> (TlsAcceptor, tempfile::TempDir, PathBuf) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("ca.pem");
    std::fs::write(&bundle, ca.pem()).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(crate::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.der().clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), folder, bundle)
}
