//! Bytes to a service that speaks no HTTP: TCP as it is, or a CONNECT tunnel over a connection of the mesh
//! (RFC 9113 §8.5).

use super::attempt;
use super::body::RequestBody;
use super::cluster::Cluster;
use super::connect;
use super::once::Failed;
use super::pool::{EndpointPool, Lease, SendError};
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
    let (mut failed, mut unsent) = (Failed::new(), 0);
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
            Ok(_) => Some(answered(200)),
            Err((end, _)) => *end,
        };
        let active = cluster.record(trial, end.as_ref(), clock::now());
        match (opened, end) {
            (Ok((way, lease)), _) => {
                return Ok(Tunnel { way, _lease: lease, _active: active, _place: place.take() });
            }
            // A kept connection had ended: the endpoint is as well as any.
            (Err(_), Some(End::Unsent)) if unsent < TRIES => unsent += 1,
            (Err(_), Some(_)) if failed.len() + 1 < cluster.size().min(TRIES) => failed.push(pool.address),
            (Err((_, rejection)), _) => return Err(rejection),
        }
    }
}

/// What became of an attempt at one endpoint (`None`: refused by rule, as any would), and what is said of it.
type Fault = (Option<End>, Rejection);

const fn answered(status: u16) -> End {
    End::Answered { status, retry_after: None, tried_behind: false }
}

const fn not_connected(fault: ConnectFault) -> Fault {
    (Some(End::NotConnected), Rejection::Connect(fault))
}

const fn broken(end: End) -> Fault {
    (Some(end), Rejection::UpstreamReset)
}

async fn plain(cluster: &Cluster, address: SocketAddr) -> Result<(Way, Option<Lease>), Fault> {
    let made = tokio::time::timeout(cluster.service.timeout.connect, connect::tcp(address)).await;
    let stream = made.map_err(|_elapsed| ConnectFault::Timeout).and_then(|made| {
        made.map_err(|error| {
            tracing::warn!(service = %cluster.service.name, %address, %error, "cannot connect");
            ConnectFault::Refused
        })
    });
    stream.map(|stream| (Way::Plain(stream), None)).map_err(not_connected)
}

async fn mesh(
    cluster: &Cluster,
    pool: &Rc<EndpointPool>,
    now: Instant,
) -> Result<(Way, Option<Lease>), Fault> {
    let mut lease = pool.check_out(cluster.destination(), now, true).await.map_err(not_connected)?;
    let request = Request::builder()
        .method(Method::CONNECT)
        .uri(pool.address.to_string())
        .body(RequestBody::Empty)
        .map_err(|_never| (None, Rejection::Internal))?;
    let limit = cluster.service.timeout.connect;
    let sent = tokio::time::timeout(limit, lease.send(request)).await;
    let sent = sent.map_err(|_elapsed| (Some(End::TimedOut), Rejection::RequestTimeout))?;
    let mut response = sent.map_err(|error| match error {
        SendError::Unsent(_) => broken(End::Unsent),
        SendError::Failed(_) | SendError::NotOffered => broken(End::Reset),
    })?;
    if !response.status().is_success() {
        let (service, status) = (&cluster.service.name, response.status().as_u16());
        tracing::warn!(%service, address = %pool.address, status, "the peer refuses the tunnel");
        let is_rule = !response.status().is_server_error();
        return Err(if is_rule { (None, Rejection::NotAuthorized) } else { broken(answered(status)) });
    }
    let upgraded = hyper::upgrade::on(&mut response).await.map_err(|_failed| broken(End::Reset))?;
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
