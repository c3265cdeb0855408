//! Where a request came from, as decisions see it.

use super::admit::Origin;
use super::evidence::Evidence;
use super::reject::Rejection;
use crate::config::Config;
use crate::config::listener::Role;
use crate::identity::projection;
use crate::listener::connection::Connection;
use crate::mesh::Membership;
use http::HeaderValue;

/// What the application is told about the peer: the same for all requests of a connection.
fn client_cert<'a>(connection: &'a Connection, membership: &Membership) -> Option<&'a HeaderValue> {
    let peer = connection.tls.as_ref()?.peer.as_deref()?;
    let own = &membership.own.svid.id;
    Some(connection.client_cert.get_or_init(|| projection::client_cert(own, &peer.svid.id, &peer.leaf)))
}

/// The origin of a request, as the configuration has it now.
pub(super) fn asked_by<'a>(
    connection: &'a Connection,
    config: &Config,
    (membership, evidence): (Option<&Membership>, Option<&'a Evidence>),
) -> Result<Origin<'a>, Rejection> {
    Ok(Origin {
        role: connection.role_in(config).ok_or(Rejection::NoRoute)?,
        client_cert: membership.and_then(|membership| client_cert(connection, membership)),
        principal: evidence.map(Evidence::principal),
        passport: evidence.and_then(Evidence::carried).map(|carried| &carried.passport),
        ..origin(connection)
    })
}

pub(super) fn origin(connection: &Connection) -> Origin<'_> {
    Origin {
        nearest: connection.client,
        nearest_value: &connection.client_value,
        trusted: connection.nearest_is_trusted,
        names_requests: connection.nearest_is_trusted || connection.role != Role::Edge,
        role: connection.role,
        peer: connection.peer_id(),
        client_cert: None,
        principal: None,
        passport: None,
        scheme: connection.scheme(),
        tls: connection.tls.as_ref(),
        redirect_https: connection.redirect_https,
        random: fastrand::u64(..),
    }
}
