//! One check of one endpoint: a connection, and what its kind asks on it.
//!
//! The connection ends with the check, whatever became of it. Nothing that comes back grows beyond [`BUFFER`]; how long it
//! takes is bounded by whoever asks. Must not know: what follows from it.

use super::grpc;
use crate::config::service::{Health, Probe, Protocol, Service};
use crate::mesh::Seat;
use crate::runtime::LocalExecutor;
use crate::tls::client::{ClientTls, Transport};
use crate::upstream::connect;
use crate::upstream::severed::{Knife, Severed};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use rustix::io::Errno;
use std::error::Error;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;

/// Nothing of a check grows beyond this, bytes.
const BUFFER: usize = 64 * 1024;
const WINDOW: u32 = 64 * 1024;
const AGENT: HeaderValue = HeaderValue::from_static("portcullis-health");

/// Why an endpoint was not found well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The endpoint's fault.
    Theirs(String),
    /// Ours: it was not asked, and nothing is known.
    Ours(String),
}

/// Asks once.
pub(super) async fn ask(
    rule: &Health,
    address: SocketAddr,
    to: (&Service, Option<&ClientTls>, &Seat),
) -> Result<(), Fault> {
    let (service, tls, seat) = to;
    if service.mesh.is_some() && seat.get().is_none() {
        return Err(Fault::Ours("we have not joined the mesh yet".to_owned()));
    }
    let (transport, bound) =
        connect::open(address, to).await.map_err(|(fault, error)| not_connected(fault.word(), &*error))?;
    let scheme = if tls.is_some() || bound.is_some() { "https" } else { "http" };
    // As for requests: members of the mesh speak HTTP/2 with each other.
    let is_h2 = service.protocol == Protocol::H2 || bound.is_some();
    let found = match &rule.probe {
        Probe::Tcp => Ok(()),
        Probe::Http { path, host, expect } => {
            let host = host.as_deref().unwrap_or(&service.name);
            let asked = http(&format!("{scheme}://{host}"), path, is_h2);
            let status =
                if is_h2 { over_h2(transport, asked, status).await } else { over_h1(transport, asked).await };
            status.and_then(|status| expected(status, *expect))
        }
        Probe::Grpc(name) => {
            let deadline = rule.timeout.as_millis().min(99_999_999);
            let asked = Request::post(format!("{scheme}://{}{}", service.name, grpc::PATH))
                .header(header::USER_AGENT, AGENT)
                .header(header::CONTENT_TYPE, "application/grpc")
                .header(header::TE, "trailers")
                .header("grpc-timeout", format!("{deadline}m"))
                .body(Full::new(grpc::question(name)));
            over_h2(transport, asked, serving).await.flatten()
        }
    };
    found.map_err(Fault::Theirs)
}

/// Why there is no connection. That we have no files, ports or memory left says nothing about the endpoint: who exhausts
/// ours must not have all services thought ill.
fn not_connected(word: &str, error: &(dyn Error + 'static)) -> Fault {
    const OURS: [Errno; 5] = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::ADDRNOTAVAIL];
    let errno = error.downcast_ref::<std::io::Error>().and_then(Errno::from_io_error);
    let text = format!("{word}: {error}");
    if errno.is_some_and(|errno| OURS.contains(&errno)) { Fault::Ours(text) } else { Fault::Theirs(text) }
}

type Asked = Result<Request<Full<Bytes>>, http::Error>;

fn http(origin: &str, path: &str, is_h2: bool) -> Asked {
    let host = origin.split_once("://").map_or(origin, |(_, host)| host);
    let request = if is_h2 {
        Request::get(format!("{origin}{path}"))
    } else {
        Request::get(path).header(header::HOST, host).header(header::CONNECTION, "close")
    };
    request.header(header::USER_AGENT, AGENT).body(Full::default())
}

fn expected(status: u16, (first, last): (u16, u16)) -> Result<(), String> {
    if (first..=last).contains(&status) { Ok(()) } else { Err(format!("status {status}")) }
}

fn words(error: impl Error) -> String {
    // What hyper says is vague, what is behind it is not.
    let source = error.source().map(|source| format!(": {source}")).unwrap_or_default();
    format!("{error}{source}")
}

/// The status of the answer. The connection is driven here, so that it ends here too.
async fn over_h1(transport: Transport, asked: Asked) -> Result<u16, String> {
    let request = asked.map_err(words)?;
    let io = TokioIo::new(transport);
    let (mut sender, connection) =
        http1::Builder::new().max_buf_size(BUFFER).handshake(io).await.map_err(words)?;
    let (mut answer, mut connection) = (pin!(sender.send_request(request)), pin!(connection));
    let answer = tokio::select! {
        biased;
        answer = &mut answer => answer,
        ended = &mut connection => match ended {
            // It has ended in order: the answer is there, or never will be.
            Ok(()) => answer.await,
            Err(error) => Err(error),
        },
    };
    answer.map(|answer| answer.status().as_u16()).map_err(words)
}

/// Cuts a connection when it is dropped.
struct Cut(Rc<Knife>);

impl Drop for Cut {
    fn drop(&mut self) {
        self.0.cut();
    }
}

/// What `read` makes of the answer. The library drives the connection in tasks of its own: it is cut when this ends.
async fn over_h2<T>(
    transport: Transport,
    asked: Asked,
    read: impl AsyncFnOnce(Response<Incoming>) -> T,
) -> Result<T, String> {
    let request = asked.map_err(words)?;
    let knife = Cut(Rc::default());
    let io = TokioIo::new(Severed::new(transport, Rc::clone(&knife.0)));
    let (mut sender, connection) = http2::Builder::new(LocalExecutor)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_header_list_size(WINDOW)
        .max_send_buf_size(BUFFER)
        .handshake(io)
        .await
        .map_err(words)?;
    tokio::task::spawn_local(async move { drop(connection.await) });
    let answer = sender.send_request(request).await.map_err(words)?;
    let read = read(answer).await;
    drop(knife);
    Ok(read)
}

async fn status(answer: Response<Incoming>) -> u16 {
    answer.status().as_u16()
}

/// Whether it says SERVING, and the call succeeded.
async fn serving(answer: Response<Incoming>) -> Result<(), String> {
    const STATUS: &str = "grpc-status";
    let http = answer.status().as_u16();
    let at_once = answer.headers().get(STATUS).cloned();
    let body = Limited::new(answer.into_body(), BUFFER).collect().await.map_err(|error| error.to_string())?;
    let at_last = body.trailers().and_then(|trailers| trailers.get(STATUS)).cloned();
    let status = at_last.or(at_once);
    grpc::answer(http, status.as_ref().map(|it| it.to_str().unwrap_or("?")), &body.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_lack_is_not_the_fault_of_the_endpoint() {
        let fault = |errno: Errno| not_connected("refused", &std::io::Error::from(errno));

        assert!(matches!(fault(Errno::MFILE), Fault::Ours(_)));
        assert!(matches!(fault(Errno::ADDRNOTAVAIL), Fault::Ours(_)));
        assert!(matches!(fault(Errno::CONNREFUSED), Fault::Theirs(_)));
        assert!(matches!(fault(Errno::HOSTUNREACH), Fault::Theirs(_)));
        assert!(matches!(not_connected("tls", &std::io::Error::other("odd")), Fault::Theirs(_)));
    }

    #[test]
    fn both_ends_of_the_range_are_good() {
        let good: Vec<u16> =
            [199, 200, 299, 300].into_iter().filter(|it| expected(*it, (200, 299)).is_ok()).collect();

        assert_eq!(good, [200, 299]);
    }
}
