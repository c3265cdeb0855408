//! Handing snapshots to whoever sends requests.
//!
//! The shell around the keeper: lets a source look, tells the keeper what it saw and hands out what that believes. It
//! decides one thing itself: when a look is cut short because an endpoint cannot be reached.
//!
//! | the look | hints that an endpoint cannot be reached |
//! |--|--|
//! | waits, or looks by its own time | a second after the last look has ended it is dropped, and the next one begins |
//! | was begun by a hint, or is the first | wait until it has ended: a slow answer comes at last |
//!
//! It must not know how a source looks, nor what endpoints are used for.

use super::keeper::{Cause, Keeper, Published, Settings, Turn};
use super::{Change, Endpoints, Observation, Source, clock};
use std::future::{pending, ready};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch as channel};
use tokio::time::sleep_until;

/// From the end of a look to the next one that a hint may begin.
const PACE: Duration = Duration::from_secs(1);

/// What is known about a service at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Its endpoints; empty = none is known.
    pub endpoints: Endpoints,
    /// Counts up with every change of `endpoints`; 0 = no look was good yet.
    pub version: u64,
}

/// How the source of a feed is doing; for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Who knows: `dns order.internal:8002`.
    pub source: Arc<str>,
    /// When it was last seen well; `None` = never.
    pub checked: Option<Instant>,
    /// Since when it is wrong, and what; the endpoints are those of the last good look, unless it has been wrong for too
    /// long.
    pub trouble: Option<(Instant, Arc<str>)>,
    /// Since when each endpoint is handed out, sorted by address.
    pub since: Vec<(SocketAddr, Instant)>,
}

/// The endpoints of a service, as they change. Cheap to clone; every clone sees every change.
#[derive(Debug, Clone)]
pub struct Feed {
    snapshots: channel::Receiver<Arc<Snapshot>>,
    status: Arc<Mutex<Status>>,
    hint: Arc<Notify>,
}

impl Feed {
    /// One that never changes.
    pub fn fixed(endpoints: Endpoints, source: &str) -> Self {
        let (_, snapshots) = channel::channel(Arc::new(Snapshot { endpoints, version: 1 }));
        let status = Status { source: source.into(), ..Status::default() };
        Self { snapshots, status: Arc::new(Mutex::new(status)), hint: Arc::default() }
    }

    /// What is known now.
    pub fn current(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow())
    }

    /// Waits for the next change; `None`: there will be none.
    pub async fn changed(&mut self) -> Option<Arc<Snapshot>> {
        self.snapshots.changed().await.ok()?;
        Some(Arc::clone(&self.snapshots.borrow_and_update()))
    }

    /// How its source is doing.
    pub fn status(&self) -> Status {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// An endpoint takes no connections: the source had better look again soon (at most once a second).
    pub fn unreachable(&self) {
        self.hint.notify_one();
    }
}

/// Begins to watch a source for `service`, which messages name. The future does it, until no clone of the feed is left; it
/// is to be spawned on a thread that has timers.
pub fn watch<S: Source>(
    service: &str,
    source: S,
    settings: Settings,
) -> (Feed, impl Future<Output = ()> + use<S>) {
    let (snapshots, receiver) = channel::channel(Arc::default());
    let name: Arc<str> = source.name().into();
    let status = Arc::new(Mutex::new(Status { source: Arc::clone(&name), ..Status::default() }));
    let feed = Feed { snapshots: receiver, status: Arc::clone(&status), hint: Arc::default() };
    let hint = Arc::clone(&feed.hint);
    let (service, grace) = (service.into(), settings.grace);
    let watcher = Watcher { service, name, grace, keeper: Keeper::new(settings), snapshots, status };
    (feed, watcher.run(source, hint))
}

/// What hands out the snapshots of one source.
struct Watcher {
    service: Arc<str>,
    name: Arc<str>,
    grace: Duration,
    keeper: Keeper,
    snapshots: channel::Sender<Arc<Snapshot>>,
    status: Arc<Mutex<Status>>,
}

