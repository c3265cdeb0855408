//! Tests: questions in numbers, answers in words.

use super::super::support_tests::{ask, limit, rate};
use super::*;
use crate::config::limit::Limit;

const SECOND: Duration = Duration::from_secs(1);

fn question(limit: &Limit, cost: u32, n: u32) -> Question<'_> {
    Question::new(&ask(limit, 0, cost), n)
}

#[test]
fn a_rate_that_does_not_divide_its_window_keeps_parts() {
    let limit = limit(Algorithm::TokenBucket, rate(3, SECOND, 5));

    let numbers = question(&limit, 2, 2).arguments(None);

    assert_eq!(*numbers, [3, 1_666_666, 2, 666_666, 2, 333_333, 1, 2, 2]);
}

#[test]
fn the_largest_rates_stay_exact_in_lua() {
    let month = Duration::from_secs(31 * 86_400);
    for (amount, burst, window) in [(1, u32::MAX, month), (u32::MAX, u32::MAX, month), (u32::MAX, 1, SECOND)]
    {
        let limit = limit(Algorithm::TokenBucket, rate(amount, window, burst));

        let numbers = question(&limit, 1, u32::MAX).arguments(None);

        let most = 1_i64 << 53;
        assert!(numbers.iter().all(|number| (0..most).contains(number)), "{numbers:?}");
        assert!(numbers[7] * numbers[6] < most, "products of parts: {numbers:?}");
    }
}

#[test]
fn a_window_of_the_calendar_sends_its_bounds() {
    let limit =
        limit(Algorithm::FixedWindow, Rate { amount: 9, window: Window::Day("UTC".into()), burst: 9 });

    let numbers = question(&limit, 1, 4).arguments(Some([1, 2, 3, 4]));

    assert_eq!(*numbers, [9, 4, 1, 1, 2, 3, 4]);
}

#[test]
fn an_empty_bucket_says_when_one_is_there_again() {
    let limit = limit(Algorithm::TokenBucket, rate(3, SECOND, 3));

    let granted = question(&limit, 1, 1).answer(&[0, 1_000_000, 0]).unwrap();

    let third = Duration::from_micros(333_334);
    assert_eq!(granted, Granted { n: 0, remaining: 0, reset_after: SECOND, retry_after: third });
}

#[test]
fn what_is_left_of_a_sliding_window_is_admitted_when_enough_has_gone_out_of_view() {
    let limit = limit(Algorithm::SlidingWindow, rate(10, SECOND, 10));

    // 8 before with 3/4 in view = 6, 4 now: nothing left. One more when 8 × view ≤ 5: 625 ms in view.
    let granted = question(&limit, 1, 1).answer(&[0, 4, 8, 750_000]).unwrap();

    assert_eq!(granted.remaining, 0);
    assert_eq!(granted.retry_after, Duration::from_millis(125));
    assert_eq!(granted.reset_after, Duration::from_millis(1750));
}

#[test]
fn a_sliding_window_that_spent_all_itself_waits_into_the_next() {
    let limit = limit(Algorithm::SlidingWindow, rate(10, SECOND, 10));

    // 10 now: one more when 10 × view ≤ 9, a tenth of the next window after half of this.
    let granted = question(&limit, 1, 1).answer(&[0, 10, 0, 500_000]).unwrap();

    assert_eq!(granted.retry_after, Duration::from_millis(600));
}

#[test]
fn answers_that_cannot_be_are_refused() {
    let limit = limit(Algorithm::TokenBucket, rate(3, SECOND, 3));
    let question = question(&limit, 2, 4);

    for numbers in
        [&[] as &[i64], &[1], &[2, 1], &[-1, 0, 0], &[2, -1, 0], &[1, 0, 0], &[5, 0, 0], &[1 << 40, 0, 0]]
    {
        assert_eq!(question.answer(numbers), Err(StoreError::Protocol), "{numbers:?}");
    }
    assert!(question.answer(&[2, i64::MAX, i64::MAX]).is_ok());
}

/// What a sliding window admits, by its definition.
fn admits(amount: u64, cost: u64, [current, before, left, length]: [u64; 4]) -> bool {
    current + (before * left).div_ceil(length) + cost <= amount
}

proptest::proptest! {
    #[test]
    fn a_sliding_wait_is_the_smallest(
        amount in 1_u32..50, cost in 1_u32..50, current in 0_u64..60, before in 0_u64..60, left in 1_u64..=1000,
    ) {
        let cost = cost.min(amount);
        let length = 1000_u64;
        proptest::prop_assume!(!admits(amount.into(), cost.into(), [current, before, left, length]));
        let limit = limit(Algorithm::SlidingWindow, rate(amount, Duration::from_micros(length), amount));

        let granted = question(&limit, cost, cost).answer(&[0, current as i64, before as i64, left as i64]).unwrap();

        let after = |wait: u64| {
            let state = if wait < left {
                [current, before, left - wait, length]
            } else if wait < left + length {
                [0, current, left + length - wait, length]
            } else {
                [0, 0, length, length]
            };
            admits(amount.into(), cost.into(), state)
        };
        let wait = granted.retry_after.as_micros() as u64;
        proptest::prop_assert!(after(wait), "admitted after {wait}");
        proptest::prop_assert!(wait > 0 && !after(wait - 1), "not before {wait}");
    }
}
