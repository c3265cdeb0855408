//! The server of the authority: one port, TLS 1.3, HTTP/2, gRPC.
//!
//! | call | who may | limit | refused with |
//! |--|--|--|--|
//! | Bootstrap | who has a join token | 50 a second with fresh tokens; 10 with others; 1000 looked at | UNAUTHENTICATED for a bad token |
//! | Renew | who holds a certificate | 200 a second, all together; 1 in 5 s for each instance, 3 at once | PERMISSION_DENIED when revoked or unknown |
//! | WatchBundle | who holds a certificate | 2 streams for each instance | |
//! | grpc.health.v1 | everybody | | |
//!
//! Over a limit: RESOURCE_EXHAUSTED and when to come back; in trouble: UNAVAILABLE; all of it in [`status`]. Who shows a
//! certificate that is not good does not get through the handshake ([`tls`]).
//!
//! # Life of a call
//!
//! [`listener`] accepts, [`connection`] shakes hands and looks at the limits ([`admission`], [`limit`]), `service`
//! reads the call, [`core`] asks the authority on a thread that may block, [`stream`] serves who watches. Beside them
//! [`updates`] sees what changes and passes it on ([`view`]).
//!
//! Everything but the authority's own work runs on one thread. It must not decide about certificates.

mod admission;
mod connection;
mod core;
mod limit;
mod listener;
mod places;
mod service;
mod status;
mod stream;
mod tls;
mod updates;
mod view;

use crate::audit::What;
use crate::authority::{Authority, AuthorityError};
use admission::Admission;
use connection::House;
use core::{Core, CoreError};
use listener::Listener;
use places::Places;
use service::Service;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use updates::Updates;

/// A question about health is no longer.
const HEALTH_LONGEST: usize = 1024;

/// How the server is run.
#[derive(Debug)]
pub struct Options {
    /// Where it listens; port 0: any free one.
    pub bind: SocketAddr,
    /// What it lets others do.
    pub limits: Limits,
    /// Is told the address once the server answers there.
    pub ready: Option<oneshot::Sender<SocketAddr>>,
}

impl Options {
    /// Listens at `bind`, with the usual limits.
    pub fn new(bind: SocketAddr) -> Self {
        Self { bind, limits: Limits::default(), ready: None }
    }
}

/// What the server lets others do, and how often it does things itself.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bootstraps in a second, all callers together.
    pub bootstraps_per_second: u32,
    /// Calls with a join token that is not fresh, to all of which the answer is no.
    pub doubtful_per_second: u32,
    /// Renewals in a second, all callers together.
    pub renewals_per_second: u32,
    /// An instance may renew once in this time …
    pub renewal_every: Duration,
    /// … and so often at once.
    pub renewal_burst: u32,
    /// Connections, all together. Each is an open file.
    pub connections: usize,
    /// Connections that have not shown a certificate; the oldest goes when there are more.
    pub strangers: usize,
    /// Connections of one instance.
    pub connections_per_instance: usize,
    /// Watching streams of one instance.
    pub streams_per_instance: usize,
    /// How long a handshake may take.
    pub handshake: Duration,
    /// How long calls in flight may take when the server stops.
    pub drain: Duration,
    /// How often to look for changes made elsewhere.
    pub look: Duration,
    /// How often to keep house.
    pub maintenance: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bootstraps_per_second: 50,
            doubtful_per_second: 10,
            renewals_per_second: 200,
            renewal_every: Duration::from_secs(5),
            renewal_burst: 3,
            connections: 4096,
            strangers: 1024,
            connections_per_instance: 16,
            streams_per_instance: 2,
            handshake: Duration::from_secs(10),
            drain: Duration::from_secs(10),
            look: Duration::from_millis(200),
            maintenance: Duration::from_secs(60),
        }
    }
}

