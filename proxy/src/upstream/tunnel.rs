//! Bytes to a service that speaks no HTTP: TCP as it is, or a CONNECT tunnel over a connection of the mesh
//! (RFC 9113 §8.5).

use super::body::RequestBody;
use super::cluster::Cluster;
use super::connect;
use super::pool::Lease;
use crate::pipeline::reject::{ConnectFault, Rejection};
use http::{Method, Request};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A way for bytes to a service.
#[derive(Debug)]
pub enum Tunnel {
    /// TCP as it is.
    Plain(TcpStream),
    /// A stream of a connection of the mesh; the lease keeps it counted.
    Mesh(Box<TokioIo<Upgraded>>, Lease),
}

/// Opens one to an endpoint.
pub async fn open(cluster: &Cluster, now: Instant) -> Result<Tunnel, Rejection> {
    let pool = cluster.pick(&[], fastrand::u64(..)).ok_or(Rejection::NoEndpoint)?;
    if cluster.service.mesh.is_none() {
        let made = tokio::time::timeout(cluster.service.timeout.connect, connect::tcp(pool.address)).await;
        let stream = made.map_err(|_elapsed| ConnectFault::Timeout).and_then(|made| {
            made.map_err(|error| {
                tracing::warn!(service = %cluster.service.name, address = %pool.address, %error, "cannot connect");
                ConnectFault::Refused
            })
        });
        return stream.map(Tunnel::Plain).map_err(Rejection::Connect);
    }
    let mut lease = pool.check_out(cluster.destination(), now, true).await.map_err(Rejection::Connect)?;
    let request = Request::builder()
        .method(Method::CONNECT)
        .uri(pool.address.to_string())
        .body(RequestBody::Empty)
        .map_err(|_never| Rejection::Internal)?;
    let limit = cluster.service.timeout.connect;
    let answered = tokio::time::timeout(limit, lease.send(request)).await;
    let answered = answered.map_err(|_elapsed| Rejection::RequestTimeout)?;
    let mut response = answered.map_err(|_failed| Rejection::UpstreamReset)?;
    if !response.status().is_success() {
        let (service, status) = (&cluster.service.name, response.status().as_u16());
        tracing::warn!(%service, address = %pool.address, status, "the peer refuses the tunnel");
        return Err(Rejection::NotAuthorized);
    }
    let upgraded = hyper::upgrade::on(&mut response).await.map_err(|_failed| Rejection::UpstreamReset)?;
    Ok(Tunnel::Mesh(Box::new(TokioIo::new(upgraded)), lease))
}

macro_rules! either {
    ($tunnel:expr, $inner:ident => $call:expr) => {
        match $tunnel {
            Tunnel::Plain($inner) => $call,
            Tunnel::Mesh($inner, _) => $call,
        }
    };
}

impl AsyncRead for Tunnel {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), inner => Pin::new(inner).poll_read(cx, buf))
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        either!(self.get_mut(), inner => Pin::new(inner).poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), inner => Pin::new(inner).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), inner => Pin::new(inner).poll_shutdown(cx))
    }
}
