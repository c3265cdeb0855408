//! The keeper: which of the things a source has seen are believed, and from when on.
//!
//! Decides what is handed out and when to ask it again. A set that changes waits until it has been quiet for 100 ms,
//! but for no longer than a second; what changes nothing is dropped. Only a set that stayed empty becomes empty.
//!
//! | handed out | the last look | then |
//! |--|--|--|
//! | nothing yet | failed | nothing is handed out |
//! | nothing yet | anything else | handed out at once, also that there are none |
//! | none | endpoints | handed out at once: there is nobody to disturb |
//! | none | none, or failed | nothing |
//! | endpoints | the same | nothing; what was waiting is dropped |
//! | endpoints | others | waits for quiet, then they are handed out |
//! | endpoints | none | held back; emptied after `grace`, unless endpoints come back before |
//! | endpoints | failed | kept; emptied after `stale`, and no sooner than after `grace` |
//!
//! Time in which a source fails counts for `grace` too, but only a look that says again that there are none ends it:
//! who has become unsure does not empty a set.
//!
//! Pure: it must not know where the endpoints come from, who uses them, or what time it is.

use super::{Change, Endpoints, Observation};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A set that changes is handed out when it has not changed for so long …
const QUIET: Duration = Duration::from_millis(100);
/// … or so long after the first change that nobody has seen yet.
const LONGEST: Duration = Duration::from_secs(1);

/// How long what is known outlives what is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long a set that becomes empty is held back. At least 100 ms. Default 15 s.
    pub grace: Duration,
    /// How long the last good set counts while the source fails, from its first failure on, and no shorter than
    /// `grace`. `None`, the default: for ever, as for a file.
    pub stale: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { grace: Duration::from_secs(15), stale: None }
    }
}

/// Believes a source, or not.
#[derive(Debug)]
pub(crate) struct Keeper {
    settings: Settings,
    /// What is handed out; `None` = no look was good yet.
    believed: Option<Endpoints>,
    /// Waits for quiet; never empty, and not what is believed.
    settling: Option<Settling>,
    /// Since when every good look says that there are none.
    none_since: Option<Instant>,
    /// Since when every look fails, and why the last one did.
    failing: Option<(Instant, Arc<str>)>,
    /// The last good look.
    checked: Option<Instant>,
    /// Since when each endpoint is handed out, sorted by address.
    since: Vec<(SocketAddr, Instant)>,
}

/// A set that nobody has seen yet.
#[derive(Debug)]
struct Settling {
    endpoints: Endpoints,
    /// The first change since the last set that was handed out.
    first: Instant,
    /// The last change.
    last: Instant,
}

/// What is to be handed out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Published {
    /// All of them.
    pub(crate) endpoints: Endpoints,
    /// What is new about them.
    pub(crate) change: Change,
    /// Where they are from.
    pub(crate) cause: Cause,
}

/// Why a set is handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The source has seen it.
    Seen,
    /// There were endpoints, and for `grace` the source has said that there are none.
    Gone,
    /// There were endpoints, and the source has failed for too long.
    Stale,
}

/// A source begins to fail, or ceases to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It was well before, or it failed for another reason.
    Fails(Arc<str>),
    /// It failed since then.
    Back(Instant),
}

