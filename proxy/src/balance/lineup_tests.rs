//! Lineups: who is in them and how likely, and that nobody is left with nothing.

use super::super::sample::{standing, start, weights};
use super::*;
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

fn well(now: Instant) -> Standing {
    Standing { health: Health::Well, ..standing(1, now) }
}

fn ill(now: Instant) -> Standing {
    Standing { health: Health::Ill, ..standing(1, now) }
}

fn out(now: Instant) -> Standing {
    Standing { ejected_until: Some(now + 5 * SECOND), ..standing(1, now) }
}

fn far(standing: Standing) -> Standing {
    Standing { priority: 1, ..standing }
}

fn near(standing: Standing) -> Standing {
    Standing { near: true, ..standing }
}

const PANIC: Rules = Rules { checked: true, slow_start: None, panic: 50 };

fn members(lineup: &Lineup) -> Vec<usize> {
    lineup.iter().map(|(index, _)| index).collect()
}

/// Share of those with an index from `from` on.
fn share(lineup: &Lineup, from: usize) -> f64 {
    let part: u64 = lineup.iter().filter(|(index, _)| *index >= from).map(|(_, weight)| weight).sum();
    part as f64 / lineup.total() as f64
}

/// So many of the first, then so many of the second.
fn mix_of(one: Standing, ones: usize, other: Standing, others: usize) -> Vec<Standing> {
    std::iter::repeat_n(one, ones).chain(std::iter::repeat_n(other, others)).collect()
}

#[test]
fn draws_fall_as_the_weights_say() {
    let lineup = weights(&[5, 1, 2]);

    let drawn = (0..8u32).map(|n| lineup.draw(n << 29).unwrap());

    assert!(drawn.eq([0, 0, 0, 0, 0, 1, 2, 2]));
    assert_eq!(lineup.draw(u32::MAX), Some(2));
    assert_eq!(Lineup::default().draw(7), None);
}

#[test]
fn drawing_beside_one_is_as_if_that_one_were_not_there() {
    let lineup = weights(&[5, 1, 2]);

    let drawn = (0..3u32).map(|n| lineup.draw_place(n * 0x5555_5556, Some(0)).unwrap());

    assert!(drawn.eq([1, 2, 2]));
    assert_eq!(weights(&[5]).draw_place(7, Some(0)), None);
}

#[test]
fn ten_thousand_are_drawn_as_a_walk_over_all_would() {
    let mut rng = fastrand::Rng::with_seed(3);
    for most in [1, 1000] {
        let given: Vec<u32> = (0..10_000).map(|_| rng.u32(1..=most)).collect();
        let lineup = weights(&given);

        for _ in 0..200 {
            let bits = rng.u32(..);
            let mut point = ((u128::from(bits) * u128::from(lineup.total())) >> 32) as u64;
            let walked = given.iter().position(|weight| {
                let hit = point < u64::from(*weight);
                point = point.saturating_sub(u64::from(*weight));
                hit
            });
            assert_eq!(lineup.draw(bits), walked);
        }
    }
}

#[test]
fn ill_and_ejected_endpoints_are_left_out_the_ejected_until_their_time() {
    let now = start();
    let standings = [well(now), ill(now), out(now), well(now)];

    let before = Lineup::new(&standings, &PANIC, now);
    let after = Lineup::new(&standings, &Rules::default(), now + 5 * SECOND);

    assert_eq!((members(&before), before.mode), (vec![0, 3], Mode::Well));
    assert_eq!(before.until, Some(now + 5 * SECOND));
    assert_eq!((members(&after), after.until), (vec![0, 2, 3], None));
}

#[test]
fn nobody_waits_for_a_first_check_while_too_few_are_well() {
    let now = start();
    let after = |count| Lineup::new(&mix_of(well(now), count, standing(1, now), 10 - count), &PANIC, now);

    let sizes: Vec<usize> = (0..=10).map(|count| after(count).len()).collect();

    assert_eq!(sizes, [10, 10, 10, 10, 10, 5, 6, 7, 8, 9, 10]);
    assert!((0..=10).all(|count| after(count).mode == Mode::Well));
}

#[test]
fn without_panic_one_that_is_well_is_enough_to_wait_for_checks() {
    let now = start();
    let rules = Rules { checked: true, ..Rules::default() };

    let one_well = Lineup::new(&mix_of(well(now), 1, standing(1, now), 9), &rules, now);
    let unchecked = Lineup::new(&mix_of(well(now), 1, standing(1, now), 9), &Rules::default(), now);

    assert_eq!((one_well.len(), unchecked.len()), (1, 10));
}

