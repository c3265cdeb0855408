//! Asks all limits of a request, and takes back what was spent when one of them refuses.
//!
//! | where a limit counts | asked | waits |
//! |--|--|--|
//! | in this process | first | no |
//! | leased from the store | then | only when the lease is used up |
//! | in the store | then | for the store, at most its `timeout` |
//! | in this process, with a queue | last | for its turn |
//!
//! A store that does not answer is replaced as `on_failure` says. What was spent for a request that is refused in the
//! end, or whose client leaves while it waits, is given back. Must not know: requests, routes.

use super::ask::{Ask, Decision, Key};
use super::counters::{Counters, Queued};
use super::key::{self, Facts, Seed};
use super::lease::{Leased, Leases, Request};
use super::redis::Store;
use super::report::{self, Policy};
use crate::clock;
use crate::config::Config;
use crate::config::limit::{Limit, Scope, Sharing, Spend};
use crate::config::store::OnFailure;
use http::HeaderMap;
use smallvec::SmallVec;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// What all workers of a process count with.
#[derive(Debug)]
pub struct Shared {
    /// Counts of this process.
    pub counters: Counters,
    /// What it has taken from the store ahead.
    pub leases: Leases,
    /// Makes keys that nobody outside can foresee.
    pub seed: Seed,
}

/// Most keys a process counts at once: some 28 MB.
const MOST: usize = 1 << 18;

impl Shared {
    /// Nothing counted yet. `random` makes keys unforeseeable.
    pub fn new(random: &[u8; 32]) -> Self {
        Self { counters: Counters::new(MOST), leases: Leases::new(MOST), seed: Seed::new(random) }
    }
}

/// What a worker asks limits with, under one configuration.
#[derive(Debug)]
pub struct Limiter {
    config: Arc<Config>,
    shared: Arc<Shared>,
    store: Option<Rc<Store>>,
    /// What answers say about each limit.
    policies: Vec<Policy>,
    /// Spent in the store, for nothing.
    owed: RefCell<Vec<Claim>>,
}

/// What a limit has said.
#[derive(Debug, Clone, Copy)]
pub struct Counted {
    /// Its index.
    pub limit: usize,
    /// The rate that counted.
    pub tier: usize,
    /// What it said.
    pub decision: Decision,
    /// It was said without the store, which did not answer.
    pub fallback: bool,
}

impl Counted {
    /// The word used in metrics.
    pub const fn verdict(&self) -> &'static str {
        match (self.decision.admitted, self.fallback) {
            (true, false) => "admitted",
            (false, false) => "refused",
            (true, true) => "fallback_admitted",
            (false, true) => "fallback_refused",
        }
    }
}

/// What all limits of a request have said.
pub type Counts = SmallVec<[Counted; 2]>;

/// Why a request may not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It is one too many.
    Spent,
    /// Nobody can tell, and the file says to refuse then.
    Unavailable,
}

/// What is known at once.
#[derive(Debug)]
pub enum Asked {
    /// All limits admit it.
    Admitted,
    /// One does not.
    Refused,
    /// Some have to be waited for.
    Waits(Box<Waiting>),
}

/// A question to one limit, without borrowing it.
#[derive(Debug, Clone, Copy)]
struct Claim {
    limit: usize,
    tier: usize,
    key: Key,
    cost: u32,
}

/// Where something was spent.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// In this process, which has the `.0`th part, at the moment `.1`.
    Here(u32, u64),
    /// In the store, or in what was leased from it.
    Store,
}

/// What a request has spent; given back when it is dropped, unless it is kept.
#[derive(Debug)]
struct Purse {
    limiter: Rc<Limiter>,
    spent: SmallVec<[(Claim, Place); 2]>,
}

/// Limits that have to be waited for.
#[derive(Debug)]
pub struct Waiting {
    purse: Purse,
    left: SmallVec<[Claim; 2]>,
    /// What the first of them asks for, when it is leased.
    first: Option<Request>,
}

