//! Moments and spans as certificates know them: whole seconds.
//!
//! Decides how they are written and read: a moment as RFC 3339 in UTC (`2026-11-22T18:00:00Z`), a span as a number
//! with a unit (`90s`, `10m`, `24h`, `30d`) or, for people, as `7 h 58 m`. Pure: it must not read a clock.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A moment: seconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The moment `span` later; parts of a second are dropped.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(whole(span)))
    }

    /// The moment `span` earlier.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(whole(span)))
    }

    /// How long from `earlier` to this moment; zero when it is not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The moment as calendars and certificates have it. Outside the years they know: the first moment of 1970.
    pub fn calendar(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(self.0).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

fn whole(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&self.calendar().format(&Rfc3339).unwrap_or_default())
    }
}

impl FromStr for Timestamp {
    type Err = TimeError;

    /// Reads RFC 3339; an offset is turned into UTC.
    fn from_str(text: &str) -> Result<Self, TimeError> {
        OffsetDateTime::parse(text, &Rfc3339)
            .map(|moment| Self(moment.unix_timestamp()))
            .map_err(|_| TimeError::Moment)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Reads a span: `90s`, `10m`, `24h` or `30d`, one number and one unit, not zero.
///
/// # Errors
/// When it is written otherwise, is zero or longer than a hundred years.
pub fn span(text: &str) -> Result<Duration, TimeError> {
    const CENTURY: u64 = 100 * 366 * 86_400;
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(TimeError::Span),
    };
    let number: u64 = number.parse().map_err(|_| TimeError::Span)?;
    match number.checked_mul(seconds) {
        Some(all @ 1..=CENTURY) => Ok(Duration::from_secs(all)),
        _ => Err(TimeError::Span),
    }
}

/// A span for people, in its two largest units: `7 h 58 m`, `3 d`, `45 s`.
pub fn human(span: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut rest = span.as_secs();
    let mut words = Vec::new();
    for (seconds, unit) in UNITS {
        let count = rest / seconds;
        rest %= seconds;
        if count > 0 {
            words.push(format!("{count} {unit}"));
        } else if !words.is_empty() {
            break;
        }
        if words.len() == 2 {
            break;
        }
    }
    if words.is_empty() { "0 s".to_owned() } else { words.join(" ") }
}

/// Why a text is no moment or span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not RFC 3339.
    #[error("a moment is written as 2026-11-22T18:00:00Z")]
    Moment,
    /// Not a number with a unit, or zero, or too long.
    #[error("a span is a number and a unit, as in 90s, 10m, 24h or 30d")]
    Span,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_as_it_is_written() {
        let moment = Timestamp(1_790_000_000);

        let text = moment.to_string();

        assert_eq!(text, "2026-09-21T14:13:20Z");
        assert_eq!(text.parse(), Ok(moment));
        assert_eq!("2026-09-21T16:13:20+02:00".parse(), Ok(moment));
        assert_eq!("yesterday".parse::<Timestamp>(), Err(TimeError::Moment));
    }

    #[test]
    fn spans_have_one_number_and_one_unit() {
        assert_eq!(span("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(span("30d"), Ok(Duration::from_secs(30 * 86_400)));
        for wrong in ["", "5", "h", "-1h", "0s", "1.5h", "1h30m", "99999999999999999999d", "40000d"] {
            assert_eq!(span(wrong), Err(TimeError::Span), "{wrong}");
        }
    }

    #[test]
    fn people_see_the_two_largest_units() {
        let texts = [0, 45, 3_600, 28_680, 90_061, 259_200].map(|s| human(Duration::from_secs(s)));

        assert_eq!(texts, ["0 s", "45 s", "1 h", "7 h 58 m", "1 d 1 h", "3 d"]);
    }

    #[test]
    fn arithmetic_stops_at_the_ends_of_time() {
        assert_eq!(Timestamp(i64::MAX).after(Duration::MAX), Timestamp(i64::MAX));
        assert_eq!(Timestamp(5).since(Timestamp(9)), Duration::ZERO);
    }
}
