//! Where the control thread writes what it knows, and where everybody asks whether we are ready.
//!
//! Decides nothing: that is `readiness`. It brings the clock, logs each change once, and lets others wait for one.
//! Time alone can change the verdict (a certificate expires), so it is judged anew whenever somebody asks, and once a second
//! by [`Board::keep_looking`].

use super::readiness::{Facts, Readiness, Verdict};
use crate::admin::Missing;
use crate::clock;
use portcullis_ca::time::Timestamp;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, SystemTime};
use tokio::sync::watch;

/// Between two looks when nothing happens.
const LOOK: Duration = Duration::from_secs(1);

/// The board; of the control thread alone.
#[derive(Debug)]
pub struct Board {
    readiness: RefCell<Readiness>,
    changed: watch::Sender<()>,
}

impl Board {
    /// Nothing is known yet.
    pub fn new() -> Rc<Self> {
        Rc::new(Self { readiness: RefCell::default(), changed: watch::Sender::new(()) })
    }

    /// Takes in new facts.
    pub fn learn(&self, change: impl FnOnce(&mut Facts)) {
        self.readiness.borrow_mut().learn(change);
        let _told_by_the_log = self.verdict();
    }

    /// The verdict of this moment.
    pub fn verdict(&self) -> Verdict {
        let (verdict, changed) = self.readiness.borrow_mut().judge(now());
        if changed {
            self.changed.send_replace(());
            if verdict.ready {
                tracing::info!("ready");
            } else {
                tracing::info!(waits_for = verdict.words(), "not ready");
            }
        }
        verdict
    }

    /// What is missing, as the ready listener tells it.
    pub fn missing(&self) -> Vec<Missing> {
        self.verdict().waits_for.into_iter().map(super::readiness::Need::told).collect()
    }

    /// Waits for a verdict of which `enough` holds.
    pub async fn until(&self, enough: impl Fn(&Verdict) -> bool) {
        let mut changes = self.changed.subscribe();
        while !enough(&self.verdict()) {
            // The time that passes may be what is waited for, were it a clock set back.
            let _looked_anyway = tokio::time::timeout(LOOK, changes.changed()).await.is_err();
        }
    }

    /// Looks again every second, for ever.
    pub async fn keep_looking(self: Rc<Self>) {
        loop {
            let _told_by_the_log = self.verdict();
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn now() -> Timestamp {
    let since = clock::wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(0).after(since)
}

#[cfg(test)]
mod tests {
    use super::super::readiness::Certificate;
    use super::*;

    #[tokio::test]
    async fn who_waits_is_told_when_the_last_fact_arrives() {
        let board = Board::new();
        let all = |facts: &mut Facts| {
            let certificate = Certificate::NotNeeded;
            *facts = Facts { certificate, bundle: true, policy: true, listeners: true, ..Facts::default() };
        };
        let waiting = board.until(|verdict| verdict.ready);

        let arriving = async {
            board.learn(all);
            board.until(Verdict::only_the_application_is_missing).await;
            assert_eq!(board.missing().first().map(|missing| missing.need), Some("application"));
            board.learn(|facts| facts.application = true);
        };
        tokio::join!(waiting, arriving);

        assert!(board.missing().is_empty());
    }
}
