//! Tests: leases.

use super::*;
use crate::config::limit::{KeyPart, Rates, Scope, Sharing};
use std::collections::VecDeque;

const MS: u64 = 1_000_000;
const START: u64 = 1_700_000_000 * SECOND;

fn limit(algorithm: Algorithm, amount: u32, window: Duration) -> Limit {
    Limit {
        name: "limit".into(),
        key: vec![KeyPart::Ip],
        algorithm,
        rates: Rates {
            default: Rate { amount, window: Window::Every(window), burst: amount },
            tiers: Vec::new(),
        },
        scope: Scope::Global(Sharing::Leased),
        queue: None,
    }
}

fn ask(limit: &Limit, cost: u32) -> Ask<'_> {
    Ask { limit, tier: 0, key: Key(5), cost }
}

fn granted(n: u32) -> Granted {
    Granted { n, remaining: 100, reset_after: Duration::from_secs(60), retry_after: Duration::ZERO }
}

/// Asks `times` times, one each `every`, and grants whatever is asked for; how often the store was asked.
fn drive(leases: &Leases, limit: &Limit, (times, every): (u32, u64), start: u64) -> u32 {
    let mut asked = 0;
    for n in 0..times {
        let now = start + u64::from(n) * every;
        let ask = ask(limit, 1);
        match leases.spend(&ask, 1, now) {
            Leased::Here { decision, refill } => {
                assert!(decision.admitted);
                if let Some(request) = refill {
                    asked += 1;
                    leases.refilled(&ask, request, &granted(request.n), now);
                }
            }
            Leased::Ask(request) => {
                asked += 1;
                assert!(leases.granted(&ask, request, &granted(request.n), now).admitted);
            }
        }
    }
    asked
}

/// A lease that has seen 1000 a second for a second and holds nothing.
fn busy() -> Lease {
    let mut lease = Lease::default();
    for n in 0..1000 {
        lease.spend(START + n * MS, 1, 1000);
    }
    lease.granted(START + 1000 * MS, 0, 0);
    lease
}

const NOW: u64 = START + 1000 * MS;

#[test]
fn what_was_granted_is_spent_and_no_more() {
    let mut lease = Lease::default();
    lease.granted(NOW, 3, NOW + SECOND);

    let spent = [2, 2, 1, 1].map(|cost| lease.spend(NOW, cost, 1));

    let here = Spent::Here { refill: false };
    assert_eq!(spent, [here, Spent::Empty, here, Spent::Empty]);
}

#[test]
fn nothing_is_spent_out_of_time_and_the_rest_is_handed_out_once() {
    let mut lease = Lease::default();
    lease.granted(NOW, 3, NOW + SECOND);

    let last = lease.spend(NOW + SECOND - 1, 1, 1);
    let after = lease.spend(NOW + SECOND, 1, 1);

    assert_eq!((last, after), (Spent::Here { refill: false }, Spent::Empty));
    assert_eq!((lease.lapse(NOW + SECOND), lease.lapse(NOW + SECOND)), (2, 0));
}

#[test]
fn the_older_grant_is_spent_first_and_ends_by_itself() {
    let mut lease = Lease::default();
    lease.granted(NOW, 4, NOW + SECOND);
    lease.granted(NOW + 500 * MS, 10, NOW + 1500 * MS);

    lease.spend(NOW + 600 * MS, 3, 1);

    assert_eq!(lease.left(NOW + SECOND - 1), 11);
    assert_eq!((lease.left(NOW + SECOND), lease.lapse(NOW + SECOND)), (10, 1));
}

#[test]
fn more_is_asked_for_under_the_low_water_and_once() {
    let mut lease = busy();
    lease.granted(NOW, 50, NOW + SECOND);

    let spent: Vec<Spent> = (0..40).map(|_| lease.spend(NOW, 1, 1000)).collect();

    let at = spent.iter().position(|one| *one == Spent::Here { refill: true });
    assert_eq!(at, Some(30), "20 of 50 are 40 %, 19 are less");
    assert_eq!(spent.iter().filter(|one| **one == Spent::Here { refill: true }).count(), 1);
}

#[test]
fn the_size_is_fifty_milliseconds_of_the_rate_within_its_bounds() {
    let lease = busy();

    let wanted = [1000, 20, 1, 0].map(|most| lease.wanted(NOW, most));

    assert_eq!(wanted, [50, 20, 1, 1]);
    assert_eq!(lease.wanted(NOW + 10 * SECOND, 1000), 1, "nothing for ten seconds");
}

