//! Where days and months begin in a time zone. Pure: the list of time zones is part of the program.
//!
//! A day of a zone has 23, 24 or 25 hours, a month 28 to 31 days. What was found is kept, so that nearly always a
//! comparison answers. An unknown zone counts as UTC: those of the file were checked by [`is_zone`].

use super::window::{Bounds, length};
use crate::config::limit::Window;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::sync::{Arc, PoisonError, RwLock};

/// Whether it is a name of the IANA database.
pub fn is_zone(name: &str) -> bool {
    jiff::tz::db().get(name).is_ok()
}

/// Finds windows; remembers the last one of each kind.
#[derive(Debug, Default)]
pub struct Calendar {
    known: RwLock<Vec<Known>>,
}

#[derive(Debug, Clone)]
struct Known {
    zone: Arc<str>,
    unit: Unit,
    time_zone: TimeZone,
    bounds: Bounds,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Day,
    Month,
}

impl Calendar {
    /// Remembers nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The window that holds `now` (nanoseconds since 1970).
    pub fn bounds(&self, window: &Window, now: u64) -> Bounds {
        let (unit, zone) = match window {
            Window::Every(_) => return Bounds::every(length(window), now),
            Window::Day(zone) => (Unit::Day, zone),
            Window::Month(zone) => (Unit::Month, zone),
        };
        let holds = |known: &Known| known.bounds.start <= now && now < known.bounds.end;
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let found = known.iter().find(|known| known.unit == unit && known.zone == *zone);
        match found {
            Some(found) if holds(found) => return found.bounds,
            _ => drop(known),
        }
        self.find(unit, zone, now).unwrap_or_else(|| Bounds::every(length(window), now))
    }

    /// Finds it anew. `None` beyond the years of the calendar (9999).
    fn find(&self, unit: Unit, zone: &Arc<str>, now: u64) -> Option<Bounds> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let same = |known: &Known| known.unit == unit && known.zone == *zone;
        if let Some(known) = known.iter_mut().find(|known| same(known)) {
            known.bounds = bounds(unit, &known.time_zone, now)?;
            return Some(known.bounds);
        }
        let time_zone = jiff::tz::db().get(zone).unwrap_or(TimeZone::UTC);
        let bounds = bounds(unit, &time_zone, now)?;
        known.push(Known { zone: Arc::clone(zone), unit, time_zone, bounds });
        Some(bounds)
    }
}

fn bounds(unit: Unit, zone: &TimeZone, now: u64) -> Option<Bounds> {
    let moment = Timestamp::from_nanosecond(now.into()).ok()?;
    let date = first(unit, zone.to_datetime(moment).date());
    let bounds = of(unit, zone, date)?;
    // Clocks that were put back over midnight end a day twice; the next one has begun.
    if now < bounds.end { Some(bounds) } else { of(unit, zone, next(unit, date)?) }
}

/// The window that begins with this day.
fn of(unit: Unit, zone: &TimeZone, first: Date) -> Option<Bounds> {
    Some(Bounds { start: midnight(zone, first)?, end: midnight(zone, next(unit, first)?)? })
}

fn first(unit: Unit, date: Date) -> Date {
    match unit {
        Unit::Day => date,
        Unit::Month => date.first_of_month(),
    }
}

fn next(unit: Unit, first: Date) -> Option<Date> {
    match unit {
        Unit::Day => first.tomorrow().ok(),
        Unit::Month => first.last_of_month().tomorrow().ok(),
    }
}

/// The first moment of a day; what began before 1970 begins then.
fn midnight(zone: &TimeZone, date: Date) -> Option<u64> {
    let moment = zone.to_timestamp(date.to_datetime(jiff::civil::Time::midnight())).ok()?;
    u64::try_from(moment.as_nanosecond().max(0)).ok()
}

#[cfg(test)]
#[path = "calendar_tests.rs"]
mod tests;
