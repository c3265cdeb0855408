//! Accepts and serves: few connections, short heads, small bodies, nothing that stays for ever.

use super::bind::{AdminListener, Reach, Stream};
use super::context::{AdminContext, Scrape, Site};
use super::endpoints;
use super::reply::{Problem, Reply};
use http_body_util::{BodyExt, Limited};
use hyper::Request;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// What a client may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Connections at once; the next ones wait in the kernel.
    pub(super) connections: usize,
    /// For the head of a request; an idle connection is closed after this time too.
    pub(super) header: Duration,
    /// For the body of a request.
    pub(super) body: Duration,
    /// A connection is asked to end after this, so that nobody holds a place for ever.
    pub(super) lifetime: Duration,
    /// What is going on may then go on for this long.
    pub(super) grace: Duration,
}

pub(super) const LIMITS: Limits = Limits {
    connections: 64,
    header: Duration::from_secs(5),
    body: Duration::from_secs(5),
    lifetime: Duration::from_secs(60),
    grace: Duration::from_secs(5),
};

/// Bytes of the body of a request.
const BODY_SIZE: usize = 4 << 10;
/// Buffer of a connection: bounds the head.
const BUFFER: usize = 16 << 10;
/// Pause after a failed accept, for lack of file descriptors say.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves the admin pages until `stop`; then lets answers in flight end, at most 5 s.
///
/// To be run inside a `LocalRuntime` or a `LocalSet`, on the control thread.
pub async fn serve(listener: AdminListener, context: Rc<AdminContext>, stop: impl Future<Output = ()>) {
    run(listener, Site::Admin(context), LIMITS, stop).await;
}

/// Serves `GET /metrics` and nothing else until `stop`: the listener of `observe.metrics`.
pub async fn serve_metrics(listener: AdminListener, scrape: Scrape, stop: impl Future<Output = ()>) {
    run(listener, Site::Metrics(scrape), LIMITS, stop).await;
}

pub(super) async fn run(listener: AdminListener, site: Site, limits: Limits, stop: impl Future<Output = ()>) {
    let client = |stream| Client { stream, site: site.clone(), reach: listener.reach(), limits };
    let (stopping, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            // Also reaps: without it ended connections would count for ever.
            Some(_ended) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < limits.connections => match accepted {
                Ok(stream) => {
                    connections.spawn_local(client(stream).serve(stopped.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "admin listener cannot accept");
                    sleep(PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    stopping.send_replace(true);
    // What has not ended by itself then is cut when the set is dropped.
    let _late = timeout(limits.grace, async { while connections.join_next().await.is_some() {} }).await;
}

/// One connection.
struct Client {
    stream: Box<dyn Stream>,
    site: Site,
    reach: Reach,
    limits: Limits,
}

impl Client {
    async fn serve(self, mut stopped: watch::Receiver<bool>) {
        let Self { stream, site, reach, limits } = self;
        let service = service_fn(|request| {
            let site = site.clone();
            async move { Ok::<_, Infallible>(exchange(&site, reach, limits.body, request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header)
            .max_buf_size(BUFFER)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        tokio::select! {
            ended = &mut connection => return log(ended),
            _ = stopped.wait_for(|stopped| *stopped) => {}
            () = sleep(limits.lifetime) => {}
        }
        connection.as_mut().graceful_shutdown();
        if let Ok(ended) = timeout(limits.grace, connection).await {
            log(ended);
        }
    }
}

fn log(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "admin connection ended");
    }
}

async fn exchange(site: &Site, reach: Reach, patience: Duration, request: Request<Incoming>) -> Reply {
    let (parts, body) = request.into_parts();
    match read_away(body, patience).await {
        Ok(()) => endpoints::answer(site, reach, &parts).await,
        Err(problem) => {
            let mut reply = problem.reply();
            // The rest of the body is still on its way: the connection cannot be used again.
            reply.headers_mut().insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
            reply
        }
    }
}

/// No page reads a body; it must be small and come in time all the same.
async fn read_away(body: Incoming, patience: Duration) -> Result<(), Problem> {
    if body.is_end_stream() {
        return Ok(());
    }
    match timeout(patience, Limited::new(body, BODY_SIZE).collect()).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) => Err(Problem::BodyTooLarge),
        Err(_) => Err(Problem::BodyTimeout),
    }
}
