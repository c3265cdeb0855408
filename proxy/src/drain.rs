//! The only shutdown primitive: one trigger, any number of watchers.
//!
//! | phase    | means                                                                          |
//! |----------|--------------------------------------------------------------------------------|
//! | Running  | all is well                                                                     |
//! | Leaving  | not ready any more; still accepting, but every HTTP/1 answer says `connection: close` and HTTP/2 peers got GOAWAY |
//! | Closing  | listeners are shut, idle connections too; exchanges in flight may finish        |
//! | Last     | the application has gone: what stood open for its calls is shut too (sidecar; at once elsewhere) |
//! | Over     | the time is up: whatever is left is cut                                         |
//!
//! Phases only move forward.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};
use tokio::sync::{Notify, watch};

/// How far the shutdown has come; ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// All is well.
    Running,
    /// Asking load balancers to look away.
    Leaving,
    /// Finishing what is in flight.
    Closing,
    /// Nobody needs us for their own calls any more.
    Last,
    /// Time is up.
    Over,
}

/// The side that decides.
#[derive(Debug, Clone)]
pub struct Trigger(watch::Sender<Phase>);

/// The side that obeys.
#[derive(Debug, Clone)]
pub struct Watcher(watch::Receiver<Phase>);

/// A trigger and its first watcher.
pub fn channel() -> (Trigger, Watcher) {
    let (sender, receiver) = watch::channel(Phase::Running);
    (Trigger(sender), Watcher(receiver))
}

impl Trigger {
    /// Moves on to `phase`; a step back is ignored.
    pub fn advance(&self, phase: Phase) {
        self.0.send_if_modified(|current| {
            let forward = phase > *current;
            if forward {
                *current = phase;
            }
            forward
        });
    }

    /// Where it stands.
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }
}

impl Watcher {
    /// Where it stands.
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// Returns once `phase` is reached, or the trigger is gone.
    pub async fn reached(&mut self, phase: Phase) {
        // An error means the trigger is gone, which ends everything as well.
        let _gone = self.0.wait_for(|current| *current >= phase).await.is_err();
    }
}

/// The tasks of one worker that must hear of a phase: its connections.
///
/// Kept apart from [`Watcher`], whose lock all workers share: a connection looks here each time it runs.
#[derive(Debug)]
pub struct Roster {
    phase: Cell<Phase>,
    wakers: RefCell<Vec<Option<Waker>>>,
    free: RefCell<Vec<usize>>,
    members: Cell<usize>,
    /// Told when the last member has left.
    empty: Notify,
}

/// One task on the roster; dropping it takes the task off.
#[derive(Debug)]
pub struct Member {
    roster: Rc<Roster>,
    key: usize,
}

impl Roster {
    /// Nobody yet.
    pub fn new() -> Rc<Self> {
        Rc::new(Self {
            phase: Cell::new(Phase::Running),
            wakers: RefCell::default(),
            free: RefCell::default(),
            members: Cell::new(0),
            empty: Notify::new(),
        })
    }

    /// Puts the calling task on the roster.
    pub fn join(self: &Rc<Self>) -> Member {
        self.members.set(self.members.get() + 1);
        let key = self.free.borrow_mut().pop().unwrap_or_else(|| {
            self.wakers.borrow_mut().push(None);
            self.wakers.borrow().len() - 1
        });
        Member { roster: Rc::clone(self), key }
    }

    /// Moves on to `phase` and wakes everybody.
    pub fn advance(&self, phase: Phase) {
        self.phase.set(phase);
        let woken: Vec<Waker> = self.wakers.borrow_mut().iter_mut().filter_map(Option::take).collect();
        woken.into_iter().for_each(Waker::wake);
    }

    /// Wakes everybody without a new phase: there is something to look at.
    pub fn nudge(&self) {
        self.advance(self.phase.get());
    }

    /// Returns once nobody is left.
    pub async fn emptied(&self) {
        while self.members.get() > 0 {
            self.empty.notified().await;
        }
    }
}

impl Member {
    /// The phase; the task is woken when it changes.
    pub fn poll(&self, cx: &Context<'_>) -> Phase {
        if let Some(slot) = self.roster.wakers.borrow_mut().get_mut(self.key)
            && !slot.as_ref().is_some_and(|known| known.will_wake(cx.waker()))
        {
            *slot = Some(cx.waker().clone());
        }
        self.roster.phase.get()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(slot) = self.roster.wakers.borrow_mut().get_mut(self.key) {
            *slot = None;
        }
        self.roster.free.borrow_mut().push(self.key);
        self.roster.members.set(self.roster.members.get().saturating_sub(1));
        if self.roster.members.get() == 0 {
            self.roster.empty.notify_one();
        }
    }
}
