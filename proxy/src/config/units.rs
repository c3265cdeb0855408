//! Times, sizes and dates as users write them. Pure.
//!
//! A number without a unit is never guessed: `5` could be seconds or milliseconds, and the wrong guess is an outage.

use std::time::Duration;

/// Longest time anyone may ask for: far enough from where adding it to a clock would overflow.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Why a text is not a time, a size or a date.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum UnitError {
    /// `5`
    #[error("`{0}` has no unit")]
    NoUnit(String),
    /// `5sec`
    #[error("`{0}` is not a unit")]
    UnknownUnit(String),
    /// `1.5s`, `-1s`, `fast`
    #[error("`{0}` is not a whole number with a unit")]
    NotANumber(String),
    /// More than a year, more than 2^63 bytes.
    #[error("`{0}` is too large")]
    TooLarge(String),
    /// `200`, `many/s`
    #[error("`{0}` is not so many in so much time")]
    NotARate(String),
    /// `10KiB`, `10KiB/min`
    #[error("`{0}` is not a size per second")]
    NotAPace(String),
    /// `2026-13-01`
    #[error("`{0}` is not a date")]
    NotADate(String),
}

/// Units of time, longest name first where one ends another.
const TIME: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
/// Units of size: powers of 1024 only, so that nobody has to ask which kind of megabyte is meant.
const SIZE: [(&str, u64); 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// What to write for a time.
pub(super) const TIME_HELP: &str = "units of time are ms, s, m and h, as in `100ms`, `5s`, `1m`";
/// What to write for a size.
pub(super) const SIZE_HELP: &str = "units of size are B, KiB, MiB and GiB, as in `64KiB`, `10MiB`";
/// Units of the time a rate counts in; minutes are `min`, because `m` could be months.
const WINDOW: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("min", 60_000), ("h", 3_600_000)];

/// What to write for a rate.
pub(super) const RATE_HELP: &str =
    "units are ms, s, min and h, as in `200/s`, `30/min`, `10/h`, `5/10s` or `100/500ms`";
/// What to write for a quota.
pub(super) const QUOTA_HELP: &str = "write so many in a `day` or `month`, as in `100000/month`";
/// What to write for a size per second.
pub(super) const PACE_HELP: &str = "write it as `10KiB/s`";
/// What to write for a date.
pub(super) const DATE_HELP: &str = "write a date as `2026-11-22`";

/// `5s`, `100ms`, `1m`, `1h`; `None` for `none`.
pub(super) fn time(text: &str) -> Result<Option<Duration>, UnitError> {
    if text == "none" {
        return Ok(None);
    }
    let length = Duration::from_millis(scaled(text, &TIME)?);
    if length > LONGEST { Err(UnitError::TooLarge(text.to_owned())) } else { Ok(Some(length)) }
}

/// `10MiB`, `64KiB`, `5GiB`, `100B`, in bytes; `None` for `none`.
pub(super) fn size(text: &str) -> Result<Option<u64>, UnitError> {
    if text == "none" {
        return Ok(None);
    }
    scaled(text, &SIZE).map(Some)
}

/// `10KiB/s`, in bytes a second.
pub(super) fn pace(text: &str) -> Result<u64, UnitError> {
    let size = text.strip_suffix("/s").ok_or_else(|| UnitError::NotAPace(text.to_owned()))?;
    scaled(size, &SIZE)
}

/// `92%`: a whole number from 0 to 100.
pub(super) fn percent(text: &str) -> Result<u8, UnitError> {
    let number = scaled(text, &[("%", 1)])?;
    u8::try_from(number).ok().filter(|n| *n <= 100).ok_or_else(|| UnitError::TooLarge(text.to_owned()))
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Result<u64, UnitError> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
    let unit = unit.trim_start();
    if number.is_empty() || unit.starts_with(['.', ',']) {
        return Err(UnitError::NotANumber(text.to_owned()));
    }
    if unit.is_empty() {
        return Err(UnitError::NoUnit(text.to_owned()));
    }
    let Some((_, factor)) = units.iter().find(|(name, _)| *name == unit) else {
        return Err(UnitError::UnknownUnit(unit.to_owned()));
    };
    let number: u64 = number.parse().map_err(|_| UnitError::TooLarge(text.to_owned()))?;
    number
        .checked_mul(*factor)
        .filter(|n| *n <= i64::MAX as u64)
        .ok_or_else(|| UnitError::TooLarge(text.to_owned()))
}

