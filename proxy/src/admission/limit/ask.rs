//! What a limit is asked, and what it answers. Pure values.

use crate::config::limit::{Limit, Rate};
use std::time::Duration;

/// What requests have in common that are counted together: 128 bits of all parts of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(pub u128);

/// One question.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The limit.
    pub limit: &'a Limit,
    /// Which of its rates: 0 = the default, else the place of the tier and 1.
    pub tier: usize,
    /// Whose count; holds the name of the limit and the tier.
    pub key: Key,
    /// How much is to be spent, 1 … burst.
    pub cost: u32,
}

/// The answer. What is refused has spent nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may go on.
    pub admitted: bool,
    /// How much is left.
    pub remaining: u32,
    /// Until everything is there again: the end of the window, or a full bucket.
    pub reset_after: Duration,
    /// Until the same would be admitted, were nobody else to ask; zero when it is.
    pub retry_after: Duration,
}

impl Ask<'_> {
    /// The rate that counts.
    pub fn rate(&self) -> &Rate {
        let rates = &self.limit.rates;
        self.tier.checked_sub(1).and_then(|index| Some(&rates.tiers.get(index)?.1)).unwrap_or(&rates.default)
    }
}
