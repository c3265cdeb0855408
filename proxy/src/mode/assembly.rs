//! What every mode is made of: the file, the mesh, workers, admin and metrics, reload.
//!
//! ```text
//! read the file -> join the mesh -> listeners and workers -> admin and metrics
//!   SIGHUP, a changed file   reload, all or nothing
//!   SIGUSR1                  open the access log again
//! ```

use crate::admin::{self, AdminListener, LogLevel};
use crate::capture;
use crate::clock;
use crate::config::listener::Role;
use crate::config::{AdminBind, Config};
use crate::control::watch::{self, Look, Settling};
use crate::control::{Control, ControlError, load, views};
use crate::drain;
use crate::mesh::source::{self, Memberships, Running};
use crate::telemetry::metrics::{BuildInfo, Hub};
use std::future::{Future, pending};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch as channel;

/// The kinds of process there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// For clients outside.
    Edge,
    /// Beside one service.
    Sidecar,
}

impl Kind {
    /// The word used everywhere.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Edge => "edge",
            Self::Sidecar => "sidecar",
        }
    }

    const fn of(config: &Config) -> Self {
        if config.sidecar.is_some() { Self::Sidecar } else { Self::Edge }
    }
}

/// A process that serves.
pub struct Assembly {
    /// Workers and what is told to them.
    pub control: Rc<Control>,
    /// Who we are in the mesh, as it changes; `None` without `mesh:`.
    pub memberships: Option<Memberships>,
    /// Keeps the identity good for as long as it is held.
    _identity: Option<Running>,
}

impl Assembly {
    /// Starts everything a file says. The process is not ready yet.
    pub fn start(path: &Path, log: LogLevel, kind: Kind) -> Result<Self, ControlError> {
        let (config, look) = load(path)?;
        let found = Kind::of(&config);
        if found != kind {
            return Err(ControlError::OtherMode { file: path.to_owned(), mode: found.word() });
        }
        let hub = Hub::new(BuildInfo { version: env!("CARGO_PKG_VERSION"), rustc: "" }, clock::wall());
        let admin = config.admin.as_ref().map(|admin| AdminListener::bind(&admin.bind)).transpose()?;
        let metrics =
            config.observe.metrics.map(|bind| AdminListener::bind(&AdminBind::Tcp(bind))).transpose()?;
        if config.listeners.iter().any(|listener| listener.role == Role::Captured) {
            // Before anything connects.
            capture::capturing();
            portcullis_ca::client::prepare_sockets(|socket| capture::exempt(&socket));
        }
        let identity = config.mesh.as_ref().map(source::start).transpose()?;
        let memberships = identity.as_ref().map(Running::memberships);
        if let Some(memberships) = memberships.clone() {
            tokio::task::spawn_local(show(memberships, Arc::clone(&hub)));
        }
        let known = memberships.clone().unwrap_or_else(|| channel::channel(None).1);
        let control = Rc::new(Control::start(path, (config, look), hub, (drain::channel(), known))?);
        if let Some(listener) = admin {
            tracing::info!(address = %listener.address(), "listening admin");
            tokio::task::spawn_local(admin::serve(listener, views::admin(&control, log), pending()));
        }
        if let Some(listener) = metrics {
            tracing::info!(address = %listener.address(), "listening metrics");
            tokio::task::spawn_local(admin::serve_metrics(listener, views::scrape(&control), pending()));
        }
        Ok(Self { control, memberships, _identity: identity })
    }

    /// Follows SIGHUP, SIGUSR1 and the file, until dropped.
    pub fn keep_up(&self) -> impl Future<Output = ()> + use<> {
        let (reload, reopen, watching) =
            (Rc::clone(&self.control), Rc::clone(&self.control), Rc::clone(&self.control));
        let on_hangup = repeat(SignalKind::hangup(), move || drop(reload.reload()));
        let on_usr1 = repeat(SignalKind::user_defined1(), move || reopen.reopen_log());
        async move {
            tokio::join!(on_hangup, on_usr1, reload_on_change(watching));
        }
    }
}

/// Keeps the gauges of the mesh.
async fn show(mut memberships: Memberships, hub: Arc<Hub>) {
    loop {
        if let Some(membership) = memberships.borrow_and_update().clone() {
            hub.membership(&membership.facts());
        }
        if memberships.changed().await.is_err() {
            return;
        }
    }
}

/// Waits for one signal of a kind.
pub async fn on_signal(kind: SignalKind) {
    match signal(kind) {
        Ok(mut stream) => drop(stream.recv().await),
        Err(_) => pending().await,
    }
}

/// Does something at every signal of a kind.
pub fn repeat(kind: SignalKind, mut act: impl FnMut()) -> impl Future<Output = ()> {
    // Registered at once: a signal that comes before the first poll must not end the process.
    let stream = signal(kind);
    async move {
        let Ok(mut stream) = stream else { return pending().await };
        while stream.recv().await.is_some() {
            act();
        }
    }
}

async fn reload_on_change(control: Rc<Control>) {
    let mut settling = Settling::new(control.looked.borrow().clone());
    let mut reloads = control.reloads.get();
    loop {
        tokio::time::sleep(watch::INTERVAL).await;
        if settling.settled(Look::at(&control.deployed().config.files)) {
            // A refusal has been logged; the files are looked at again when they change again.
            let _refused = control.reload().is_err();
        }
        // After any reload, by whomever, there may be other files, and what they hold now is known.
        if std::mem::replace(&mut reloads, control.reloads.get()) != reloads {
            settling = Settling::new(control.looked.borrow().clone());
        }
    }
}
