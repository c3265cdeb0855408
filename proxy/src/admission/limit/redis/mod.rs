//! Counts that processes share, in Redis.
//!
//! A [`Store`] belongs to one worker thread. It connects by itself, asks within a time, and stops asking a store that
//! does not answer. What to do then is the caller's decision. It knows nothing about routes and identities: keys are
//! 128 bits, and nothing a client has sent appears in the names of keys in plain.
//!
//! | file | what |
//! |--|--|
//! | [`question`] | a question in numbers, an answer in words (pure) |
//! | `scripts/` | the same in Lua, one step each, by the clock of the store |
//! | [`bounds`] | where days and months begin (pure) |
//! | [`breaker`] | whether to ask (pure) |
//! | [`denied`] | what need not be asked (pure) |
//! | [`instances`] | how many processes there are |
//! | [`client`] | connections |
//! | [`keeper`] | keeps one |
//!
//! | question | link | answer |
//! |--|--|--|
//! | any | idle, connecting for the first time | waits for it, within the time of the question |
//! | any | down | why it is down, at once |
//! | any | up, breaker open or half-open | [`StoreError::Open`], at once |
//! | any | up, breaker closed | the store's, or [`StoreError::Timeout`] |

mod bounds;
mod breaker;
mod client;
mod denied;
mod error;
mod instances;
mod keeper;
mod question;
mod script;
#[cfg(test)]
mod support_tests;

pub use error::StoreError;
pub use question::Granted;

use super::ask::{Ask, Decision, Key};
use crate::clock;
use crate::config::limit::Algorithm;
use crate::config::store;
use bounds::{Bounds, Calendars};
use breaker::Breaker;
use client::{Connector, Link};
use denied::Denied;
use instances::Instances;
use question::{Numbers, Question};
use script::{Script, Scripts};
use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::future::Future;
use std::rc::Rc;
use std::time::{Duration, SystemTime};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// What is counted about a store.
pub trait StoreTally {
    /// It has not decided; the word of a [`StoreError`].
    fn store_error(&self, word: &'static str);
    /// It is not asked any more (`true`), or asked again.
    fn breaker(&self, open: bool);
}

/// A store, of one worker thread.
pub struct Store {
    inner: Rc<Inner>,
    keeper: RefCell<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("name", &self.inner.name).finish_non_exhaustive()
    }
}

/// What the keeper of the connection shares.
struct Inner {
    /// For the log.
    name: Box<str>,
    connector: Connector,
    scripts: Scripts,
    prefix: Box<str>,
    instances_key: Box<str>,
    timeout: Duration,
    process: u128,
    instances: Instances,
    phase: RefCell<Phase>,
    /// The phase has changed.
    changed: Notify,
    /// The keeper has something to do.
    wake: Notify,
    /// Why the connection has to be replaced.
    lost: Cell<Option<StoreError>>,
    /// How many connections there have been.
    links: Cell<u32>,
    breaker: RefCell<Breaker>,
    denied: RefCell<Denied>,
    calendars: RefCell<Calendars>,
    tally: Rc<dyn StoreTally>,
    /// What the tally was told last.
    told_open: Cell<bool>,
}

/// The connection; see the table of [`keeper`].
enum Phase {
    Idle,
    Connecting,
    Up(Link),
    Down(StoreError),
}

impl Store {
    /// Reads the file of authorities, if there is one; connects with the first question, or [`Self::start`].
    pub fn new(config: &store::Redis, tally: Rc<dyn StoreTally>) -> Result<Self, StoreError> {
        Self::of_process(config, tally, instances::own())
    }

    fn of_process(
        config: &store::Redis,
        tally: Rc<dyn StoreTally>,
        process: u128,
    ) -> Result<Self, StoreError> {
        let name = match &config.servers {
            store::Servers::Single(server) => server.clone(),
            store::Servers::Sentinel { primary, .. } => primary.clone(),
            store::Servers::Cluster(nodes) => nodes.join(",").into(),
        };
        let inner = Inner {
            name,
            connector: Connector::new(config)?,
            scripts: Scripts::new(),
            prefix: config.prefix.clone(),
            instances_key: format!("{}instances", config.prefix).into(),
            timeout: config.timeout,
            process,
            instances: Instances::new(config.instances),
            phase: RefCell::new(Phase::Idle),
            changed: Notify::new(),
            wake: Notify::new(),
            lost: Cell::new(None),
            links: Cell::new(0),
            breaker: RefCell::new(Breaker::new()),
            denied: RefCell::default(),
            calendars: RefCell::default(),
            tally,
            told_open: Cell::new(false),
        };
        Ok(Self { inner: Rc::new(inner), keeper: RefCell::new(None) })
    }

    /// Begins to connect, so that the first request need not wait. Only inside a local runtime.
    pub fn start(&self) {
        let mut phase = self.inner.phase.borrow_mut();
        if matches!(*phase, Phase::Idle) {
            *phase = Phase::Connecting;
            let keeper = tokio::task::spawn_local(keeper::keep(self.inner.clone()));
            *self.keeper.borrow_mut() = Some(keeper);
        }
    }

    /// Spends the cost of the request, all of it or nothing.
    pub async fn take(&self, ask: &Ask<'_>) -> Result<Decision, StoreError> {
        let granted = self.reserve(ask, ask.cost).await?;
        Ok(Decision {
            admitted: granted.n > 0,
            remaining: granted.remaining,
            reset_after: granted.reset_after,
            retry_after: granted.retry_after,
        })
    }

