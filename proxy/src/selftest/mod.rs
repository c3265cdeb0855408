//! `portcullis selftest`: attacks on the identity of a running sidecar, made from outside as an attacker would.
//!
//! Each attack is a [`Row`]: what is tried, what must happen, what happened. The attacker reaches the inbound port and,
//! where an attack needs it, is a member of the mesh, with the sidecar's own certificate. Nothing is changed, no token
//! is spent; some hundred connections, [`LIMIT`] in all. Requests that are let through ask for a path nobody has.
//!
//! | file | attacks |
//! |--|--|
//! | [`handshakes`] | no certificate, strangers, stolen certificates, resumption |
//! | [`doors`] | plaintext, the application's port, admin and local ports from outside |
//! | [`requests`] | spellings, smuggling, tunnels, sizes |
//! | [`evidence`] | forged and stolen passports ([`forge`] makes them, [`counter`] tells whether one was believed) |
//! | [`unseen`] | those that cannot be judged from here |
//!
//! [`probe`] does the talking, [`verdict`] the judging; the first decides nothing, the second connects to nobody.

mod addresses;
mod counter;
mod doors;
mod evidence;
mod forge;
mod handshakes;
mod probe;
pub mod report;
mod requests;
mod strangers;
pub mod subject;
#[cfg(test)]
#[path = "support_tests.rs"]
mod support;
mod unseen;
mod verdict;

pub use subject::{Subject, SubjectError};
pub use verdict::Verdict;

use crate::clock;
use probe::Prober;
use std::time::Duration;

/// For everything; what goes on then ends within half a second.
pub const LIMIT: Duration = Duration::from_secs(29);

/// One attack and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Number of the attack; kinds of one attack have letters.
    pub number: &'static str,
    /// What is tried.
    pub attack: String,
    /// What must happen.
    pub must: &'static str,
    /// What happened.
    pub verdict: Verdict,
}

fn row(number: &'static str, attack: &str, must: &'static str, verdict: Verdict) -> Row {
    Row { number, attack: attack.to_owned(), must, verdict }
}

/// Tries everything, one after the other. Where not even a member is let in there is one row, the failure. Needs a
/// local runtime.
pub async fn run(subject: &Subject) -> Vec<Row> {
    let prober = Prober { subject, until: clock::now() + LIMIT };
    let premise = handshakes::premise(&prober).await;
    if matches!(premise.verdict, Verdict::Failed(_)) {
        return vec![premise];
    }
    let mut rows = vec![premise];
    rows.extend(handshakes::run(&prober).await);
    rows.extend(doors::run(&prober).await);
    rows.extend(requests::run(&prober).await);
    rows.extend(evidence::run(&prober).await);
    rows.extend(unseen::rows());
    rows.sort_by_key(|row| order(row.number));
    rows
}

/// Numbers before letters.
fn order(number: &str) -> (u32, &str) {
    let letters = number.trim_start_matches(|c: char| c.is_ascii_digit());
    (number.strip_suffix(letters).and_then(|digits| digits.parse().ok()).unwrap_or(0), letters)
}

#[cfg(test)]
#[path = "selftest_tests.rs"]
mod tests;
