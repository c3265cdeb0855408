//! Discovery: which endpoints a service has right now.
//!
//! ```text
//! Source (a file, DNS …) --observations--> Keeper (pure) --snapshots--> Feed: whoever sends requests
//! ```
//!
//! A [`Source`] looks and says what it saw; the keeper decides what is believed: changes are debounced, what changes
//! nothing is dropped, a source that fails leaves the last good snapshot standing, and a set that becomes empty is
//! held back for a while. A [`Feed`] hands out one [`Snapshot`] after the other.
//!
//! It must not know the proxy or the certificate authority: no pool, no health, no load balancing. A snapshot says
//! where a service could be reached, not whether an endpoint is well.

mod clock;
pub mod dns;
mod endpoints;
mod feed;
mod file;
mod keeper;
mod source;

pub use endpoints::{Change, Endpoint, Endpoints, EndpointsError};
pub use feed::{Feed, Snapshot, Status, watch};
pub use file::File;
pub use keeper::Settings;
pub use source::{Observation, Source, SourceError};
