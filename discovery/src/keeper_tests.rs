//! What is believed follows what is seen: soon, not at every twitch, and never to nothing by accident.

use super::*;
use crate::{Endpoint, SourceError};
use proptest::prelude::*;
use std::sync::LazyLock;

static START: LazyLock<Instant> = LazyLock::new(crate::clock::now);

const GRACE: Duration = Duration::from_secs(15);
const STALE: Duration = Duration::from_secs(600);

/// So many milliseconds after the start.
fn ms(after: u64) -> Instant {
    *START + Duration::from_millis(after)
}

fn endpoint(port: u16) -> Endpoint {
    Endpoint::at(([127, 0, 0, 1], port).into())
}

fn set<const N: usize>(ports: [u16; N]) -> Endpoints {
    Endpoints::new(ports.map(endpoint)).unwrap()
}

fn found<const N: usize>(ports: [u16; N]) -> Observation {
    Observation::Found(set(ports))
}

fn failed() -> Observation {
    Observation::Failed(SourceError("nobody answers".to_owned()))
}

fn ports(endpoints: &Endpoints) -> Vec<u16> {
    endpoints.as_slice().iter().map(|one| one.address.port()).collect()
}

/// A keeper that has handed out `first` at the start.
fn keeping<const N: usize>(first: [u16; N], stale: Option<Duration>) -> Keeper {
    let mut keeper = Keeper::new(Settings { grace: GRACE, stale });
    keeper.see(found(first), ms(0));
    let published = keeper.publish(ms(0)).expect("the first set");
    assert_eq!(ports(&published.endpoints), first);
    keeper
}

/// What the keeper hands out by its own time until `until`, and when, in milliseconds.
fn handed_out(keeper: &mut Keeper, until: u64) -> Vec<(u64, Vec<u16>, Cause)> {
    let mut all = Vec::new();
    while let Some(at) = keeper.next().filter(|at| *at <= ms(until)) {
        let published = keeper.publish(at).expect("it was due");
        keeper.check_invariants();
        let after = at.duration_since(*START).as_millis().try_into().unwrap();
        all.push((after, ports(&published.endpoints), published.cause));
    }
    all
}

/// Shows the keeper `looks` (when, what) and collects what it hands out until `until`.
fn shown(keeper: &mut Keeper, looks: Vec<(u64, Observation)>, until: u64) -> Vec<(u64, Vec<u16>, Cause)> {
    let mut all = Vec::new();
    for (at, look) in looks {
        all.extend(handed_out(keeper, at.saturating_sub(1)));
        keeper.see(look, ms(at));
        keeper.check_invariants();
        all.extend(handed_out_now(keeper, at));
    }
    all.extend(handed_out(keeper, until));
    all
}

fn handed_out_now(keeper: &mut Keeper, at: u64) -> Option<(u64, Vec<u16>, Cause)> {
    let published = keeper.publish(ms(at))?;
    keeper.check_invariants();
    Some((at, ports(&published.endpoints), published.cause))
}

#[test]
fn the_first_set_is_handed_out_at_once_also_when_it_is_empty() {
    for (look, expected) in [(found([1, 2]), vec![1, 2]), (found([]), vec![]), (Observation::Nothing, vec![])]
    {
        let mut keeper = Keeper::new(Settings::default());

        assert_eq!(shown(&mut keeper, vec![(0, look)], 100_000), [(0, expected, Cause::Seen)]);
    }
}

#[test]
fn a_source_that_fails_from_the_first_says_nothing_about_the_endpoints() {
    let mut keeper = Keeper::new(Settings { grace: Duration::ZERO, stale: Some(Duration::ZERO) });

    assert_eq!(shown(&mut keeper, vec![(0, failed()), (5, failed())], 100_000), []);
    assert_eq!((keeper.checked(), keeper.trouble().map(|(_, why)| &**why)), (None, Some("nobody answers")));

    assert_eq!(shown(&mut keeper, vec![(10, found([1]))], 100_000), [(10, vec![1], Cause::Seen)]);
    assert_eq!((keeper.checked(), keeper.trouble()), (Some(ms(10)), None));
}

#[test]
fn what_changes_nothing_is_dropped() {
    let mut keeper = keeping([1, 2], None);

    let out = shown(&mut keeper, (1..50).map(|at| (at * 1000, found([2, 1]))).collect(), 100_000);

    assert_eq!((out, keeper.next(), keeper.checked()), (vec![], None, Some(ms(49_000))));
}

