//! Bytes to a service that speaks no HTTP: TCP as it is, or a CONNECT tunnel over a connection of the mesh
//! (RFC 9113 §8.5).

use super::attempt;
use super::body::RequestBody;
use super::cluster::Cluster;
use super::connect;
use super::once::Failed;
use super::pool::{EndpointPool, Lease};
use super::trial::{Active, Trial};
use crate::clock;
use crate::pipeline::reject::{ConnectFault, Rejection};
use crate::resilience::bulkhead::{Permit, Staying};
use crate::resilience::retry::End;
use http::{Method, Request};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Endpoints that are asked for one connection, at the most.
const TRIES: usize = 3;

/// A way for bytes to a service; holds its place there until it is dropped.
#[derive(Debug)]
pub struct Tunnel {
    way: Way,
    /// Keeps the stream counted.
    _lease: Option<Lease>,
    _active: Active,
    _place: Option<(Staying, Permit)>,
}

#[derive(Debug)]
enum Way {
    /// TCP as it is.
    Plain(TcpStream),
    /// A stream of a connection of the mesh.
    Mesh(Box<TokioIo<Upgraded>>),
}

/// Opens one, to the first endpoint of a few that takes it.
pub async fn open(cluster: &Cluster) -> Result<Tunnel, Rejection> {
    let permit = attempt::enter(cluster).await?;
    let mut place =
        permit.zip(cluster.service.bulkhead.as_ref()).map(|(permit, rule)| (permit.stays(rule), permit));
    let mut failed = Failed::new();
    loop {
        let now = clock::now();
        let pool = cluster.pick(&failed, fastrand::u64(..), None).ok_or(Rejection::NoEndpoint)?;
        let trial = Trial::begin(Rc::clone(&pool), None, now);
        let opened = if cluster.service.mesh.is_none() {
            plain(cluster, pool.address).await
        } else {
            mesh(cluster, &pool, now).await
        };
        let end = match &opened {
            Ok(_) => Some(End::Answered { status: 200, retry_after: None, tried_behind: false }),
            Err(Rejection::Connect(_)) => Some(End::NotConnected),
            // Refused by rule: the endpoint is as well as any.
            Err(_) => None,
        };
        let active = cluster.record(trial, end.as_ref(), clock::now());
        failed.push(pool.address);
        match opened {
            Ok((way, lease)) => {
                return Ok(Tunnel { way, _lease: lease, _active: active, _place: place.take() });
            }
            Err(Rejection::Connect(_)) if failed.len() < cluster.size().min(TRIES) => {}
            Err(rejection) => return Err(rejection),
        }
    }
}

async fn plain(cluster: &Cluster, address: SocketAddr) -> Result<(Way, Option<Lease>), Rejection> {
    let made = tokio::time::timeout(cluster.service.timeout.connect, connect::tcp(address)).await;
    let stream = made.map_err(|_elapsed| ConnectFault::Timeout).and_then(|made| {
        made.map_err(|error| {
            tracing::warn!(service = %cluster.service.name, %address, %error, "cannot connect");
            ConnectFault::Refused
        })
    });
    stream.map(|stream| (Way::Plain(stream), None)).map_err(Rejection::Connect)
}

async fn mesh(
    cluster: &Cluster,
    pool: &Rc<EndpointPool>,
    now: Instant,
) -> Result<(Way, Option<Lease>), Rejection> {
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
    Ok((Way::Mesh(Box::new(TokioIo::new(upgraded))), Some(lease)))
}

macro_rules! either {
    ($tunnel:expr, $inner:ident => $call:expr) => {
        match &mut $tunnel.way {
            Way::Plain($inner) => $call,
            Way::Mesh($inner) => $call,
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
