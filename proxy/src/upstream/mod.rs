//! Towards the services: choosing an endpoint, connections and their pools, sending one request.
//!
//! Everything here belongs to one worker; only the counters of an endpoint are shared between workers, so that
//! "least request" sees the load of the whole process.

pub mod attempt;
pub mod body;
mod body_tape;
pub mod cluster;
pub mod connect;
pub mod fetch;
pub mod guarded;
pub mod health;
pub mod once;
pub mod pool;
mod settings;
pub mod severed;
pub mod state;
pub mod trial;
pub mod tunnel;
