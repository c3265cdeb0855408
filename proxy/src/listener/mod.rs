//! Where connections arrive: accepting, PROXY header, TLS, finding out what is spoken, the gate, serving.
//!
//! Must not know: routes, services, what becomes of a request.

pub mod accept;
pub mod caps;
pub mod connection;
pub mod detect;
pub mod gate;
pub mod greet;
pub mod guarded;
mod mesh;
pub mod proxy_protocol;
pub mod serve;
pub mod streams;
