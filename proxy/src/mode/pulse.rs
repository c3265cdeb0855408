//! Whether the application is healthy, from one answer after the other. Pure.
//!
//! | state | it answered | it did not |
//! |--|--|--|
//! | unknown (at first; not healthy) | healthy | unknown |
//! | healthy, n failures in a row | healthy, 0 | healthy, n+1; **sick** at 3 |
//! | sick | healthy | sick |
//!
//! One success is enough because a wrong "sick" takes the whole instance out; three failures are needed because one
//! slow answer is no illness.

/// Failures in a row until it is sick.
pub const FAILURES: u8 = 3;

/// The health of the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pulse {
    /// It has not answered yet.
    #[default]
    Unknown,
    /// It answers; with the number of failures since it last did.
    Healthy(u8),
    /// It does not answer any more.
    Sick,
}

impl Pulse {
    /// What becomes of it with one more answer, or one missing.
    #[must_use]
    pub const fn after(self, answered: bool) -> Self {
        match (self, answered) {
            (_, true) => Self::Healthy(0),
            (Self::Healthy(failures), false) if failures + 1 < FAILURES => Self::Healthy(failures + 1),
            (Self::Healthy(_) | Self::Sick, false) => Self::Sick,
            (Self::Unknown, false) => Self::Unknown,
        }
    }

    /// May be sent traffic.
    pub const fn healthy(self) -> bool {
        matches!(self, Self::Healthy(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds() {
        use Pulse::{Healthy, Sick, Unknown};
        let rows = [
            (Unknown, Healthy(0), Unknown),
            (Healthy(0), Healthy(0), Healthy(1)),
            (Healthy(1), Healthy(0), Healthy(2)),
            (Healthy(2), Healthy(0), Sick),
            (Sick, Healthy(0), Sick),
        ];

        for (state, answered, silent) in rows {
            assert_eq!(state.after(true), answered, "{state:?}");
            assert_eq!(state.after(false), silent, "{state:?}");
        }
        assert_eq!([Unknown, Healthy(2), Sick].map(Pulse::healthy), [false, true, false]);
    }
}
