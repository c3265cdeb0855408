//! The control thread: everything that is not a request. Start, reload, signals, drain, admin.
//!
//! A reload is all or nothing: the new configuration is read, compiled and its sockets are opened before any
//! worker hears of it; if anything fails the old one stays and the log says why.

mod checks;
pub mod feeds;
mod gauges;
pub mod sockets;
pub mod views;
pub mod watch;

use crate::admin::{Lifecycle, ReloadRefused, State};
use crate::admission::authenticate::issuer;
use crate::admission::limit::limiter;
use crate::admission::overload::memory::{Meter, Roots};
use crate::admission::overload::watch::watch as watch_memory;
use crate::config::listener::Role;
use crate::config::overload::Memory;
use crate::config::{self, Config, Loaded, Sidecar, diagnostic};
use crate::deployment::{Deployment, ListenerKey};
use crate::drain::{Phase, Trigger};
use crate::mesh::source::{Memberships, MeshError};
use crate::telemetry::access_log::AccessLogWriter;
use crate::telemetry::metrics::{Format, Hub};
use crate::worker::{Orders, Shared};
use crate::{clock, worker};
use checks::Checks;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use watch::Look;

/// How long the access log may take to end.
const LOG_PATIENCE: Duration = Duration::from_secs(2);

/// Why the gateway did not start, or does not take a new configuration.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The file is not sound.
    #[error("{0}")]
    Config(config::Problems),
    /// It is sound, but cannot run here.
    #[error(transparent)]
    Deploy(#[from] crate::deployment::DeployError),
    /// A listener.
    #[error(transparent)]
    Bind(#[from] sockets::BindError),
    /// The admin or metrics listener.
    #[error("{source}{}", cause(source))]
    Admin {
        /// What the listener says.
        #[from]
        source: crate::admin::BindError,
    },
    /// The access log.
    #[error("cannot open the access log: {0}")]
    AccessLog(std::io::Error),
    /// No thread or runtime to be had.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
    /// The process is about to end.
    #[error("the process is draining and takes no new configuration")]
    Draining,
    /// The mesh.
    #[error(transparent)]
    Mesh(#[from] MeshError),
    /// A file of the other mode.
    #[error("{} is the configuration of a {mode}: start it with `portcullis {mode} --config {}`", .file.display(), .file.display())]
    OtherMode {
        /// The file.
        file: PathBuf,
        /// What it is for: `edge` or `sidecar`.
        mode: &'static str,
    },
    /// Something that only a restart can change.
    #[error("`{key}:` cannot change while running; restart to apply it")]
    NeedsRestart {
        /// The key of the file.
        key: &'static str,
    },
}

/// `: ` and what is behind an error; nothing when there is nothing.
fn cause(error: &dyn std::error::Error) -> String {
    error.source().map(|source| format!(": {source}")).unwrap_or_default()
}

/// The running process, as the control thread holds it.
pub struct Control {
    path: PathBuf,
    /// Where the process stands.
    pub lifecycle: Arc<Lifecycle>,
    /// Where counters are read.
    pub hub: Arc<Hub>,
    shared: Shared,
    /// The drain of the workers.
    pub drain: Trigger,
    /// Told when somebody asks for a drain other than by signal.
    pub drain_asked: Notify,
    deployed: RefCell<Arc<Deployment>>,
    /// Reloads tried so far.
    pub reloads: Cell<u64>,
    /// How the files looked when they were last read.
    pub looked: RefCell<Look>,
    addresses: RefCell<HashMap<ListenerKey, SocketAddr>>,
    access_log: RefCell<Option<AccessLogWriter>>,
    /// The ladder of memory in force.
    memory: Rc<Cell<Option<Memory>>>,
    /// Checks of endpoints that go on.
    checks: RefCell<Checks>,
    workers: Vec<(UnboundedSender<Orders>, JoinHandle<()>)>,
}

/// Reads a file, and looks at all files it names; its warnings go to the log.
pub fn load(path: &Path) -> Result<(Config, Look), ControlError> {
    let Loaded { config, warnings } = config::load(path).map_err(ControlError::Config)?;
    // Now, and not when everything runs: what changes meanwhile would never be seen.
    let look = Look::at(&config.files);
    if !warnings.is_empty() {
        tracing::warn!("the configuration has warnings\n{}", diagnostic::render(&warnings));
    }
    Ok((config, look))
}

impl Control {
    /// Opens the listeners and starts the workers.
    pub fn start(
        path: &Path,
        (config, look): (Config, Look),
        hub: Arc<Hub>,
        ((drain, watcher), membership): ((Trigger, crate::drain::Watcher), Memberships),
    ) -> Result<Self, ControlError> {
        let (feeds, watching) = feeds::feeds(&config, None);
        let deployment = Arc::new(Deployment::new(config, feeds, None)?);
        let shared = Shared {
            hub: Arc::clone(&hub),
            book: Arc::default(),
            in_flight: Arc::default(),
            left: Arc::default(),
            limits: Arc::new(limiter::Shared::new(&worker::secret())),
            gauge: Arc::default(),
            tried: Arc::default(),
            membership,
            drain: watcher,
        };
        let mut control = Self {
            path: path.to_owned(),
            lifecycle: Arc::default(),
            hub,
            shared,
            drain,
            drain_asked: Notify::new(),
            deployed: RefCell::new(Arc::clone(&deployment)),
            reloads: Cell::new(0),
            looked: RefCell::new(look),
            addresses: RefCell::default(),
            access_log: RefCell::default(),
            memory: Rc::default(),
            checks: RefCell::default(),
            workers: Vec::new(),
        };
        *control.access_log.borrow_mut() = control.open_log(&deployment.config)?;
        let mut sockets = control.open_sockets(&deployment, deployment.config.workers)?;
        for index in 0..deployment.config.workers {
            let orders = control.orders(&deployment, sockets.pop().unwrap_or_default());
            control.workers.push(spawn(index, orders, control.shared.clone())?);
        }
        control.announce(&deployment);
        watching.into_iter().for_each(|watch| drop(tokio::task::spawn_local(watch)));
        control.keep(&deployment, None);
        let (gauge, memory) = (Arc::clone(&control.shared.gauge), Rc::clone(&control.memory));
        let meter = Meter::find(Roots::of_linux());
        tokio::task::spawn_local(async move { watch_memory(gauge, meter, || memory.get()).await });
        Ok(control)
    }

    /// The deployment in force.
    pub fn deployed(&self) -> Arc<Deployment> {
        Arc::clone(&self.deployed.borrow())
    }

    /// The real address of a listener.
    pub fn address(&self, key: ListenerKey) -> Option<SocketAddr> {
        self.addresses.borrow().get(&key).copied()
    }

    /// Reads the file again and takes it over, or leaves everything as it is.
    pub fn reload(&self) -> Result<(), ControlError> {
        let before = Look::at(&self.deployed().config.files);
        let result = self.try_reload();
        if result.is_err() {
            // What was refused is known too: it is read again when it changes again.
            *self.looked.borrow_mut() = before;
        }
        self.reloads.set(self.reloads.get() + 1);
        self.hub.reload_ended(result.is_ok(), clock::wall());
        match &result {
            Ok(()) => tracing::info!(file = %self.path.display(), "reloaded"),
            Err(error) => tracing::error!("the new configuration was refused, the old one stays: {error}"),
        }
        result
    }

    fn try_reload(&self) -> Result<(), ControlError> {
        if self.lifecycle.state() == State::Draining {
            return Err(ControlError::Draining);
        }
        let before = self.deployed();
        let (config, look) = load(&self.path)?;
        if config.workers != before.config.workers {
            return Err(ControlError::NeedsRestart { key: "workers" });
        }
        let admin =
            |config: &Config| config.admin.as_ref().map(|admin| (admin.bind.clone(), admin.token.clone()));
        if admin(&config) != admin(&before.config) {
            return Err(ControlError::NeedsRestart { key: "admin" });
        }
        if config.observe.metrics != before.config.observe.metrics {
            return Err(ControlError::NeedsRestart { key: "observe.metrics" });
        }
        if config.mesh != before.config.mesh {
            return Err(ControlError::NeedsRestart { key: "mesh" });
        }
        if config.sidecar.as_ref().map(Sidecar::fixed) != before.config.sidecar.as_ref().map(Sidecar::fixed) {
            return Err(ControlError::NeedsRestart { key: "workload` or `ready" });
        }
        let captures = |config: &Config| config.listeners.iter().any(|one| one.role == Role::Captured);
        if captures(&config) != captures(&before.config) {
            return Err(ControlError::NeedsRestart { key: "outbound.capture" });
        }
        let (feeds, watching) = feeds::feeds(&config, Some(&before));
        let deployment = Arc::new(Deployment::new(config, feeds, Some(&before))?);
        let log = if deployment.config.observe.access_log == before.config.observe.access_log {
            None
        } else {
            Some(self.open_log(&deployment.config)?)
        };
        // Last, because it takes note of what it opened.
        let mut sockets = self.open_sockets(&deployment, self.workers.len())?;
        // From here on nothing can fail.
        let retired = log.and_then(|log| self.access_log.replace(log));
        for (orders, _) in &self.workers {
            // A worker that is gone has ended with the drain.
            let _gone = orders.send(self.orders(&deployment, sockets.pop().unwrap_or_default())).is_err();
        }
        self.addresses.borrow_mut().retain(|key, _| deployment.listeners.iter().any(|plan| plan.key == *key));
        self.announce(&deployment);
        watching.into_iter().for_each(|watch| drop(tokio::task::spawn_local(watch)));
        self.keep(&deployment, Some(&before));
        *self.looked.borrow_mut() = look;
        *self.deployed.borrow_mut() = deployment;
        if let Some(log) = retired {
            tokio::task::spawn_local(async move {
                // The workers hand over their last lines for it when they obey.
                tokio::time::sleep(Duration::from_secs(1)).await;
                retire(log);
            });
        }
        Ok(())
    }

    /// Everything that is counted, as it is now.
    pub fn metrics(&self, format: Format) -> String {
        gauges::gather(&self.deployed(), &self.shared.book, &self.hub);
        self.hub.render(format)
    }

    /// Opens the access log's file again (SIGUSR1, after logrotate).
    pub fn reopen_log(&self) {
        if let Some(log) = self.access_log.borrow().as_ref() {
            log.handle().reopen();
        }
    }

    fn open_log(&self, config: &Config) -> Result<Option<AccessLogWriter>, ControlError> {
        let Some(settings) = &config.observe.access_log else { return Ok(None) };
        AccessLogWriter::start(settings, self.hub.access_log_drops())
            .map(Some)
            .map_err(ControlError::AccessLog)
    }

    /// Sockets of listeners that are not open yet: a set for each worker.
    fn open_sockets(
        &self,
        deployment: &Deployment,
        workers: usize,
    ) -> Result<Vec<Vec<(ListenerKey, TcpListener)>>, ControlError> {
        let mut sets: Vec<Vec<_>> = (0..workers).map(|_| Vec::new()).collect();
        let mut opened = Vec::new();
        for plan in &deployment.listeners {
            if self.addresses.borrow().contains_key(&plan.key) {
                continue;
            }
            let sockets = sockets::bind(plan.listener.bind, workers)?;
            let address = sockets.first().and_then(|socket| socket.local_addr().ok());
            opened.push((plan.key, address.unwrap_or(plan.listener.bind)));
            sets.iter_mut().zip(sockets).for_each(|(set, socket)| set.push((plan.key, socket)));
        }
        self.addresses.borrow_mut().extend(opened);
        Ok(sets)
    }

    fn orders(&self, deployment: &Arc<Deployment>, sockets: Vec<(ListenerKey, TcpListener)>) -> Orders {
        let access_log = self.access_log.borrow().as_ref().map(AccessLogWriter::handle);
        Orders { deployment: Arc::clone(deployment), sockets, access_log }
    }

    /// Keeps fetching the keys of issuers that `before` had not, and watches memory.
    fn keep(&self, deployment: &Deployment, before: Option<&Deployment>) {
        self.checks.borrow_mut().keep(deployment, &self.shared);
        self.memory.set(deployment.config.overload.memory);
        for store in deployment.issuers.iter().flatten() {
            let mut kept = before.iter().flat_map(|before| before.issuers.iter().flatten());
            if !kept.any(|other| Arc::ptr_eq(other, store)) {
                // Ends by itself with the last configuration that has this issuer.
                tokio::task::spawn_local(issuer::keep(Arc::downgrade(store)));
            }
        }
    }

    fn announce(&self, deployment: &Deployment) {
        for (index, plan) in deployment.listeners.iter().enumerate() {
            let address = self.address(plan.key).unwrap_or(plan.listener.bind);
            tracing::info!(listener = index, %address, tls = plan.tls.is_some(), "listening");
        }
    }

    /// Ends the workers: not ready, then no new connections, then nobody waits any more.
    pub async fn leave(&self, skip_delay: bool, hurry: &Notify) {
        let drain = self.deployed().config.drain;
        self.lifecycle.advance(State::Draining);
        self.drain.advance(Phase::Leaving);
        let delay = if skip_delay { Duration::ZERO } else { drain.delay };
        tracing::info!(?delay, timeout = ?drain.timeout, "draining; a second signal ends at once");
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = hurry.notified() => {
                tracing::warn!("told to end at once: exchanges in flight are cut");
                self.drain.advance(Phase::Over);
            }
        }
        self.drain.advance(Phase::Last);
        tokio::select! {
            () = self.workers_ended() => return,
            () = tokio::time::sleep(drain.timeout) => tracing::warn!("exchanges were cut: the drain took too long"),
            () = hurry.notified() => tracing::warn!("exchanges were cut: told to end at once"),
        }
        self.drain.advance(Phase::Over);
        self.workers_ended().await;
    }

    /// Ends whatever still runs.
    pub async fn end(&self) {
        self.drain.advance(Phase::Over);
        self.workers_ended().await;
    }

    /// Whether every worker's clients and peers have gone.
    pub fn inbound_left(&self) -> bool {
        self.shared.left.load(Ordering::Relaxed) >= self.workers.len()
    }

    async fn workers_ended(&self) {
        while !self.workers.iter().all(|(_, thread)| thread.is_finished()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Writes what is left of the access log.
    pub fn finish(&self) {
        if let Some(log) = self.access_log.borrow_mut().take() {
            retire(log);
        }
    }

    /// A reload as the admin listener asks for it.
    pub fn reload_for_admin(&self) -> Result<(), ReloadRefused> {
        self.reload().map_err(|error| match error {
            ControlError::Config(problems) => {
                ReloadRefused { diagnostics: problems.0.iter().map(ToString::to_string).collect() }
            }
            other => ReloadRefused { diagnostics: vec![other.to_string()] },
        })
    }
}

fn retire(log: AccessLogWriter) {
    if log.shutdown(LOG_PATIENCE).is_err() {
        tracing::warn!("the access log could not be written to its end");
    }
}

fn spawn(
    index: usize,
    first: Orders,
    shared: Shared,
) -> Result<(UnboundedSender<Orders>, JoinHandle<()>), ControlError> {
    let (sender, orders) = unbounded_channel();
    let runtime = move || {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default());
        match runtime {
            Ok(runtime) => runtime.block_on(worker::run(first, orders, shared)),
            Err(error) => tracing::error!(%error, "a worker has no runtime"),
        }
    };
    let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(runtime);
    Ok((sender, thread.map_err(ControlError::Thread)?))
}
