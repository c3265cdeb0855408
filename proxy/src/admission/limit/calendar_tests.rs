//! Days and months of time zones.

use super::super::sample::{NOW, SECOND};
use super::*;
use proptest::prelude::*;

const HOUR: u64 = 3600 * SECOND;

fn nanos(moment: &str) -> u64 {
    moment.parse::<Timestamp>().unwrap().as_nanosecond().try_into().unwrap()
}

fn day(zone: &str, now: &str) -> Bounds {
    Calendar::new().bounds(&Window::Day(zone.into()), nanos(now))
}

fn month(zone: &str, now: &str) -> Bounds {
    Calendar::new().bounds(&Window::Month(zone.into()), nanos(now))
}

fn between(start: &str, end: &str) -> Bounds {
    Bounds { start: nanos(start), end: nanos(end) }
}

#[test]
fn a_day_begins_at_midnight_of_its_zone() {
    let utc = day("UTC", "2026-05-04T12:00:00Z");
    let berlin = day("Europe/Berlin", "2026-05-04T22:30:00Z");

    assert_eq!(utc, between("2026-05-04T00:00:00Z", "2026-05-05T00:00:00Z"));
    assert_eq!(berlin, between("2026-05-04T22:00:00Z", "2026-05-05T22:00:00Z"));
}

#[test]
fn days_on_which_clocks_are_changed_are_shorter_or_longer() {
    let spring = day("Europe/Berlin", "2026-03-29T12:00:00Z");
    let autumn = day("Europe/Berlin", "2026-10-25T12:00:00Z");

    assert_eq!((spring.end - spring.start) / HOUR, 23);
    assert_eq!((autumn.end - autumn.start) / HOUR, 25);
    assert_eq!(autumn, between("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"));
}

#[test]
fn a_day_without_midnight_begins_when_it_begins() {
    let sao_paulo = day("America/Sao_Paulo", "2018-11-04T12:00:00Z");

    assert_eq!(sao_paulo, between("2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"));
}

#[test]
fn a_day_that_a_zone_skipped_is_no_window() {
    let apia = day("Pacific/Apia", "2011-12-30T09:59:59Z");

    assert_eq!(apia, between("2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z"));
}

#[test]
fn months_are_as_long_as_they_are() {
    let february = month("UTC", "2028-02-29T23:59:59.999999999Z");
    let march = month("America/New_York", "2026-03-31T23:00:00Z");

    assert_eq!(february, between("2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"));
    assert_eq!(march, between("2026-03-01T05:00:00Z", "2026-04-01T04:00:00Z"));
}

#[test]
fn what_is_remembered_is_that_of_the_zone_the_unit_and_the_time() {
    let calendar = Calendar::new();
    let (utc, tokyo) = (Window::Day("UTC".into()), Window::Day("Asia/Tokyo".into()));
    let now = nanos("2026-05-04T12:00:00Z");

    let found = [&utc, &tokyo, &utc, &tokyo].map(|window| calendar.bounds(window, now));
    let month = calendar.bounds(&Window::Month("UTC".into()), now);
    let tomorrow = calendar.bounds(&utc, found[0].end);
    let again = calendar.bounds(&utc, now);

    assert_eq!((found[0], found[1]), (found[2], found[3]));
    assert_ne!(found[0], found[1]);
    assert_ne!(month, found[0]);
    assert_eq!((tomorrow.start, again), (found[0].end, found[0]));
}

#[test]
fn zones_are_known_by_their_names() {
    let known = ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"].map(is_zone);
    let unknown = ["", "Berlin", "Europe/Atlantis", "+02:00", "../etc/passwd"].map(is_zone);

    assert_eq!((known, unknown), ([true; 3], [false; 5]));
}

#[test]
fn an_unknown_zone_and_a_time_beyond_the_calendar_do_no_harm() {
    let calendar = Calendar::new();
    let nowhere = Window::Day("Europe/Atlantis".into());

    let bounds = calendar.bounds(&nowhere, NOW);
    let end_of_time = calendar.bounds(&nowhere, u64::MAX);

    assert_eq!(bounds, Bounds::every(24 * HOUR, NOW));
    assert!(end_of_time.start < end_of_time.end);
}

proptest! {
    #[test]
    fn windows_hold_their_moment_and_leave_no_gap(seconds in 0u64..4_000_000_000, zone in 0usize..7, monthly: bool) {
        let zones = [
            "UTC", "Europe/Berlin", "America/St_Johns", "America/Havana", "Asia/Kathmandu", "Australia/Lord_Howe",
            "Africa/Casablanca",
        ];
        let zone = zones[zone].into();
        let window = if monthly { Window::Month(zone) } else { Window::Day(zone) };
        let (calendar, now) = (Calendar::new(), seconds * SECOND);

        let bounds = calendar.bounds(&window, now);
        let next = calendar.bounds(&window, bounds.end);

        prop_assert!(bounds.start <= now && now < bounds.end);
        prop_assert_eq!(next.start, bounds.end);
    }
}
