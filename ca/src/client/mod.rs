//! The workload's side: gets an identity from the authority and keeps it good.
//!
//! # Life of an identity
//!
//! 1. The operator hands the workload a join token. [`bootstrap`] makes a key, writes it down ([`state`], [`swap`]),
//!    and connects ([`connect`], [`wire`]). The handshake ([`tls`]) goes on only with the authority the token names;
//!    then token and request are sent. The answer ([`identity`]) is checked, and kept before anything else.
//! 2. When to renew says [`schedule`]: from half of the life on, with both clocks in view. [`renew`] shows the
//!    certificate before, and gets the next one for a new key. Failures change nothing; the old one stays in use.
//! 3. Meanwhile the trust is watched ([`watch`]): each one is stored, then in force, then acknowledged. [`sync`]
//!    does so once.
//! 4. [`Agent`] does all that for as long as it runs ([`keeper`]: certificates, [`agent`]: trust), and publishes
//!    what is in force.
//! 5. When the certificate has expired after all, or the authority does not know it any more, a new join token
//!    heals.
//!
//! Everything that connects needs a tokio `LocalSet` or local runtime. It must not know what the identity is used
//! for.

mod agent;
mod connect;
mod error;
mod exchange;
mod identity;
mod keeper;
mod schedule;
mod state;
mod swap;
mod tls;
mod watch;
mod wire;

pub use agent::{Agent, Options};
pub use connect::prepare_sockets;
pub use error::{AnswerFault, ClientError, Contact, Distrust};
pub use exchange::{bootstrap, renew, sync};
pub use identity::Identity;
pub use schedule::{
    Backoff, Clocks, Next, Schedule, Skew, Term, Threshold, ThresholdError, needs_renewal, skew,
};
pub use state::{Fault, StateDir, StateError};
pub use swap::SwapError;

#[cfg(test)]
mod testing;
