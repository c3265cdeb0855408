//! Coarse timers of one worker: many deadlines, one sleeping task.
//!
//! A runtime timer per request costs more than the rest of its bookkeeping, and nearly every deadline is moved
//! or dropped before it is due. So a [`Timer`] is a slot in a table; arming it writes a number. One task sleeps
//! until the earliest deadline and then walks the table, at most once per [`STEP`]. Deadlines therefore fire up
//! to `STEP` late and never early.
//!
//! | slot     | becomes            | when                               |
//! |----------|--------------------|------------------------------------|
//! | idle     | armed              | `arm`                              |
//! | armed    | idle, armed, fired | `disarm`, `arm`, its deadline      |
//! | fired    | idle, armed        | `disarm`, `arm`                    |

use crate::clock;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Deadlines are noticed at most this late.
pub const STEP: Duration = Duration::from_millis(50);

const IDLE: u64 = u64::MAX;
const FIRED: u64 = u64::MAX - 1;

/// The timers of one worker.
#[derive(Debug)]
pub struct Sweep {
    origin: Instant,
    slots: RefCell<Slots>,
    /// When the task will wake, in milliseconds since `origin`; `IDLE` = it waits to be told.
    wakes_at: Cell<u64>,
    earlier: Notify,
}

#[derive(Debug, Default)]
struct Slots {
    table: Vec<Slot>,
    free: Vec<usize>,
}

#[derive(Debug)]
struct Slot {
    due: u64,
    waker: Option<Waker>,
}

impl Sweep {
    /// An empty table.
    pub fn new() -> Rc<Self> {
        Rc::new(Self {
            origin: clock::now(),
            slots: RefCell::default(),
            wakes_at: Cell::new(IDLE),
            earlier: Notify::new(),
        })
    }

    /// A timer that is not armed.
    pub fn timer(self: &Rc<Self>) -> Timer {
        let slot = Slot { due: IDLE, waker: None };
        let mut slots = self.slots.borrow_mut();
        let key = match slots.free.pop() {
            Some(key) => {
                if let Some(place) = slots.table.get_mut(key) {
                    *place = slot;
                }
                key
            }
            None => {
                slots.table.push(slot);
                slots.table.len() - 1
            }
        };
        Timer { sweep: Rc::clone(self), key }
    }

    /// Runs until dropped. One per worker.
    pub async fn run(self: Rc<Self>) {
        loop {
            match self.wakes_at.get() {
                IDLE => self.earlier.notified().await,
                due => {
                    let at = self.origin + Duration::from_millis(due);
                    tokio::select! {
                        () = tokio::time::sleep_until(at.into()) => self.fire_due(clock::now()),
                        () = self.earlier.notified() => {}
                    }
                }
            }
        }
    }

    /// Fires what is due at `now` and decides when to look again.
    fn fire_due(&self, now: Instant) {
        let now = self.millis(now);
        let mut next = IDLE;
        let mut woken = Vec::new();
        for slot in &mut self.slots.borrow_mut().table {
            if slot.due <= now {
                slot.due = FIRED;
                woken.extend(slot.waker.take());
            } else if slot.due < FIRED {
                next = next.min(slot.due);
            }
        }
        let step = u64::try_from(STEP.as_millis()).unwrap_or(50);
        self.wakes_at.set(if next == IDLE { IDLE } else { next.max(now + step) });
        // Waking may run arbitrary code of the executor: the table must not be borrowed then.
        woken.into_iter().for_each(Waker::wake);
    }

    fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.origin).as_millis()).unwrap_or(FIRED - 1)
    }

    fn with<T>(&self, key: usize, act: impl FnOnce(&mut Slot) -> T) -> Option<T> {
        self.slots.borrow_mut().table.get_mut(key).map(act)
    }
}

/// One deadline; dropping it takes it out.
#[derive(Debug)]
pub struct Timer {
    sweep: Rc<Sweep>,
    key: usize,
}

impl Timer {
    /// Fires at `at` (or up to [`STEP`] later) unless moved or disarmed before.
    pub fn arm(&self, at: Instant) {
        // +1: rounding down must not fire early.
        let due = self.sweep.millis(at).saturating_add(1).min(FIRED - 1);
        self.sweep.with(self.key, |slot| slot.due = due);
        if due < self.sweep.wakes_at.get() {
            self.sweep.wakes_at.set(due);
            self.sweep.earlier.notify_one();
        }
    }

    /// What lets it fire before its time.
    pub fn alarm(&self) -> Alarm {
        Alarm { sweep: Rc::clone(&self.sweep), key: self.key }
    }

    /// Will not fire.
    pub fn disarm(&self) {
        self.sweep.with(self.key, |slot| slot.due = IDLE);
    }

    /// Whether it is waiting for its deadline.
    pub fn is_armed(&self) -> bool {
        self.sweep.with(self.key, |slot| slot.due < FIRED).unwrap_or(false)
    }

    /// Whether its deadline has passed since it was armed.
    pub fn has_fired(&self) -> bool {
        self.sweep.with(self.key, |slot| slot.due == FIRED).unwrap_or(false)
    }

    /// Ready once it has fired; until then the task is woken when it does.
    pub fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        let fired = self.sweep.with(self.key, |slot| {
            if slot.due == FIRED {
                return true;
            }
            if !slot.waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
                slot.waker = Some(cx.waker().clone());
            }
            false
        });
        if fired.unwrap_or(true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Lets a [`Timer`] fire before its time, from outside. It must not outlive the timer: another may have its place.
#[derive(Debug)]
pub struct Alarm {
    sweep: Rc<Sweep>,
    key: usize,
}

impl Alarm {
    /// Fires the timer now.
    pub fn ring(&self) {
        let waker = self.sweep.with(self.key, |slot| {
            slot.due = FIRED;
            slot.waker.take()
        });
        // Waking may run arbitrary code of the executor: the table must not be borrowed then.
        waker.flatten().into_iter().for_each(Waker::wake);
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let mut slots = self.sweep.slots.borrow_mut();
        if let Some(slot) = slots.table.get_mut(self.key) {
            *slot = Slot { due: IDLE, waker: None };
            slots.free.push(self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    async fn fired(timer: &Timer) {
        poll_fn(|cx| timer.poll(cx)).await;
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_timer_fires_after_its_deadline_and_an_earlier_one_overtakes_a_later_one() {
        let sweep = Sweep::new();
        let local = tokio::task::LocalSet::new();
        local.spawn_local(Rc::clone(&sweep).run());
        let (late, early) = (sweep.timer(), sweep.timer());
        let start = clock::now();
        late.arm(start + Duration::from_secs(3600));
        early.arm(start + Duration::from_millis(20));

        local.run_until(fired(&early)).await;

        assert!(clock::now() >= start + Duration::from_millis(20));
        assert!(early.has_fired() && !late.has_fired());
    }

    #[test]
    fn a_disarmed_timer_does_not_fire_and_a_freed_slot_is_used_again() {
        let sweep = Sweep::new();
        let first = sweep.timer();
        let start = clock::now();
        first.arm(start);
        first.disarm();
        sweep.fire_due(start + Duration::from_secs(1));
        assert!(!first.has_fired());

        drop(first);
        let second = sweep.timer();

        assert_eq!(second.key, 0);
        second.arm(start);
        sweep.fire_due(start + Duration::from_secs(1));
        assert!(second.has_fired());
    }
}