/// What a rate counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Per {
    /// So much time, zero too.
    Length(Duration),
    /// A day of the calendar.
    Day,
    /// A month of the calendar.
    Month,
}

/// `200/s`, `5/10s`, `100000/month`: how many, zero too, in how much time.
pub(super) fn rate(text: &str) -> Result<(u32, Per), UnitError> {
    let Some((amount, per)) = text.split_once('/') else { return Err(UnitError::NotARate(text.to_owned())) };
    let digits = !amount.is_empty() && amount.bytes().all(|b| b.is_ascii_digit());
    if !digits || per.is_empty() {
        return Err(UnitError::NotARate(text.to_owned()));
    }
    let amount = amount.parse().map_err(|_| UnitError::TooLarge(text.to_owned()))?;
    let per = match per {
        "day" => Per::Day,
        "month" => Per::Month,
        _ if per.starts_with(|c: char| c.is_ascii_digit()) => window(per)?,
        _ => window(&format!("1{per}"))?,
    };
    Ok((amount, per))
}

fn window(text: &str) -> Result<Per, UnitError> {
    scaled(text, &WINDOW).map(|millis| Per::Length(Duration::from_millis(millis)))
}

/// A rate as [`rate`] reads it.
pub(super) fn show_rate(amount: u32, per: Per) -> String {
    let window = match per {
        Per::Day => "day".to_owned(),
        Per::Month => "month".to_owned(),
        Per::Length(length) => show(u64::try_from(length.as_millis()).unwrap_or(u64::MAX), &WINDOW, "s"),
    };
    // One of a unit is said without its number; `10s` is ten of them.
    let one = window.strip_prefix('1').filter(|unit| !unit.starts_with(|c: char| c.is_ascii_digit()));
    format!("{amount}/{}", one.unwrap_or(&window))
}

/// A time in the largest unit that holds it whole.
pub(super) fn show_time(time: Duration) -> String {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    show(millis, &TIME, "s")
}

/// A size in the largest unit that holds it whole.
pub(super) fn show_size(bytes: u64) -> String {
    show(bytes, &SIZE, "B")
}

/// A size per second as [`pace`] reads it.
pub(super) fn show_pace(rate: u64) -> String {
    format!("{}/s", show_size(rate))
}

/// A part of a whole as [`percent`] reads it.
pub(super) fn show_percent(percent: u8) -> String {
    format!("{percent}%")
}

fn show(value: u64, units: &[(&str, u64)], zero: &str) -> String {
    let whole = units.iter().rev().find(|(_, factor)| value != 0 && value.is_multiple_of(*factor));
    whole.map_or_else(|| format!("{value}{zero}"), |(unit, factor)| format!("{}{unit}", value / factor))
}

/// `YYYY-MM-DD` as seconds since 1970 at midnight UTC. 1970 … 9999.
pub(super) fn date(text: &str) -> Result<u64, UnitError> {
    parse_date(text).ok_or_else(|| UnitError::NotADate(text.to_owned()))
}

fn parse_date(text: &str) -> Option<u64> {
    let mut parts = text.split('-');
    let mut number = |width: usize| {
        let part =
            parts.next().filter(|part| part.len() == width && part.bytes().all(|b| b.is_ascii_digit()));
        part.and_then(|part| part.parse::<u64>().ok())
    };
    let (year, month, day) = (number(4)?, number(2)?, number(2)?);
    if parts.next().is_some() || year < 1970 || day < 1 || day > days_of_month(year, month)? {
        return None;
    }
    Some(days_since_1970(year, month, day) * 86_400)
}

/// `None` for a month that is none.
fn days_of_month(year: u64, month: u64) -> Option<u64> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    Some(match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    })
}

/// Days from civil (Howard Hinnant, "chrono-compatible low-level date algorithms"), for years from 1970 on.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    // The year is taken to begin in March, so that the leap day is its last.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The date of a second since 1970, as [`date`] reads it.
pub(super) fn show_date(unix: u64) -> String {
    // The inverse of the function above, from the same paper.
    let days = unix / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
#[path = "units_tests.rs"]
mod tests;
