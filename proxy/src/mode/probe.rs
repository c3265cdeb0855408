//! Asks the application whether it is well, on the control thread.
//!
//! | `health:` | is well when | asked |
//! |--|--|--|
//! | with a path | `GET path` answers 2xx in time | every interval, for ever; four times a second while it is not |
//! | without a path | it takes a connection in time | the same |
//! | none | it has taken a connection once | four times a second, until then |
//!
//! What follows from the answers is `pulse`. A redirect is no 2xx: where it leads might be anybody's. Must not know: requests.

use super::ask::{self, AskError, Question};
use super::pulse::Pulse;
use crate::config::service::Protocol;
use crate::config::sidecar::{Health, Workload};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

/// Between two attempts to connect when no `health:` is set.
const EAGER: Duration = Duration::from_millis(250);
/// How long such an attempt may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whether the application is well, and the work that finds out; to be spawned on the control thread.
///
/// The value is `false` at first. The work ends when nobody holds the receiver any more.
pub fn watch(workload: &Workload) -> (watch::Receiver<bool>, impl Future<Output = ()> + use<>) {
    let (sender, receiver) = watch::channel(false);
    let workload = workload.clone();
    let work = async move {
        tokio::select! {
            () = sender.closed() => {}
            () = probe(&workload, &sender) => {}
        }
    };
    (receiver, work)
}

async fn probe(workload: &Workload, sender: &watch::Sender<bool>) {
    let assumed = Health { path: None, interval: EAGER, timeout: PATIENCE };
    let health = workload.health.as_ref().unwrap_or(&assumed);
    let mut pulse = Pulse::default();
    loop {
        let answer = ask_once(workload, health).await;
        let next = pulse.after(answer.is_ok());
        publish(pulse, next, answer.err(), sender);
        pulse = next;
        if workload.health.is_none() && pulse.healthy() {
            // From now on it is taken to be well; whoever wants more sets `health:`.
            return sender.closed().await;
        }
        // At the start it is waited for: asking too early must not cost a whole interval.
        let pause = if pulse.healthy() { health.interval } else { health.interval.min(EAGER) };
        sleep(pause).await;
    }
}

fn publish(before: Pulse, now: Pulse, fault: Option<NotWell>, sender: &watch::Sender<bool>) {
    if let Some(fault) = fault {
        tracing::debug!(%fault, "the application is not well");
        if before.healthy() && !now.healthy() {
            tracing::warn!(%fault, "the application is sick");
        }
    } else if !before.healthy() {
        tracing::info!("the application answers");
    }
    sender.send_if_modified(|well| std::mem::replace(well, now.healthy()) != now.healthy());
}

/// Why the application is not well.
#[derive(Debug, thiserror::Error)]
enum NotWell {
    #[error(transparent)]
    Silent(#[from] AskError),
    #[error("it answered {0}")]
    Status(http::StatusCode),
}

async fn ask_once(workload: &Workload, health: &Health) -> Result<(), NotWell> {
    let (address, patience) = (workload.app, health.timeout);
    let Some(path) = &health.path else {
        drop(ask::connect(address, patience).await?);
        return Ok(());
    };
    let h2 = workload.protocol == Protocol::H2;
    let status = ask::status(Question { address, path, h2, patience }).await?;
    if status.is_success() { Ok(()) } else { Err(NotWell::Status(status)) }
}

#[cfg(test)]
#[path = "probe_tests.rs"]
mod tests;
