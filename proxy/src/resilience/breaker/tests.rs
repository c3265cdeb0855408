//! Tests: what a breaker lets through, and that it does as a plain model does.

use super::*;
use crate::clock;
use std::collections::VecDeque;

const SECOND: Duration = Duration::from_secs(1);

fn ratio() -> service::Breaker {
    let trip = Trip::Ratio { percent: 50, window: 10 * SECOND, min_requests: 20 };
    service::Breaker { trip, open: 30 * SECOND, probes: 3 }
}

fn in_a_row(failures: u32) -> service::Breaker {
    service::Breaker { trip: Trip::Consecutive(failures), ..ratio() }
}

/// One request from start to end.
fn request(
    breaker: &Breaker,
    rule: &service::Breaker,
    success: bool,
    now: Instant,
) -> Result<Option<State>, Open> {
    let pass = breaker.admit(rule, now)?;
    Ok(breaker.record(rule, pass, success, now))
}

/// Opened at `now` by three failures.
fn opened(now: Instant) -> Breaker {
    let breaker = Breaker::default();
    let last = (0..3).map(|_| request(&breaker, &in_a_row(3), false, now).unwrap()).last();
    assert_eq!(last, Some(Some(State::Open)));
    breaker
}

#[test]
fn half_of_twenty_failed_requests_open_it_and_only_the_last_of_them_says_so() {
    let (breaker, now) = (Breaker::default(), clock::now());

    let said: Vec<_> =
        (0..20).map(|n| request(&breaker, &ratio(), n % 2 == 0, now + n * SECOND / 3).unwrap()).collect();

    assert_eq!(said[..19], [None; 19]);
    assert_eq!(said[19], Some(State::Open));
    assert_eq!(breaker.state(now + 7 * SECOND), State::Open);
    assert_eq!(breaker.failures(now + 7 * SECOND), (20, 10));
}

#[test]
fn too_few_requests_do_not_open_it() {
    let (breaker, now) = (Breaker::default(), clock::now());

    (0..19).for_each(|_| assert_eq!(request(&breaker, &ratio(), false, now), Ok(None)));
    let success = request(&breaker, &ratio(), true, now);
    let failure = request(&breaker, &ratio(), false, now);

    assert_eq!((success, failure), (Ok(None), Ok(Some(State::Open))));
}

#[test]
fn failures_older_than_the_window_do_not_open_it() {
    let (breaker, now) = (Breaker::default(), clock::now());

    let said: Vec<_> = (0..100).map(|n| request(&breaker, &ratio(), false, now + n * SECOND)).collect();

    assert!(said.iter().all(|said| *said == Ok(None)), "{said:?}");
}

#[test]
fn a_success_between_begins_a_new_row() {
    let (breaker, now) = (Breaker::default(), clock::now());

    let said: Vec<_> = [false, false, true, false, false, false]
        .into_iter()
        .map(|success| request(&breaker, &in_a_row(3), success, now).unwrap())
        .collect();

    assert_eq!(said, [None, None, None, None, None, Some(State::Open)]);
}

#[test]
fn an_open_one_refuses_all_until_its_time_is_over_and_says_when_that_is() {
    let now = clock::now();
    let breaker = opened(now);

    let refused = [0, 10, 29].map(|second| breaker.admit(&ratio(), now + second * SECOND).unwrap_err());
    let last = breaker.admit(&ratio(), now + 30 * SECOND - Duration::from_nanos(1)).unwrap_err();

    assert_eq!(refused.map(|open| open.retry_after), [30 * SECOND, 20 * SECOND, SECOND]);
    assert_eq!(last.retry_after, SECOND);
    assert_eq!(breaker.state(now + 30 * SECOND - Duration::from_nanos(1)), State::Open);
    assert_eq!(breaker.state(now + 30 * SECOND), State::HalfOpen);
    assert!(breaker.admit(&ratio(), now + 30 * SECOND).is_ok());
}

#[test]
fn three_probes_at_a_time_and_the_others_come_again_in_a_second() {
    let (start, rule) = (clock::now(), ratio());
    let (breaker, now) = (opened(start), start + 30 * SECOND);

    let probes: Vec<_> = (0..3).map(|_| breaker.admit(&rule, now).unwrap()).collect();
    let refused = [breaker.admit(&rule, now), breaker.admit(&rule, now + SECOND)];

    assert!(refused.into_iter().all(|refused| refused.unwrap_err().retry_after == SECOND));
    drop(probes);
}

