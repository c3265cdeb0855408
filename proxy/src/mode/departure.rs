//! Lives until the sidecar has ended: brings signals, timers and the child's end to `farewell`, and does what it says.
//!
//! Must not know what inbound and outbound are made of: that is behind [`Hands`].

use super::child::Child;
use super::farewell::{Action, Event, Farewell, Timer};
use crate::config::Drain;
use std::future::pending;
use std::io;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// How often idleness is looked at, while it matters.
const LOOK: Duration = Duration::from_millis(10);

/// What the process can do to itself. Called on the control thread; none of it waits.
pub trait Hands {
    /// `/ready` says no from now on; everything else goes on.
    fn not_ready(&self);
    /// Inbound shuts its listener, says GOAWAY, finishes what is in flight.
    fn inbound_away(&self);
    /// Outbound and the local ports do the same.
    fn outbound_away(&self);
    /// Whatever is open is closed.
    fn cut(&self);
    /// Inbound went away, and nothing is in flight there.
    fn inbound_idle(&self) -> bool;
    /// Nothing is in flight on any listener.
    fn all_idle(&self) -> bool;
    /// `drain:` of the configuration in force.
    fn drain(&self) -> Drain;
}

/// Somebody tells us to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Without waiting for others to look away.
    pub skip_delay: bool,
}

/// Listens for SIGTERM (with the delay) and SIGINT (without), from now on. The sender is for whoever else may tell us.
///
/// # Errors
/// When a signal cannot be listened for.
pub fn told() -> io::Result<(UnboundedSender<Told>, UnboundedReceiver<Told>)> {
    let (sender, receiver) = unbounded_channel();
    for (kind, skip_delay) in [(SignalKind::terminate(), false), (SignalKind::interrupt(), true)] {
        tokio::task::spawn_local(repeat(signal(kind)?, sender.clone(), Told { skip_delay }));
    }
    Ok((sender, receiver))
}

async fn repeat(mut signals: Signal, sender: UnboundedSender<Told>, told: Told) {
    while signals.recv().await.is_some() && sender.send(told).is_ok() {}
}

/// Serves until told to end or until the child ends, then leaves in order. The exit code.
pub async fn run(hands: &impl Hands, child: Option<&Child>, told: &mut UnboundedReceiver<Told>) -> u8 {
    let mut farewell = Farewell::new(child.is_some());
    let mut timers = JoinSet::new();
    let mut child_is_up = child.is_some();
    loop {
        let event = tokio::select! {
            Some(told) = told.recv() => Event::Told { skip_delay: told.skip_delay },
            code = ended(child), if child_is_up => {
                child_is_up = false;
                Event::ChildEnded(code)
            }
            Some(Ok(timer)) = timers.join_next() => Event::Due(timer),
            event = idle(hands, &farewell) => event,
        };
        tracing::debug!(?event, "farewell");
        for action in farewell.on(event) {
            if let Some(code) = act(action, hands, child, &mut timers) {
                return code;
            }
        }
    }
}

async fn ended(child: Option<&Child>) -> u8 {
    let Some(child) = child else { return pending().await };
    let ended = child.ended().await;
    tracing::info!(code = ended.code(), "the application {ended}");
    ended.code()
}

/// Returns with what is idle, where that matters.
async fn idle(hands: &impl Hands, farewell: &Farewell) -> Event {
    if !farewell.looks_for_idleness() {
        return pending().await;
    }
    loop {
        if hands.all_idle() {
            return Event::AllIdle;
        }
        if farewell.looks_for_inbound() && hands.inbound_idle() {
            return Event::InboundIdle;
        }
        sleep(LOOK).await;
    }
}

/// Does it; the exit code when that was the last.
fn act(action: Action, hands: &impl Hands, child: Option<&Child>, timers: &mut JoinSet<Timer>) -> Option<u8> {
    match action {
        Action::NotReady => {
            let drain = hands.drain();
            tracing::info!(delay = ?drain.delay, timeout = ?drain.timeout, "draining; a second signal ends at once");
            hands.not_ready();
        }
        Action::Start(timer) => {
            let length = timer.length(&hands.drain());
            timers.spawn_local(async move {
                sleep(length).await;
                timer
            });
        }
        Action::InboundAway => hands.inbound_away(),
        Action::TellChild => {
            tracing::info!("the application is told to end");
            child.into_iter().for_each(Child::terminate);
        }
        Action::KillChild => {
            tracing::warn!("the application is killed");
            child.into_iter().for_each(Child::kill);
        }
        Action::OutboundAway => hands.outbound_away(),
        Action::Cut => {
            tracing::warn!("exchanges in flight are cut");
            hands.cut();
        }
        Action::Exit(code) => return Some(code),
    }
    None
}

#[cfg(test)]
#[path = "departure_tests.rs"]
mod tests;
