//! The order in which a sidecar ends. Pure: events come in, actions go out; timers and processes are the shell's.
//!
//! ```text
//! TERM ── not ready ── delay ── inbound goes away ── child gets TERM ── child ends ── outbound goes away ── exit
//!         (still accepting)     (GOAWAY, finishing)  (inbound idle, or                (what is in flight)
//!                                                     half of the timeout)
//! ```
//!
//! | state | event | next | actions |
//! |--|--|--|--|
//! | Serving | told | Leaving | not ready, start Delay |
//! | Serving | told, without delay | Closing | not ready, inbound away, start Half (child), start Timeout |
//! | Serving | child ended | Settling | not ready, inbound away, outbound away, start Timeout |
//! | Leaving | Delay | Closing | inbound away, start Half (child), start Timeout |
//! | Leaving | child ended | Settling | inbound away, outbound away, start Timeout |
//! | Leaving | told again | Killing (child) or Over | inbound away, then as below |
//! | Closing (child) | inbound idle, or Half | Ending | tell the child |
//! | Closing, Ending (child) | child ended | Settling | outbound away |
//! | Closing, Ending (child) | Timeout, or told again | Killing | kill the child, start Kill |
//! | Closing (no child) | all idle | Over | outbound away, exit 0 |
//! | Closing (no child) | Timeout, or told again | Over | cut, exit 0 |
//! | Settling | all idle | Over | exit with the child's code |
//! | Settling | Timeout, or told again | Over | cut, exit with the child's code |
//! | Killing | child ended | Over | cut, exit with the child's code |
//! | Killing | Kill, or told again | Over | cut, exit 137 |
//! | any | anything else | the same | none |
//!
//! # Why in this order (mesh.md §3.6)
//! - **Not ready first, away later.** Peers learn of our end from discovery some seconds after us. Whoever stops at once
//!   refuses all they send meanwhile; so for `drain.delay` everything is as before, GOAWAY included.
//! - **Inbound away before the child is told.** An application that is told to end stops to accept, often at once. While peers
//!   still have connections to us, each of their requests would become a 503. After GOAWAY none is new.
//! - **The child is told at half of the timeout at the latest.** A stream that never ends would keep inbound busy for all of it,
//!   and the application would be killed without having been asked. Its streams are not cut then: it has the
//!   other half to end them, and itself.
//! - **Outbound until the child has ended.** What it does last (commit, flush, deregister) often is a call to others. GOAWAY on
//!   outbound would break exactly those.
//! - **One timeout for all.** From the first signal to the end it takes at most `drain.delay` + `drain.timeout` (and 2 s for the
//!   kernel to kill), as on the edge; that plus a little is what belongs into `terminationGracePeriodSeconds`.
//! - **A child that ends by itself** ends everything, without delay: there is nobody left to answer. Jobs end so, with their code.
//! - **Without a child** we do not see the application end. Outbound stays open, for new calls too, until nothing is in flight
//!   at all or the timeout is over.

use crate::config::Drain;
use std::time::Duration;

/// How long the kernel may take to kill.
const KILL: Duration = Duration::from_secs(2);
/// Exit code of a child that was killed: 128 + SIGKILL.
const KILLED: u8 = 137;

/// What happens. States (`…Idle`) may be reported as often as they hold; where they do not matter they are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A signal, or somebody on the admin listener, tells us to end. The second time it means: at once.
    Told {
        /// Without waiting for others to look away (SIGINT).
        skip_delay: bool,
    },
    /// The application has ended; its exit code.
    ChildEnded(u8),
    /// A timer that was started is due.
    Due(Timer),
    /// Inbound went away and nothing is in flight there any more.
    InboundIdle,
    /// Nothing is in flight anywhere.
    AllIdle,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// Others look away.
    Delay,
    /// Inbound finishes; then the child is told anyway.
    Half,
    /// Everything ends.
    Timeout,
    /// The kernel kills.
    Kill,
}

impl Timer {
    /// How long it takes.
    pub fn length(self, drain: &Drain) -> Duration {
        match self {
            Self::Delay => drain.delay,
            Self::Half => drain.timeout / 2,
            Self::Timeout => drain.timeout,
            Self::Kill => KILL,
        }
    }
}

/// What is to be done; each at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Say that we are not ready; accept all the same.
    NotReady,
    /// Start a timer and report when it is due.
    Start(Timer),
    /// Inbound: shut the listener, GOAWAY and `connection: close`, finish what is in flight.
    InboundAway,
    /// SIGTERM to the child.
    TellChild,
    /// SIGKILL to the child.
    KillChild,
    /// Outbound: the same as inbound.
    OutboundAway,
    /// Close whatever is open.
    Cut,
    /// End the process with this code.
    Exit(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Serving,
    Leaving,
    Closing,
    Ending,
    Settling(u8),
    Killing,
    Over,
}

