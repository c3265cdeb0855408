//! Discovery: which endpoints a service has right now.
//!
//! Later this crate watches sources (a fixed list, a file, DNS, and further systems that already know) and hands
//! out one [`Endpoints`] snapshot after the other, debounced, and never empty by accident: a source that fails
//! leaves the last good snapshot standing. What exists so far is the snapshot and the difference between two.
//!
//! It must not know the proxy or the certificate authority: no pool, no health, no load balancing. A snapshot says
//! where a service could be reached, not whether an endpoint is well.

mod endpoints;

pub use endpoints::{Change, Endpoint, Endpoints, EndpointsError};