#[test]
fn a_change_is_handed_out_after_a_tenth_of_a_second_of_quiet() {
    let mut keeper = keeping([1], None);

    let looks = vec![(1000, found([1, 2])), (1060, found([1, 2, 3])), (1100, found([1, 2, 3]))];

    assert_eq!(shown(&mut keeper, looks, 100_000), [(1160, vec![1, 2, 3], Cause::Seen)]);
}

#[test]
fn a_set_that_never_becomes_quiet_is_handed_out_every_second() {
    let mut keeper = keeping([1], None);

    let looks = (0..50).map(|at| (at * 50, found([10 + u16::try_from(at).unwrap()]))).collect();

    let out = shown(&mut keeper, looks, 100_000);
    let times: Vec<_> = out.iter().map(|(at, ..)| *at).collect();
    assert_eq!(times, [1000, 2050, 2550], "after the first change that nobody has seen");
    assert_eq!(out.last().unwrap().1, [59]);
}

#[test]
fn a_change_that_is_taken_back_is_dropped() {
    let mut keeper = keeping([1, 2], None);

    assert_eq!(shown(&mut keeper, vec![(1000, found([1])), (1050, found([1, 2]))], 100_000), []);

    let looks = vec![(2000, found([1]))];
    assert_eq!(shown(&mut keeper, looks, 100_000), [(2100, vec![1], Cause::Seen)], "and counts no more");
}

#[test]
fn a_set_becomes_empty_only_after_grace() {
    let mut keeper = keeping([1, 2], None);

    let looks = vec![(1000, Observation::Nothing), (6000, found([])), (11_000, Observation::Nothing)];

    assert_eq!(shown(&mut keeper, looks, 15_999), []);
    assert_eq!(handed_out(&mut keeper, 100_000), [(16_000, vec![], Cause::Gone)]);
    assert!(keeper.since().is_empty());
}

#[test]
fn endpoints_that_come_back_within_grace_were_never_gone() {
    let mut keeper = keeping([1, 2], None);

    let looks = vec![(1000, Observation::Nothing), (15_999, found([1, 2])), (16_500, Observation::Nothing)];

    assert_eq!(shown(&mut keeper, looks, 31_499), []);
    assert_eq!(handed_out(&mut keeper, 31_500).len(), 1, "grace begins anew");
}

#[test]
fn what_was_seen_last_before_there_were_none_is_handed_out_meanwhile() {
    let mut keeper = keeping([1, 2], None);

    let out = shown(&mut keeper, vec![(1000, found([2])), (1050, Observation::Nothing)], 100_000);

    assert_eq!(out, [(1100, vec![2], Cause::Seen), (16_050, vec![], Cause::Gone)]);
}

#[test]
fn endpoints_are_handed_out_at_once_when_there_were_none() {
    let mut keeper = keeping([1, 2], None);

    let out = shown(&mut keeper, vec![(1000, Observation::Nothing), (20_000, found([3]))], 100_000);

    assert_eq!(out, [(16_000, vec![], Cause::Gone), (20_000, vec![3], Cause::Seen)]);
}

#[test]
fn without_grace_becoming_empty_is_a_change_like_any_other() {
    let mut keeper = Keeper::new(Settings { grace: Duration::ZERO, stale: None });

    let looks = vec![(0, found([1])), (1000, Observation::Nothing), (1050, found([1])), (2000, found([]))];

    assert_eq!(shown(&mut keeper, looks, 100_000), [(0, vec![1], Cause::Seen), (2100, vec![], Cause::Gone)]);
}

#[test]
fn a_failing_source_leaves_the_last_good_set_for_as_long_as_it_is_told() {
    for (stale, expected) in [
        (None, vec![]),
        (Some(STALE), vec![(610_000, vec![], Cause::Stale)]),
        (Some(Duration::ZERO), vec![(25_000, vec![], Cause::Stale)]),
        (Some(Duration::MAX), vec![]),
    ] {
        let mut keeper = keeping([1, 2], stale);

        let out = shown(&mut keeper, vec![(10_000, failed()), (20_000, failed())], 10_000_000);

        assert_eq!(out, expected, "{stale:?}");
        assert_eq!(keeper.checked(), Some(ms(0)));
    }
}

#[test]
fn each_new_reason_is_told_once_and_a_good_look_ends_the_trouble() {
    let mut keeper = keeping([1], Some(STALE));

    let turns = [
        keeper.see(failed(), ms(1000)),
        keeper.see(Observation::Failed(SourceError("refused".to_owned())), ms(2000)),
        keeper.see(Observation::Failed(SourceError("refused".to_owned())), ms(2500)),
        keeper.see(found([1]), ms(3000)),
        keeper.see(found([1]), ms(4000)),
    ];

    let [fails, otherwise] = ["nobody answers", "refused"].map(|why| Some(Turn::Fails(why.into())));
    assert_eq!(turns, [fails, otherwise, None, Some(Turn::Back(ms(1000))), None]);
    let out = shown(&mut keeper, vec![(500_000, failed())], 10_000_000);
    assert_eq!(out, [(1_100_000, vec![], Cause::Stale)]);
}