impl Keeper {
    /// One that knows nothing yet.
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            believed: None,
            settling: None,
            none_since: None,
            failing: None,
            checked: None,
            since: Vec::new(),
        }
    }

    /// Takes note of a look; [`Self::publish`] is to be asked afterwards.
    pub(crate) fn see(&mut self, seen: Observation, now: Instant) -> Option<Turn> {
        match seen {
            Observation::Failed(error) => return self.fail(error.0.into(), now),
            Observation::Found(endpoints) if !endpoints.is_empty() => {
                self.none_since = None;
                self.settle(endpoints, now);
            }
            Observation::Found(_) | Observation::Nothing => {
                self.none_since.get_or_insert(now);
            }
        }
        self.checked = Some(now);
        self.failing.take().map(|(since, _)| Turn::Back(since))
    }

    /// What is to be handed out now, if anything.
    pub(crate) fn publish(&mut self, now: Instant) -> Option<Published> {
        if let Some((_, cause)) = self.emptied_at().filter(|(at, _)| *at <= now) {
            self.settling = None;
            return Some(self.believe(Endpoints::default(), cause, now));
        }
        let settled = self.settled_at().is_some_and(|at| at <= now);
        let settling = self.settling.take_if(|_| settled)?;
        Some(self.believe(settling.endpoints, Cause::Seen, now))
    }

    /// When [`Self::publish`] is to be asked again even if nothing is seen.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.emptied_at().map(|(at, _)| at).into_iter().chain(self.settled_at()).min()
    }

    /// When the source was last seen well.
    pub(crate) fn checked(&self) -> Option<Instant> {
        self.checked
    }

    /// Since when it has not been, and why it was not the last time.
    pub(crate) fn trouble(&self) -> Option<&(Instant, Arc<str>)> {
        self.failing.as_ref()
    }

    /// Whether endpoints are handed out that the source does not know any more.
    pub(crate) fn holds_back(&self) -> bool {
        self.in_use() && self.none_since.is_some()
    }

    /// Since when each endpoint is handed out, sorted by address.
    pub(crate) fn since(&self) -> &[(SocketAddr, Instant)] {
        &self.since
    }

    fn fail(&mut self, why: Arc<str>, now: Instant) -> Option<Turn> {
        let (_, before) = self.failing.get_or_insert_with(|| (now, Arc::default()));
        let is_news = *before != why;
        *before = Arc::clone(&why);
        is_news.then_some(Turn::Fails(why))
    }

    fn settle(&mut self, endpoints: Endpoints, now: Instant) {
        if self.believed.as_ref() == Some(&endpoints) {
            self.settling = None;
        } else if self.settling.as_ref().is_none_or(|settling| settling.endpoints != endpoints) {
            let first = self.settling.as_ref().map_or(now, |settling| settling.first);
            self.settling = Some(Settling { endpoints, first, last: now });
        }
    }

    /// Whether anybody could send a request.
    fn in_use(&self) -> bool {
        self.believed.as_ref().is_some_and(|believed| !believed.is_empty())
    }

    fn settled_at(&self) -> Option<Instant> {
        let Settling { first, last, .. } = self.settling.as_ref()?;
        if self.in_use() { Some((*last + QUIET).min(*first + LONGEST)) } else { Some(*first) }
    }

    /// When what is believed becomes empty, and why, if nothing else is seen until then.
    fn emptied_at(&self) -> Option<(Instant, Cause)> {
        if !self.in_use() {
            // That there are none is news only to who knows nothing.
            let at = self.none_since.filter(|_| self.believed.is_none());
            return at.map(|at| (at, Cause::Seen));
        }
        let grace = self.settings.grace.max(QUIET);
        let (since, wait, cause) = match (&self.failing, self.none_since) {
            (Some((since, _)), _) => (*since, self.settings.stale?.max(grace), Cause::Stale),
            (None, none_since) => (none_since?, grace, Cause::Gone),
        };
        // Later than the clock can say is never.
        since.checked_add(wait).map(|at| (at, cause))
    }

    fn believe(&mut self, endpoints: Endpoints, cause: Cause, now: Instant) -> Published {
        let change = self.believed.take().unwrap_or_default().diff(&endpoints);
        let known = |address: &SocketAddr| {
            let at = self.since.binary_search_by_key(address, |(known, _)| *known).ok()?;
            self.since.get(at).map(|(_, since)| *since)
        };
        let listed = endpoints.as_slice().iter().map(|one| one.address);
        self.since = listed.map(|address| (address, known(&address).unwrap_or(now))).collect();
        self.believed = Some(endpoints.clone());
        Published { endpoints, change, cause }
    }

    #[cfg(test)]
    fn check_invariants(&self) {
        let believed = self.believed.clone().unwrap_or_default();
        let listed: Vec<_> = believed.as_slice().iter().map(|one| one.address).collect();
        assert_eq!(self.since.iter().map(|(address, _)| *address).collect::<Vec<_>>(), listed);
        if let Some(Settling { endpoints, first, last }) = &self.settling {
            assert!(!endpoints.is_empty() && *endpoints != believed, "{endpoints:?}");
            assert!(first <= last);
        }
        let known = self.believed.is_some() || self.next().is_some();
        assert_eq!(known, self.checked.is_some(), "a good look, and nobody will know of it");
        assert!(self.settling.is_none() || self.next().is_some(), "a set would wait for ever");
    }
}

#[cfg(test)]
#[path = "keeper_tests.rs"]
mod tests;
