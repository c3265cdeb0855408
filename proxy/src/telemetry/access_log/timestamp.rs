//! RFC 3339 timestamps in UTC with microseconds: `2026-11-22T18:00:00.000000Z`. Pure.
//!
//! The part up to the second is kept: on a busy worker thousands of lines share it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Writes timestamps, remembering the last second.
#[derive(Debug)]
pub(super) struct Timestamps {
    second: u64,
    /// `2026-11-22T18:00:00.` of `second`.
    text: [u8; 20],
}

impl Timestamps {
    pub(super) fn new() -> Self {
        Self { second: 0, text: *b"1970-01-01T00:00:00." }
    }

    /// Appends `time`; what lies before 1970 is written as 1970.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, time: SystemTime) {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        if since.as_secs() != self.second {
            self.second = since.as_secs();
            self.text = second_text(self.second);
        }
        out.extend_from_slice(&self.text);
        out.extend_from_slice(&digits::<6>(u64::from(since.subsec_micros())));
        out.push(b'Z');
    }
}

fn second_text(second: u64) -> [u8; 20] {
    let (year, month, day) = civil(second / 86_400);
    let of_day = second % 86_400;
    let mut text = *b"0000-00-00T00:00:00.";
    let parts = [
        (0, year % 10_000, 4),
        (5, month, 2),
        (8, day, 2),
        (11, of_day / 3600, 2),
        (14, of_day / 60 % 60, 2),
        (17, of_day % 60, 2),
    ];
    for (start, value, width) in parts {
        let place = text.iter_mut().skip(start).take(width);
        place.zip(digits::<4>(value).into_iter().skip(4 - width)).for_each(|(to, digit)| *to = digit);
    }
    text
}

/// The last `N` decimal digits of `value`.
fn digits<const N: usize>(mut value: u64) -> [u8; N] {
    let mut out = [b'0'; N];
    for digit in out.iter_mut().rev() {
        *digit = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
    }
    out
}

/// Year, month, day of a day since 1970-01-01 in the Gregorian calendar (H. Hinnant, `civil_from_days`).
fn civil(days: u64) -> (u64, u64, u64) {
    // Years begin in March here, so that the leap day is the last of the year; 400 years are one era.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(times: &[(u64, u32)]) -> String {
        let (mut stamps, mut out) = (Timestamps::new(), Vec::new());
        for (seconds, micros) in times {
            let time = UNIX_EPOCH + Duration::new(*seconds, micros * 1000);
            stamps.write(&mut out, time);
            out.push(b' ');
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn known_moments_are_written_as_everybody_writes_them() {
        let text = written(&[(0, 0), (951_827_696, 7), (1_795_370_400, 123_456), (4_102_444_799, 999_999)]);

        assert_eq!(
            text,
            "1970-01-01T00:00:00.000000Z 2000-02-29T12:34:56.000007Z \
             2026-11-22T18:00:00.123456Z 2099-12-31T23:59:59.999999Z "
        );
    }

    #[test]
    fn a_second_that_comes_back_is_written_again() {
        assert_eq!(
            written(&[(60, 1), (61, 2), (60, 3)]),
            "1970-01-01T00:01:00.000001Z 1970-01-01T00:01:01.000002Z 1970-01-01T00:01:00.000003Z "
        );
    }

    #[test]
    fn a_clock_before_1970_does_not_break_the_line() {
        let (mut stamps, mut out) = (Timestamps::new(), Vec::new());

        stamps.write(&mut out, UNIX_EPOCH - Duration::from_secs(9));

        assert_eq!(out, b"1970-01-01T00:00:00.000000Z");
    }

    #[test]
    fn every_day_of_four_centuries_follows_the_one_before() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..146_097 {
            assert_eq!(civil(days), (year, month, day));
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month {
                2 => 28 + u64::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > length {
                (day, month) = (1, month + 1);
            }
            if month > 12 {
                (month, year) = (1, year + 1);
            }
        }
    }
}
