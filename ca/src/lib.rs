//! The certificate authority of portcullis: who a workload is, and the certificates that say so.
//!
//! Later this crate issues, renews, rotates and revokes short-lived X.509 certificates whose only name is a
//! SPIFFE ID. What exists so far is the name itself: [`TrustDomain`] and [`SpiffeId`], which cannot be held wrong.
//!
//! It must not know the proxy: no listener, no route, no request. The proxy uses this crate, never the other way.

mod spiffe;

pub use spiffe::{SpiffeId, SpiffeIdError, TrustDomain};
