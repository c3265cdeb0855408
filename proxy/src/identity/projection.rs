//! What the application is told about its user and its caller: written on the last, loopback hop only. Pure.
//!
//! Always deleted first, then set: what stands there afterwards is what was proved, and nothing else.

use super::principal::Principal;
use crate::config::mesh::Claim;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};
use portcullis_ca::names::{Fingerprint, to_hex};
use portcullis_ca::spiffe::SpiffeId;

/// Says who called, in the form Envoy made usual.
pub const FORWARDED_CLIENT_CERT: HeaderName = HeaderName::from_static("x-forwarded-client-cert");

/// Writes the user under `names`; without a user, deletes whatever stands there.
pub fn write(headers: &mut HeaderMap, principal: Option<&Principal>, names: &[(HeaderName, Claim)]) {
    for (name, claim) in names {
        headers.remove(name);
        let Some(principal) = principal else { continue };
        let text = match claim {
            Claim::User => principal.user.to_string(),
            Claim::Roles => principal.roles.join(","),
            Claim::Scopes => principal.scopes.join(" "),
        };
        // An empty list is told by an absent header: some applications take an empty one for a value.
        if let Some(value) = HeaderValue::try_from(text).ok().filter(|value| !value.is_empty()) {
            headers.insert(name, value);
        }
    }
}

/// The one element of `X-Forwarded-Client-Cert`. `leaf`: SHA-256 of the peer's certificate.
pub fn client_cert(by: &SpiffeId, peer: &SpiffeId, leaf: &Fingerprint) -> HeaderValue {
    let element = format!("By={by};Hash={};URI={peer}", to_hex(leaf.as_bytes()));
    // SPIFFE IDs are ASCII without control characters.
    HeaderValue::try_from(element).unwrap_or_else(|_never| HeaderValue::from_static(""))
}

/// Reads a user from plain headers, of a peer that may introduce users. `None`: there is none, or none that is sound.
pub fn read_plain(headers: &HeaderMap, names: &[(HeaderName, Claim)]) -> Option<Principal> {
    let mut principal = Principal { user: Box::default(), roles: Vec::new(), scopes: Vec::new() };
    for (name, claim) in names {
        let mut values = headers.get_all(name).iter();
        let (value, second) = (values.next(), values.next());
        if second.is_some() {
            return None;
        }
        let Some(text) = value.map(|value| value.to_str()).transpose().ok()? else { continue };
        let list = |separator: char| {
            text.split(separator).map(str::trim).filter(|one| !one.is_empty()).map(Box::from).collect()
        };
        match claim {
            Claim::User => principal.user = text.into(),
            Claim::Roles => principal.roles = list(','),
            Claim::Scopes => principal.scopes = list(' '),
        }
    }
    principal.is_sound().then_some(principal)
}

#[cfg(test)]
#[path = "projection_tests.rs"]
mod tests;
