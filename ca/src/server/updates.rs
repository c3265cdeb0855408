//! What the server does by itself: sees changes of the authority and passes them on, and keeps house once a minute.
//!
//! | seen | what follows |
//! |--|--|
//! | the sequence moved | the new trust is in force for handshakes, connections, calls and streams |
//! | another intermediate signs, or the certificate shown is half an hour old | a new one is shown |
//! | anything was written | pending audit events go to their file, at most once a second |
//! | the store cannot be read | the health service says so; the trust of before stays in force |
//!
//! Other processes change the authority too: that is why it is asked, several times a second, and not told.

use super::admission::{Admission, Refused};
use super::core::{Core, CoreError, News};
use super::limit::{Bucket, Rate};
use super::tls::Shown;
use super::view::View;
use super::{Limits, ServeError};
use crate::clock;
use crate::names::AuthorityId;
use crate::proto::certificate_authority_server::SERVICE_NAME;
use crate::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

/// How old the certificate that is shown gets; it lives four times as long.
const SHOWN_FOR: Duration = Duration::from_secs(30 * 60);
/// When it could not be made, it is tried again after this.
const AGAIN: Duration = Duration::from_secs(10);

/// The server's eye on the authority.
pub(super) struct Updates {
    core: Arc<Core>,
    trusted: watch::Sender<Arc<View>>,
    shown: Arc<Shown>,
    health: HealthReporter,
    version: Option<u64>,
    signing: AuthorityId,
    /// When the certificate shown was made.
    made: Timestamp,
    well: bool,
    /// Something may wait to be written to the audit file.
    unwritten: bool,
    flushes: Bucket,
    flushing: Option<JoinHandle<()>>,
}

impl Updates {
    /// Looks for the first time; all must be well.
    pub(super) async fn start(core: Arc<Core>, health: HealthReporter) -> Result<Self, ServeError> {
        let news = core.news(None).await?.ok_or(CoreError::Broken)?;
        let mut updates = Self {
            core,
            trusted: watch::Sender::new(Arc::new(View::new(news.trust))),
            shown: Arc::default(),
            health,
            version: Some(news.version),
            signing: news.signing,
            made: Timestamp::default(),
            well: true,
            unwritten: true,
            flushes: Bucket::default(),
            flushing: None,
        };
        updates.show().await?;
        updates.say_health(ServingStatus::Serving).await;
        Ok(updates)
    }

    /// The trust in force.
    pub(super) fn trusted(&self) -> watch::Receiver<Arc<View>> {
        self.trusted.subscribe()
    }

    /// What the server shows.
    pub(super) fn shown(&self) -> Arc<Shown> {
        Arc::clone(&self.shown)
    }

    /// Looks again and again; the first look was taken at the start.
    pub(super) async fn run(mut self, every: Duration) {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first one comes at once.
        ticks.tick().await;
        loop {
            ticks.tick().await;
            let looked = self.core.news(self.version).await;
            self.fares(looked.as_ref().err()).await;
            if let Ok(Some(news)) = looked {
                self.take(news);
            }
            self.keep_shown_fresh().await;
            self.flush();
        }
    }

    fn take(&mut self, news: News) {
        self.version = Some(news.version);
        self.unwritten = true;
        if news.signing != self.signing {
            self.signing = news.signing;
            self.made = Timestamp::default();
        }
        let sequence = news.trust.bundle.sequence;
        if self.trusted.borrow().trust.bundle.sequence != sequence {
            tracing::info!(event = "trust_changed", sequence);
            self.trusted.send_replace(Arc::new(View::new(news.trust)));
        }
    }

    /// A clock that was set, forward or back, makes it old too.
    async fn keep_shown_fresh(&mut self) {
        let now = clock::wall();
        if (self.made..self.made.after(SHOWN_FOR)).contains(&now) {
            return;
        }
        if let Err(error) = self.show().await {
            tracing::error!(event = "server_certificate_not_renewed", "{error}");
            self.made = now.before(SHOWN_FOR).after(AGAIN);
        }
    }

    async fn show(&mut self) -> Result<(), ServeError> {
        let (chain, key) = self.core.identity().await?;
        self.shown.replace(chain, &key)?;
        self.made = clock::wall();
        Ok(())
    }

    /// Has it done beside: whoever holds the file, the news go on. What fails is tried again, and said, once a minute.
    fn flush(&mut self) {
        let rate = Rate::new(Duration::from_secs(1), 1);
        let idle = self.flushing.as_ref().is_none_or(JoinHandle::is_finished);
        if self.unwritten && idle && self.flushes.take(&rate, clock::monotonic()).is_ok() {
            self.unwritten = false;
            let core = Arc::clone(&self.core);
            self.flushing = Some(tokio::task::spawn_local(async move {
                if let Err(error) = core.flush_audit().await {
                    tracing::debug!("the audit file was not written: {error}");
                }
            }));
        }
    }

    /// Says it when it changes.
    async fn fares(&mut self, trouble: Option<&CoreError>) {
        let well = trouble.is_none();
        if well == std::mem::replace(&mut self.well, well) {
            return;
        }
        match trouble {
            None => {
                tracing::info!(event = "store_well", "the store can be read again");
                self.say_health(ServingStatus::Serving).await;
            }
            Some(error) => {
                tracing::error!(event = "store_unwell", "{error}");
                self.say_health(ServingStatus::NotServing).await;
            }
        }
    }

    async fn say_health(&self, status: ServingStatus) {
        // The server as a whole is this one service.
        self.health.set_service_status("", status).await;
        self.health.set_service_status(SERVICE_NAME, status).await;
    }
}

/// What is due once a minute, the first time at once.
pub(super) async fn keep_house(core: Arc<Core>, admission: Arc<Admission>, limits: Limits) {
    let mut ticks = interval(limits.maintenance);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut missed_key = false;
    loop {
        ticks.tick().await;
        note_refused(&core, &admission).await;
        match core.maintain().await {
            Ok(done) => {
                if let Some(intermediate) = done.rotated {
                    tracing::info!(event = "intermediate_rotated", %intermediate);
                }
                if done.needs_root_key && !missed_key {
                    tracing::warn!(
                        event = "root_key_needed",
                        "the intermediate is to be replaced: run `portcullis ca intermediate rotate` with the root's key"
                    );
                }
                missed_key = done.needs_root_key;
            }
            Err(error) => tracing::error!(event = "maintenance_failed", "{error}"),
        }
    }
}

/// Notes what was over a limit since the last time, as one event.
pub(super) async fn note_refused(core: &Core, admission: &Admission) {
    let refused = admission.refused();
    if refused == Refused::default() {
        return;
    }
    let Refused { bootstraps, renewals, own_renewals } = refused;
    tracing::warn!(event = "over_limit", bootstraps, renewals, own_renewals, "requests were refused");
    if let Err(error) = core.note_refused(refused).await {
        tracing::error!(event = "audit_failed", "{error}");
    }
}
