//! `auth:`: ways for clients outside to say who they are. So far: client certificates.

use crate::identity::principal::Principal;
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

impl CertificateRule {
    /// The user of a certificate with this common name; `None` when it takes no such certificate, or the name is none
    /// that a user can have.
    pub fn principal(&self, common_name: &str) -> Option<Principal> {
        let taken = self.subjects.iter().any(|subject| fits(subject, common_name));
        let (roles, scopes) = (self.roles.clone(), self.scopes.clone());
        let principal = Principal { user: common_name.into(), roles, scopes };
        (taken && principal.is_sound()).then_some(principal)
    }
}

/// `alice`, or `*.devices.shop.example` for one more label.
fn fits(subject: &str, name: &str) -> bool {
    let subject = subject.strip_prefix("CN=").unwrap_or(subject);
    match subject.strip_prefix("*.") {
        Some(parent) => name.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == parent),
        None => subject == name,
    }
}
