//! The farewell: every row of its table, and what must hold whatever happens.

use super::*;
use Action::{Cut, Exit, InboundAway, KillChild, NotReady, OutboundAway, Start, TellChild};
use Event::{AllIdle, ChildEnded, Due, InboundIdle};
use proptest::prelude::*;

const TERM: Event = Event::Told { skip_delay: false };
const INT: Event = Event::Told { skip_delay: true };
const DELAY: Event = Due(Timer::Delay);
const HALF: Event = Due(Timer::Half);
const TIMEOUT: Event = Due(Timer::Timeout);
const DEAD: Event = Due(Timer::Kill);

/// What happens, and what is done about the last of it.
type Row = (&'static [Event], &'static [Action]);

fn check(child: bool, rows: &[Row]) {
    for (events, actions) in rows {
        let mut farewell = Farewell::new(child);
        let mut last = Vec::new();
        for event in *events {
            last = farewell.on(*event);
        }
        assert_eq!(last, *actions, "child: {child}, {events:?}");
    }
}

#[test]
fn with_a_child_inbound_goes_first_then_the_child_then_outbound() {
    check(
        true,
        &[
            (&[TERM], &[NotReady, Start(Timer::Delay)]),
            (&[TERM, DELAY], &[InboundAway, Start(Timer::Half), Start(Timer::Timeout)]),
            (&[TERM, DELAY, InboundIdle], &[TellChild]),
            (&[TERM, DELAY, AllIdle], &[TellChild]),
            (&[TERM, DELAY, HALF], &[TellChild]),
            (&[TERM, DELAY, HALF, ChildEnded(143)], &[OutboundAway]),
            (&[TERM, DELAY, HALF, ChildEnded(143), AllIdle], &[Exit(143)]),
            (&[INT], &[NotReady, InboundAway, Start(Timer::Half), Start(Timer::Timeout)]),
        ],
    );
}

#[test]
fn a_child_that_ends_by_itself_ends_everything_with_its_code() {
    let at_once: &[Action] = &[NotReady, InboundAway, OutboundAway, Start(Timer::Timeout)];
    check(
        true,
        &[
            (&[ChildEnded(0)], at_once),
            (&[ChildEnded(3), AllIdle], &[Exit(3)]),
            (&[ChildEnded(3), InboundIdle], &[]),
            (&[ChildEnded(3), TIMEOUT], &[Cut, Exit(3)]),
            (&[ChildEnded(3), TERM], &[Cut, Exit(3)]),
            (&[TERM, ChildEnded(4)], &[InboundAway, OutboundAway, Start(Timer::Timeout)]),
            (&[TERM, DELAY, ChildEnded(5)], &[OutboundAway]),
        ],
    );
}

#[test]
fn who_does_not_end_in_time_is_killed() {
    let killed: &[Action] = &[KillChild, Start(Timer::Kill)];
    check(
        true,
        &[
            (&[TERM, DELAY, HALF, TIMEOUT], killed),
            (&[TERM, DELAY, TIMEOUT], killed),
            (&[TERM, TERM], &[InboundAway, KillChild, Start(Timer::Kill)]),
            (&[TERM, DELAY, TERM], killed),
            (&[TERM, DELAY, HALF, INT], killed),
            (&[TERM, DELAY, HALF, TIMEOUT, ChildEnded(137)], &[Cut, Exit(137)]),
            (&[TERM, TERM, ChildEnded(137)], &[Cut, Exit(137)]),
            (&[TERM, TERM, DEAD], &[Cut, Exit(137)]),
            (&[TERM, TERM, TERM], &[Cut, Exit(137)]),
        ],
    );
}

#[test]
fn without_a_child_outbound_stays_until_nothing_is_in_flight() {
    check(
        false,
        &[
            (&[TERM], &[NotReady, Start(Timer::Delay)]),
            (&[TERM, DELAY], &[InboundAway, Start(Timer::Timeout)]),
            (&[INT], &[NotReady, InboundAway, Start(Timer::Timeout)]),
            (&[TERM, DELAY, InboundIdle], &[]),
            (&[TERM, DELAY, AllIdle], &[OutboundAway, Exit(0)]),
            (&[TERM, DELAY, TIMEOUT], &[Cut, Exit(0)]),
            (&[TERM, DELAY, TERM], &[Cut, Exit(0)]),
            (&[TERM, TERM], &[InboundAway, Cut, Exit(0)]),
        ],
    );
}