impl Watcher {
    async fn run(mut self, mut source: impl Source, hint: Arc<Notify>) {
        let (mut hinted, mut earliest) = (true, clock::now());
        loop {
            let mut look = pin!(source.look());
            let mut early = pin!(hint_after(earliest, (!hinted).then_some(&*hint)));
            // The keeper's own time must not cut a look short: it would be made up for at once.
            let seen = loop {
                let due = self.keeper.next();
                tokio::select! {
                    biased;
                    () = self.snapshots.closed() => return,
                    seen = &mut look => break Some(seen),
                    () = &mut early => break None,
                    () = until(due) => self.publish(),
                }
            };
            hinted = seen.is_none();
            if let Some(seen) = seen {
                earliest = clock::now() + PACE;
                self.see(seen);
            }
        }
    }

    /// Takes note of a look.
    fn see(&mut self, seen: Observation) {
        let held_back = self.keeper.holds_back();
        let turn = self.keeper.see(seen, clock::now());
        if let Some(turn) = turn {
            self.tell_turn(&turn);
        }
        if self.keeper.holds_back() && !held_back {
            let (service, source, seconds) = (&self.service, &*self.name, self.grace.as_secs());
            tracing::warn!(
                event = "endpoints_held",
                %service,
                source,
                seconds,
                "the source says that there are none; the last ones stay for a while"
            );
        }
        {
            let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
            status.checked = self.keeper.checked();
            status.trouble = self.keeper.trouble().cloned();
        }
        self.publish();
    }

    /// Hands out what the keeper believes now, if it is new.
    fn publish(&mut self) {
        let Some(Published { endpoints, change, cause }) = self.keeper.publish(clock::now()) else { return };
        self.tell_change(&change, &endpoints, cause);
        let since = self.keeper.since().to_vec();
        self.status.lock().unwrap_or_else(PoisonError::into_inner).since = since;
        let version = self.snapshots.borrow().version + 1;
        self.snapshots.send_replace(Arc::new(Snapshot { endpoints, version }));
    }

    fn tell_change(&self, change: &Change, endpoints: &Endpoints, cause: Cause) {
        let (service, source, total) = (&self.service, &*self.name, endpoints.as_slice().len());
        let (added, removed, changed) = (change.added.len(), change.removed.len(), change.changed.len());
        match cause {
            Cause::Seen if total == 0 => {
                tracing::warn!(
                    event = "endpoints_emptied",
                    %service,
                    source,
                    "the source says that there are none"
                );
            }
            Cause::Seen => tracing::info!(
                event = "endpoints_changed",
                %service,
                source,
                added,
                removed,
                changed,
                total,
                "other endpoints"
            ),
            Cause::Gone => tracing::warn!(
                event = "endpoints_emptied",
                %service,
                source,
                removed,
                "the source goes on saying that there are none"
            ),
            Cause::Stale => tracing::warn!(
                event = "endpoints_emptied",
                %service,
                source,
                removed,
                error = self.keeper.trouble().map(|(_, why)| &**why),
                "the source has failed for too long, what it said last is not believed any more"
            ),
        }
    }

    fn tell_turn(&self, turn: &Turn) {
        let (service, source) = (&self.service, &*self.name);
        match turn {
            Turn::Fails(error) => {
                let kept = self.snapshots.borrow().endpoints.as_slice().len();
                let so = if kept == 0 { "no endpoint is known" } else { "the last good endpoints stay" };
                tracing::warn!(event = "source_failing", %service, source, error = &**error, kept, "{so}");
            }
            Turn::Back(since) => {
                let lasted = clock::now().saturating_duration_since(*since).as_secs();
                tracing::info!(
                    event = "source_back",
                    %service,
                    source,
                    seconds = lasted,
                    "the source answers again"
                );
            }
        }
    }
}

/// Waits until then and for a hint; `None` = for ever.
async fn hint_after(at: Instant, hint: Option<&Notify>) {
    let Some(hint) = hint else { return pending().await };
    sleep_until(at.into()).await;
    hint.notified().await;
    // Others that came at the same time ask for the same look, not for one more.
    tokio::select! {
        biased;
        () = hint.notified() => {}
        () = ready(()) => {}
    }
}

/// Waits until then; `None` = for ever.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at.into()).await,
        None => pending().await,
    }
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;