impl Limiter {
    /// For one configuration; counts go on in `shared`.
    pub fn new(config: Arc<Config>, shared: Arc<Shared>, store: Option<Rc<Store>>) -> Rc<Self> {
        let policies = config.limits.iter().map(Policy::new).collect();
        Rc::new(Self { config, shared, store, policies, owed: RefCell::default() })
    }

    /// The store it asks.
    pub fn store(&self) -> Option<&Rc<Store>> {
        self.store.as_ref()
    }

    /// Asks those of `spends` that `which` is true of. What was said is added to `counts`.
    pub fn ask(
        self: &Rc<Self>,
        spends: &[Spend],
        which: impl Fn(&Limit) -> bool,
        facts: &Facts<'_>,
        counts: &mut Counts,
    ) -> Asked {
        let now = clock::wall_nanos();
        let mut purse = Purse { limiter: Rc::clone(self), spent: SmallVec::new() };
        let mut left: SmallVec<[Claim; 2]> = SmallVec::new();
        for spend in spends {
            let Some(limit) = self.config.limits.get(spend.limit).filter(|limit| which(limit)) else {
                continue;
            };
            let Ask { tier, key, cost, .. } = key::ask(limit, spend.cost, facts, &self.shared.seed);
            let claim = Claim { limit: spend.limit, tier, key, cost };
            if limit.scope != Scope::Instance || limit.queue.is_some() {
                left.push(claim);
            } else if !purse.take_here(claim, (1, now), counts) {
                return Asked::Refused;
            }
        }
        left.sort_by_key(|claim| self.limit(claim.limit).map(turn));
        while let Some(claim) = left.first().copied() {
            match purse.take_leased(claim, now, counts) {
                Err(first) => return Asked::Waits(Box::new(Waiting { purse, left, first })),
                Ok(false) => return Asked::Refused,
                Ok(true) => _ = left.remove(0),
            }
        }
        purse.keep();
        Asked::Admitted
    }

    /// Writes into an answer what limits have said.
    pub fn report(&self, counts: &[Counted], headers: &mut HeaderMap) {
        let counted = counts.iter().filter_map(|counted| {
            let policy = self.policies.get(counted.limit)?;
            Some(report::Counted { policy, tier: counted.tier, decision: counted.decision })
        });
        report::write(&counted.collect::<SmallVec<[_; 2]>>(), headers);
    }

    fn limit(&self, index: usize) -> Option<&Limit> {
        self.config.limits.get(index)
    }
}

/// What is asked first may refuse first.
fn turn(limit: &Limit) -> u8 {
    match limit.scope {
        Scope::Global(Sharing::Leased) => 0,
        Scope::Global(Sharing::Exact) => 1,
        Scope::Instance => 2,
    }
}

impl Waiting {
    /// Waits for each in turn. What was said is added to `counts`.
    pub async fn wait(self: Box<Self>, counts: &mut Counts) -> Result<(), Refused> {
        let Self { mut purse, left, mut first } = *self;
        for claim in left {
            let Some(scope) = purse.limiter.limit(claim.limit).map(|limit| limit.scope) else { continue };
            match scope {
                Scope::Instance => purse.wait_turn(claim, counts).await?,
                Scope::Global(Sharing::Exact) => purse.take_from_store(claim, counts).await?,
                Scope::Global(Sharing::Leased) => {
                    let asked = match first.take() {
                        Some(request) => Err(Some(request)),
                        None => purse.take_leased(claim, clock::wall_nanos(), counts),
                    };
                    match asked {
                        Ok(admits) => admitted(admits)?,
                        Err(Some(request)) => purse.lease(claim, request, counts).await?,
                        Err(None) => {}
                    }
                }
            }
        }
        purse.keep();
        Ok(())
    }
}

impl Purse {
    /// What is spent stays spent.
    fn keep(mut self) {
        self.spent.clear();
    }

