//! Whether somebody may use a route at the edge, once it is known who it is. Pure.

use super::admit::Known;
use super::arrive::Arrived;
use super::reject::Rejection;
use crate::admission::allow::Asked;
use crate::config::Config;
use crate::config::route::{PathPattern, Segment};
use http::HeaderMap;
use std::borrow::Cow;

/// Refuses whom the route wants to know and does not, and whom its `allow:` does not fit in every reading of the path.
pub fn permit(
    config: &Config,
    known: &Known,
    arrived: &Arrived,
    headers: &HeaderMap,
) -> Result<(), Rejection> {
    let route = config.routes.get(arrived.route).ok_or(Rejection::NoRoute)?;
    if known.caller.is_none() && !route.auth.anonymous {
        return Err(Rejection::NotAuthenticated);
    }
    let Some(rule) = &route.allow else { return Ok(()) };
    let holds = |path: &str| {
        let param = |name: &str| param(&route.path, path, name);
        rule.holds(&Asked { caller: known.caller.as_deref(), headers, param: &param })
    };
    match &known.caller {
        _ if arrived.paths().all(holds) => Ok(()),
        Some(_) => Err(Rejection::NotAllowed),
        // Who says who it is may be allowed more.
        None => Err(Rejection::NotAuthenticated),
    }
}

/// What `{name}` caught of a path that the pattern matches.
pub fn param<'p>(pattern: &PathPattern, path: &'p str, name: &str) -> Option<Cow<'p, str>> {
    let PathPattern::Template(segments) = pattern else { return None };
    let is_it = |segment: &Segment| matches!(segment, Segment::Param(Some(known)) if **known == *name);
    let at = segments.iter().position(is_it)?;
    path.split('/').skip(1).nth(at).map(Cow::Borrowed)
}