/// Where the farewell stands.
#[derive(Debug)]
pub struct Farewell {
    state: State,
    child: bool,
}

impl Farewell {
    /// Serving, with or without a child.
    pub const fn new(child: bool) -> Self {
        Self { state: State::Serving, child }
    }

    /// Whether idleness matters in this state: the shell need not look otherwise.
    pub const fn looks_for_idleness(&self) -> bool {
        matches!(self.state, State::Closing | State::Settling(_))
    }

    /// Whether inbound alone being idle matters.
    pub const fn looks_for_inbound(&self) -> bool {
        matches!(self.state, State::Closing) && self.child
    }

    /// What is to be done about `event`, in this order.
    pub fn on(&mut self, event: Event) -> Vec<Action> {
        let (next, actions) = match event {
            Event::Told { skip_delay } => self.told(skip_delay),
            Event::ChildEnded(code) => self.child_ended(code),
            Event::Due(timer) => self.due(timer),
            Event::InboundIdle => self.inbound_idle(),
            Event::AllIdle => self.all_idle(),
        };
        self.state = next;
        actions
    }

    fn told(&self, skip_delay: bool) -> (State, Vec<Action>) {
        match self.state {
            State::Serving if skip_delay => self.close(vec![Action::NotReady]),
            State::Serving => (State::Leaving, vec![Action::NotReady, Action::Start(Timer::Delay)]),
            State::Leaving => self.hurry(vec![Action::InboundAway]),
            State::Closing | State::Ending => self.hurry(Vec::new()),
            State::Settling(code) => over(vec![Action::Cut], code),
            State::Killing => over(vec![Action::Cut], KILLED),
            State::Over => self.stay(),
        }
    }

    fn child_ended(&self, code: u8) -> (State, Vec<Action>) {
        let mut actions = match self.state {
            _ if !self.child => return self.stay(),
            State::Serving => vec![Action::NotReady, Action::InboundAway],
            State::Leaving => vec![Action::InboundAway],
            State::Closing | State::Ending => return (State::Settling(code), vec![Action::OutboundAway]),
            State::Killing => return over(vec![Action::Cut], code),
            State::Settling(_) | State::Over => return self.stay(),
        };
        actions.extend([Action::OutboundAway, Action::Start(Timer::Timeout)]);
        (State::Settling(code), actions)
    }

    fn due(&self, timer: Timer) -> (State, Vec<Action>) {
        match (self.state, timer) {
            (State::Leaving, Timer::Delay) => self.close(Vec::new()),
            (State::Closing, Timer::Half) => self.inbound_idle(),
            (State::Closing | State::Ending, Timer::Timeout) => self.hurry(Vec::new()),
            (State::Settling(code), Timer::Timeout) => over(vec![Action::Cut], code),
            (State::Killing, Timer::Kill) => over(vec![Action::Cut], KILLED),
            _ => self.stay(),
        }
    }

    fn inbound_idle(&self) -> (State, Vec<Action>) {
        match self.state {
            State::Closing if self.child => (State::Ending, vec![Action::TellChild]),
            _ => self.stay(),
        }
    }

    fn all_idle(&self) -> (State, Vec<Action>) {
        match self.state {
            State::Closing if self.child => self.inbound_idle(),
            State::Closing => over(vec![Action::OutboundAway], 0),
            State::Settling(code) => over(Vec::new(), code),
            _ => self.stay(),
        }
    }

    /// Inbound goes away.
    fn close(&self, mut actions: Vec<Action>) -> (State, Vec<Action>) {
        actions.push(Action::InboundAway);
        if self.child {
            actions.push(Action::Start(Timer::Half));
        }
        actions.push(Action::Start(Timer::Timeout));
        (State::Closing, actions)
    }

    /// No more patience.
    fn hurry(&self, mut actions: Vec<Action>) -> (State, Vec<Action>) {
        if self.child {
            actions.extend([Action::KillChild, Action::Start(Timer::Kill)]);
            (State::Killing, actions)
        } else {
            actions.push(Action::Cut);
            over(actions, 0)
        }
    }

    const fn stay(&self) -> (State, Vec<Action>) {
        (self.state, Vec::new())
    }
}

fn over(mut actions: Vec<Action>, code: u8) -> (State, Vec<Action>) {
    actions.push(Action::Exit(code));
    (State::Over, actions)
}

#[cfg(test)]
#[path = "farewell_tests.rs"]
mod tests;
