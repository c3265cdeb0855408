//! One check of one endpoint: a connection, and what its kind asks on it.

use crate::config::service::{Probe, Protocol, Service};
use crate::mesh::Seat;
use crate::runtime::LocalExecutor;
use crate::tls::client::{ClientTls, Transport};
use crate::upstream::connect;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;

/// Nothing of a check grows beyond this.
const BUFFER: usize = 64 * 1024;
const AGENT: HeaderValue = HeaderValue::from_static("portcullis-health");

/// Asks once; why it is not well.
pub(super) async fn ask(
    probe: &Probe,
    address: SocketAddr,
    to: (&Service, Option<&ClientTls>, &Seat),
) -> Result<(), String> {
    let (service, tls, _) = to;
    let (transport, _bound) =
        connect::open(address, to).await.map_err(|(fault, error)| format!("{}: {error}", fault.word()))?;
    let is_h2 = service.protocol == Protocol::H2;
    let scheme = if tls.is_some() || service.mesh.is_some() { "https" } else { "http" };
    match probe {
        Probe::Tcp => Ok(()),
        Probe::Http { path, host, expect } => {
            let host = host.as_deref().unwrap_or(&service.name);
            let request =
                Request::get(if is_h2 { format!("{scheme}://{host}{path}") } else { path.to_string() });
            let request = request.header(header::USER_AGENT, AGENT);
            let request = if is_h2 { request } else { request.header(header::HOST, host) };
            let answer = send(transport, is_h2, request.body(Full::default()).map_err(words)?).await?;
            let status = answer.status().as_u16();
            if (expect.0..=expect.1).contains(&status) { Ok(()) } else { Err(format!("status {status}")) }
        }
        Probe::Grpc(name) => {
            let request = Request::post(format!("{scheme}://{}/grpc.health.v1.Health/Check", service.name))
                .header(header::USER_AGENT, AGENT)
                .header(header::CONTENT_TYPE, "application/grpc")
                .header(header::TE, "trailers")
                .body(Full::new(message(name)))
                .map_err(words)?;
            serving(send(transport, true, request).await?).await
        }
    }
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

async fn send(
    transport: Transport,
    is_h2: bool,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, String> {
    let io = TokioIo::new(transport);
    if is_h2 {
        let (mut sender, connection) = http2::handshake(LocalExecutor, io).await.map_err(words)?;
        let driver = tokio::task::spawn_local(async move { drop(connection.await) });
        let answer = sender.send_request(request).await.map_err(words);
        // The body of the answer may still be on its way; the connection ends with the sender.
        drop(driver);
        return answer;
    }
    let (mut sender, connection) =
        http1::Builder::new().max_buf_size(BUFFER).handshake(io).await.map_err(words)?;
    tokio::task::spawn_local(async move { drop(connection.await) });
    sender.send_request(request).await.map_err(words)
}

/// `HealthCheckRequest`: field 1, the name of the service; in the frame of gRPC.
fn message(name: &str) -> Bytes {
    let mut message = Vec::new();
    if let Ok(length) = u8::try_from(name.len().min(127)) {
        message.extend([0x0a, length]);
        message.extend(name.as_bytes().iter().take(length.into()));
    }
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.len()).unwrap_or(0).to_be_bytes());
    frame.extend(message);
    frame.into()
}

/// Whether it says SERVING: field 1 is 1, and the call succeeded.
async fn serving(answer: Response<Incoming>) -> Result<(), String> {
    const STATUS: &str = "grpc-status";
    let at_once = answer.headers().get(STATUS).cloned();
    let body = Limited::new(answer.into_body(), BUFFER).collect().await.map_err(words)?;
    let status = at_once.or_else(|| body.trailers().and_then(|trailers| trailers.get(STATUS)).cloned());
    if status.as_ref().is_none_or(|status| status != "0") {
        return Err(format!(
            "grpc-status {}",
            status.as_ref().and_then(|it| it.to_str().ok()).unwrap_or("missing")
        ));
    }
    match body.to_bytes().get(5..) {
        Some([0x08, 0x01, ..]) => Ok(()),
        _ => Err("it is not serving".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_is_framed_as_grpc_has_it() {
        assert_eq!(message("ab").as_ref(), [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        assert_eq!(message("").as_ref(), [0, 0, 0, 0, 2, 0x0a, 0]);
    }
}