#[test]
fn the_trouble_is_the_last_one() {
    let mut keeper = keeping([1], None);

    keeper.see(failed(), ms(1000));
    keeper.see(Observation::Failed(SourceError("refused".to_owned())), ms(2000));

    assert_eq!(keeper.trouble().map(|(_, why)| &**why), Some("refused"));
}

#[test]
fn a_source_that_became_unsure_does_not_empty_a_set() {
    let mut keeper = keeping([1], Some(STALE));

    let looks = vec![(1000, Observation::Nothing), (2000, failed()), (50_000, failed())];

    assert_eq!(shown(&mut keeper, looks.clone(), 601_999), []);
    assert_eq!(handed_out(&mut keeper, 602_000), [(602_000, vec![], Cause::Stale)]);

    let mut keeper = keeping([1], Some(STALE));
    let sure = [looks, vec![(60_000, Observation::Nothing)]].concat();
    let out = shown(&mut keeper, sure, 60_000);
    assert_eq!(out, [(60_000, vec![], Cause::Gone)], "it says so again, and grace is over");
}

#[test]
fn a_change_becomes_quiet_although_the_source_fails() {
    let mut keeper = keeping([1], None);

    let out = shown(&mut keeper, vec![(1000, found([2])), (1050, failed())], 100_000);

    assert_eq!(out, [(1100, vec![2], Cause::Seen)]);
}

#[test]
fn an_endpoint_is_known_since_it_was_handed_out_and_as_long_as_it_is() {
    let mut keeper = keeping([1, 2], None);
    let heavier = Endpoint { weight: 7, ..endpoint(2) };
    let next = Endpoints::new([heavier, endpoint(3)]).unwrap();

    shown(&mut keeper, vec![(1000, Observation::Found(next))], 2000);

    let since: Vec<_> = keeper.since().iter().map(|(address, since)| (address.port(), *since)).collect();
    assert_eq!(since, [(2, ms(0)), (3, ms(1100))]);
}

/// A source and what is known about it, beside the keeper.
struct World {
    keeper: Keeper,
    settings: Settings,
    now: Instant,
    /// When endpoints were last seen, and which.
    found: Option<(Instant, Endpoints)>,
    /// What every look has shown, and since when.
    steady: Option<(Observation, Instant)>,
    /// Since when every look has failed.
    failing: Option<Instant>,
    /// The last set that was handed out.
    believed: Option<(Instant, Endpoints)>,
}

impl World {
    fn new(settings: Settings) -> Self {
        let keeper = Keeper::new(settings);
        let (found, steady, failing, believed) = (None, None, None, None);
        Self { keeper, settings, now: *START, found, steady, failing, believed }
    }

    fn look(&mut self, look: Observation) {
        let endpoints = match &look {
            Observation::Found(endpoints) => Some(endpoints.clone()).filter(|found| !found.is_empty()),
            Observation::Nothing | Observation::Failed(_) => None,
        };
        self.found = endpoints.map(|endpoints| (self.now, endpoints)).or(self.found.take());
        if self.steady.as_ref().is_none_or(|(steady, _)| *steady != look) {
            self.steady = Some((look.clone(), self.now));
        }
        self.failing = match &look {
            Observation::Failed(_) => self.failing.or(Some(self.now)),
            _ => None,
        };
        self.keeper.see(look, self.now);
        self.ask();
    }

