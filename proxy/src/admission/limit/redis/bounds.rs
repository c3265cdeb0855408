//! Where days and months of a time zone begin, as instants for the store to choose between. Pure.

use crate::config::limit::Window;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// Four instants, microseconds since 1970: the windows before, around and after a time lie between them.
pub(super) type Bounds = [i64; 4];

/// The bounds around `now` (microseconds since 1970); `None` of a window that is no calendar's, and where the calendar
/// ends or nobody knows the time zone.
pub(super) fn bounds(window: &Window, now: i64) -> Option<Bounds> {
    let (zone, months) = match window {
        Window::Every(_) => return None,
        Window::Day(zone) => (zone, false),
        Window::Month(zone) => (zone, true),
    };
    let zone = TimeZone::get(zone).ok()?;
    let today = Timestamp::from_microsecond(now).ok()?.to_zoned(zone.clone()).date();
    let begin = |windows: i32| {
        let date: Date = if months {
            today.first_of_month().checked_add(windows.months()).ok()?
        } else {
            today.checked_add(windows.days()).ok()?
        };
        // The first instant of the day, also where midnight is skipped or comes twice.
        Some(date.to_zoned(zone.clone()).ok()?.start_of_day().ok()?.timestamp().as_microsecond())
    };
    let (from, to) = (begin(0)?, begin(1)?);
    // A day that a country has left out, as Samoa did on 30 December 2011, begins when the next one does.
    let before = Some(begin(-1)?).filter(|before| *before < from).or_else(|| begin(-2))?;
    let after = Some(begin(2)?).filter(|after| *after > to).or_else(|| begin(3))?;
    Some([before, from, to, after])
}

/// The bounds last used, for each calendar.
#[derive(Debug, Default)]
pub(super) struct Calendars(Vec<(Window, Bounds)>);

impl Calendars {
    /// As [`bounds`], computed once per window.
    pub(super) fn get(&mut self, window: &Window, now: i64) -> Option<Bounds> {
        if matches!(window, Window::Every(_)) {
            return None;
        }
        let known = self.0.iter().position(|(other, _)| other == window);
        if let Some((_, [_, from, to, _])) = known.and_then(|index| self.0.get(index))
            && (*from..*to).contains(&now)
        {
            return known.and_then(|index| Some(self.0.get(index)?.1));
        }
        let fresh = bounds(window, now)?;
        match known.and_then(|index| self.0.get_mut(index)) {
            Some(entry) => entry.1 = fresh,
            None => self.0.push((window.clone(), fresh)),
        }
        Some(fresh)
    }
}

#[cfg(test)]
#[path = "bounds_tests.rs"]
mod tests;
