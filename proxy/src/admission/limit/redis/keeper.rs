//! Keeps the connection of a store: connects, says every few seconds that this process is there, tries a store that
//! failed, and connects anew. Runs beside the requests and never in their time.
//!
//! | link | event | next |
//! |--|--|--|
//! | idle | the first question | connecting |
//! | connecting | connected, and the store has taken a write | up |
//! | connecting | anything else | down |
//! | up | it broke, or leads to who takes no writes or refuses us | down |
//! | up | nothing was answered for a second while the breaker is open | down |
//! | down | after a pause: up to 50 ms, 100 ms, … 5 s, drawn evenly | connecting, still down to requests |
//!
//! A probe of the breaker and a test of a new connection are the announcement of this process: a write, as questions
//! are, so that a replica, a full memory or a rule against writing is noticed.

use super::breaker::pause;
use super::client::{CONNECT, Link};
use super::{Inner, Phase, StoreError, instances};
use crate::clock;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// The longest first pause before connecting again.
const FIRST: Duration = Duration::from_millis(50);
/// How long a connection may be silent before another is tried.
const SILENCE: Duration = Duration::from_secs(1);

/// Runs until dropped.
pub(super) async fn keep(inner: Rc<Inner>) {
    let mut failed = 0;
    loop {
        match connect(&inner).await {
            Ok(link) => {
                failed = 0;
                inner.up(link.clone());
                let why = watch(&inner, link).await;
                inner.down(&why, "");
            }
            Err((error, words)) => {
                inner.down(&error, &words);
                failed += 1;
            }
        }
        tokio::time::sleep(pause(FIRST, failed, fastrand::u32(..))).await;
    }
}

async fn connect(inner: &Inner) -> Result<Link, (StoreError, String)> {
    let mut link = inner.connector.connect().await?;
    match announce(inner, &mut link, CONNECT).await {
        Ok(()) => Ok(link),
        Err(error) => Err((error, String::new())),
    }
}

/// Until the connection has to be replaced.
async fn watch(inner: &Inner, mut link: Link) -> StoreError {
    let mut announce_at = clock::now() + instances::EVERY;
    let mut silent: Option<Instant> = None;
    loop {
        let next = inner.breaker.borrow().probe_at().unwrap_or(announce_at);
        tokio::select! {
            () = tokio::time::sleep_until(next.into()) => {}
            () = inner.wake.notified() => {}
        }
        if let Some(error) = inner.lost.take() {
            return error;
        }
        let began = clock::now();
        let probe = inner.breaker.borrow_mut().probe(began);
        if !probe && (began < announce_at || !inner.breaker.borrow().is_closed()) {
            continue;
        }
        let answer = announce(inner, &mut link, inner.timeout).await;
        let now = clock::now();
        announce_at = now + instances::EVERY;
        inner.learn(&answer, probe, now);
        match answer {
            Ok(()) => silent = None,
            Err(error) if error.wants_reconnect() && !link.is_cluster() => return error,
            Err(error) if now.duration_since(*silent.get_or_insert(began)) >= SILENCE => return error,
            Err(_) => {}
        }
    }
}

/// Says that this process is there, and learns how many are.
async fn announce(inner: &Inner, link: &mut Link, within: Duration) -> Result<(), StoreError> {
    let arguments = |command: &mut redis::Cmd| {
        command.arg(format!("{:032x}", inner.process)).arg(instances::GONE.as_micros() as u64);
    };
    let running = inner.scripts.announce.run(link, &inner.instances_key, arguments);
    let answer = tokio::time::timeout(within, running).await.map_err(|_| StoreError::Timeout)??;
    let count = answer.first().ok_or(StoreError::Protocol)?;
    inner.instances.learn(*count);
    Ok(())
}

impl Inner {
    /// The connection can be used.
    fn up(&self, link: Link) {
        self.lost.take();
        self.links.set(self.links.get().wrapping_add(1));
        *self.breaker.borrow_mut() = super::breaker::Breaker::new();
        *self.phase.borrow_mut() = Phase::Up(link);
        self.phase_changed();
    }

    /// It cannot, or there is none. `words` are those of the failure, for the log.
    pub(super) fn down(&self, error: &StoreError, words: &str) {
        let before = self.phase.replace(Phase::Down(error.clone()));
        if !matches!(before, Phase::Down(ref known) if known == error) {
            tracing::warn!(store = %self.name, error = error.word(), detail = words, "counts are not shared: {error}");
        }
        self.phase_changed();
    }

    fn phase_changed(&self) {
        self.changed.notify_waiters();
        self.tell();
    }

    /// What an announcement says about the store.
    fn learn(&self, answer: &Result<(), StoreError>, probe: bool, now: Instant) {
        let mut breaker = self.breaker.borrow_mut();
        if probe {
            breaker.probed(now, answer.is_ok(), fastrand::u32(..));
        } else {
            breaker.answered(now, answer.is_ok(), fastrand::u32(..));
        }
        drop(breaker);
        self.tell();
    }
}
