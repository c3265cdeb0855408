//! Each row of the table of looks; slow clients and slow upstreams told apart.

use super::*;
use crate::clock;

const BODY: Duration = Duration::from_secs(30);
const KIB: u64 = 1 << 10;

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn under_way(bytes: u64, starved: bool) -> Option<Upload> {
    Some(Upload { bytes, ended_at: None, finished: false, starved })
}

fn too_slow() -> Next {
    Next::Over(Rejection::Framing(Fault::BodyTimeout))
}

#[test]
fn without_a_body_the_limit_is_the_end() {
    let start = clock::now();
    let mut deadline = Deadline::starting(start, Some(secs(5)), BODY, None);

    assert_eq!(deadline.next_look(start, false), Some(start + secs(5)));
    assert_eq!(deadline.decide(None, start + secs(5)), Next::Over(Rejection::RequestTimeout));
}

#[test]
fn without_a_limit_and_a_body_there_is_no_look() {
    let start = clock::now();

    assert_eq!(Deadline::starting(start, None, BODY, Some(KIB)).next_look(start, false), None);
}

#[test]
fn the_limit_begins_when_the_body_has_ended() {
    let start = clock::now();
    let ended = Some(Upload { ended_at: Some(start + secs(4)), finished: true, bytes: 1, starved: false });
    let mut limited = Deadline::starting(start, Some(secs(5)), BODY, Some(KIB));
    let mut unlimited = Deadline::starting(start, None, BODY, Some(KIB));

    assert_eq!(limited.decide(ended, start + secs(5)), Next::At(start + secs(9)));
    assert_eq!(limited.decide(ended, start + secs(9)), Next::Over(Rejection::RequestTimeout));
    assert_eq!(unlimited.decide(ended, start + secs(50)), Next::Never);
}

#[test]
fn a_body_that_was_never_there_does_not_extend_the_limit() {
    let start = clock::now();
    let none = Some(Upload { bytes: 0, ended_at: None, finished: true, starved: false });
    let mut deadline = Deadline::starting(start, Some(secs(5)), BODY, None);

    assert_eq!(deadline.decide(none, start + secs(5)), Next::Over(Rejection::RequestTimeout));
}

#[test]
fn a_body_that_moves_is_waited_for_and_one_that_stands_still_is_somebodys_fault() {
    let start = clock::now();
    let stalled = |starved: bool| {
        let mut deadline = Deadline::starting(start, None, BODY, None);
        assert_eq!(deadline.decide(under_way(1, starved), start + secs(30)), Next::At(start + secs(60)));
        deadline.decide(under_way(1, starved), start + secs(60))
    };

    assert_eq!(stalled(true), too_slow());
    assert_eq!(stalled(false), Next::Over(Rejection::RequestTimeout));
}

#[test]
fn a_short_limit_does_not_cut_an_upload() {
    let start = clock::now();
    let mut deadline = Deadline::starting(start, Some(secs(5)), BODY, None);

    let next = deadline.decide(under_way(0, true), start + secs(5));

    assert_eq!(next, Next::At(start + secs(10)));
}

/// Looks every second until it is over; `upload` says what each finds. After how many seconds, at most 100.
fn refused_after(rate: u64, upload: impl Fn(u64) -> (u64, bool)) -> Option<u64> {
    let start = clock::now();
    let mut deadline = Deadline::starting(start, None, secs(1_000), Some(rate));
    (1..=100).find(|second| {
        let (bytes, starved) = upload(*second);
        let now = start + secs(*second);
        match deadline.decide(under_way(bytes, starved), now) {
            Next::Over(rejection) => {
                assert_eq!(rejection, Rejection::Framing(Fault::BodyTimeout));
                true
            }
            next => {
                assert_eq!(next, Next::At(now + LOOK));
                false
            }
        }
    })
}

#[test]
fn a_client_slower_than_the_rate_is_refused_after_the_grace_and_one_window() {
    assert_eq!(refused_after(KIB, |second| (second * (KIB - 1), true)), Some(9));
    assert_eq!(refused_after(KIB, |_| (0, true)), Some(9));
}

#[test]
fn a_client_as_fast_as_the_rate_is_not_refused_however_it_is_spread() {
    assert_eq!(refused_after(KIB, |second| (second * KIB, true)), None);
    assert_eq!(refused_after(KIB, |second| (second.div_ceil(5) * 5 * KIB, true)), None);
}

#[test]
fn what_came_in_the_grace_does_not_pay_for_later() {
    assert_eq!(
        refused_after(KIB, |second| (if second < 5 { second * KIB * 100 } else { 400 * KIB }, true)),
        Some(9)
    );
}

#[test]
fn a_client_that_slows_down_later_is_noticed() {
    let refused = refused_after(KIB, |second| (second.min(50) * KIB * 10, true));

    assert!(refused.is_some_and(|second| (55..=60).contains(&second)), "{refused:?}");
}

#[test]
fn an_upstream_that_takes_nothing_is_not_held_against_the_client() {
    assert_eq!(refused_after(KIB, |second| (second, false)), None);
    assert_eq!(refused_after(KIB, |second| (second, second % 2 == 0)), None);
}

#[test]
fn only_the_time_the_client_was_waited_for_counts() {
    // Ten seconds of a slow upstream, then a client that sends nothing.
    assert_eq!(refused_after(KIB, |second| (second.min(10), second > 10)), Some(16));
}

#[test]
fn a_look_that_comes_late_is_not_held_against_the_client() {
    let start = clock::now();
    let mut pace = Pace::new(KIB, start);
    assert!(!pace.is_too_slow(0, true, start + secs(5)));

    let late = pace.is_too_slow(0, true, start + secs(60));

    assert!(!late);
    assert_eq!(pace.waited, LOOK * 2);
}

#[test]
fn a_rate_beyond_all_numbers_does_not_overflow() {
    assert_eq!(refused_after(u64::MAX, |second| (u64::MAX / 200 * second, true)), Some(9));
}
