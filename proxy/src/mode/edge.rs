//! The edge: the gateway for clients outside. Life of the process, nothing else.
//!
//! ```text
//! assembled -> a member of the mesh, where it has one -> ready
//!   SIGTERM                  drain, exit 0; a second one ends at once
//!   SIGINT                   the same without the delay
//! ```

use super::assembly::{Assembly, Kind, on_signal, repeat};
use crate::admin::{LogLevel, State};
use crate::control::ControlError;
use crate::mesh::source::wait_ready;
use std::path::Path;
use std::rc::Rc;
use tokio::signal::unix::SignalKind;
use tokio::sync::Notify;

/// Runs the gateway until it has drained.
pub async fn run(path: &Path, log: LogLevel) -> Result<(), ControlError> {
    let mut assembly = Assembly::start(path, log, Kind::Edge)?;
    let control = Rc::clone(&assembly.control);
    let keeping_up = tokio::task::spawn_local(assembly.keep_up());
    let skip_delay = {
        let ready = async {
            if let Some(memberships) = &mut assembly.memberships {
                wait_ready(memberships).await;
            }
            control.lifecycle.advance(State::Ready);
            tracing::info!(workers = control.deployed().config.workers, "ready");
            std::future::pending().await
        };
        tokio::select! {
            () = on_signal(SignalKind::terminate()) => false,
            () = on_signal(SignalKind::interrupt()) => true,
            () = control.drain_asked.notified() => false,
            () = ready => false,
        }
    };
    keeping_up.abort();
    let hurry = Rc::new(Notify::new());
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let hurry = Rc::clone(&hurry);
        tokio::task::spawn_local(repeat(kind, move || hurry.notify_one()));
    }
    control.leave(skip_delay, &hurry).await;
    control.finish();
    tracing::info!("ended");
    Ok(())
}
