//! What is tried again, and what never is.

use super::*;
use proptest::prelude::*;
use std::cell::Cell;

const GET: Request = Request { idempotent: true, replayable: true, attempts: 1, is_retry: false, left: None };
const POST: Request = Request { idempotent: false, ..GET };
const SEEN: [End; 4] = [End::Reset, End::TimedOut, End::Unsound, answered(503)];
const UNSEEN_ENDS: [End; 3] = [End::NotConnected, End::Unsent, End::NotProcessed];
const AT_ONCE: Verdict = Verdict::Again(Duration::ZERO);

const fn answered(status: u16) -> End {
    End::Answered { status, retry_after: None, tried_behind: false }
}

fn rule(attempts: u32) -> Retry {
    Retry {
        attempts,
        backoff: (Duration::from_millis(25), Duration::from_millis(250)),
        budget: 20,
        floor: 3,
        statuses: vec![502, 503, 504],
        idempotency_key: None,
        body: 65_536,
        hedge: None,
    }
}

/// With half of the longest pause, and money for everything.
fn with(rule: &Retry, request: Request, end: End) -> Verdict {
    decide(Some(rule), &request, &end, 1 << 63, || true)
}

#[test]
fn methods_are_idempotent_as_rfc_9110_says() {
    let yes = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"];
    let no = ["POST", "PATCH", "CONNECT", "get", "PROPFIND"];
    let is = |name: &str| is_idempotent(&Method::from_bytes(name.as_bytes()).unwrap());

    assert_eq!(yes.map(is), [true; 6]);
    assert_eq!(no.map(is), [false; 5]);
}

#[test]
fn what_is_idempotent_is_tried_again_after_half_of_the_bound_that_doubles() {
    let rule = rule(4);
    let second = Verdict::Again(Duration::from_micros(12_500));
    let third = Verdict::Again(Duration::from_micros(25_000));

    assert_eq!(SEEN.map(|end| with(&rule, GET, end)), [second; 4]);
    assert_eq!(SEEN.map(|end| with(&rule, Request { attempts: 2, ..GET }, end)), [third; 4]);
}

#[test]
fn what_would_begin_too_late_is_not_tried_and_costs_no_budget() {
    let asked = Cell::new(0);
    let verdict = |left: u64| {
        let request = Request { left: Some(Duration::from_micros(left)), ..GET };
        decide(Some(&rule(2)), &request, &answered(503), 1 << 63, || {
            asked.set(asked.get() + 1);
            true
        })
    };

    assert_eq!((verdict(12_500), asked.get()), (Verdict::Stop, 0));
    assert_eq!((verdict(12_501), asked.get()), (Verdict::Again(Duration::from_micros(12_500)), 1));
}

#[test]
fn what_is_not_idempotent_is_never_tried_again_once_it_may_have_been_seen() {
    assert_eq!(SEEN.map(|end| with(&rule(5), POST, end)), [Verdict::Stop; 4]);
}

#[test]
fn what_nobody_has_seen_is_tried_again_at_once_whatever_it_is() {
    let rule = rule(2);
    for request in [GET, POST, Request { is_retry: true, ..POST }, Request { attempts: 2, ..POST }] {
        assert_eq!(UNSEEN_ENDS.map(|end| with(&rule, request, end)), [AT_ONCE; 3]);
        let without_rule = UNSEEN_ENDS.map(|end| decide(None, &request, &end, 7, || false));
        assert_eq!(without_rule, [AT_ONCE; 3]);
    }
}

#[test]
fn what_nobody_has_seen_is_tried_three_times_or_as_often_as_the_rule_says() {
    let after = |attempts| Request { attempts, ..POST };

    assert_eq!(decide(None, &after(3), &End::Unsent, 0, || true), Verdict::Stop);
    assert_eq!(with(&rule(2), after(3), End::Unsent), Verdict::Stop);
    assert_eq!(with(&rule(5), after(4), End::NotConnected), AT_ONCE);
    assert_eq!(with(&rule(5), after(5), End::NotConnected), Verdict::Stop);
}

#[test]
fn without_a_rule_nothing_is_tried_again_that_may_have_been_seen() {
    assert_eq!(SEEN.map(|end| decide(None, &GET, &end, 0, || true)), [Verdict::Stop; 4]);
}

#[test]
fn the_second_of_two_attempts_is_the_last() {
    assert_eq!(SEEN.map(|end| with(&rule(2), Request { attempts: 2, ..GET }, end)), [Verdict::Stop; 4]);
}

