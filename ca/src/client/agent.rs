//! The long-running side of a workload: keeps its identity good and its trust new, for as long as it runs.
//!
//! Two lanes, both driven by one future: [`Keeper`] joins and renews, [`Agent::follow`] watches the trust. What they
//! have stored they publish; whoever needs an identity looks at the newest published one.
//!
//! It needs a `LocalSet` or a local runtime: connections run as local tasks. Everything it opened ends with it.

use super::connect::random;
use super::error::ClientError;
use super::identity::Identity;
use super::keeper::Keeper;
use super::schedule::{Backoff, Clocks};
use super::state::{StateDir, StateError};
use super::watch::Watch;
use crate::clock;
use crate::time::human;
use crate::trust::Trust;
use std::convert::Infallible;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How an agent works.
#[derive(Debug, Clone)]
pub struct Options {
    /// The state directory.
    pub dir: PathBuf,
    /// A file with a join token: used when there is no identity, or none that is any good. It is read again whenever
    /// its content changes.
    pub token_file: Option<PathBuf>,
    /// The life to ask for when joining; renewals ask for the same.
    pub ttl: Option<Duration>,
    /// Whether renewals keep the private key. A new one each time is safer.
    pub keep_key: bool,
    /// Where the authority is, whatever a join token or the stored identity says: `https://host:port`.
    pub url: Option<String>,
}

impl Options {
    /// Where to look for the authority; `said`: what the join token or the stored identity says.
    pub(super) fn urls(&self, said: Vec<String>) -> Vec<String> {
        self.url.as_ref().map_or(said, |url| vec![url.clone()])
    }

    /// The identity, as it is used here.
    pub(super) fn placed(&self, mut identity: Identity) -> Identity {
        identity.urls = self.urls(identity.urls);
        identity
    }
}

/// Keeps a workload's identity good.
#[derive(Debug)]
pub struct Agent {
    pub(super) dir: StateDir,
    pub(super) options: Options,
    current: watch::Sender<Option<Arc<Identity>>>,
    started: Instant,
}

impl Agent {
    /// An agent with the identity its directory holds. One that cannot be read is as good as none: a join token
    /// replaces it.
    ///
    /// # Errors
    /// When there is no such directory and it cannot be made.
    pub fn new(options: Options) -> Result<Self, StateError> {
        let dir = StateDir::open(&options.dir)?;
        let stored = dir.load().unwrap_or_else(|error| {
            tracing::error!(event = "identity_unreadable", %error, "the stored identity is not used");
            None
        });
        let (current, _) = watch::channel(stored.map(|stored| Arc::new(options.placed(stored))));
        Ok(Self { dir, options, current, started: clock::monotonic() })
    }

    /// The newest identity, as it changes; `None` until the workload has joined. Whether it has expired is for the
    /// reader to see.
    pub fn identity(&self) -> watch::Receiver<Option<Arc<Identity>>> {
        self.current.subscribe()
    }

    /// Runs until `stop` is ready.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let mut keeper = Keeper::new(&self);
        tokio::select! {
            () = stop => {}
            never = Box::pin(keeper.run()) => match never {},
            never = Box::pin(self.follow()) => match never {},
        }
    }

    pub(super) fn current(&self) -> Option<Arc<Identity>> {
        self.current.borrow().clone()
    }

    pub(super) fn publish(&self, identity: Identity) {
        self.current.send_replace(Some(Arc::new(identity)));
    }

    /// What both clocks say.
    pub(super) fn clocks(&self) -> Clocks {
        Clocks { wall: clock::wall(), up: clock::monotonic().saturating_duration_since(self.started) }
    }

    /// Watches the trust: over a new stream after each renewal, so that it is always the newest certificate that
    /// acknowledges; and after each failure, when it has waited.
    async fn follow(&self) -> Infallible {
        let mut identities = self.current.subscribe();
        let mut backoff = Backoff::default();
        loop {
            let identity = joined(&mut identities).await;
            let lost = tokio::select! {
                Err(lost) = self.listen(&identity, &mut backoff) => lost,
                () = replaced(&mut identities, &identity) => continue,
            };
            let wait = backoff.delay(random(), lost.retry_after());
            tracing::warn!(
                event = "trust_stream_lost", error = %lost, again_in_ms = wait.as_millis(),
                "changes of the trust do not arrive",
            );
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = replaced(&mut identities, &identity) => {}
            }
        }
    }

    /// Each trust is stored, then in force, then acknowledged.
    async fn listen(&self, identity: &Identity, backoff: &mut Backoff) -> Result<Infallible, ClientError> {
        let mut watch = Watch::open(identity).await?;
        loop {
            let trust = watch.next().await?;
            let stored = self.dir.store_trust(&trust)?;
            let sequence = stored.bundle.sequence;
            self.believe(stored);
            watch.acknowledge(sequence).await?;
            *backoff = Backoff::default();
        }
    }

    fn believe(&self, trust: Trust) {
        self.current.send_if_modified(|current| {
            let Some(identity) = current else { return false };
            if identity.trust.bundle.sequence >= trust.bundle.sequence {
                return false;
            }
            tracing::info!(
                event = "trust_changed",
                sequence = trust.bundle.sequence,
                roots = trust.bundle.roots.len(),
                denied = trust.denied.len(),
                "the trust has changed",
            );
            *current = Some(Arc::new(Identity { trust, ..Identity::clone(identity) }));
            true
        });
    }
}

/// Says what is left of an identity, for people.
pub(super) fn left(identity: &Identity, at: Clocks) -> String {
    human(identity.svid.not_after.since(at.wall))
}

/// Waits for an identity.
async fn joined(identities: &mut watch::Receiver<Option<Arc<Identity>>>) -> Arc<Identity> {
    loop {
        if let Ok(identity) = identities.wait_for(Option::is_some).await
            && let Some(identity) = identity.as_ref()
        {
            return Arc::clone(identity);
        }
        // The sender is the agent itself: it outlives this.
        std::future::pending::<()>().await;
    }
}

/// Waits until there is another certificate.
async fn replaced(identities: &mut watch::Receiver<Option<Arc<Identity>>>, before: &Identity) {
    let other =
        |now: &Option<Arc<Identity>>| now.as_ref().is_some_and(|now| now.svid.serial != before.svid.serial);
    if identities.wait_for(other).await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
#[path = "agent_tests.rs"]
mod tests;