    fn note(&mut self, claim: Claim, place: Place, said: (Decision, bool), counts: &mut Counts) -> bool {
        let (decision, fallback) = said;
        counts.push(Counted { limit: claim.limit, tier: claim.tier, decision, fallback });
        if decision.admitted {
            self.spent.push((claim, place));
        }
        decision.admitted
    }

    fn take_here(&mut self, claim: Claim, (share, now): (u32, u64), counts: &mut Counts) -> bool {
        let limiter = Rc::clone(&self.limiter);
        let Some(ask) = limiter.question(&claim) else { return true };
        let decision = limiter.shared.counters.take(&ask, share, now);
        self.note(claim, Place::Here(share, now), (decision, share > 1), counts)
    }

    /// From what was leased; an error is what has to be waited for.
    fn take_leased(&mut self, claim: Claim, now: u64, counts: &mut Counts) -> Result<bool, Option<Request>> {
        let limiter = Rc::clone(&self.limiter);
        let Some(ask) = limiter.question(&claim) else { return Ok(true) };
        if ask.limit.scope != Scope::Global(Sharing::Leased) {
            return Err(None);
        }
        match limiter.shared.leases.spend(&ask, limiter.instances(), now) {
            Leased::Here { decision, refill } => {
                if let Some(request) = refill {
                    limiter.refill(claim, request);
                }
                Ok(self.note(claim, Place::Store, (decision, false), counts))
            }
            Leased::Ask(request) => Err(Some(request)),
        }
    }

    async fn wait_turn(&mut self, claim: Claim, counts: &mut Counts) -> Result<(), Refused> {
        let limiter = Rc::clone(&self.limiter);
        let Some(ask) = limiter.question(&claim) else { return Ok(()) };
        let now = clock::wall_nanos();
        match limiter.shared.counters.queue(&ask, now) {
            Queued::Refused(decision) | Queued::Now(decision) => {
                admitted(self.note(claim, Place::Here(1, now), (decision, false), counts))
            }
            Queued::After(delay, decision) => {
                self.note(claim, Place::Here(1, now), (decision, false), counts);
                // Gives the place up when the turn has come, or the client has left.
                let _place = InQueue { limiter: &limiter, claim };
                tokio::time::sleep(delay).await;
                Ok(())
            }
        }
    }

    async fn take_from_store(&mut self, claim: Claim, counts: &mut Counts) -> Result<(), Refused> {
        let limiter = Rc::clone(&self.limiter);
        let (Some(ask), Some(store)) = (limiter.question(&claim), &limiter.store) else {
            return self.fall_back(claim, counts);
        };
        match store.take(&ask).await {
            Ok(decision) => admitted(self.note(claim, Place::Store, (decision, false), counts)),
            Err(_counted_there) => self.fall_back(claim, counts),
        }
    }

    async fn lease(&mut self, claim: Claim, request: Request, counts: &mut Counts) -> Result<(), Refused> {
        let limiter = Rc::clone(&self.limiter);
        let Some(ask) = limiter.question(&claim) else { return Ok(()) };
        let Some(store) = &limiter.store else { return self.fall_back(claim, counts) };
        let mut asked = Asking { limiter: &limiter, key: claim.key, request: Some(request) };
        let Ok(granted) = store.reserve(&ask, request.n).await else {
            drop(asked);
            return self.fall_back(claim, counts);
        };
        asked.request = None;
        let decision = limiter.shared.leases.granted(&ask, request, &granted, clock::wall_nanos());
        admitted(self.note(claim, Place::Store, (decision, false), counts))
    }

