//! What is changed on the way: the path towards the upstream, and headers in both directions.
//!
//! Must not decide anything: what to change is the route's, whether to send at all was decided before.

pub mod headers;
pub mod rewrite;
