//! Keeping one service's trouble from becoming everybody's: how long, how often, how many at once, and when not at all.
//! Pure, but for waiting at a bulkhead: time and randomness come in as values.
//!
//! | question | who decides |
//! |--|--|
//! | how long may it take, over all hops | [`deadline`] |
//! | may one more go to this service now | [`bulkhead`], whose limit [`adaptive`] may move |
//! | is the service to be left in peace | [`breaker`] |
//! | is this attempt worth another one, when, and is there money for it | [`retry`], [`backoff`], [`budget`] |
//!
//! What they know of a service is shared by all workers and outlives reloads. Must not know: sockets, HTTP bodies,
//! endpoints. The one shell that asks them in turn is `upstream::attempt`.

pub mod adaptive;
pub mod backoff;
pub mod breaker;
pub mod budget;
pub mod bulkhead;
pub mod deadline;
pub mod retry;
