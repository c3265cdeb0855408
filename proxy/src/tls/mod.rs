//! TLS on both sides: the only place that touches rustls.
//!
//! Downstream: certificates chosen by SNI, TLS 1.2 and 1.3, optional client certificates. Upstream: the server's
//! name is always verified against a named authority; there is no switch to turn that off. Between members of the
//! mesh: 1.3 only, SPIFFE certificates on both sides. One crypto provider, aws-lc-rs. Must not know: routes, HTTP
//! messages.

pub mod client;
pub mod facts;
pub mod knock;
pub mod mesh;
pub mod pem;
pub mod server;
pub mod sni;
pub mod standing;
pub mod transport;
mod verifier;

use std::sync::Arc;

/// The one crypto provider.
pub(crate) fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
