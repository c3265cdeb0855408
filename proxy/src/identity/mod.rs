//! Identity: for whom a request is made, and how that is proved from hop to hop.
//!
//! ```text
//! edge:     principal -> passport (signed by who may introduce users) -> stamp for the next workload
//! receiver: evidence taken off -> verified (or remembered as verified) -> carried while in flight -> projection for the application
//! onward:   the application copies the passport -> found in flight -> its stamps and one more
//! ```
//!
//! On the wire between proxies a header is never evidence by itself: [`evidence`] says what is. Must not know: routes,
//! rules, connections.

pub mod evidence;
pub mod headers;
pub mod in_flight;
pub mod inspector;
mod jws;
pub mod passport;
pub mod principal;
pub mod projection;
pub mod signer;
mod stamp;

#[cfg(test)]
#[path = "support_tests.rs"]
mod support;