#[test]
fn all_probes_close_it_with_nothing_remembered() {
    let (start, rule) = (clock::now(), ratio());
    let (breaker, now) = (opened(start), start + 30 * SECOND);
    let probes: Vec<_> = (0..3).map(|_| breaker.admit(&rule, now).unwrap()).collect();

    let said: Vec<_> = probes.into_iter().map(|pass| breaker.record(&rule, pass, true, now)).collect();

    assert_eq!(said, [None, None, Some(State::Closed)]);
    assert_eq!((breaker.state(now), breaker.failures(now)), (State::Closed, (0, 0)));
    assert_eq!(request(&breaker, &in_a_row(2), false, now), Ok(None));
}

#[test]
fn one_bad_probe_opens_it_for_as_long_as_before_and_the_others_count_no_more() {
    let (start, rule) = (clock::now(), ratio());
    let (breaker, now) = (opened(start), start + 30 * SECOND);
    let mut probes: Vec<_> = (0..3).map(|_| breaker.admit(&rule, now).unwrap()).collect();

    let said = breaker.record(&rule, probes.pop().unwrap(), false, now);
    let others: Vec<_> = probes.into_iter().map(|pass| breaker.record(&rule, pass, true, now)).collect();

    assert_eq!((said, &others[..]), (Some(State::Open), &[None, None][..]));
    assert_eq!(breaker.admit(&rule, now).unwrap_err().retry_after, 30 * SECOND);
}

#[test]
fn a_probe_whose_client_left_gives_its_place_to_another() {
    let (start, rule) = (clock::now(), service::Breaker { probes: 1, ..ratio() });
    let (breaker, now) = (opened(start), start + 30 * SECOND);

    for way in 0..4 {
        let pass = breaker.admit(&rule, now).unwrap();
        assert!(breaker.admit(&rule, now).is_err());
        if way % 2 == 0 { breaker.release(pass) } else { drop(pass) }
    }

    assert_eq!(breaker.state(now), State::HalfOpen);
    assert!(breaker.admit(&rule, now).is_ok());
}

#[test]
fn a_probe_that_never_comes_back_does_not_block_for_ever() {
    let (start, rule) = (clock::now(), service::Breaker { probes: 1, open: 5 * SECOND, ..ratio() });
    let (breaker, now) = (opened(start), start + 30 * SECOND);
    let lost = breaker.admit(&rule, now).unwrap();

    let before = breaker.admit(&rule, now + 30 * SECOND - Duration::from_nanos(1)).is_err();
    let other = breaker.admit(&rule, now + 30 * SECOND).unwrap();
    let late = breaker.record(&rule, lost, false, now + 31 * SECOND);
    let closed = breaker.record(&rule, other, true, now + 31 * SECOND);

    assert!(before);
    assert_eq!((late, closed), (None, Some(State::Closed)));
}

#[test]
fn what_was_let_through_before_it_opened_neither_closes_it_nor_is_remembered() {
    let (start, rule) = (clock::now(), service::Breaker { probes: 1, ..in_a_row(1) });
    let breaker = Breaker::default();
    let mut old: Vec<_> = (0..4).map(|_| breaker.admit(&rule, start).unwrap()).collect();
    let mut end_old = |success, now| breaker.record(&rule, old.pop().unwrap(), success, now);

    let opened = end_old(false, start);
    let while_open = end_old(true, start);
    let probe = breaker.admit(&rule, start + 30 * SECOND).unwrap();
    let half_open = end_old(true, start + 30 * SECOND);
    let closed = breaker.record(&rule, probe, true, start + 30 * SECOND);
    let after = end_old(false, start + 30 * SECOND);

    assert_eq!((opened, while_open, half_open), (Some(State::Open), None, None));
    assert_eq!((closed, after), (Some(State::Closed), None));
    assert_eq!(breaker.state(start + 30 * SECOND), State::Closed);
}

#[test]
fn an_order_wins_over_everything_and_ends_without_memory() {
    let (now, rule) = (clock::now(), in_a_row(1));
    let breaker = opened(now);

    breaker.force(Some(Forced::Closed));
    let passed = (0..10).all(|_| request(&breaker, &rule, false, now) == Ok(None));
    let closed = (breaker.state(now), breaker.forced(), breaker.failures(now));
    breaker.force(Some(Forced::Open));
    let refused = [0, 30, 3000].map(|second| breaker.admit(&rule, now + second * SECOND).is_err());
    let open = (breaker.state(now + 3000 * SECOND), breaker.forced());
    breaker.force(None);

    assert!(passed && refused == [true; 3]);
    assert_eq!(closed, (State::Closed, Some(Forced::Closed), (10, 10)));
    assert_eq!(open, (State::Open, Some(Forced::Open)));
    assert_eq!((breaker.state(now), breaker.forced(), breaker.failures(now)), (State::Closed, None, (0, 0)));
}

