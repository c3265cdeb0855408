//! Keys of an issuer that come from a URL: always there, kept fresh, fetched again when a token shows a new one.
//!
//! The store is shared by all workers and asks nobody itself. One [`keep`] task, in the control thread, fetches for all
//! of them; a worker only orders a fetch and waits for its end. So there is never more than one at a time, and what
//! strangers send cannot cause more than [`schedule::APART`] allows. While the issuer is down the last set serves, up
//! to `stale`; then there is none, and nobody is let in by it. When to fetch is decided in [`schedule`]. Must not know
//! tokens.
//!
//! What a worker does with a key id that is not in the set it looked in:
//!
//! | [`KeyStore::want`] says | it |
//! |--|--|
//! | Changed | looks again |
//! | Coming | waits for [`KeyStore::refreshed`], looks again, and that is all |
//! | Refused | refuses the token |

mod keeper;
pub mod schedule;

pub use keeper::keep;

use crate::admission::authenticate::jwt::KeySet;
use crate::config::auth::Remote;
use schedule::Schedule;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

/// How much longer than a fetch may take one waits for it: the keeper has other things to do too.
const PATIENCE: Duration = Duration::from_secs(1);

/// The keys of one issuer.
pub struct KeyStore {
    remote: Remote,
    held: Mutex<Held>,
    generation: AtomicU64,
    /// Tells the keeper that a fetch is wanted, or that the store is gone.
    wake: Arc<Notify>,
    /// Tells those who wait that a fetch has ended.
    ended: watch::Sender<()>,
}

struct Held {
    schedule: Schedule,
    keys: Option<Arc<KeySet>>,
}

/// What becomes of a key id that is not in the set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The set is another by now.
    Changed,
    /// A fetch is ordered or under way.
    Coming,
    /// The issuer was asked a moment ago.
    Refused,
}

impl KeyStore {
    /// An empty store; a [`keep`] task fills it. `refresh` and `stale` as in
    /// [`crate::config::auth::KeySource::Url`].
    pub fn new(remote: Remote, refresh: Duration, stale: Duration) -> Self {
        let held = Mutex::new(Held { schedule: Schedule::new(refresh, stale), keys: None });
        let (ended, _) = watch::channel(());
        Self { remote, held, generation: AtomicU64::new(0), wake: Arc::new(Notify::new()), ended }
    }

    /// The set; `None` when none was ever fetched, or the last good one is older than `stale`.
    pub fn current(&self, now: Instant) -> Option<Arc<KeySet>> {
        let held = self.held();
        held.schedule.serves(now).then(|| held.keys.clone()).flatten()
    }

    /// Moves with each change of the set; 0 = there was none yet. Read it before [`Self::current`].
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// A key id was looked for in vain in the set that was current when [`Self::generation`] was `seen`.
    pub fn want(&self, seen: u64, now: Instant) -> Wanted {
        let mut held = self.held();
        if self.generation() != seen {
            return Wanted::Changed;
        }
        if !held.schedule.want(now) {
            return Wanted::Refused;
        }
        drop(held);
        self.wake.notify_one();
        Wanted::Coming
    }

    /// Waits until the fetch that is ordered or under way has ended, well or not. Does not wait when there is none.
    pub async fn refreshed(&self) {
        // In this order: what ends after the look is seen.
        let mut ended = self.ended.subscribe();
        if self.held().schedule.is_busy() {
            // Without a keeper nothing ever ends.
            let limit = self.remote.timeout + PATIENCE;
            let _in_time = timeout(limit, ended.changed()).await.is_ok();
        }
    }

    fn wait(&self, now: Instant) -> Duration {
        self.held().schedule.wait(now)
    }

    fn begin(&self) {
        self.held().schedule.begin();
    }

    /// Takes a fetched set. Whether it differs from the one before.
    fn succeeded(&self, keys: KeySet, now: Instant, max_age: Option<Duration>, share: f64) -> bool {
        let mut held = self.held();
        held.schedule.succeeded(now, max_age, share);
        let changed = held.keys.as_deref() != Some(&keys);
        if changed {
            held.keys = Some(Arc::new(keys));
            self.generation.fetch_add(1, Ordering::Release);
        }
        drop(held);
        self.ended.send_replace(());
        changed
    }

    fn failed(&self, now: Instant, share: f64) {
        self.held().schedule.failed(now, share);
        self.ended.send_replace(());
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for KeyStore {
    fn drop(&mut self) {
        self.wake.notify_one();
    }
}

impl fmt::Debug for KeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyStore").field("remote", &self.remote).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "issuer_tests.rs"]
mod tests;