    /// Time goes by; the keeper is asked when it wants to be.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.keeper.next().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            assert!(self.ask(), "asked too early");
        }
        self.now = until;
        assert!(!self.ask(), "asked too late");
    }

    fn ask(&mut self) -> bool {
        let published = self.keeper.publish(self.now);
        if let Some(published) = &published {
            self.judge(published);
            self.believed = Some((self.now, published.endpoints.clone()));
        }
        self.check_invariants();
        published.is_some()
    }

    /// Whether that may be handed out now.
    fn judge(&self, Published { endpoints, change, cause }: &Published) {
        let before = self.believed.as_ref().map(|(_, before)| before.clone()).unwrap_or_default();
        assert!(self.believed.is_none() || *endpoints != before, "nothing is new");
        assert_eq!(*change, before.diff(endpoints));
        let since = |at: Instant| self.now - at;
        match cause {
            Cause::Seen => {
                let seen = self.found.as_ref().map(|(_, found)| found.clone()).unwrap_or_default();
                assert_eq!(*endpoints, seen, "it is what was seen last");
                assert!(!endpoints.is_empty() || self.believed.is_none());
            }
            Cause::Gone => {
                assert!(endpoints.is_empty() && self.failing.is_none());
                assert!(self.found.as_ref().is_some_and(|(at, _)| since(*at) >= self.settings.grace));
            }
            Cause::Stale => {
                assert!(endpoints.is_empty());
                assert!(self.found.as_ref().is_some_and(|(at, _)| since(*at) >= self.settings.grace));
                assert!(self.failing.is_some_and(|at| Some(since(at)) >= self.settings.stale));
                assert!(self.settings.stale.is_some(), "it was to be kept for ever");
            }
        }
    }

    fn check_invariants(&self) {
        self.keeper.check_invariants();
        assert_eq!(self.keeper.believed, self.believed.as_ref().map(|(_, believed)| believed.clone()));
        assert_eq!(self.keeper.trouble().is_some(), self.failing.is_some());
        let Some((look, since)) = &self.steady else { return };
        let (lasted, believed) = (self.now - *since, self.believed.as_ref().map(|(_, now)| now));
        // What goes on is believed at last.
        match look {
            Observation::Found(found) if !found.is_empty() && lasted >= QUIET => {
                assert_eq!(believed, Some(found));
            }
            Observation::Nothing if lasted >= self.settings.grace.max(QUIET) => {
                assert!(believed.is_some_and(Endpoints::is_empty));
            }
            _ => {}
        }
    }
}

fn any_look(rng: &mut fastrand::Rng) -> Observation {
    match rng.u8(..10) {
        0 | 1 => Observation::Nothing,
        2 => found([]),
        3 | 4 => failed(),
        5 => found([1, 2]),
        _ => {
            let ports: Vec<u16> = (1..5).filter(|_| rng.bool()).collect();
            let weight = if rng.u8(..8) == 0 { 2 } else { 1 };
            let listed = ports.into_iter().map(|port| Endpoint { weight, ..endpoint(port) });
            Observation::Found(Endpoints::new(listed).unwrap())
        }
    }
}

#[test]
fn whatever_a_source_sees_the_keeper_is_neither_hasty_nor_late() {
    for seed in 0..400 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let settings = Settings {
            grace: Duration::from_millis(rng.choice([0, 50, 400, 15_000]).unwrap()),
            stale: rng.choice([None, Some(0), Some(300), Some(60_000)]).unwrap().map(Duration::from_millis),
        };
        let mut world = World::new(settings);
        for _ in 0..300 {
            let longest = rng.choice([30, 90, 500, 20_000]).unwrap();
            world.pass(Duration::from_millis(rng.u64(..longest)));
            let look = match &world.steady {
                // Sources often see the same again.
                Some((look, _)) if rng.u8(..3) == 0 => look.clone(),
                _ => any_look(&mut rng),
            };
            world.look(look);
        }
        world.pass(Duration::from_secs(120));
    }
}

proptest! {
    #[test]
    fn between_two_sets_in_use_a_tenth_of_a_second_goes_by(
        looks in prop::collection::vec((0_u64..200, 1_u16..4), 1..200),
    ) {
        let mut keeper = keeping([9], None);
        let mut at = 0;
        let looks = looks.into_iter().map(|(after, port)| {
            at += after;
            (at, found([port]))
        });

        let out = shown(&mut keeper, looks.collect(), 1_000_000);

        let times: Vec<_> = std::iter::once(0).chain(out.iter().map(|(at, ..)| *at)).collect();
        prop_assert!(times.windows(2).all(|two| two[1] - two[0] >= 100), "{times:?}");
    }

    #[test]
    fn a_failing_source_changes_nothing_for_as_long_as_it_is_told(
        fails in prop::collection::vec(0_u64..10_000, 1..50), stale in 0_u64..600_000,
    ) {
        let stale = Duration::from_millis(stale);
        let mut keeper = keeping([1, 2], Some(stale));
        let mut at = 0;
        let looks = fails.into_iter().map(|after| {
            at += after;
            (at, failed())
        });
        let looks: Vec<_> = looks.collect();
        let first = looks[0].0;

        let out = shown(&mut keeper, looks, 10_000_000);

        let end = first + u64::try_from(stale.max(GRACE).as_millis()).unwrap();
        prop_assert_eq!(out, [(end, vec![], Cause::Stale)]);
    }
}