    /// Spends as much as there is, from the cost of the request up to `n` (a million at most), or nothing.
    pub async fn reserve(&self, ask: &Ask<'_>, n: u32) -> Result<Granted, StoreError> {
        let inner = &*self.inner;
        if let Some(Decision { remaining, reset_after, retry_after, .. }) =
            inner.denied.borrow().find(ask.key, ask.cost, clock::now())
        {
            return Ok(Granted { n: 0, remaining, reset_after, retry_after });
        }
        let question = Question::new(ask, n);
        let (script, bounds) = match ask.limit.algorithm {
            Algorithm::TokenBucket => (&inner.scripts.bucket, None),
            Algorithm::FixedWindow => (&inner.scripts.fixed, inner.bounds(ask)),
            Algorithm::SlidingWindow => (&inner.scripts.sliding, None),
        };
        let numbers = self.ask(script, ask.key, &question.arguments(bounds)).await?;
        let granted = inner.told(question.answer(&numbers))?;
        if granted.n == 0 {
            let Granted { remaining, reset_after, retry_after, .. } = granted;
            let decision = Decision { admitted: false, remaining, reset_after, retry_after };
            inner.denied.borrow_mut().remember(ask.key, ask.cost, decision, clock::now());
        }
        Ok(granted)
    }

    /// Gives back what was spent and not used. Of a window that is over nothing is given back.
    pub async fn give_back(&self, ask: &Ask<'_>, n: u32) -> Result<(), StoreError> {
        let scripts = &self.inner.scripts;
        let script = match ask.limit.algorithm {
            Algorithm::TokenBucket => &scripts.bucket_back,
            Algorithm::FixedWindow => &scripts.fixed_back,
            Algorithm::SlidingWindow => &scripts.sliding_back,
        };
        self.ask(script, ask.key, &Question::new(ask, n).back(n)).await?;
        self.inner.denied.borrow_mut().forget(ask.key);
        Ok(())
    }

    /// How many processes share it, at least 1: what the configuration says, or as many as have said so there of late.
    pub fn instances(&self) -> u32 {
        self.inner.instances.count()
    }

    /// Whether it is not asked: it fails, or there is no connection.
    pub fn is_open(&self) -> bool {
        self.inner.is_open()
    }

    async fn ask(&self, script: &Script, key: Key, numbers: &Numbers) -> Result<Vec<i64>, StoreError> {
        self.start();
        let inner = &*self.inner;
        let key = inner.key(key);
        let asking = async {
            let mut link = inner.link().await?;
            let arguments = |command: &mut redis::Cmd| {
                numbers.iter().for_each(|number| {
                    command.arg(*number);
                });
            };
            script.run(&mut link, &key, arguments).await.map_err(StoreError::from)
        };
        inner.told(inner.bounded(asking).await)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Some(keeper) = self.keeper.take() {
            keeper.abort();
        }
    }
}

impl Inner {
    /// The name of a count. Braces: Redis looks at what is between them alone when it chooses a node.
    fn key(&self, key: Key) -> String {
        let mut name = String::with_capacity(self.prefix.len() + 34);
        name.push_str(&self.prefix);
        // Writing to a string cannot fail.
        let _ = write!(name, "{{{:032x}}}", key.0);
        name
    }

    /// The connection, when the store is asked at all.
    async fn link(&self) -> Result<Link, StoreError> {
        loop {
            let changed = self.changed.notified();
            match &*self.phase.borrow() {
                Phase::Up(_) if !self.breaker.borrow().is_closed() => return Err(StoreError::Open),
                Phase::Up(link) => return Ok(link.clone()),
                Phase::Down(error) => return Err(error.clone()),
                Phase::Idle | Phase::Connecting => {}
            }
            changed.await;
        }
    }

    /// Within the time of a question. What comes out of it moves the breaker, unless nothing was asked.
    async fn bounded<T>(&self, asking: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let (closed, link) = (!self.is_open(), self.links.get());
        let answer = tokio::time::timeout(self.timeout, asking).await.unwrap_or(Err(StoreError::Timeout));
        if closed {
            // What it says about one key alone says nothing about the store.
            let well = matches!(answer, Ok(_) | Err(StoreError::Protocol | StoreError::Clock));
            self.breaker.borrow_mut().answered(clock::now(), well, fastrand::u32(..));
            if let Err(error) = &answer {
                self.failed(error, link);
            }
            self.tell();
        }
        answer
    }

    /// A question failed: the keeper may have to act, unless it was asked over a connection before this one.
    fn failed(&self, error: &StoreError, link: u32) {
        let replace = link == self.links.get()
            && matches!(&*self.phase.borrow(), Phase::Up(link) if !link.is_cluster());
        if replace && error.wants_reconnect() {
            self.lost.set(Some(error.clone()));
            self.down(error, "");
        }
        if self.is_open() {
            self.wake.notify_one();
        }
    }

    fn is_open(&self) -> bool {
        !self.breaker.borrow().is_closed() || matches!(&*self.phase.borrow(), Phase::Down(_))
    }

    /// Tells the tally when the store is no longer asked, or asked again.
    fn tell(&self) {
        let open = self.is_open();
        if self.told_open.replace(open) != open {
            self.tally.breaker(open);
        }
    }

    fn told<T>(&self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &answer {
            self.tally.store_error(error.word());
        }
        answer
    }

    /// Where the window of the calendar lies; the store chooses by its own clock.
    fn bounds(&self, ask: &Ask<'_>) -> Option<Bounds> {
        let now = clock::wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.calendars.borrow_mut().get(&ask.rate().window, i64::try_from(now.as_micros()).ok()?)
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "topology_tests.rs"]
mod topology_tests;