#[test]
fn fewer_probes_in_a_new_rule_do_not_block_it() {
    let (start, rule) = (clock::now(), service::Breaker { probes: 5, ..ratio() });
    let (breaker, now) = (opened(start), start + 30 * SECOND);
    (0..3).for_each(|_| assert_eq!(request(&breaker, &rule, true, now), Ok(None)));

    let said = request(&breaker, &service::Breaker { probes: 2, ..rule }, true, now);

    assert_eq!(said, Ok(Some(State::Closed)));
}

/// A breaker as one would write it without a thought for speed, for one thread.
#[derive(Debug, Default)]
struct Model {
    state: Plain,
    held: Option<Forced>,
    /// Counts changes of state.
    turn: u64,
    /// When requests ended since it closed, and how.
    ended: Vec<(u64, bool)>,
    row: u32,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
enum Plain {
    #[default]
    Closed,
    Open(u64),
    /// Numbers of the probes under way and when they began; how many succeeded.
    HalfOpen(Vec<(u64, u64)>, u32),
}

impl Model {
    fn become_(&mut self, state: Plain) {
        if state == Plain::Closed {
            (self.ended, self.row) = (Vec::new(), 0);
        }
        (self.state, self.turn) = (state, self.turn + 1);
    }

    /// Whether request `number` may go.
    fn admit(&mut self, rule: &service::Breaker, number: u64, now: u64) -> bool {
        if let Some(held) = self.held {
            return held == Forced::Closed;
        }
        if matches!(self.state, Plain::Open(until) if now >= until) {
            self.become_(Plain::HalfOpen(Vec::new(), 0));
        }
        match &mut self.state {
            Plain::Closed => true,
            Plain::Open(_) => false,
            Plain::HalfOpen(under_way, succeeded) => {
                let patience = nanos(rule.open.max(PATIENCE));
                under_way.retain(|(_, began)| began + patience > now);
                let room = under_way.len() < rule.probes as usize - *succeeded as usize;
                if room {
                    under_way.push((number, now));
                }
                room
            }
        }
    }

    fn record(
        &mut self,
        rule: &service::Breaker,
        (number, turn): (u64, u64),
        success: bool,
        now: u64,
    ) -> Option<State> {
        if let Plain::HalfOpen(under_way, succeeded) = &mut self.state {
            let place = under_way.iter().position(|(other, _)| *other == number)?;
            let (_, began) = under_way.remove(place);
            if began + nanos(rule.open.max(PATIENCE)) <= now {
                return None;
            }
            *succeeded += u32::from(success);
            return if !success {
                self.become_(Plain::Open(now + nanos(rule.open)));
                Some(State::Open)
            } else if *succeeded == rule.probes {
                self.become_(Plain::Closed);
                Some(State::Closed)
            } else {
                None
            };
        }
        if turn != self.turn || self.state != Plain::Closed || self.held == Some(Forced::Open) {
            return None;
        }
        self.ended.push((now, success));
        self.row = if success { 0 } else { self.row + 1 };
        let trips = !success && self.held.is_none() && self.trips(rule.trip, now);
        trips.then(|| {
            self.become_(Plain::Open(now + nanos(rule.open)));
            State::Open
        })
    }

    fn trips(&self, trip: Trip, now: u64) -> bool {
        let Trip::Ratio { percent, window, min_requests } = trip else {
            return matches!(trip, Trip::Consecutive(limit) if self.row >= limit);
        };
        let cell = nanos(window) / 10;
        let counts: Vec<_> = self
            .ended
            .iter()
            .filter(|(ended, _)| ended / cell + 10 > now / cell)
            .map(|(_, ok)| *ok)
            .collect();
        let failed = counts.iter().filter(|ok| !**ok).count();
        counts.len() >= min_requests as usize && failed * 100 >= counts.len() * percent as usize
    }

    fn release(&mut self, number: u64) {
        if let Plain::HalfOpen(under_way, _) = &mut self.state {
            under_way.retain(|(other, _)| *other != number);
        }
    }

    fn force(&mut self, forced: Option<Forced>) {
        self.held = forced;
        self.become_(Plain::Closed);
        if forced == Some(Forced::Open) {
            self.ended.clear();
        }
    }

