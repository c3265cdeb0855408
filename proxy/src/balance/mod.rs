//! Which endpoint of a service takes the next attempt. Pure: randomness, load and time come in as values.
//!
//! ```text
//! standings --Lineup: who may be drawn now, and how likely--> two draws or a turn or a hash --> one index
//! ```
//!
//! The lineup is made anew when a standing changes, not for each request: drawing from it costs the same with ten
//! endpoints and with ten thousand. A *place* is a position in the lineup; an *index* is the position among the standings
//! it was made from, and what callers are told.
//!
//! | file | answers |
//! |--|--|
//! | [`lineup`] | who may be drawn now, and how likely |
//! | [`least_request`], [`peak_ewma`] | which of two drawn by chance is cheaper |
//! | [`round_robin`] | whose turn it is |
//! | [`hash`] | whose caller this is |
//! | [`outlier`] | who is left out for a while, because it fails while others do not |
//!
//! Must not know: sockets, pools, HTTP, workers.

mod epoch;
pub mod hash;
pub mod least_request;
pub mod lineup;
mod numbers;
pub mod outlier;
pub mod peak_ewma;
pub mod round_robin;
#[cfg(test)]
mod sample;
mod two;

pub use lineup::{Health, Lineup, Mode, Rules, Standing};
pub use round_robin::RoundRobin;
