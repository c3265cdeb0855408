//! From a request that may go on to what is sent: service, path, headers. Pure.

use super::admit::{Admitted, Known, Origin, Rules, Way};
use super::arrive::Arrived;
use super::forwarded;
use super::reject::Rejection;
use crate::config::auth::Scheme;
use crate::config::listener::Role;
use crate::config::route::{Route, Sticky};
use crate::config::service::Balance;
use crate::config::{Config, ServiceId};
use crate::identity::principal::Principal;
use crate::identity::projection;
use crate::route::split;
use crate::transform;
use http::header::{self, HeaderName};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TXN_TOKEN: HeaderName = HeaderName::from_static("txn-token");
const VIA: HeaderValue = HeaderValue::from_static("1.1 portcullis");

/// Decides what is sent. Afterwards `head.headers` are those to send, Host and framing aside.
pub fn depart(
    rules: Rules<'_>,
    origin: &Origin<'_>,
    (known, arrived): (&Known, Arrived),
    head: &mut Parts,
) -> Result<Admitted, Rejection> {
    let route = rules.config.routes.get(arrived.route).ok_or(Rejection::NoRoute)?;
    refuse_long_body(route, &head.headers)?;
    let way = way((rules, route), origin, (known, &arrived), &head.headers)?;
    forget_credentials(rules.config, route, &mut head.headers);
    transform::headers::apply(&route.headers.request, &mut head.headers);
    let user = known.caller.as_ref().map(|caller| &caller.principal).or(origin.principal);
    tell_who(rules, origin, user, way.service, &mut head.headers);
    let Arrived { host, said, .. } = arrived;
    // The application's calls say nothing of addresses: it is always at home.
    if matches!(origin.role, Role::Edge | Role::Inbound { .. }) {
        forwarded::write(&mut head.headers, said, origin.nearest_value, origin.scheme, host.clone());
    }
    head.headers.insert(X_REQUEST_ID, known.request_id.clone());
    known.trace.write(&mut head.headers, rules.config.observe.b3);
    head.headers.append(header::VIA, VIA);
    Ok(Admitted { way, host })
}

fn way(
    (rules, route): (Rules<'_>, &Route),
    origin: &Origin<'_>,
    (known, arrived): (&Known, &Arrived),
    headers: &HeaderMap,
) -> Result<Way, Rejection> {
    let service = split::pick(&route.target.split, point(route, origin, known, headers));
    let service = service.ok_or(Rejection::NoEndpoint)?;
    let place = rules.config.services.get(service.0).and_then(|service| match &service.balance {
        Balance::Hash(sticky) => Some(split::point_for(&key(sticky, known, headers)?, &service.name)),
        _ => None,
    });
    let (path, query) = (arrived.path(), arrived.came.query());
    let target = match &route.rewrite {
        None if arrived.is_unchanged() => arrived.came.clone(),
        None => target(path, query)?,
        Some(template) => target(&transform::rewrite::rewrite(template, &route.path, path), query)?,
    };
    let is_inbound = matches!(origin.role, Role::Inbound { .. });
    Ok(Way { route: arrived.route, service, target, place, path: is_inbound.then(|| path.into()) })
}

fn target(path: &str, query: Option<&str>) -> Result<PathAndQuery, Rejection> {
    let whole = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    PathAndQuery::try_from(whole).map_err(|_never| Rejection::Internal)
}

/// Which side of a split: the same for the same caller when the route is sticky.
fn point(route: &Route, origin: &Origin<'_>, known: &Known, headers: &HeaderMap) -> u64 {
    if route.target.split.len() < 2 {
        return 0;
    }
    let key = route.target.sticky.as_ref().and_then(|sticky| key(sticky, known, headers));
    key.map_or(origin.random, |key| split::point_for(&key, &route.name))
}

/// What a caller is known by.
fn key(sticky: &Sticky, known: &Known, headers: &HeaderMap) -> Option<Vec<u8>> {
    match sticky {
        Sticky::Ip => Some(known.client.ip().to_string().into_bytes()),
        Sticky::User => known.caller.as_ref().map(|caller| caller.principal.user.as_bytes().to_vec()),
        Sticky::Header(name) => headers.get(name).map(|value| value.as_bytes().to_vec()),
        Sticky::Cookie(name) => cookie(headers, name),
    }
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<Vec<u8>> {
    let value = headers.get(header::COOKIE)?.to_str().ok()?;
    let pairs = value.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_bytes().to_vec())
}

fn refuse_long_body(route: &Route, headers: &HeaderMap) -> Result<(), Rejection> {
    let length =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let too_long = length.zip(route.max_body).is_some_and(|(length, most)| length > most);
    if too_long { Err(Rejection::BodyTooLarge) } else { Ok(()) }
}

/// What a client has shown to us is not for services: whoever reads their logs could use it.
fn forget_credentials(config: &Config, route: &Route, headers: &mut HeaderMap) {
    if !route.passes_authorization {
        headers.remove(header::AUTHORIZATION);
    }
    // On every route: who always sends its key must not hand it to services that have nothing to do with it.
    for provider in &config.auth {
        if let Scheme::ApiKey(rule) = &provider.scheme {
            headers.remove(&rule.header);
        }
    }
}

/// What the last hop is told about peer and user. Between proxies headers are no evidence, so nothing is written there.
fn tell_who(
    rules: Rules<'_>,
    origin: &Origin<'_>,
    user: Option<&Principal>,
    service: ServiceId,
    headers: &mut HeaderMap,
) {
    let to_app = matches!(origin.role, Role::Inbound { .. });
    let declared = rules.config.services.get(service.0).is_some_and(|service| service.plain_identity);
    // Elsewhere too: what is configured to speak of users is protected like the names that always are.
    let told = user.filter(|_| to_app || declared);
    projection::write(headers, told, rules.config.user_headers());
    if !to_app {
        return;
    }
    if let Some(element) = origin.client_cert {
        headers.insert(projection::FORWARDED_CLIENT_CERT, element.clone());
    }
    if let (Some(passport), Some(_)) = (origin.passport, user) {
        headers.insert(TXN_TOKEN, passport.clone());
    }
}
