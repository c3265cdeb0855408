//! TLS between members of the mesh: 1.3 only, both sides show a SPIFFE certificate, nothing is resumed.

use rustls::ServerConfig;
use std::sync::Arc;

/// TLS of one membership.
#[derive(Clone)]
pub struct MeshTls {
    /// For connections that come.
    pub server: Arc<ServerConfig>,
}

impl std::fmt::Debug for MeshTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MeshTls").finish_non_exhaustive()
    }
}