/// Why the server cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is not to be had.
    #[error(
        "cannot listen at {address} ({source}): does another server run there? Choose another with --bind"
    )]
    Bind {
        /// Which.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The authority cannot be used.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// Its certificate cannot be shown.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// A defect.
    #[error("the server broke down: this is a defect, please report it")]
    Broken,
}

impl From<CoreError> for ServeError {
    fn from(error: CoreError) -> Self {
        match error {
            CoreError::Authority(error) => Self::Authority(error),
            CoreError::NoTurn | CoreError::Broken => Self::Broken,
        }
    }
}

/// Serves until `shutdown` comes; then answers what is in flight, and returns.
///
/// Needs a tokio `LocalRuntime` or `LocalSet` with time and I/O. The log has `listening` with the address, then
/// `ready`.
///
/// # Errors
/// When the address is not to be had, or the authority cannot be read or sign.
pub async fn serve(
    authority: Arc<Authority>,
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let Options { bind, limits, ready } = options;
    let core = Arc::new(Core::new(authority));
    let reporter = HealthReporter::new();
    let updates = Updates::start(Arc::clone(&core), reporter.clone()).await?;
    let failed = |source| ServeError::Bind { address: bind, source };
    let socket = TcpListener::bind(bind).await.map_err(failed)?;
    let address = socket.local_addr().map_err(failed)?;
    tracing::info!(%address, "listening");
    let admission = Arc::new(Admission::new(&limits));
    let (stop, stopping) = watch::channel(false);
    let stopping = Stopping(stopping);
    let house = House {
        acceptor: tls::acceptor(updates.shown(), updates.trusted())?,
        service: service(&core, (&limits, &admission), &updates, &stopping).server(),
        health: HealthServer::new(HealthService::from_health_reporter(reporter))
            .max_decoding_message_size(HEALTH_LONGEST),
        admission: Arc::clone(&admission),
        core: Arc::clone(&core),
        trusted: updates.trusted(),
        stopping,
        members: Places::new(limits.connections_per_instance),
        limits: limits.clone(),
    };
    let mut listener = Listener::new(socket, Rc::new(house));
    let mut chores = JoinSet::new();
    chores.spawn_local(updates.run(limits.look));
    chores.spawn_local(updates::keep_house(Arc::clone(&core), Arc::clone(&admission), limits.clone()));
    note(&core, What::ServerStarted, address).await;
    tracing::info!("ready");
    if let Some(ready) = ready {
        // Nobody may want to know any more.
        let _told = ready.send(address).is_ok();
    }
    tokio::select! {
        () = shutdown => {}
        () = listener.accept() => {}
    }
    tracing::info!("stopping");
    stop.send_replace(true);
    listener.drain(limits.drain).await;
    chores.shutdown().await;
    updates::note_refused(&core, &admission).await;
    note(&core, What::ServerStopped, address).await;
    Ok(())
}

/// Tells that the server stops.
#[derive(Debug, Clone)]
struct Stopping(watch::Receiver<bool>);

impl Stopping {
    /// Returns when it does.
    async fn reached(&mut self) {
        // Who could have told is gone: that is an end too.
        let _gone = self.0.wait_for(|stopping| *stopping).await.is_err();
    }
}

fn service(
    core: &Arc<Core>,
    (limits, admission): (&Limits, &Arc<Admission>),
    updates: &Updates,
    stopping: &Stopping,
) -> Service {
    Service {
        core: Arc::clone(core),
        admission: Arc::clone(admission),
        trusted: updates.trusted(),
        streams: Places::new(limits.streams_per_instance),
        stopping: stopping.clone(),
        said: Default::default(),
    }
}

/// Notes the start or the end, and writes the audit file.
async fn note(core: &Core, what: What, address: SocketAddr) {
    let noted = async {
        core.note(what, address.to_string()).await?;
        core.flush_audit().await
    };
    if let Err(error) = noted.await {
        tracing::error!(event = "audit_failed", "{error}");
    }
}

#[cfg(test)]
mod tests;