    fn state(&self, now: u64) -> State {
        match (&self.held, &self.state) {
            (Some(Forced::Closed), _) | (None, Plain::Closed) => State::Closed,
            (Some(Forced::Open), _) => State::Open,
            (None, Plain::Open(until)) if now < *until => State::Open,
            (None, Plain::Open(_) | Plain::HalfOpen(..)) => State::HalfOpen,
        }
    }
}

impl Breaker {
    fn check_invariants(&self, rule: &service::Breaker) {
        let probes = self.trial.lock();
        let half_open = mode(self.word.load(Ordering::Relaxed)) == Mode::HalfOpen;
        assert!(half_open || (probes.under_way.is_empty() && probes.succeeded == 0), "{probes:?}");
        assert!(probes.under_way.len() + probes.succeeded as usize <= rule.probes as usize, "{probes:?}");
        assert!(!half_open || probes.succeeded < rule.probes, "{probes:?}");
    }
}

#[test]
fn it_does_what_a_plain_model_does() {
    let rules = [
        ratio(),
        in_a_row(4),
        service::Breaker { probes: 1, open: SECOND, ..in_a_row(2) },
        service::Breaker { probes: 10, open: 45 * SECOND, ..ratio() },
    ];
    let mut seen = [0_u32; 3];
    for seed in 0..400 {
        let rule = &rules[seed as usize % rules.len()];
        simulate(seed, rule, &mut seen);
    }
    assert!(seen.iter().all(|times| *times > 1000), "each state is met: {seen:?}");
}

fn simulate(seed: u64, rule: &service::Breaker, seen: &mut [u32; 3]) {
    let mut random = fastrand::Rng::with_seed(seed);
    let (breaker, mut model, base) = (Breaker::default(), Model::default(), clock::now());
    let mut under_way: VecDeque<(Pass, (u64, u64))> = VecDeque::new();
    let (mut at, mut bad) = (0_u64, 0.3);
    assert_eq!(breaker.failures(base), (0, 0));
    for number in 0..1500 {
        let now = base + Duration::from_nanos(at);
        let chosen = if under_way.is_empty() { 0 } else { random.usize(..under_way.len()) };
        match random.u32(..100) {
            0..45 => {
                let (turn_before, admitted) = (model.turn, breaker.admit(rule, now));
                assert_eq!(admitted.is_ok(), model.admit(rule, number, at), "seed {seed}, step {number}");
                match admitted {
                    Ok(pass) => under_way.push_back((pass, (number, turn_before.max(model.turn)))),
                    Err(open) => assert!(open.retry_after >= SECOND),
                }
            }
            45..80 => {
                let Some((pass, known)) = under_way.remove(chosen) else { continue };
                let success = random.f64() > bad;
                let said = breaker.record(rule, pass, success, now);
                assert_eq!(said, model.record(rule, known, success, at), "seed {seed}, step {number}");
            }
            80..85 => {
                let Some((pass, (known, _))) = under_way.remove(chosen) else { continue };
                breaker.release(pass);
                model.release(known);
            }
            85 if random.u32(..10) == 0 => {
                let order = [None, None, Some(Forced::Open), Some(Forced::Closed)][random.usize(..4)];
                breaker.force(order);
                model.force(order);
            }
            85..88 => bad = random.f64() * random.f64(),
            88..97 => at += random.u64(..2_000_000_000),
            _ => at += random.u64(..20_000_000_000),
        }
        let state = breaker.state(base + Duration::from_nanos(at));
        assert_eq!(state, model.state(at), "seed {seed}, step {number}");
        assert_eq!(breaker.forced(), model.held);
        seen[state as usize] += 1;
        breaker.check_invariants(rule);
    }
}

#[test]
fn many_threads_never_have_more_probes_than_the_rule_says() {
    let (breaker, base) = (Breaker::default(), clock::now());
    let rule = service::Breaker { probes: 3, open: Duration::from_micros(50), ..in_a_row(5) };
    // Only those who must be probes: let through while it was half-open, and not yet recorded.
    let changes = AtomicU64::new(0);
    let worker = |seed: u64| {
        let mut random = fastrand::Rng::with_seed(seed);
        for step in 0..20_000_u64 {
            let now = base + Duration::from_micros(step);
            let Ok(pass) = breaker.admit(&rule, now) else { continue };
            breaker.check_invariants(&rule);
            match random.u32(..10) {
                0 => breaker.release(pass),
                n => {
                    let said = breaker.record(&rule, pass, n > 6, now);
                    changes.fetch_add(u64::from(said.is_some()), Ordering::Relaxed);
                }
            }
        }
    };

    std::thread::scope(|scope| (0..4).for_each(|seed| drop(scope.spawn(move || worker(seed)))));

    breaker.check_invariants(&rule);
    assert!(changes.load(Ordering::Relaxed) > 10);
    assert!(breaker.trial.lock().under_way.is_empty(), "all places are given back");
}