#[test]
fn the_cap_is_a_twentieth_divided_by_the_processes() {
    let rate = |amount| Rate { amount, window: Window::Every(Duration::from_secs(1)), burst: amount };

    let caps =
        [(1000, 1), (1000, 3), (1000, 0), (19, 1), (1, 9), (u32::MAX, 1)].map(|(a, i)| cap(&rate(a), i));

    assert_eq!(caps, [50, 16, 50, 1, 1, 214_748_364]);
}

#[test]
fn a_slow_key_asks_each_time_and_holds_nothing() {
    let (leases, limit) = (Leases::new(64), limit(Algorithm::TokenBucket, 1000, Duration::from_secs(60)));

    let asked = drive(&leases, &limit, (20, SECOND / 2), START);

    assert_eq!(asked, 20);
    assert!(leases.lapsed(START + 60 * SECOND).is_empty());
}

#[test]
fn a_fast_key_asks_rarely() {
    let (leases, limit) =
        (Leases::new(64), limit(Algorithm::TokenBucket, 10_000_000, Duration::from_secs(60)));
    drive(&leases, &limit, (10_000, MS / 10), START);

    let asked = drive(&leases, &limit, (10_000, MS / 10), START + SECOND);

    // Ten thousand a second in pieces of 500, a little earlier than each ends.
    assert!((15..=60).contains(&asked), "{asked}");
}

#[test]
fn a_small_limit_is_exact() {
    let (leases, limit) = (Leases::new(64), limit(Algorithm::TokenBucket, 19, Duration::from_secs(1)));

    let asked = drive(&leases, &limit, (1000, MS), START);

    assert_eq!(asked, 1000);
    assert_eq!(worst_case(&limit, 0, 1), Worst { under_use: 0, overshoot: 0 });
}

#[test]
fn others_take_only_what_they_need_while_one_fills() {
    let (leases, limit) =
        (Leases::new(64), limit(Algorithm::TokenBucket, 10_000_000, Duration::from_secs(60)));
    drive(&leases, &limit, (1000, MS), START);
    let now = START + SECOND;
    let ask = ask(&limit, 1);
    // Nothing is brought while the lease runs empty.
    let (mut fills, mut empty) = (Vec::new(), None);
    while empty.is_none() {
        match leases.spend(&ask, 1, now) {
            Leased::Here { refill, .. } => fills.extend(refill),
            Leased::Ask(request) => empty = Some(request),
        }
    }

    let ([first], Some(second)) = (fills.as_slice(), empty) else { panic!("{fills:?}") };
    assert!(first.n > 1, "{first:?}");
    assert_eq!(second.n, 1);
    leases.granted(&ask, second, &granted(1), now);
    let Leased::Ask(third) = leases.spend(&ask, 1, now) else { panic!("nothing is there") };
    assert_eq!(third.n, 1, "the first is still asking");
    leases.failed(ask.key, *first);
    let Leased::Ask(fourth) = leases.spend(&ask, 1, now) else { panic!("nothing is there") };
    assert!(fourth.n > 1);
}

#[test]
fn what_is_refused_tells_when_to_come_back() {
    let (leases, limit) = (Leases::new(64), limit(Algorithm::TokenBucket, 1000, Duration::from_secs(60)));
    let ask = ask(&limit, 3);
    let Leased::Ask(request) = leases.spend(&ask, 1, START) else { panic!("nothing is there") };
    let refused = Granted {
        n: 0,
        remaining: 2,
        reset_after: Duration::from_secs(9),
        retry_after: Duration::from_secs(4),
    };

    let decision = leases.granted(&ask, request, &refused, START);

    let expected = Decision {
        admitted: false,
        remaining: 2,
        reset_after: refused.reset_after,
        retry_after: refused.retry_after,
    };
    assert_eq!(decision, expected);
}

#[test]
fn a_lease_of_a_fixed_window_ends_with_it_and_is_not_given_back() {
    for (algorithm, left_then, back) in
        [(Algorithm::FixedWindow, false, 0), (Algorithm::TokenBucket, true, 6)]
    {
        let (leases, limit) = (Leases::new(64), limit(algorithm, 10_000_000, Duration::from_secs(60)));
        drive(&leases, &limit, (1000, MS), START);
        let now = START + 5 * SECOND / 2;
        let _ = leases.lapsed(now - SECOND / 2);
        let ask = ask(&limit, 1);
        let Leased::Ask(request) = leases.spend(&ask, 1, now) else { panic!("out of time") };
        let ending = Granted { reset_after: Duration::from_millis(100), ..granted(8) };
        leases.granted(&ask, request, &ending, now + 20 * MS);

        let after = matches!(leases.spend(&ask, 1, now + 100 * MS), Leased::Here { .. });
        let lapsed = leases.lapsed(now + 2 * SECOND).first().map_or(0, |lapsed| lapsed.n);

        assert_eq!((after, lapsed), (left_then, back), "{algorithm:?}");
    }
}

