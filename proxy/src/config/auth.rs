//! `auth:`: ways for clients outside to say who they are. So far: client certificates.

use std::sync::Arc;

/// One way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// What routes call it.
    pub name: Arc<str>,
    /// The certificates it takes.
    pub certificate: CertificateRule,
}

/// Client certificates that name a user. They were verified against the listener's `client_ca`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRule {
    /// Common names it takes; at least one. `CN=alice` or `CN=*.devices.shop.example` (`*` = one label).
    pub subjects: Vec<Box<str>>,
    /// Roles its users have.
    pub roles: Vec<Box<str>>,
    /// Scopes its users have.
    pub scopes: Vec<Box<str>>,
}
