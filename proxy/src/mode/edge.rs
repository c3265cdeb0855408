//! The edge: the gateway for clients outside. Assembly and life of the process, nothing else.
//!
//! ```text
//! read the file -> listeners and workers -> admin and metrics -> ready
//!   SIGHUP, a changed file   reload, all or nothing
//!   SIGUSR1                  open the access log again
//!   SIGTERM                  drain, exit 0; a second one ends at once
//!   SIGINT                   the same without the delay
//! ```

use crate::admin::{self, AdminListener, State};
use crate::config::AdminBind;
use crate::control::watch::{self, Look, Settling};
use crate::control::{Control, ControlError, load, views};
use crate::drain;
use crate::telemetry::metrics::{BuildInfo, Hub};
use crate::{admin::LogLevel, clock};
use std::future::{Future, pending};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

/// Runs the gateway until it has drained.
pub async fn run(path: &Path, log: LogLevel) -> Result<(), ControlError> {
    let config = load(path)?;
    let hub = Hub::new(BuildInfo { version: env!("CARGO_PKG_VERSION"), rustc: "" }, clock::wall());
    let admin = config.admin.as_ref().map(|admin| AdminListener::bind(&admin.bind)).transpose()?;
    let metrics =
        config.observe.metrics.map(|bind| AdminListener::bind(&AdminBind::Tcp(bind))).transpose()?;
    let control = Rc::new(Control::start(path, config, Arc::clone(&hub), drain::channel())?);
    if let Some(listener) = admin {
        tracing::info!(address = %listener.address(), "listening admin");
        tokio::task::spawn_local(admin::serve(listener, views::admin(&control, log), pending()));
    }
    if let Some(listener) = metrics {
        tracing::info!(address = %listener.address(), "listening metrics");
        tokio::task::spawn_local(admin::serve_metrics(listener, hub, pending()));
    }
    control.lifecycle.advance(State::Ready);
    tracing::info!(workers = control.deployed().config.workers, "ready");
    serve(&control).await;
    control.finish();
    tracing::info!("ended");
    Ok(())
}

/// Reloads when told to, until told to end; then drains.
async fn serve(control: &Rc<Control>) {
    let watching = tokio::task::spawn_local(reload_on_change(Rc::clone(control)));
    let told = async {
        tokio::select! {
            () = on_signal(SignalKind::terminate()) => false,
            () = on_signal(SignalKind::interrupt()) => true,
            () = control.drain_asked.notified() => false,
        }
    };
    let on_hangup = repeat(SignalKind::hangup(), || drop(control.reload()));
    let on_usr1 = repeat(SignalKind::user_defined1(), || control.reopen_log());
    let skip_delay = tokio::select! {
        skip_delay = told => skip_delay,
        () = async { tokio::join!(on_hangup, on_usr1); } => false,
    };
    watching.abort();
    let hurry = Rc::new(Notify::new());
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let hurry = Rc::clone(&hurry);
        tokio::task::spawn_local(repeat(kind, move || hurry.notify_one()));
    }
    control.leave(skip_delay, &hurry).await;
}

async fn on_signal(kind: SignalKind) {
    match signal(kind) {
        Ok(mut stream) => drop(stream.recv().await),
        Err(_) => pending().await,
    }
}

fn repeat(kind: SignalKind, mut act: impl FnMut()) -> impl Future<Output = ()> {
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
    let mut settling = Settling::new(Look::at(&control.deployed().config.files));
    let mut reloads = control.reloads.get();
    loop {
        tokio::time::sleep(watch::INTERVAL).await;
        if settling.settled(Look::at(&control.deployed().config.files)) {
            // A refusal has been logged; the files are looked at again when they change again.
            let _refused = control.reload().is_err();
        }
        // After any reload, by whomever, there may be other files, and what they hold now is known.
        if std::mem::replace(&mut reloads, control.reloads.get()) != reloads {
            settling = Settling::new(Look::at(&control.deployed().config.files));
        }
    }
}
