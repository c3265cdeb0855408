//! Times, sizes and dates: what is read, what is refused and that both directions agree.

use super::*;
use proptest::prelude::*;

#[test]
fn times_are_read_with_their_unit() {
    let cases = [("100ms", 100), ("5s", 5_000), ("1m", 60_000), ("1h", 3_600_000), ("0s", 0), ("5 s", 5_000)];

    for (text, millis) in cases {
        assert_eq!(time(text), Ok(Some(Duration::from_millis(millis))), "{text}");
    }
    assert_eq!(time("none"), Ok(None));
}

#[test]
fn sizes_are_read_with_their_unit() {
    let cases = [("1B", 1), ("64KiB", 65_536), ("10MiB", 10_485_760), ("5GiB", 5_368_709_120)];

    for (text, bytes) in cases {
        assert_eq!(size(text), Ok(Some(bytes)), "{text}");
    }
    assert_eq!(size("none"), Ok(None));
}

#[test]
fn what_is_not_a_time_says_why() {
    assert_eq!(time("5"), Err(UnitError::NoUnit("5".into())));
    assert_eq!(time("5sec"), Err(UnitError::UnknownUnit("sec".into())));
    assert_eq!(time("1.5s"), Err(UnitError::NotANumber("1.5s".into())));
    assert_eq!(time("-5s"), Err(UnitError::NotANumber("-5s".into())));
    assert_eq!(time(""), Err(UnitError::NotANumber(String::new())));
    assert_eq!(time("9000h"), Err(UnitError::TooLarge("9000h".into())));
    assert_eq!(time("99999999999999999999s"), Err(UnitError::TooLarge("99999999999999999999s".into())));
    assert_eq!(size("10MB"), Err(UnitError::UnknownUnit("MB".into())));
    assert_eq!(size("18446744073709551615GiB"), Err(UnitError::TooLarge("18446744073709551615GiB".into())));
}

#[test]
fn dates_are_counted_from_1970() {
    let cases = [
        ("1970-01-01", 0),
        ("2000-02-29", 951_782_400),
        ("2026-10-01", 1_790_812_800),
        ("2026-11-22", 1_795_305_600),
        ("9999-12-31", 253_402_214_400),
    ];

    for (text, unix) in cases {
        assert_eq!(date(text), Ok(unix), "{text}");
        assert_eq!(show_date(unix), text);
    }
}

#[test]
fn days_that_do_not_exist_are_refused() {
    for text in [
        "2026-02-29",
        "2100-02-29",
        "2026-13-01",
        "2026-00-10",
        "2026-04-31",
        "2026-1-1",
        "26-01-01",
        "1969-12-31",
        "2026-10-01-01",
        "tomorrow",
        "+026-01-01",
    ] {
        assert_eq!(date(text), Err(UnitError::NotADate(text.into())), "{text}");
    }
}

proptest! {
    #[test]
    fn what_is_shown_is_read_back(millis in 0u64..31_536_000_000, bytes in 0u64..(1 << 62), day in 0u64..2_900_000) {
        prop_assert_eq!(time(&show_time(Duration::from_millis(millis))), Ok(Some(Duration::from_millis(millis))));
        prop_assert_eq!(size(&show_size(bytes)), Ok(Some(bytes)));
        prop_assert_eq!(date(&show_date(day * 86_400)), Ok(day * 86_400));
    }

    #[test]
    fn no_text_panics(text in "\\PC*") {
        let _ = (time(&text), size(&text), date(&text));
    }
}
