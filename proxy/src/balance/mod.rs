//! Which endpoint of a service takes the next attempt. Pure: randomness and load come in as values.
//!
//! Must not know: sockets, pools, HTTP.

pub mod least_request;
pub mod round_robin;

pub use round_robin::RoundRobin;

/// An endpoint as the balancers see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Share relative to the others, at least 1.
    pub weight: u32,
    /// Attempts in flight on it, of the whole process.
    pub active: u32,
    /// Already tried by this exchange: taken only when nothing else is left.
    pub tried: bool,
}
