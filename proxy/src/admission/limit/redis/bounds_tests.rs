//! Tests: where days and months begin.

use super::*;
use std::time::Duration;

fn at(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_microsecond()
}

fn day(zone: &str) -> Window {
    Window::Day(zone.into())
}

#[test]
fn a_day_in_berlin_begins_where_its_clocks_say() {
    let found = bounds(&day("Europe/Berlin"), at("2026-01-10T23:30:00Z"));

    let expected =
        ["2026-01-09T23:00:00Z", "2026-01-10T23:00:00Z", "2026-01-11T23:00:00Z", "2026-01-12T23:00:00Z"];
    assert_eq!(found, Some(expected.map(at)));
}

#[test]
fn the_day_that_loses_an_hour_has_twenty_three() {
    let [_, from, to, _] = bounds(&day("Europe/Berlin"), at("2026-03-29T12:00:00Z")).unwrap();

    assert_eq!(to - from, 23 * 3_600_000_000);
}

#[test]
fn a_day_without_midnight_begins_at_one() {
    // Beirut goes forward at midnight.
    let [_, from, _, _] = bounds(&day("Asia/Beirut"), at("2026-03-29T10:00:00Z")).unwrap();

    assert_eq!(from, at("2026-03-28T22:00:00Z"));
}

#[test]
fn a_month_ends_where_the_next_begins() {
    let found = bounds(&Window::Month("UTC".into()), at("2028-02-29T23:59:59Z"));

    let expected =
        ["2028-01-01T00:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z", "2028-04-01T00:00:00Z"];
    assert_eq!(found, Some(expected.map(at)));
}

#[test]
fn what_is_no_calendar_has_no_bounds() {
    assert_eq!(bounds(&Window::Every(Duration::from_secs(1)), 0), None);
    assert_eq!(bounds(&day("Nowhere/Else"), 0), None);
    assert_eq!(bounds(&day("UTC"), i64::MAX), None);
}

#[test]
fn a_calendar_is_computed_once_per_window_and_anew_for_the_next() {
    let mut calendars = Calendars::default();
    let (morning, tomorrow) = (at("2026-01-10T06:00:00Z"), at("2026-01-11T06:00:00Z"));

    let first = calendars.get(&day("UTC"), morning);
    let same = calendars.get(&day("UTC"), morning + 1);
    let other = calendars.get(&day("Asia/Tokyo"), morning);
    let next = calendars.get(&day("UTC"), tomorrow);

    assert_eq!((first, next), (bounds(&day("UTC"), morning), bounds(&day("UTC"), tomorrow)));
    assert_eq!(same, first);
    assert_eq!(other, bounds(&day("Asia/Tokyo"), morning));
    assert_eq!(calendars.0.len(), 2);
}

#[test]
fn a_day_that_was_left_out_is_no_window() {
    let apia = |time: &str| bounds(&day("Pacific/Apia"), at(time)).unwrap();

    let (last, next) = (apia("2011-12-30T00:00:00Z"), apia("2011-12-30T12:00:00Z"));

    assert_eq!((last[1], last[2]), (at("2011-12-29T10:00:00Z"), at("2011-12-30T10:00:00Z")));
    assert_eq!((next[0], next[1]), (last[1], last[2]));
    assert!(last[2] < last[3] && next[1] < next[2]);
}

proptest::proptest! {
    #[test]
    fn a_time_lies_within_its_window(now in 0_i64..4_000_000_000_000_000, month in proptest::bool::ANY) {
        for zone in ["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia", "Asia/Beirut"] {
            let window = if month { Window::Month(zone.into()) } else { day(zone) };

            let [before, from, to, after] = bounds(&window, now).unwrap();

            proptest::prop_assert!(before < from && from <= now && now < to && to < after, "{zone}");
        }
    }
}
