//! Which route takes a request: request head in, index of a route out. Pure.
//!
//! Decides host, path, method and `when:`. Must not know what a route does with the request, nor any socket or
//! clock. The order in which routes are tried follows the Gateway API:
//!
//! 1. host: exact, then `*.x`, then routes without hosts;
//! 2. path: exact, then template (segment by segment, a literal before a parameter), then regex (in the order
//!    of the file), then prefix (the longest first, by whole segments);
//! 3. more conditions under `when:` first;
//! 4. a named method before `*`; a route that names HEAD before one that takes it through GET.
//!
//! A candidate whose method or conditions do not hold is passed over, and the next less specific one is tried.
//! Two routes of equal rank that could take the same request are an error of the file, see [`Ambiguity`].

mod ambiguity;
mod explain;
pub mod host;
mod method;
mod params;
pub mod path;
mod per_host;
mod predicate;
#[cfg(test)]
mod sample;
pub mod split;
mod table;
mod tables;
mod tree;

pub use ambiguity::{Ambiguity, BuildError, RouteRef};
pub use explain::{Candidate, Lost, Verdict};
pub use method::Allow;
pub use params::Params;
pub use table::{Found, Head, RouteTable};
pub use tables::RouteTables;