#[test]
fn a_body_that_is_gone_is_not_sent_again() {
    let gone = Request { replayable: false, ..GET };

    assert_eq!(SEEN.map(|end| with(&rule(5), gone, end)), [Verdict::Stop; 4]);
    assert_eq!(UNSEEN_ENDS.map(|end| with(&rule(5), gone, end)), [Verdict::Stop; 3]);
}

#[test]
fn only_answers_of_the_rule_are_thrown_away() {
    let thrown = |status| with(&rule(2), GET, answered(status)) != Verdict::Stop;

    assert_eq!([502, 503, 504].map(thrown), [true; 3]);
    assert_eq!([200, 404, 429, 500, 501, 505].map(thrown), [false; 6]);
}

#[test]
fn a_try_of_a_try_is_not_made_on_either_side() {
    let (again, behind) = (
        Request { is_retry: true, ..GET },
        End::Answered { status: 503, retry_after: None, tried_behind: true },
    );

    assert_eq!(SEEN.map(|end| with(&rule(5), again, end)), [Verdict::Stop; 4]);
    assert_eq!(with(&rule(5), GET, behind), Verdict::Stop);
}

#[test]
fn a_service_that_asks_to_be_left_for_a_while_is_left_for_that_while() {
    let asking = |millis| {
        let end = End::Answered {
            status: 503,
            retry_after: Some(Duration::from_millis(millis)),
            tried_behind: false,
        };
        with(&rule(2), GET, end)
    };

    assert_eq!(asking(0), Verdict::Again(Duration::from_micros(12_500)), "our own pause is longer");
    assert_eq!(asking(400), Verdict::Again(Duration::from_millis(400)));
    assert_eq!(asking(1_000), Verdict::Again(Duration::from_secs(1)));
    assert_eq!(asking(1_001), Verdict::Stop);
}

#[test]
fn an_empty_budget_stops_what_costs_and_nothing_else() {
    let rule = rule(2);
    let broke = |end: End| decide(Some(&rule), &GET, &end, 0, || false);

    assert_eq!(SEEN.map(broke), [Verdict::Stop; 4]);
    assert_eq!(UNSEEN_ENDS.map(broke), [Verdict::Stop, AT_ONCE, AT_ONCE]);
}

fn ends() -> impl Strategy<Value = End> {
    let answers = (prop::sample::select(vec![200_u16, 429, 500, 502, 503, 504]), 0_u64..2_000, any::<bool>());
    prop_oneof![
        prop::sample::select(vec![End::NotConnected, End::Unsent, End::NotProcessed]),
        prop::sample::select(vec![End::Reset, End::TimedOut, End::Unsound]),
        answers.prop_map(|(status, millis, tried_behind)| {
            let retry_after = (millis > 100).then(|| Duration::from_millis(millis));
            End::Answered { status, retry_after, tried_behind }
        }),
    ]
}

fn requests() -> impl Strategy<Value = Request> {
    (any::<bool>(), any::<bool>(), 1_u32..7, any::<bool>()).prop_map(
        |(idempotent, replayable, attempts, is_retry)| Request {
            idempotent,
            replayable,
            attempts,
            is_retry,
            left: None,
        },
    )
}

proptest! {
    #[test]
    fn whatever_comes_nothing_is_done_twice_that_must_be_done_once(
        request in requests(),
        end in ends(),
        attempts in prop::option::of(2_u32..6),
        random in any::<u64>(),
        money in any::<bool>(),
    ) {
        let rule = attempts.map(rule);
        let asked = Cell::new(0);
        let budget = || {
            asked.set(asked.get() + 1);
            money
        };

        let verdict = decide(rule.as_ref(), &request, &end, random, budget);

        let unseen = matches!(end, End::NotConnected | End::Unsent | End::NotProcessed);
        if let Verdict::Again(pause) = verdict {
            prop_assert!(request.replayable);
            prop_assert!(unseen || request.idempotent && !request.is_retry);
            let most = attempts.unwrap_or(0).max(if unseen { 3 } else { 0 });
            prop_assert!(request.attempts < most);
            prop_assert!(pause <= Duration::from_secs(1) && (!unseen || pause.is_zero()));
            let costs = attempts.is_some() && !matches!(end, End::Unsent | End::NotProcessed);
            prop_assert_eq!(asked.get(), u32::from(costs));
            prop_assert!(asked.get() == 0 || money);
        } else {
            // Money was only asked for when nothing else was in the way.
            let rich = decide(rule.as_ref(), &request, &end, random, || true);
            prop_assert_eq!(asked.get() == 1, rich != Verdict::Stop);
        }
    }
}
