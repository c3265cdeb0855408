//! The roster: by hand, and under a seeded simulation.

use super::*;
use crate::clock;
use std::time::Duration;

fn at(number: u64) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], u16::try_from(number).unwrap()))
}

impl<T> Roster<T> {
    fn check_invariants(&self) {
        let queued = self.entries.values().filter(|entry| entry.due.is_some()).count();
        assert_eq!(self.queue.len(), queued, "somebody waits twice, or never");
        for ((due, ticket), address) in &self.queue {
            let entry = &self.entries[address];
            assert_eq!((entry.due, entry.ticket), (Some(*due), *ticket), "{address}");
        }
        let tickets: HashSet<_> = self.entries.values().map(|entry| entry.ticket).collect();
        assert_eq!(tickets.len(), self.entries.len(), "two have the same ticket");
    }
}

#[test]
fn who_waits_longest_is_taken_first_and_nobody_before_the_time() {
    let start = clock::now();
    let mut roster = Roster::default();
    let seconds = |address: SocketAddr| Duration::from_secs(u64::from(10 - address.port()));

    roster.follow((1..=3).map(at), |address| (start + seconds(address), ()));

    assert_eq!(roster.next(), Some(start + Duration::from_secs(7)));
    assert_eq!(roster.take(start + Duration::from_secs(6)), None);
    let taken: Vec<_> = std::iter::from_fn(|| roster.take(start + Duration::from_secs(9)))
        .map(|(address, _)| address)
        .collect();
    assert_eq!(taken, [at(3), at(2), at(1)]);
    assert_eq!(roster.next(), None);
}

#[test]
fn a_check_of_one_that_left_and_came_back_says_nothing() {
    let start = clock::now();
    let mut roster = Roster::default();
    roster.follow([at(1)].into_iter(), |_| (start, "first"));
    let before = roster.take(start).unwrap();

    assert_eq!(roster.follow(std::iter::empty(), |_| (start, "")), ["first"]);
    roster.follow([at(1)].into_iter(), |_| (start, "second"));

    assert_eq!(roster.ended(before, start), None);
    let now = roster.take(start).unwrap();
    assert_eq!(roster.ended(now, start), Some(&mut "second"));
    roster.check_invariants();
}

#[test]
fn whatever_comes_and_goes_nobody_is_forgotten_or_asked_twice_at_once() {
    for seed in 0..300 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut now = clock::now();
        let mut roster: Roster<u64> = Roster::default();
        let mut listed: HashSet<SocketAddr> = HashSet::new();
        let mut flying: Vec<(SocketAddr, Ticket)> = Vec::new();
        for step in 0..200 {
            match rng.u8(0..4) {
                0 => {
                    listed = (0..rng.u64(0..12)).map(|_| at(rng.u64(1..16))).collect();
                    let due = now + Duration::from_millis(rng.u64(0..50));
                    roster.follow(listed.iter().copied(), |_| (due, step));
                }
                1 => flying.extend(roster.take(now)),
                2 if !flying.is_empty() => {
                    let one = flying.swap_remove(rng.usize(..flying.len()));
                    roster.ended(one, now + Duration::from_millis(rng.u64(0..50)));
                }
                _ => now += Duration::from_millis(rng.u64(0..30)),
            }
            roster.check_invariants();
            let known: HashSet<_> = roster.entries.keys().copied().collect();
            assert_eq!(known, listed, "seed {seed}");
            let in_flight = roster.entries.values().filter(|entry| entry.due.is_none()).count();
            let ours = flying.iter().filter(|(address, ticket)| {
                roster.entries.get(address).is_some_and(|entry| entry.ticket == *ticket)
            });
            assert_eq!(
                in_flight,
                ours.count(),
                "seed {seed}: somebody is in flight without a check, or with two"
            );
        }
    }
}

#[test]
fn with_more_endpoints_than_can_be_asked_all_are_asked_about_as_often() {
    let mut now = clock::now();
    let mut roster: Roster<u32> = Roster::default();
    roster.follow((1..=100).map(at), |_| (now, 0));

    // Seven at a time, each is due again before all others have had their turn.
    for _ in 0..100 {
        let taken: Vec<_> = (0..7).filter_map(|_| roster.take(now)).collect();
        now += Duration::from_millis(100);
        for one in taken {
            *roster.ended(one, now + Duration::from_millis(100)).unwrap() += 1;
        }
    }

    assert!(roster.entries.values().all(|entry| (6..=8).contains(&entry.known)), "{:?}", roster.entries);
}
