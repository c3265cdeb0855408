//! Where memberships come from: the authority, or files.
//!
//! Runs one of both on the control thread and publishes what it brings; everything it started ends with [`Running`].
//! It needs a `LocalSet` or a local runtime. Must not know: who uses a membership.

use super::files::{Files, Looker};
use super::publisher::{Offer, Publisher};
use super::{Membership, Origin, now};
use crate::config;
use crate::config::mesh::Source;
use crate::control::watch::INTERVAL;
use portcullis_ca::client::{Agent, Identity, Options, StateError};
use portcullis_ca::token::sound_url;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The membership in force, as it changes; `None`: there is none yet. Any thread may look.
pub type Memberships = watch::Receiver<Option<Arc<Membership>>>;

/// How long a waiting start looks away: a clock that was set right makes an expired certificate good.
const LOOK: Duration = Duration::from_secs(1);

/// A source that runs until this is dropped.
#[derive(Debug)]
pub struct Running {
    memberships: Memberships,
    task: JoinHandle<()>,
}

impl Running {
    /// What it publishes.
    pub fn memberships(&self) -> Memberships {
        self.memberships.clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts what `config` names. A membership that is there already (stored, or in the files) is in force when this
/// returns.
///
/// # Errors
/// When the configuration cannot work. That there is no identity yet is none.
pub fn start(config: &config::Mesh) -> Result<Running, MeshError> {
    match &config.source {
        Source::Authority { address, join_token, state } => {
            let url = address.as_deref().map(url).transpose()?;
            let token_file = join_token.clone();
            let options = Options { dir: state.clone(), token_file, ttl: None, keep_key: false, url };
            let publisher = Publisher::new(config.trust_domain.clone(), Origin::Authority);
            Ok(authority(Agent::new(options)?, publisher))
        }
        Source::Files { cert, key, bundle } => {
            let (cert, key, bundle) = (cert.clone(), key.clone(), bundle.clone());
            let publisher = Publisher::new(config.trust_domain.clone(), Origin::Files);
            let files = Files { cert, key, bundle, trust_domain: config.trust_domain.clone() };
            Ok(watched(files, publisher))
        }
    }
}

/// Waits for a membership whose certificate is not over; `None`: its source has ended.
pub async fn wait_ready(memberships: &mut Memberships) -> Option<Arc<Membership>> {
    loop {
        let current = memberships.borrow_and_update().clone();
        if let Some(membership) = current.filter(|membership| !membership.expired(now())) {
            return Some(membership);
        }
        tokio::select! {
            changed = memberships.changed() => changed.ok()?,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

fn authority(agent: Agent, publisher: Publisher) -> Running {
    let mut identities = agent.identity();
    let memberships = publisher.subscribe();
    let stored = identities.borrow_and_update().clone();
    take(&publisher, stored.as_deref());
    let follow = async move {
        while identities.changed().await.is_ok() {
            let identity = identities.borrow_and_update().clone();
            take(&publisher, identity.as_deref());
        }
    };
    let task = tokio::task::spawn_local(async move {
        tokio::join!(Box::pin(agent.run(pending())), follow);
    });
    Running { memberships, task }
}

/// Takes what the agent has.
fn take(publisher: &Publisher, identity: Option<&Identity>) {
    if let Some(identity) = identity
        && let Err(error) = publisher.offer(&Offer::from(identity))
    {
        publisher.refuse(&error);
    }
}

fn watched(files: Files, publisher: Publisher) -> Running {
    let memberships = publisher.subscribe();
    let mut looker = Looker::start(files, publisher, now());
    let task = tokio::task::spawn_local(async move {
        loop {
            tokio::time::sleep(INTERVAL).await;
            looker.step(now());
        }
    });
    Running { memberships, task }
}

/// The address of the authority as a URL.
fn url(address: &str) -> Result<String, MeshError> {
    let url = if address.contains("://") { address.to_owned() } else { format!("https://{address}") };
    if sound_url(&url) { Ok(url) } else { Err(MeshError::Address(address.to_owned())) }
}

/// Why a source cannot start.
#[derive(Debug, thiserror::Error)]
pub enum MeshError {
    /// The folder of the identity.
    #[error("`mesh: state:` {0}")]
    State(#[from] StateError),
    /// The address of the authority.
    #[error("`mesh: ca: address:` {0} is neither `host:port` nor `https://host:port`")]
    Address(String),
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
