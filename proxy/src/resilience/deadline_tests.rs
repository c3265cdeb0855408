//! What is read, what is written, and what is not believed.

use super::*;
use proptest::prelude::*;

fn headers(name: &HeaderName, values: &[&str]) -> HeaderMap {
    values.iter().map(|value| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
}

fn grpc(value: &str) -> Option<Duration> {
    grpc_timeout(&headers(&GRPC_TIMEOUT, &[value]))
}

fn written(left: Duration) -> String {
    let mut headers = headers(&GRPC_TIMEOUT, &["7S", "8S"]);
    write_grpc_timeout(&mut headers, left);
    let values: Vec<&str> =
        headers.get_all(GRPC_TIMEOUT).iter().map(|value| value.to_str().unwrap()).collect();
    values.join(",")
}

#[test]
fn a_grpc_timeout_has_up_to_eight_digits_and_a_unit() {
    assert_eq!(grpc("1S"), Some(Duration::from_secs(1)));
    assert_eq!(grpc("100m"), Some(Duration::from_millis(100)));
    assert_eq!(grpc("5u"), Some(Duration::from_micros(5)));
    assert_eq!(grpc("99999999n"), Some(Duration::from_nanos(99_999_999)));
    assert_eq!(grpc("2M"), Some(Duration::from_secs(120)));
    assert_eq!(grpc("99999999H"), Some(Duration::from_secs(99_999_999 * 3_600)));
    assert_eq!(grpc("0m"), Some(Duration::ZERO));
    assert_eq!(grpc("00000010m"), Some(Duration::from_millis(10)));
}

#[test]
fn a_grpc_timeout_that_is_not_sound_says_nothing() {
    for value in
        ["", "S", "1", "1s", "1h", "1 S", " 1S", "-1S", "+1S", "1.5S", "100000000n", "1SS", "0x1S", "1µ"]
    {
        assert_eq!(grpc(value), None, "{value:?}");
    }
    assert_eq!(grpc_timeout(&HeaderMap::new()), None);
    assert_eq!(grpc_timeout(&headers(&GRPC_TIMEOUT, &["1S", "1S"])), None, "two of them");
}

#[test]
fn a_grpc_timeout_is_written_once_as_finely_as_eight_digits_allow() {
    assert_eq!(written(Duration::ZERO), "0n");
    assert_eq!(written(Duration::from_nanos(99_999_999)), "99999999n");
    assert_eq!(written(Duration::from_millis(100)), "100000u");
    assert_eq!(written(Duration::from_nanos(100_000_999)), "100000u");
    assert_eq!(written(Duration::from_secs(15)), "15000000u");
    assert_eq!(written(Duration::from_secs(100)), "100000m");
    assert_eq!(written(Duration::from_secs(100_000)), "100000S");
    assert_eq!(written(Duration::from_secs(100_000_000)), "1666666M");
    assert_eq!(written(Duration::from_secs(6_000_000_000)), "1666666H");
    assert_eq!(written(Duration::MAX), "99999999H");
}

#[test]
fn the_next_hop_hears_what_is_left_in_whole_milliseconds() {
    let mut headers = headers(&TIMEOUT, &["99999", "5"]);

    write_hop(&mut headers, Some(Duration::from_micros(1_999)), 1);

    assert_eq!(headers.get_all(TIMEOUT).iter().collect::<Vec<_>>(), ["1"]);
    assert_eq!(hop_timeout(&headers), Some(Duration::from_millis(1)));
}

#[test]
fn the_next_hop_hears_nothing_where_there_is_no_limit_and_nothing_old() {
    let mut headers = headers(&TIMEOUT, &["99999"]);

    write_hop(&mut headers, None, 1);

    assert_eq!((hop_timeout(&headers), headers.len()), (None, 0));
}

#[test]
fn the_longest_time_can_be_told() {
    let mut headers = HeaderMap::new();

    write_hop(&mut headers, Some(Duration::MAX), 1);

    assert_eq!(hop_timeout(&headers), Some(Duration::from_millis(999_999_999_999)));
}

#[test]
fn milliseconds_that_are_not_sound_say_nothing() {
    for value in ["", "1s", "-1", "1.5", " 1", "1234567890123", "١"] {
        assert_eq!(hop_timeout(&headers(&TIMEOUT, &[value])), None, "{value:?}");
    }
    assert_eq!(hop_timeout(&headers(&TIMEOUT, &["1", "2"])), None);
    assert_eq!(hop_timeout(&headers(&TIMEOUT, &["0"])), Some(Duration::ZERO));
}

#[test]
fn a_second_attempt_says_so_and_a_first_one_does_not() {
    let told = |attempt| {
        let mut headers = headers(&ATTEMPT, &["4"]);
        write_hop(&mut headers, None, attempt);
        is_retry(&headers)
    };

    assert_eq!([1, 2, 5].map(told), [false, true, true]);
}

#[test]
fn an_attempt_that_is_not_sound_is_a_first_one() {
    let is = |values: &[&str]| is_retry(&headers(&ATTEMPT, values));

    assert!(is(&["2"]));
    for values in [&["0"][..], &["1"], &["two"], &["2 "], &["99999"], &["2", "2"], &[]] {
        assert!(!is(values), "{values:?}");
    }
}

#[test]
fn a_hop_that_tried_in_vain_says_so() {
    let mut answer = HeaderMap::new();
    assert!(!tried_behind(&answer));

    write_tried(&mut answer);

    assert!(tried_behind(&answer));
}

#[test]
fn a_client_can_shorten_and_never_lengthen() {
    let [short, middle, long] = [1, 5, 15].map(|seconds| Some(Duration::from_secs(seconds)));

    assert_eq!(limit(long, middle, short), short);
    assert_eq!(limit(short, middle, long), short);
    assert_eq!(limit(middle, None, None), middle);
    assert_eq!(limit(None, Some(Duration::ZERO), long), Some(Duration::ZERO));
    assert_eq!(limit(None, None, None), None);
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_and_is_never_more(nanos in any::<u64>(), zeros in 5_u32..64) {
        let left = Duration::from_nanos(nanos >> zeros);

        let mut headers = HeaderMap::new();
        write_grpc_timeout(&mut headers, left);
        write_hop(&mut headers, Some(left), 1);

        let grpc = grpc_timeout(&headers).unwrap();
        prop_assert!(headers[GRPC_TIMEOUT].len() <= 9);
        prop_assert!(grpc <= left && left - grpc <= left / 100_000, "{:?} for {:?}", grpc, left);
        let hop = hop_timeout(&headers).unwrap();
        prop_assert!(hop <= left && left - hop < Duration::from_millis(1));
    }

    #[test]
    fn whatever_stands_there_is_read_or_not_but_never_harms(value in "[0-9]{0,10}[a-zA-Z ]{0,2}") {
        let read = grpc(&value);

        prop_assert!(read.is_none() || value.len() <= 9 && value[..value.len() - 1].parse::<u64>().is_ok());
    }
}