#[test]
fn with_too_few_well_all_that_take_connections_are_used() {
    let now = start();
    let refusing = Standing { refuses: true, ..ill(now) };
    let half = mix_of(well(now), 2, ill(now), 2);
    let few = [well(now), ill(now), refusing, out(now)];
    let all_refuse = mix_of(refusing, 3, ill(now), 0);

    let lineups = [half.as_slice(), &few, &all_refuse].map(|standings| Lineup::new(standings, &PANIC, now));

    assert_eq!(lineups.each_ref().map(|lineup| lineup.mode), [Mode::Well, Mode::Panic, Mode::Panic]);
    assert_eq!(lineups.each_ref().map(members), [vec![0, 1], vec![0, 1, 3], vec![0, 1, 2]]);
}

#[test]
fn one_that_refuses_but_is_well_is_drawn_without_panic() {
    let now = start();
    let standings = [Standing { refuses: true, ..well(now) }, well(now)];

    assert_eq!(Lineup::new(&standings, &PANIC, now).len(), 2);
}

#[test]
fn without_panic_nobody_is_used_when_all_are_ill_but_ejections_empty_nothing() {
    let now = start();
    let rules = Rules { panic: 0, ..PANIC };

    let ill_all = Lineup::new(&mix_of(ill(now), 3, ill(now), 0), &rules, now);
    let out_too = Lineup::new(&mix_of(ill(now), 2, out(now), 2), &rules, now);
    let nobody = Lineup::new(&[], &PANIC, now);

    assert_eq!((ill_all.len(), ill_all.mode), (0, Mode::Nobody));
    assert_eq!((members(&out_too), out_too.mode), (vec![2, 3], Mode::Panic));
    assert_eq!((nobody.is_empty(), nobody.mode, nobody.draw(0)), (true, Mode::Nobody, None));
}

#[test]
fn one_endpoint_alone_is_always_used() {
    let now = start();
    let refusing = Standing { refuses: true, ..out(now) };

    for alone in [well(now), ill(now), out(now), refusing, standing(1, now)] {
        for panic in [0, 50] {
            assert_eq!(Lineup::new(&[alone], &Rules { panic, ..PANIC }, now).draw(7), Some(0), "{alone:?}");
        }
    }
}

#[test]
fn the_next_tier_takes_what_the_first_cannot_carry() {
    let now = start();
    let shares = (0..=10).map(|count| {
        let mut standings = mix_of(well(now), count, ill(now), 10 - count);
        standings.extend([far(well(now)); 4]);
        let lineup = Lineup::new(&standings, &PANIC, now);
        (lineup.mode == Mode::Well).then(|| (share(&lineup, 10) * 100.0).round() as u32)
    });

    // Of ten: none well, all to the next; eight well, 8 × 1.4 > 10, nothing.
    let wanted = [100, 86, 72, 58, 44, 30, 16, 2, 0, 0, 0];
    assert!(shares.eq(wanted.map(Some)));
}

#[test]
fn tiers_that_cannot_carry_all_together_share_it_and_panic_comes_when_none_is_half_well() {
    let now = start();
    let tiers = |first: usize, second: usize| {
        let mut standings = mix_of(well(now), first, ill(now), 10 - first);
        standings.extend(mix_of(far(well(now)), second, far(ill(now)), 10 - second));
        Lineup::new(&standings, &PANIC, now)
    };

    let short = tiers(1, 5);
    let panic = tiers(4, 4);

    assert_eq!(short.mode, Mode::Well);
    assert!((share(&short, 10) - 0.7 / 0.84).abs() < 0.001);
    assert_eq!((panic.mode, panic.len()), (Mode::Panic, 20));
}

#[test]
fn weights_count_inside_a_tier_that_shares() {
    let now = start();
    let heavy = Standing { weight: 3, ..well(now) };
    let standings = [heavy, well(now), ill(now), ill(now), far(well(now))];

    let lineup = Lineup::new(&standings, &PANIC, now);

    let of = |wanted: usize| {
        let own = lineup.iter().find(|(index, _)| *index == wanted).unwrap().1;
        own as f64 / lineup.total() as f64
    };
    assert!((of(0) - 0.525).abs() < 0.001 && (of(1) - 0.175).abs() < 0.001 && (of(4) - 0.3).abs() < 0.001);
}