#[test]
fn the_table_is_bounded_and_forgets() {
    let (leases, limit) = (Leases::new(32), limit(Algorithm::TokenBucket, 1000, Duration::from_secs(60)));

    for key in 0..1000 {
        let ask = Ask { key: Key(key), ..ask(&limit, 1) };
        let Leased::Ask(request) = leases.spend(&ask, 1, START) else { panic!("nothing is there") };
        assert!(leases.granted(&ask, request, &granted(1), START).admitted, "also without a place");
    }
    let full = leases.len();
    leases.lapsed(START + SECOND);

    assert_eq!((full, leases.len()), (32, 0));
}

#[test]
fn the_worst_case_is_a_few_percent() {
    let fixed = limit(Algorithm::FixedWindow, 1000, Duration::from_secs(1));
    let bucket = limit(Algorithm::TokenBucket, 1000, Duration::from_secs(1));

    assert_eq!(worst_case(&fixed, 0, 1), Worst { under_use: 69, overshoot: 0 });
    assert_eq!(worst_case(&bucket, 0, 1), Worst { under_use: 69, overshoot: 69 });
    assert_eq!(worst_case(&bucket, 0, 3), Worst { under_use: 66, overshoot: 66 });
    assert_eq!(worst_case(&bucket, 0, 100), Worst { under_use: 0, overshoot: 0 });
}

/// One step of a worker.
#[derive(Debug, Clone)]
struct Step {
    passes: u64,
    cost: u32,
    /// How many of the questions under way are answered afterwards.
    answers: usize,
    lost: bool,
}

fn step() -> impl proptest::strategy::Strategy<Value = Step> {
    use proptest::prelude::*;
    (0_u64..20 * MS, 1_u32..8, 0_usize..3, proptest::bool::weighted(0.1))
        .prop_map(|(passes, cost, answers, lost)| Step { passes, cost, answers, lost })
}

proptest::proptest! {
    /// The store here grants everything: what is admitted can only be limited by what was granted.
    #[test]
    fn never_more_is_spent_than_was_granted_nor_more_held_than_the_worst_case(
        steps in proptest::collection::vec(step(), 1..2000), amount in 1_u32..5000,
    ) {
        let (leases, limit) = (Leases::new(16), limit(Algorithm::TokenBucket, amount, Duration::from_secs(60)));
        let worst = worst_case(&limit, 0, 1).under_use;
        let (mut now, mut counted, mut admitted, mut back) = (START, 0_u64, 0_u64, 0_u64);
        let mut under_way: VecDeque<(Request, u32, bool)> = VecDeque::new();

        for Step { passes, cost, answers, lost } in steps {
            now += passes;
            let cost = cost.min(amount);
            match leases.spend(&ask(&limit, cost), 1, now) {
                Leased::Here { refill, .. } => {
                    admitted += u64::from(cost);
                    under_way.extend(refill.map(|request| (request, cost, true)));
                }
                Leased::Ask(request) => under_way.push_back((request, cost, false)),
            }
            for _ in 0..answers {
                let Some((request, cost, background)) = under_way.pop_front() else { break };
                let ask = ask(&limit, cost);
                if lost {
                    leases.failed(ask.key, request);
                    continue;
                }
                counted += u64::from(request.n.max(cost));
                if background {
                    leases.refilled(&ask, request, &granted(request.n.max(cost)), now);
                } else {
                    let decision = leases.granted(&ask, request, &granted(request.n), now);
                    admitted += if decision.admitted { u64::from(cost) } else { 0 };
                }
                // Without a sweep for a second, what is out of time is not yet given back.
                back += leases.lapsed(now).iter().map(|lapsed| u64::from(lapsed.n)).sum::<u64>();
            }

            proptest::prop_assert!(admitted + back <= counted);
            back += leases.lapsed(now).iter().map(|lapsed| u64::from(lapsed.n)).sum::<u64>();
            proptest::prop_assert!(counted - admitted - back <= worst, "{} > {worst}", counted - admitted - back);
        }
    }
}