    /// What `on_failure` says.
    fn fall_back(&mut self, claim: Claim, counts: &mut Counts) -> Result<(), Refused> {
        let limiter = Rc::clone(&self.limiter);
        let on_failure = limiter.config.redis.as_ref().map_or(OnFailure::Divide, |redis| redis.on_failure);
        match on_failure {
            OnFailure::Divide => {
                let share = limiter.instances();
                let Some(ask) = limiter.question(&claim) else { return Ok(()) };
                let now = clock::wall_nanos();
                let decision = limiter.shared.counters.take(&ask, share, now);
                admitted(self.note(claim, Place::Here(share, now), (decision, true), counts))
            }
            OnFailure::Allow => {
                let Some(ask) = limiter.question(&claim) else { return Ok(()) };
                let unknown = Decision {
                    admitted: true,
                    remaining: ask.rate().burst,
                    reset_after: Duration::ZERO,
                    retry_after: Duration::ZERO,
                };
                counts.push(Counted {
                    limit: claim.limit,
                    tier: claim.tier,
                    decision: unknown,
                    fallback: true,
                });
                Ok(())
            }
            OnFailure::Deny => Err(Refused::Unavailable),
        }
    }
}

impl Drop for Purse {
    fn drop(&mut self) {
        for (claim, place) in self.spent.drain(..) {
            let Some(ask) = self.limiter.question(&claim) else { continue };
            match place {
                Place::Here(share, then) => self.limiter.shared.counters.give_back(&ask, share, then),
                // Not here: whoever drops this may be on its way out of the runtime.
                Place::Store => self.limiter.owed.borrow_mut().push(claim),
            }
        }
    }
}

/// One that waits for its turn.
struct InQueue<'a> {
    limiter: &'a Limiter,
    claim: Claim,
}

impl Drop for InQueue<'_> {
    fn drop(&mut self) {
        if let Some(ask) = self.limiter.question(&self.claim) {
            self.limiter.shared.counters.leave_queue(&ask, clock::wall_nanos());
        }
    }
}

impl Limiter {
    fn question(&self, claim: &Claim) -> Option<Ask<'_>> {
        let Claim { limit, tier, key, cost } = *claim;
        self.limit(limit).map(|limit| Ask { limit, tier, key, cost })
    }

    /// How many processes share the store.
    fn instances(&self) -> u32 {
        self.store.as_ref().map_or(1, |store| store.instances())
    }

    /// Leases more before it is used up, beside the requests.
    fn refill(self: &Rc<Self>, claim: Claim, request: Request) {
        let limiter = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let (Some(ask), Some(store)) = (limiter.question(&claim), &limiter.store) else { return };
            match store.reserve(&ask, request.n).await {
                Ok(granted) => {
                    limiter.shared.leases.refilled(&ask, request, &granted, clock::wall_nanos());
                }
                Err(_counted_there) => limiter.shared.leases.failed(claim.key, request),
            }
        });
    }

    /// Gives back to the store what other limits, or clients that left, have made useless. To be called several times a
    /// second.
    pub fn settle(self: &Rc<Self>) {
        for claim in self.owed.take() {
            self.give_back(claim, claim.cost);
        }
    }

    /// Forgets some of what does not count any more, and gives back what was leased for too long. To be called about once
    /// a second.
    pub fn keep_house(self: &Rc<Self>) {
        let now = clock::wall_nanos();
        self.shared.counters.purge(now);
        if self.store.is_none() {
            return;
        }
        for lapsed in self.shared.leases.lapsed(now) {
            let limit = self.config.limits.iter().position(|limit| limit.name == lapsed.limit);
            if let Some(limit) = limit {
                self.give_back(Claim { limit, tier: lapsed.tier, key: lapsed.key, cost: 1 }, lapsed.n);
            }
        }
    }

    fn give_back(self: &Rc<Self>, claim: Claim, n: u32) {
        let limiter = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let (Some(ask), Some(store)) = (limiter.question(&claim), &limiter.store) else { return };
            // Lost when the store is: the count says too much until its window is over.
            let _given = store.give_back(&ask, n).await.is_ok();
        });
    }
}

/// A question about a lease; said to have failed when whoever asks it goes away.
struct Asking<'a> {
    limiter: &'a Limiter,
    key: Key,
    request: Option<Request>,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if let Some(request) = self.request.take() {
            self.limiter.shared.leases.failed(self.key, request);
        }
    }
}

const fn admitted(admits: bool) -> Result<(), Refused> {
    if admits { Ok(()) } else { Err(Refused::Spent) }
}