#[test]
fn our_zone_is_used_alone_while_enough_of_it_are_well() {
    let now = start();
    let zone = |near_well: usize, near_ill: usize, others: usize| {
        let mut standings = mix_of(near(well(now)), near_well, near(ill(now)), near_ill);
        standings.extend(mix_of(well(now), others, well(now), 0));
        Lineup::new(&standings, &PANIC, now).len()
    };

    assert_eq!(zone(2, 0, 4), 2, "two of six");
    assert_eq!(zone(2, 0, 3), 5, "fewer than six in all");
    assert_eq!(zone(1, 0, 6), 7, "one alone is no zone");
    assert_eq!(zone(7, 3, 10), 7, "seventy per cent");
    assert_eq!(zone(6, 4, 10), 16, "less");
}

#[test]
fn a_new_endpoint_grows_from_a_tenth_to_its_whole_weight() {
    let born = start();
    let rules = Rules { slow_start: Some(10 * SECOND), ..Rules::default() };
    let old = standing(2, born.checked_sub(60 * SECOND).unwrap());
    let at = |seconds: u32| Lineup::new(&[old, standing(2, born)], &rules, born + seconds * SECOND);

    let percent = [0, 1, 5, 9, 10].map(|seconds| {
        let weights: Vec<u64> = at(seconds).iter().map(|(_, weight)| weight).collect();
        weights[1] * 100 / weights[0]
    });

    assert_eq!(percent, [10, 19, 55, 91, 100]);
    assert_eq!(at(9).until, Some(born + 10 * SECOND), "a tenth of the whole later");
    assert_eq!(at(10).until, None);
}

#[test]
fn a_lineup_of_a_short_slow_start_is_made_anew_ten_times_a_second_at_most() {
    let now = start();
    let rules = Rules { slow_start: Some(SECOND / 2), ..Rules::default() };

    let lineup = Lineup::new(&[standing(1, now)], &rules, now);

    assert_eq!(lineup.until, Some(now + SECOND / 10));
}

fn any_standing() -> impl Strategy<Value = (u32, u16, bool, u8, u64, bool, u64)> {
    (1u32..1000, 0u16..3, any::<bool>(), 0u8..3, 0u64..4, any::<bool>(), 0u64..20)
}

fn made(given: &[(u32, u16, bool, u8, u64, bool, u64)], now: Instant) -> Vec<Standing> {
    let health = [Health::Unknown, Health::Well, Health::Ill];
    let one = |given: &(u32, u16, bool, u8, u64, bool, u64)| {
        let (weight, priority, near, said, until, refuses, age) = *given;
        Standing {
            weight,
            priority,
            near,
            health: health[usize::from(said)],
            ejected_until: (until > 0).then(|| now + Duration::from_secs(until)),
            refuses,
            since: now.checked_sub(Duration::from_secs(age)).unwrap_or(now),
        }
    };
    given.iter().map(one).collect()
}

proptest! {
    #[test]
    fn only_those_that_may_are_drawn_each_once_and_somebody_always_with_panic(
        given in proptest::collection::vec(any_standing(), 1..30),
        checked: bool, slow: bool, panic in 0u32..=100,
    ) {
        let now = start();
        let standings = made(&given, now);
        let rules = Rules { checked, slow_start: slow.then_some(10 * SECOND), panic };

        let lineup = Lineup::new(&standings, &rules, now);

        let mut seen = members(&lineup);
        prop_assert!(lineup.iter().all(|(_, weight)| weight > 0));
        prop_assert!(seen.iter().all(|index| *index < standings.len()));
        prop_assert_eq!(lineup.mode == Mode::Nobody, seen.is_empty());
        prop_assert!(panic == 0 || !seen.is_empty());
        prop_assert!(lineup.until.is_none_or(|until| until > now));
        if lineup.mode == Mode::Well {
            let may = |index: &usize| standings[*index].health != Health::Ill && !standings[*index].is_out(now);
            prop_assert!(seen.iter().all(may));
        }
        seen.sort_unstable();
        seen.dedup();
        prop_assert_eq!(seen.len(), lineup.len());
    }

    #[test]
    fn nothing_changes_before_it_must_be_made_anew(
        given in proptest::collection::vec(any_standing(), 1..30), checked: bool, panic in 0u32..=100,
    ) {
        let now = start();
        let standings = made(&given, now);
        let rules = Rules { checked, slow_start: None, panic };

        let lineup = Lineup::new(&standings, &rules, now);
        let later = lineup.until.map_or(now + 60 * SECOND, |until| until - Duration::from_nanos(1));
        let again = Lineup::new(&standings, &rules, later);

        prop_assert!(lineup.iter().eq(again.iter()));
        prop_assert_eq!(lineup.until, again.until);
    }
}
