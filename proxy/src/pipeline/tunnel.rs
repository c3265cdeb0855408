//! A tunnel of the mesh to an application that speaks no HTTP: CONNECT, allowed or not, then bytes.
//!
//! The exchange is recorded when the tunnel ends. Rules see the peer and nothing else: what is inside has no path and
//! no user.

use super::Pipeline;
use super::admit::Origin;
use super::arrive::authorized;
use super::body::Body;
use super::exchange::Exchange;
use super::origin::origin;
use super::reject::{ConnectFault, Rejection};
use crate::clock;
use crate::config::ServiceId;
use crate::runtime::{self, Moved};
use crate::telemetry::outcome::Outcome;
use crate::upstream::connect;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use tokio::net::TcpStream;

impl Pipeline {
    /// Answers a CONNECT; what follows runs on a task of its own.
    pub(super) async fn tunnel(
        self: &Rc<Self>,
        mut exchange: Box<Exchange>,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, (Box<Exchange>, Rejection)> {
        let stream = match self.reach_app(&mut exchange, &request).await {
            Ok(stream) => stream,
            Err(rejection) => return Err((exchange, rejection)),
        };
        tokio::task::spawn_local(Rc::clone(self).carry(exchange, request, stream));
        Ok(Response::new(Body::of_tunnel()))
    }

    async fn reach_app(
        &self,
        exchange: &mut Exchange,
        request: &Request<Incoming>,
    ) -> Result<TcpStream, Rejection> {
        let snapshot = Rc::clone(&exchange.snapshot);
        let connection = Rc::clone(&exchange.connection);
        exchange.known.take_note_of_tunnel(request);
        exchange.load = Some(self.take_load(&snapshot.config)?);
        let origin = Origin { ..origin(&connection) };
        let allowed = authorized(&snapshot.policy, &origin, &mut exchange.known, None);
        self.count_decision(exchange);
        allowed?;
        let app = ServiceId(0);
        exchange.cluster = snapshot.clusters.get(app.0).map(Rc::clone);
        let address = self.app(exchange).ok_or(Rejection::NoEndpoint)?;
        self.enter(exchange, None, None);
        exchange.progress.borrow_mut().endpoint = Some(address);
        exchange.progress.borrow_mut().attempts = 1;
        let limit = exchange.cluster.as_ref().map_or(LONG, |cluster| cluster.service.timeout.connect);
        let made = tokio::time::timeout(limit, connect::tcp(address)).await;
        let made = made.map_err(|_elapsed| Rejection::Connect(ConnectFault::Timeout))?;
        made.map_err(|_refused| Rejection::Connect(ConnectFault::Refused))
    }

    fn app(&self, exchange: &Exchange) -> Option<SocketAddr> {
        Some(exchange.cluster.as_ref()?.service.listed().first()?.address)
    }

    async fn carry(
        self: Rc<Self>,
        mut exchange: Box<Exchange>,
        request: Request<Incoming>,
        mut app: TcpStream,
    ) {
        exchange.status = 200;
        exchange.outcome = Outcome::CLIENT_GONE;
        let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
        let idle = exchange.cluster.as_ref().map_or(LONG, |cluster| cluster.service.timeout.idle);
        let mut peer = TokioIo::new(upgraded);
        let moved = Moved::default();
        let carried = {
            let mut carried = pin!(runtime::relay(&mut peer, &mut app, idle, &self.sweep, &moved));
            poll_fn(|cx| {
                if exchange.is_cut() {
                    return Poll::Ready(None);
                }
                let _registered = exchange.timer.poll(cx).is_ready();
                carried.as_mut().poll(cx).map(Some)
            })
            .await
        };
        match carried {
            None => exchange.outcome = Rejection::NotAuthorized.outcome(),
            Some(Ok(())) => exchange.outcome = Outcome::ANSWERED,
            Some(Err(_broken)) => {}
        }
        exchange.carried(&moved);
        exchange.ended = Some(clock::now());
    }
}

/// Without a service there is no idle time; there always is one.
const LONG: std::time::Duration = std::time::Duration::from_secs(60);