#[test]
fn what_does_not_matter_does_nothing() {
    let nothing: &[Action] = &[];
    check(
        true,
        &[
            (&[AllIdle], nothing),
            (&[InboundIdle], nothing),
            (&[DELAY], nothing),
            (&[TIMEOUT], nothing),
            (&[TERM, AllIdle], nothing),
            (&[TERM, InboundIdle], nothing),
            (&[INT, DELAY], nothing),
            (&[TERM, DELAY, HALF, InboundIdle], nothing),
            (&[ChildEnded(1), ChildEnded(2)], nothing),
            (&[ChildEnded(1), AllIdle, AllIdle], nothing),
            (&[ChildEnded(1), AllIdle, TERM], nothing),
        ],
    );
    check(false, &[(&[ChildEnded(1)], nothing), (&[INT, ChildEnded(1)], nothing), (&[INT, HALF], nothing)]);
}

#[test]
fn all_timers_together_take_the_delay_and_the_timeout() {
    let drain = Drain { delay: Duration::from_secs(5), timeout: Duration::from_secs(30) };

    let lengths = [Timer::Delay, Timer::Half, Timer::Timeout, Timer::Kill].map(|timer| timer.length(&drain));

    assert_eq!(lengths.map(|length| length.as_secs()), [5, 15, 30, 2]);
}

/// What the world does next.
#[derive(Debug, Clone, Copy)]
enum Turn {
    Told(bool),
    ChildEnds(u8),
    /// The timer started first of those still running is due.
    TimerDue,
    InboundIdle,
    AllIdle,
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        any::<bool>().prop_map(Turn::Told),
        any::<u8>().prop_map(Turn::ChildEnds),
        Just(Turn::TimerDue),
        Just(Turn::InboundIdle),
        Just(Turn::AllIdle),
    ]
}

/// A world in which a farewell happens: only what can happen does.
struct World {
    farewell: Farewell,
    alive: bool,
    timers: Vec<Timer>,
    done: Vec<Action>,
    /// Timers that were due, and whether the child lived when the action was done.
    due: Vec<Timer>,
}

impl World {
    fn new(child: bool) -> Self {
        let farewell = Farewell::new(child);
        Self { farewell, alive: child, timers: Vec::new(), done: Vec::new(), due: Vec::new() }
    }

    fn over(&self) -> bool {
        self.done.iter().any(|action| matches!(action, Exit(_)))
    }

    fn turn(&mut self, turn: Turn) {
        let event = match turn {
            Turn::Told(skip_delay) => Event::Told { skip_delay },
            Turn::ChildEnds(code) if self.alive => {
                self.alive = false;
                ChildEnded(code)
            }
            Turn::TimerDue if !self.timers.is_empty() => {
                let timer = self.timers.remove(0);
                self.due.push(timer);
                Due(timer)
            }
            Turn::InboundIdle if self.done.contains(&InboundAway) => InboundIdle,
            Turn::AllIdle if self.done.contains(&InboundAway) => AllIdle,
            _ => return,
        };
        let told = matches!(event, Event::Told { .. });
        for action in self.farewell.on(event) {
            assert!(!self.over(), "{action:?} after the end");
            let last_resort = self.done.contains(&KillChild) && (told || self.due.contains(&Timer::Kill));
            if matches!(action, OutboundAway | Cut | Exit(_)) {
                assert!(!self.alive || last_resort, "{action:?} while the child lives");
            }
            if let Start(timer) = action {
                self.timers.push(timer);
            }
            self.done.push(action);
        }
    }

    fn check(&self) {
        let times = |wanted: &Action| self.done.iter().filter(|action| *action == wanted).count();
        assert!(self.done.iter().all(|action| times(action) == 1), "twice: {:?}", self.done);
        assert!(self.done.iter().filter(|action| matches!(action, Exit(_))).count() <= 1);
        assert!(self.done.first().is_none_or(|first| *first == NotReady), "{:?}", self.done);
        let place = |wanted| self.done.iter().position(|action| *action == wanted);
        if let (Some(inbound), Some(outbound)) = (place(InboundAway), place(OutboundAway)) {
            assert!(inbound < outbound);
        }
    }
}

proptest! {
    #[test]
    fn it_ends_whatever_happens_each_action_once_outbound_after_the_child(
        child: bool,
        turns in prop::collection::vec(turn(), 0..40),
    ) {
        let mut world = World::new(child);

        turns.into_iter().for_each(|turn| world.turn(turn));
        world.check();
        // Now nobody helps any more: told once, only time passes, and the child ignores everything.
        world.turn(Turn::Told(false));
        for _ in 0..5 {
            world.turn(Turn::TimerDue);
        }

        world.check();
        prop_assert!(world.over(), "{:?}", world.done);
    }
}
