//! The authority as the server asks it: on threads that may block, a bounded number at once.
//!
//! Each kind of work has its own turns: however many bootstraps wait for a turn, a renewal waits only for renewals.
//! The store lets one writer at a time in, so more threads would only wait there. It must not know the wire.

use super::admission::{Holder, Refused};
use super::view::Peer;
use crate::audit::{Caller, Event, What};
use crate::authority::{Authority, AuthorityError, BootstrapAsk, Granted, Maintained, Refusal, RenewAsk};
use crate::certificate::Svid;
use crate::clock;
use crate::key::Key;
use crate::names::AuthorityId;
use crate::proto::{BootstrapRequest, RenewRequest};
use crate::trust::Trust;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// How long a call waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);
/// Turns: of bootstraps, of renewals, of what is only looked up or acknowledged.
const BOOTSTRAPS: usize = 2;
const RENEWALS: usize = 4;
const OTHERS: usize = 4;
/// Of tokens that are looked up, which is quick.
const LOOKS: usize = 2;

/// The authority behind its turns.
pub(super) struct Core {
    authority: Arc<Authority>,
    bootstraps: Arc<Semaphore>,
    renewals: Arc<Semaphore>,
    others: Arc<Semaphore>,
    looks: Arc<Semaphore>,
}

/// What is to be known of the authority after something may have changed.
#[derive(Debug)]
pub(super) struct News {
    /// See [`Authority::version`].
    pub(super) version: u64,
    /// Whom to believe.
    pub(super) trust: Trust,
    /// The intermediate that signs.
    pub(super) signing: AuthorityId,
}

/// Why the authority did not answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum CoreError {
    /// It could not do it.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// Too much is going on.
    #[error("too much is asked of the authority at once: its disk may be slow")]
    NoTurn,
    /// A defect.
    #[error("the work broke down: this is a defect, please report it")]
    Broken,
}

/// What came of a request for a certificate.
pub(super) type Answer = Result<Result<Granted, Refusal>, CoreError>;

impl Core {
    /// Nobody has asked yet.
    pub(super) fn new(authority: Arc<Authority>) -> Self {
        let turns = |count| Arc::new(Semaphore::new(count));
        let (bootstraps, renewals) = (turns(BOOTSTRAPS), turns(RENEWALS));
        Self { authority, bootstraps, renewals, others: turns(OTHERS), looks: turns(LOOKS) }
    }

    /// Whether a token could bring a certificate.
    pub(super) async fn is_fresh(&self, token: &Zeroizing<String>) -> Result<bool, CoreError> {
        let token = token.clone();
        Ok(self.blocking(&self.looks, move |authority| authority.is_fresh(&token, clock::wall())).await??)
    }

    /// The first certificate.
    pub(super) async fn bootstrap(
        &self,
        token: Zeroizing<String>,
        request: BootstrapRequest,
        caller: Caller,
    ) -> Answer {
        self.blocking(&self.bootstraps, move |authority| {
            let ttl = wished(request.ttl);
            let now = clock::wall();
            authority.bootstrap(BootstrapAsk { token: &token, csr: &request.csr, ttl, caller: &caller, now })
        })
        .await
    }

    /// The next certificate.
    pub(super) async fn renew(&self, request: RenewRequest, peer: Arc<Peer>, caller: Caller) -> Answer {
        self.blocking(&self.renewals, move |authority| {
            let ttl = wished(request.ttl);
            let shown = peer.chain.first().map(Vec::as_slice).unwrap_or_default();
            let now = clock::wall();
            authority.renew(RenewAsk { peer: shown, csr: &request.csr, ttl, caller: &caller, now })
        })
        .await
    }

    /// A member says which sequence it has stored.
    pub(super) async fn acknowledge(&self, peer: Arc<Peer>, sequence: u64) -> Result<(), CoreError> {
        let job = move |authority: &Authority| authority.acknowledge(&peer.svid, sequence, clock::wall());
        Ok(self.blocking(&self.others, job).await??)
    }

    /// Whom to count the holder of this certificate as.
    pub(super) async fn holder(&self, svid: &Svid) -> Holder {
        let serial = svid.serial;
        let looked = self.blocking(&self.others, move |authority| authority.instance_of(&serial)).await;
        let instance = looked.ok().and_then(Result::ok).flatten();
        instance.map_or(Holder::Certificate(serial), Holder::Instance)
    }

    /// What is new; `None`: nothing since `version`.
    pub(super) async fn news(&self, version: Option<u64>) -> Result<Option<News>, CoreError> {
        let looked = self.chore(move |authority| {
            // Before the rest: what changes in between is seen again the next time.
            let newest = authority.version()?;
            if version == Some(newest) {
                return Ok(None);
            }
            let signing = authority.settings()?.signing;
            Ok(Some(News { version: newest, trust: authority.trust()?, signing }))
        });
        looked.await
    }

    /// What the server shows from now on, for two hours.
    pub(super) async fn identity(&self) -> Result<(Vec<Vec<u8>>, Key), CoreError> {
        self.chore(|authority| authority.server_identity(clock::wall())).await
    }

    /// Writes pending audit events to their file.
    pub(super) async fn flush_audit(&self) -> Result<(), CoreError> {
        self.chore(Authority::flush_audit).await
    }

    /// What is due once a minute.
    pub(super) async fn maintain(&self) -> Result<Maintained, CoreError> {
        self.chore(|authority| authority.maintain(clock::wall())).await
    }

    /// Notes that the server started or stopped.
    pub(super) async fn note(&self, what: What, details: String) -> Result<(), CoreError> {
        let event = Event { details: Some(details), ..Event::new(what, clock::wall(), Caller::default()) };
        self.chore(move |authority| authority.note(&event)).await
    }

    /// Notes how many calls were over a limit.
    pub(super) async fn note_refused(&self, refused: Refused) -> Result<(), CoreError> {
        let Refused { bootstraps, renewals, own_renewals } = refused;
        let details = format!(
            "{bootstraps} bootstraps, {renewals} renewals, {own_renewals} renewals over the limit of their instance"
        );
        let count = Some(bootstraps + renewals + own_renewals);
        let event = Event::new(What::RequestsLimited, clock::wall(), Caller::default());
        let event = Event { count, details: Some(details), ..event };
        self.chore(move |authority| authority.note(&event)).await
    }

    /// Work of the server's own, which is one thing at a time: it needs no turn.
    async fn chore<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Authority) -> Result<T, AuthorityError> + Send + 'static,
    ) -> Result<T, CoreError> {
        let authority = Arc::clone(&self.authority);
        let done = tokio::task::spawn_blocking(move || job(&authority)).await;
        Ok(done.map_err(|_panicked| CoreError::Broken)??)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        turns: &Arc<Semaphore>,
        job: impl FnOnce(&Authority) -> T + Send + 'static,
    ) -> Result<T, CoreError> {
        let turn = timeout(PATIENCE, Arc::clone(turns).acquire_owned()).await;
        let turn = turn.map_err(|_late| CoreError::NoTurn)?.map_err(|_closed| CoreError::NoTurn)?;
        let authority = Arc::clone(&self.authority);
        // The turn ends with the work, also when nobody waits for it any more.
        let work = tokio::task::spawn_blocking(move || {
            let done = job(&authority);
            drop(turn);
            done
        });
        work.await.map_err(|_panicked| CoreError::Broken)
    }
}

/// As the protocol has it: 0 is what the authority gives.
fn wished(ttl: u32) -> Option<Duration> {
    (ttl > 0).then(|| Duration::from_secs(ttl.into()))
}
