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

#[test]
fn rates_are_so_many_in_so_much_time() {
    let every = |amount, millis| Ok((amount, Per::Length(Duration::from_millis(millis))));

    assert_eq!(rate("200/s"), every(200, 1_000));
    assert_eq!(rate("30/min"), every(30, 60_000));
    assert_eq!(rate("10/h"), every(10, 3_600_000));
    assert_eq!(rate("5/10s"), every(5, 10_000));
    assert_eq!(rate("100/500ms"), every(100, 500));
    assert_eq!(rate("0/0s"), every(0, 0));
    assert_eq!(rate("4294967295/day"), Ok((u32::MAX, Per::Day)));
    assert_eq!(rate("1/month"), Ok((1, Per::Month)));
}

#[test]
fn what_is_no_rate_says_why() {
    let text = |text: &str| text.to_owned();

    for none in ["200", "", "/s", "5/", "-5/s", "+5/s", "1.5/s", "five/s", " 5/s"] {
        assert_eq!(rate(none), Err(UnitError::NotARate(text(none))));
    }
    assert_eq!(rate("4294967296/s"), Err(UnitError::TooLarge(text("4294967296/s"))));
    assert_eq!(rate("5/10"), Err(UnitError::NoUnit(text("10"))));
    assert_eq!(rate("5/m"), Err(UnitError::UnknownUnit(text("m"))));
    assert_eq!(rate("5/2day"), Err(UnitError::UnknownUnit(text("day"))));
    assert_eq!(rate("5/s/s"), Err(UnitError::UnknownUnit(text("s/s"))));
    assert_eq!(rate("5/1.5s"), Err(UnitError::NotANumber(text("1.5s"))));
}

#[test]
fn one_of_a_unit_is_shown_without_its_number() {
    let show = |millis| show_rate(7, Per::Length(Duration::from_millis(millis)));

    assert_eq!(show(1_000), "7/s");
    assert_eq!(show(10_000), "7/10s");
    assert_eq!(show(60_000), "7/min");
    assert_eq!(show(1), "7/ms");
    assert_eq!(show(15), "7/15ms");
    assert_eq!(show(86_400_000), "7/24h");
    assert_eq!(show_rate(7, Per::Month), "7/month");
}

proptest! {
    #[test]
    fn what_is_shown_is_read_back(millis in 0u64..31_536_000_000, bytes in 0u64..(1 << 62), day in 0u64..2_900_000) {
        prop_assert_eq!(time(&show_time(Duration::from_millis(millis))), Ok(Some(Duration::from_millis(millis))));
        prop_assert_eq!(size(&show_size(bytes)), Ok(Some(bytes)));
        let per = Per::Length(Duration::from_millis(millis));
        prop_assert_eq!(rate(&show_rate(3, per)), Ok((3, per)));
        prop_assert_eq!(date(&show_date(day * 86_400)), Ok(day * 86_400));
    }

    #[test]
    fn no_text_panics(text in "\\PC*") {
        let _ = (time(&text), size(&text), date(&text), rate(&text));
    }
}
