//! How often somebody may ask.
//!
//! Knows no routes, no requests beyond [`key::Facts`], and not what becomes of one that is refused. `now` is passed in as
//! nanoseconds since 1970; only [`limiter`] and [`redis`] wait and read clocks, everything else is pure.
//!
//! | file | decides |
//! |--|--|
//! | [`ask`] | the shape of question and answer |
//! | [`key`] | whose count it is |
//! | [`gcra`] | a bucket that refills evenly |
//! | [`window`] | so many in a window, fixed or sliding |
//! | [`calendar`] | where days and months begin |
//! | [`counters`] | all counts of the process, bounded in memory |
//! | `cell` | one count, and how much would be lost with it |
//! | `shard` | a part of the counts, and which of them go when it is full |
//! | [`lease`] | what a process takes from the store ahead |
//! | [`redis`] | counts that processes share |
//! | [`limiter`] | all limits of a request, in their order; what is given back |
//! | [`report`] | what headers of answers say |

pub mod ask;
pub mod key;
pub mod gcra;
pub mod window;
pub mod calendar;
mod cell;
mod shard;
pub mod counters;
pub mod report;
pub mod lease;
pub mod redis;
pub mod limiter;

#[cfg(test)]
mod sample;
